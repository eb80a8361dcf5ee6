"""Fuzz campaigns: AFL++ over the targets of fuzz/, in the background, resumable, and what came of it.

    targets    what there is to fuzz, and with what it begins
    state      one campaign's folder and record
    instances  how afl-fuzz is started: kinds of instances, what the machine lacks
    supervisor the process in the background that gives targets their turns
    stats      what the instances' own files say
    rules      which rules of the spec an input touches, by the reference codec
    edges      how much of the generated parsers the corpora reach
    dashboard  the table
    triage     crashes and hangs, grouped by bug
    minimise   smaller corpora and inputs
    report     one page of HTML
    share      to a file, from a file, to another machine
"""
