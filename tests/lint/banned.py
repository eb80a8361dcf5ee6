"""Words that have no place here, each with what to write in its stead.

    banned.py          offences as path:line: sentence; exit 1 if there are any
    banned.py --notes  also what is merely worth a look: very long files
"""

import re
import sys

import tree

COLUMNS = 120
# C as clang-format has it; a template is as wide as it must; a statement of a spec is one line
COLUMNS_OF = {".c": 100, ".h": 100, ".j2": None, ".spec": 140}
LONG_FILE = 700
CODE_SUFFIXES = {".c", ".h", ".py", ".sh", ".j2", ".spec", ".in"}
INPUTS = ("fuzz/corpus/", "tests/regress/")          # octets of fuzz targets, whatever they look like
PROSE_SUFFIXES = CODE_SUFFIXES | {".md", ".txt", ".json", ".yml", ""}

# Calls and words of C: pattern, what to write, where it is banned, where it is allowed all the same
# (prefixes of the path; "" is everywhere).
BANNED_IN_C = [
    (r"\b(strcpy|stpcpy|strcat)\s*\(", "memcpy with a length that was checked", [""], []),
    (r"\bstrn(cpy|cat)\s*\(", "memcpy with a length that was checked", [""], []),
    (r"\bv?sprintf\s*\(", "snprintf, and look at its result", [""], []),
    (r"\bgets\s*\(", "fgets or getline", [""], []),
    (r"\balloca\s*\(", "an array with a constant bound, or a slab", [""], []),
    (r"\bstrtok\s*\(", "strcspn over the borrowed bytes; strtok keeps hidden state", [""], []),
    (r"\b(s?rand|s?random|drand48)\s*\(", "a generator with a printed seed", [""], []),
    (r"\bato(i|l|ll|f)\s*\(", "strtol and friends with every error looked at", [""], []),
    (r"\b(gethostbyname|inet_ntoa|inet_addr)\s*\(", "getaddrinfo, inet_ntop, inet_pton", [""], []),
    (r"\b(system|popen)\s*\(", "posix_spawn with an argument list", [""], []),
    (r"\b(mktemp|tmpnam)\s*\(", "mkstemp", [""], []),
    (r"\b(gmtime|localtime|ctime|asctime|strerror)\s*\(", "the _r form", ["src/"], []),
    (r"\b(setjmp|longjmp)\s*\(", "an enum mcq_err on the way up", ["src/"], []),
    (r"\bassert\s*\(", "mcq_assert for our own bugs, enum mcq_err for all else", ["src/"], []),
    (r"\bvolatile\b", "an atomic with its memory order named", ["src/"], ["src/base/"]),
    (r"\b(abort|_?exit|quick_exit)\s*\(", "an enum mcq_err: nothing ends the process",
     ["src/"], ["src/base/", "src/tool/"]),
    (r"(?<![\w.>])([cm]alloc|realloc(array)?|aligned_alloc|posix_memalign|strn?dup|free)"
     r"\s*\(", "a call of the arena, which has a bound and a ledger",
     ["src/"], ["src/base/", "src/arena/", "src/compat/", "src/tool/"]),
    (r"(?<![\w.>])(v?f?printf|f?puts|putchar|perror)\s*\(", "an event or a sentence for the caller",
     ["src/"], ["src/base/", "src/tool/"]),
    (r"\b(randombytes\w*|crypto_\w*_(keypair|keygen)|sodium_misuse)\s*\(",
     "mcq_random: libsodium ends the process where there is no randomness", ["src/"], []),
    (r"\b(IOSQE_IO_(HARD)?LINK|IOSQE_BUFFER_SELECT|IORING_RECVSEND_BUNDLE|IOU_PBUF_RING_INC)\b",
     "operations that stand alone, with buffers of their own (docs/adr/0005-reactor.md, 0022-no-multishot.md)",
     ["src/"], []),
    (r"\btypedef\s+(struct|union|enum)\b", "the plain type; no typedef hides what a thing is",
     ["src/", "include/"], ["src/compat/", "include/compat/zmq.h"]),
]

# Words of any file. The brackets keep the table from naming itself.
BANNED_ANYWHERE = [
    (r"\b(TO[D]O|FIX[M]E|X[X]X)\b(?!\(#\d+\))", "the mark with its issue: (#12)"),
    (r"(?<![\w.])/(wor[k]|roo[t]|hom[e])/\w", "a path relative to the root of the project"),
    (r"\.\./share[d]\b", "the fact itself: the project stands alone"),
    (r"\b(deb|snapshot|security|archive)[.]debia[n][.]org\b", "the name of the package alone"),
    (r"(?i)(\bco-authore[d]-by|@autho[r]\b|\bautho[r]:|languag[e] model|\ba[i]-generated)",
     "nothing: who wrote a line is not part of it"),
]


def banned_in(path):
    """The rows of BANNED_IN_C that hold for this path."""
    def under(folders):
        return any(str(path).startswith(folder) for folder in folders)
    return [(re.compile(pattern), instead) for pattern, instead, banned, allowed in BANNED_IN_C
            if under(banned) and not under(allowed)]


def check_c(path, text):
    code = tree.code_only(text)
    for pattern, instead in banned_in(path):
        for found in pattern.finditer(code):
            yield code.count("\n", 0, found.start()) + 1, f"'{found[0]}' is banned: write {instead}"


def check_text(path, text):
    is_code = path.suffix in CODE_SUFFIXES or path.name in ("dev", "run", "CMakeLists.txt")
    columns = None if path.parent.name == "bad" else COLUMNS_OF.get(path.suffix, COLUMNS)  # refused specs may be long
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in BANNED_ANYWHERE:
            if found := re.search(pattern, line):
                yield number, f"'{found[0]}' is banned: write {instead}"
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if is_code and "\t" in line:
            yield number, "a tab: indent with spaces"
        if is_code and columns and len(line) > columns:
            yield number, f"{len(line)} columns, at most {columns}"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end of the file"


def is_input(path):
    """Octets for a fuzz target, whatever they look like."""
    return str(path).startswith(("fuzz/corpus/", "tests/regress/"))


def check(root):
    """Every offence below root as 'path:line: sentence'."""
    for path in tree.files(root):
        if path.suffix not in PROSE_SUFFIXES or is_input(path):
            continue
        text = tree.read(root / path)
        offences = list(check_text(path, text))
        if path.suffix in (".c", ".h"):
            offences += check_c(path, text)
        for line, sentence in sorted(offences):
            yield f"{path}:{line}: {sentence}"


def notes(root):
    for path in tree.files(root):
        if path.suffix in CODE_SUFFIXES or path.name == "dev":
            lines = tree.read(root / path).count("\n")
            if lines > LONG_FILE:
                yield f"note: {path}: {lines} lines; is it one story?"


if __name__ == "__main__":
    if "--notes" in sys.argv:
        tree.report(notes(tree.ROOT))
    sys.exit(tree.report(check(tree.ROOT)))
