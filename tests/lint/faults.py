"""Every behaviour of docs/reference/faults.md has the tests that its row names, or says why not.

    faults.py          offences as path: sentence; exit 1 if there are any
    faults.py --write  fills in all tests that are named after their row, fault_ID__...; others stay as they are

A row is "| ID | what must hold | tests |"; one that is not met says "not yet: why" in the place of tests, until there
is a test of its name. A test that its row does not list yet is no offence: --write comes to it.
"""

import re
import sys

import tree

PAGE = "docs/reference/faults.md"
ROW = re.compile(r"^\| (?P<id>[a-h]\d+|defect) \| (?P<what>[^|]*) \| (?P<tests>[^|]*) \|$")
NAME = re.compile(r"\bfault_([a-h]\d+)__[a-z0-9_]+")
DEFINED = re.compile(r"(?:\bvoid |\bdef |\{\")([a-z]\w*)|\b(fault_[a-h]\d+__\w+|defect_\w+)")
IDS = {"a": 16, "b": 22, "c": 18, "d": 14, "e": 7, "f": 22, "g": 16, "h": 9}


def tests(root):
    """Names of all tests, and of those with an id by their id."""
    names, of_id = set(), {}
    for path in tree.files(root):
        if path.parts[0] != "tests" or path.parts[1] == "lint" or path.suffix not in (".c", ".h", ".py"):
            continue
        text = tree.read(root / path)
        defined = {one or other for one, other in DEFINED.findall(text)}
        names.update(name for name in defined if "__" in name or name.startswith("test_"))
        for found in NAME.finditer(text):
            if not found[0].endswith("_"):
                of_id.setdefault(found[1], set()).add(found[0])
    return names, of_id


def check(root):
    names, of_id = tests(root)
    seen = []
    for number, line in enumerate(tree.read(root / PAGE).splitlines(), 1):
        row = ROW.match(line)
        if not row:
            continue
        ident, listed = row["id"], re.findall(r"`([^`]+)`", row["tests"])
        where = f"{PAGE}:{number}"
        if ident != "defect":
            seen.append(ident)
        is_open = row["tests"].startswith("not yet: ")
        if not is_open and not listed:
            yield f"{where}: {ident} has no test: name one, or say 'not yet: why'"
        for name in listed:
            if name not in names and not is_open:
                yield f"{where}: there is no test {name}"
    wanted = [f"{letter}{n}" for letter, count in IDS.items() for n in range(1, count + 1)]
    for ident in wanted:
        if seen.count(ident) != 1:
            yield f"{PAGE}: {ident} has {seen.count(ident)} rows"
    for ident in sorted(set(of_id) - set(wanted)):
        yield f"{PAGE}: {min(of_id[ident])} is named after a row that is not there"


def fill(root):
    """The page with all tests in it that are named after a row; those that are gone fall."""
    _, of_id = tests(root)
    lines = []
    for line in tree.read(root / PAGE).splitlines():
        row = ROW.match(line)
        is_open = row and row["tests"].startswith("not yet: ") and row["id"] not in of_id
        if row and row["id"] != "defect" and not is_open:
            others = [name for name in re.findall(r"`([^`]+)`", row["tests"])
                      if not NAME.match(name) or NAME.match(name)[1] != row["id"]]
            listed = "<br>".join(f"`{name}`" for name in sorted(of_id.get(row["id"], ())) + others)
            line = f"| {row['id']} | {row['what']} | {listed} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        (tree.ROOT / PAGE).write_text(fill(tree.ROOT), encoding="utf-8")
    sys.exit(tree.report(check(tree.ROOT)))
