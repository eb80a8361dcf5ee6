"""What the generated tests reach of the generated C, by gcov: ./dev coverage.

Lines and branches are summed over every object that holds them, as inline functions of a header live in many. A
branch that no test takes is fine where docs/explanation/coverage.md says why; a line of a parser never is."""

import argparse
import fnmatch
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FOLDERS = ("wire", "security", "table")
PARSERS = "wire/*.c"


def gcov(build):
    """gcov's report on each object that has run."""
    notes = sorted(str(path.resolve()) for path in build.rglob("*.gcda"))
    if not notes:
        sys.exit(f"coverage: nothing has run in {build}")
    out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes], cwd=build,
                         capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines() if line]


def measure(reports, generated):
    """File -> (line -> count, line -> counts of its branches), for the generated files."""
    files = defaultdict(lambda: (defaultdict(int), {}))
    for report in reports:
        for part in report["files"]:
            path = Path(report["current_working_directory"], part["file"])
            if not path.is_relative_to(generated) or path.relative_to(generated).parts[0] not in FOLDERS:
                continue
            lines, branches = files[str(path.relative_to(generated))]
            for line in part["lines"]:
                number, taken = line["line_number"], [branch["count"] for branch in line["branches"]]
                lines[number] += line["count"]
                before = branches.get(number, [0] * len(taken))
                # An inline function that one object has folded has fewer branches there: the fullest form counts.
                if len(taken) == len(before):
                    branches[number] = [a + b for a, b in zip(before, taken)]
                elif len(taken) > len(before):
                    branches[number] = taken
    return files


def explained(page):
    """The patterns of the page: list items that open with `FILE: TEXT`, where * stands for anything."""
    found = re.findall(r"^- `([\w/.*]+): (.+?)`", page.read_text(), re.M)
    return [(file, re.compile(".*".join(map(re.escape, text.split("*"))))) for file, text in found]


def untaken(files, generated):
    """(file, line, text, untaken, of how many) of each line with a branch that was not taken."""
    for name, (lines, branches) in sorted(files.items()):
        text = (generated / name).read_text().splitlines()
        for number, taken in sorted(branches.items()):
            if 0 in taken:
                yield name, number, text[number - 1].strip(), taken.count(0), len(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--page", type=Path, default=Path("docs/explanation/coverage.md"))
    parser.add_argument("--all", action="store_true", help="print the explained branches too")
    arguments = parser.parse_args()
    generated = (arguments.build / "generated").resolve()
    files, known = measure(gcov(arguments.build), generated), explained(arguments.page)

    print(f"{'file':<24}{'lines':>14}{'':>8}{'branches':>14}")
    missed = []
    for name, (lines, branches) in sorted(files.items()):
        text = (generated / name).read_text().splitlines()
        missed += [(name, number, text[number - 1].strip()) for number, count in sorted(lines.items()) if not count]
        hit, ways = sum(map(bool, lines.values())), [count for taken in branches.values() for count in taken]
        print(f"{name:<24}{hit:>8}/{len(lines):<5}{100 * hit / len(lines):>7.1f}%"
              f"{sum(map(bool, ways)):>8}/{len(ways):<5}{100 * sum(map(bool, ways)) / (len(ways) or 1):>6.1f}%")
    for name, number, text in missed:
        print(f"line {name}:{number}: {text}")
    used, odd = set(), 0
    for name, number, text, zeros, ways in untaken(files, generated):
        reasons = {i for i, (file, said) in enumerate(known) if fnmatch.fnmatch(name, file) and said.fullmatch(text)}
        used |= reasons
        odd += not reasons
        if arguments.all or not reasons:
            print(f"branch {name}:{number}: {zeros} of {ways} not taken{', explained' if reasons else ''}: {text}")
    stale = [f"{file}: {said.pattern}" for i, (file, said) in enumerate(known) if i not in used]
    for said in stale:
        print(f"explained, but taken by now: {said}")
    in_parsers = sum(fnmatch.fnmatch(name, PARSERS) for name, _, _ in missed)
    print(f"{in_parsers} lines of parsers not reached, {len(missed) - in_parsers} others; "
          f"{odd} branches without a reason, {len(stale)} reasons without a branch")
    return bool(in_parsers or odd or stale)


if __name__ == "__main__":
    sys.exit(main())
