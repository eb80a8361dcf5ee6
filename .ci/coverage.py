"""What the generated tests reach of the generated C, by gcov: ./dev coverage.

Lines and branches are summed over every object that holds them, as inline functions of a header live in many. Every
line must be reached; a branch that nothing takes is fine where docs/explanation/coverage.md says why."""

import argparse
import fnmatch
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("wire", "security", "table")


def gcov(build):
    """gcov's report on each object of generated C, whether it has run or not."""
    notes = sorted(str(path.resolve()) for path in build.rglob("generated/**/*.gcno"))
    if not any(build.rglob("generated/**/*.gcda")):
        sys.exit(f"coverage: nothing has run in {build}")
    run = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes], cwd=build,
                         capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"coverage: {run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines() if line]


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


@dataclass
class Reason:
    """An item of the page: `- `FILE: TEXT` (COUNT): why`, where * in FILE and TEXT stands for anything."""
    file: str
    text: str
    count: int      # -1: as many as there are
    met: int = 0

    def covers(self, file, text):
        pattern = ".*".join(map(re.escape, self.text.split("*")))
        return fnmatch.fnmatch(file, self.file) and re.fullmatch(pattern, text)


def explained(page):
    found = re.findall(r"^- `([\w/.*]+): (.+?)`(?: \((\d+)\))?", page.read_text(), re.M)
    return [Reason(file, text, int(count or -1)) for file, text, count in found]


def gaps(files, generated):
    """(kind, file, line, text, what) of each line that was not reached and each with a branch that was not taken."""
    for name, (lines, branches) in sorted(files.items()):
        text = (generated / name).read_text().splitlines()
        for number, count in sorted(lines.items()):
            taken = branches.get(number, [])
            if count == 0:
                yield "lines", name, number, text[number - 1].strip(), "not reached"
            elif 0 in taken:
                yield "branches", name, number, text[number - 1].strip(), f"{taken.count(0)} of {len(taken)} not taken"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--page", type=Path, default=Path("docs/explanation/coverage.md"))
    parser.add_argument("--all", action="store_true", help="print what the page explains, too")
    arguments = parser.parse_args()
    generated = (arguments.build / "generated").resolve()
    files, reasons = measure(gcov(arguments.build), generated), explained(arguments.page)

    print(f"{'file':<24}{'lines':>10}{'':>12}{'branches':>10}")
    for name, (lines, branches) in sorted(files.items()):
        ways = [count for taken in branches.values() for count in taken]
        cells = []
        for counts in (list(lines.values()), ways):
            reached = sum(map(bool, counts))
            cells.append(f"{reached:>6}/{len(counts):<6}{100 * reached / (len(counts) or 1):>6.1f}%")
        print(f"{name:<24}{cells[0]}   {cells[1]}")
    open_gaps = Counter()
    for kind, name, number, text, what in gaps(files, generated):
        reason = next((reason for reason in reasons if kind == "branches" and reason.covers(name, text)), None)
        if reason:
            reason.met += 1
        else:
            open_gaps[kind] += 1
        if arguments.all or not reason:
            print(f"{name}:{number}: {what}{', explained' if reason else ''}: {text}")
    stale = [reason for reason in reasons if reason.met == 0 or reason.count not in (-1, reason.met)]
    for reason in stale:
        said = max(reason.count, 1)
        print(f"{arguments.page}: {reason.file}: {reason.text}: explains {said}, there are {reason.met}")
    total = sum(len(lines) for lines, _ in files.values())
    print(f"{open_gaps['lines']} of {total} lines not reached; {open_gaps['branches']} lines with a branch that is "
          "neither taken nor explained")
    return bool(open_gaps or stale)


if __name__ == "__main__":
    sys.exit(main())
