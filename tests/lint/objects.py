"""The sans-IO promise, proved on what the compiler made of the sans-IO layers of docs/layers.txt.

    objects.py BUILD_DIRECTORY    of a preset without sanitizers, which add calls of their own

An object file names every function it may call and every variable it may change, whatever headers and macros were in
between: only the calls listed in docs/layers.txt, and no mutable variable.
"""

import fnmatch
import pathlib
import subprocess
import sys

import layers
import tree

# Const tables of pointers are relocated once, by the loader, and read-only from then on.
CONSTANT = (".rodata", ".data.rel.ro", ".eh_frame")


def symbols(objects):
    """(object, symbol, section) for every symbol; undefined ones have the section *UND*."""
    listing = subprocess.run(["nm", "-A", "-f", "sysv", *objects], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 7:
            path, _, name = columns[0].rpartition(":")
            yield path, name, columns[6]


def check_symbol(name, section, calls):
    if section == "*UND*" and not any(fnmatch.fnmatch(name, pattern) for pattern in calls):
        return f"calls {name}(), which is not among the calls of docs/layers.txt"
    if section.startswith((".data", ".bss", ".tbss", ".tdata", "*COM*")) and not section.startswith(CONSTANT):
        return f"{name} is a mutable variable; its owner should hold it"
    return None


def check(build, table):
    """Every offence as 'object: sentence'."""
    rules = layers.Layers(table)
    folder = build / "src/CMakeFiles/monocoque_objects.dir"
    objects = [path for path in sorted(folder.rglob("*.o")) if path.parent.name in rules.sans_io]
    for path, name, section in symbols(objects) if objects else []:
        if sentence := check_symbol(name, section, rules.calls):
            yield f"{pathlib.Path(path).relative_to(folder)}: {sentence}"


if __name__ == "__main__":
    sys.exit(tree.report(check(pathlib.Path(sys.argv[1]), tree.read(tree.ROOT / "docs/layers.txt"))))
