"""Templates -> text of every artefact. No clock, no host, no absolute path; the same spec gives the same octets."""

import re
from pathlib import Path

import jinja2

from gen import (VERSION, cases, codec, detect, dissect, export, lower, promela, ragel, security, seeds, tables, vocab,
                 words)
from gen.model import ZAP

# Ragel's -G2 code falls through by design; nothing else is silenced.
EXEC = """\
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
        %% write exec;
#pragma GCC diagnostic pop"""

# Artefact -> (template, spec files it comes from). What ends in .c with a .rl template goes through Ragel.
BUILD = {
    "wire/ids.h": ("wire/ids.h.j2", "spec/"),
    "wire/ids.c": ("wire/ids.c.j2", "spec/"),
    "wire/charset.h": ("wire/charset.h.j2", "spec/zmtp.spec"),
    "wire/greeting.h": ("wire/greeting.h.j2", "spec/greeting.spec"),
    "wire/greeting.c": ("wire/greeting.rl.j2", "spec/greeting.spec"),
    "wire/frame.h": ("wire/frame.h.j2", "spec/frame.spec"),
    "wire/frame.c": ("wire/frame.rl.j2", "spec/frame.spec"),
    "wire/command.h": ("wire/command.h.j2", "spec/command.spec"),
    "wire/command.c": ("wire/command.rl.j2", "spec/command.spec"),
    "wire/metadata.h": ("wire/metadata.h.j2", "spec/command.spec"),
    "wire/metadata.c": ("wire/metadata.rl.j2", "spec/command.spec"),
    "wire/encode.h": ("wire/encode.h.j2", "spec/greeting.spec, frame.spec, command.spec"),
    "wire/zap.h": ("wire/zap.h.j2", "spec/zap.spec"),
    "wire/zap.c": ("wire/zap.c.j2", "spec/zap.spec"),
    "wire/z85.h": ("wire/z85.h.j2", "spec/z85.spec"),
    "wire/z85.c": ("wire/z85.c.j2", "spec/z85.spec"),
    "table/socket_type.h": ("table/socket_type.h.j2", "spec/socket.spec"),
    "table/socket_type.c": ("table/socket_type.c.j2", "spec/socket.spec"),
    "table/option.h": ("table/option.h.j2", "spec/option.spec"),
    "table/option.c": ("table/option.c.j2", "spec/option.spec"),
    "security/steps.h": ("security/steps.h.j2", "spec/null.spec, plain.spec, curve.spec"),
    "security/steps.c": ("security/steps.c.j2", "spec/null.spec, plain.spec, curve.spec"),
    "security/boxes.h": ("security/boxes.h.j2", "spec/"),
    "security/boxes.c": ("security/boxes.c.j2", "spec/"),
    "python/zmtp_codec.py": ("python/zmtp_codec.py.j2", "spec/"),
    "fuzz/zmtp.dict": ("fuzz/zmtp.dict.j2", "spec/"),
    "fuzz/seeds.txt": ("fuzz/seeds.txt.j2", "spec/"),
    "fuzz/grammar.h": ("fuzz/grammar.h.j2", "spec/"),
    "tests/codec.h": ("tests/codec.h.j2", "spec/"),
    "zmtp.json": ("json/zmtp.json.j2", "spec/"),
    "zmtp.lua": ("dissector/zmtp.lua.j2", "spec/"),
    "tests/cases.h": ("tests/cases.h.j2", "spec/"),
    "tests/test_ids.c": ("tests/test_ids.c.j2", "spec/"),
    "tests/test_greeting.c": ("tests/test_greeting.c.j2", "spec/greeting.spec"),
    "tests/test_frame.c": ("tests/test_frame.c.j2", "spec/frame.spec"),
    "tests/test_command.c": ("tests/test_command.c.j2", "spec/command.spec"),
    "tests/test_metadata.c": ("tests/test_metadata.c.j2", "spec/command.spec"),
    "tests/test_zap.c": ("tests/test_zap.c.j2", "spec/zap.spec"),
    "tests/test_z85.c": ("tests/test_z85.c.j2", "spec/z85.spec"),
    "tests/test_option.c": ("tests/test_option.c.j2", "spec/option.spec"),
    "tests/test_socket_type.c": ("tests/test_socket_type.c.j2", "spec/socket.spec"),
    "tests/test_boxes.c": ("tests/test_boxes.c.j2", "spec/"),
    "tests/test_steps.c": ("tests/test_steps.c.j2", "spec/null.spec, plain.spec, curve.spec"),
}

# Committed; `gen --write` refreshes them, `gen --check` compares.
COMMITTED = {
    "docs/reference/zmtp.md": ("docs/zmtp.md.j2", "spec/"),
    **{f"docs/reference/{page}.md": (f"docs/{page}.md.j2", "spec/")
       for page in ("greeting", "frames", "commands", "security")},
    "docs/reference/zmtp.schema.json": ("json/zmtp.schema.json.j2", "gen/model.py"),
    "docs/reference/options.md": ("docs/options.md.j2", "spec/option.spec"),
    "docs/reference/sockets.md": ("docs/sockets.md.j2", "spec/socket.spec"),
    "docs/reference/zap.md": ("docs/zap.md.j2", "spec/zap.spec, z85.spec"),
    "docs/reference/notation.md": ("docs/notation.md.j2", "gen/vocab.py"),
    "docs/reference/spec.vim": ("editor/spec.vim.j2", "gen/vocab.py"),
    "docs/reference/spec.tmLanguage.json": ("editor/spec.tmLanguage.json.j2", "gen/vocab.py"),
    "tests/vectors/known.json": ("tests/known.json.j2", "spec/"),
}


def build(protocol):
    """BUILD, and what there is one of for each mechanism."""
    return {**BUILD, **promela.rows(protocol)}


def banner(name, sources):
    """The head of a generated file; a date, host or path has no place in it."""
    said = f"Generated from {sources} by gen {VERSION}."
    edit = "Do not edit: change the spec or the template, then run ./dev gen."
    if name.endswith((".py", ".dict", ".txt")):
        return f"# {said}\n# {edit}"
    if name.endswith((".lua", ".vim")):
        mark = {"lua": "--", "vim": '"'}[name[-3:]]
        return f"{mark} {said}\n{mark} {edit}"
    return f"<!-- {said} {edit} -->" if name.endswith(".md") else f"/* {said}\n * {edit} */"


class Renderer:
    def __init__(self, root, protocol):
        self.protocol = protocol
        loader = jinja2.FileSystemLoader(str(Path(root) / "templates"))
        self.env = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                      lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
        self.env.filters.update(quirk_bit=lower.quirk_bit, rule_enum=lower.rule_enum, c_name=lower.c_name,
                                octet_bits=lower.octet_bits, ragel_set=lower.ragel_set, all_states=lower.all_states,
                                c_octets=cases.c_octets, octet_words=words.octet_words,
                                lua=dissect.lua, code="`{}`".format, c_number=tables.c_number,
                                framing_enum=lower.framing_enum, zmtp_enum=lower.zmtp_enum,
                                octet_string=lambda octets: " ".join("0x%02x" % o for o in octets))
        self.context = self._context()

    def _context(self):
        p = self.protocol
        framings = [lower.Framing(layout) for layout in sorted(p.layouts.values(), key=lambda layout: layout.id)
                    if layout.form == "stream"]
        struct = p.structs["property"]
        elements = lower.elements(struct, p)
        commands = lower.commands(p)
        ready = p.commands["READY"]
        return {
            "protocol": p, "rules": lower.rules(p), "reasons": lower.reasons(p), "commands": commands,
            "profile_quirks": {name: lower.profile_quirks(p, name) for name in ("native", "compat")},
            "detection": detect.Detected(p, p.detects["greeting"]),
            "framings": framings, "frame_bits": framings[-1].flags.bits,
            "frame_cases": [(f.layout.id, cases.Cases(p).frames(f)) for f in framings],
            "span_max": max(len(c.spans) for c in commands),
            "number_max": max(len(c.elements) - len(c.spans) for c in commands),
            "struct": struct, "elements": elements,
            "element_quirks": {e.name: " | ".join(lower.quirk_bit(q) for q in e.field.quirks
                                                  if q == "property_name_any") or "0" for e in elements},
            "metadata_head": max(c.fixed_octets for c in commands if any(e.is_records for e in c.elements)),
            "keys": [key for field in ready.fields for key in field.keys], "command": ready,
            "sockets": sorted(p.sockets.values(), key=lambda s: s.code),
            "options": (options := tables.option_rows(p)), "option_names": tables.option_names(options),
            "exchange": tables.Exchange(p, "zap"), "alphabet": p.alphabets["Z85"],
            "export": export, "option_values": tables.option_values, "option_default": tables.option_default,
            "option_notes": tables.option_notes, "frame_words": tables.frame_words, "fault_words": tables.fault_words,
            "group_digits": tables.group_digits, "example_octets": tables.example_octets,
            "machines": list(p.machines.values()), "guards": lower.guards(p), "actions": lower.actions(p),
            "zap_signals": ZAP, "scopes": security.scopes(p), "command_enum": security.command_enum,
            "insides": security.insides(p), "key_enum": security.key_enum,
            "number_pattern": lambda e: lower.octet_pattern(e.field, p), "steps": lower.steps,
            "exec": EXEC, "cases": cases.Cases(p), "vocab": vocab,
            "model_tables": codec.tables(p),
            "parents": list(dict.fromkeys(parent for row in vocab.ROWS for parent in row.parents)),
            "accepted_words": words.accepted_words, "sent_words": words.sent_words, "fixed_fields": lower.fixed_fields,
            "element_words": words.element_words, "framing_words": words.framing_words,
            "signature": words.signature, "params": lambda c: [f"{e.c_type} {e.name}" for e in c.given],
            "field_words": words.field_words, "box_words": words.box_words,
            "branch_words": words.branch_words, "arrows": words.arrows, "cells": words.cells,
            "models": promela.Models(p),
            "seeds": seeds.Seeds(p), "entry": seeds.entry, "edges": seeds.edges, "frame_head": cases.frame_head,
            "dissect": dissect, "newest": framings[-1].name,
        }

    def _text(self, name, template, sources):
        text = self.env.get_template(template).render(self.context, banner=banner(name, sources),
                                                      stem=Path(name).stem)
        if template.endswith(".rl.j2"):
            text = ragel.compile_machine(Path(name).stem, text)
        text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
        gap = "\n\n\n" if name.endswith(".py") else "\n\n"
        return re.sub(r"\n{%d,}" % (len(gap) + 1), gap, text).rstrip("\n") + "\n"

    def render(self, table):
        """name -> text of every artefact of BUILD or COMMITTED, in the table's order."""
        return {name: self._text(name, *row) for name, row in table.items()}
