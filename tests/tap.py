"""Test results as TAP: written by Python tests, read back by ./dev check.

    tap.py run SCRIPT [ARGUMENT...]   runs a unittest module and prints TAP
    tap.py count FILE...              prints "N passed, N failed, N skipped"
    tap.py report FILE...             the same, after every failure and every reason for a skip

A FILE is one suite's record: TAP, the JUnit file of ctest (TAP inside), or any text that closes
with a count line.
"""

import importlib.util
import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree
from collections import defaultdict
from dataclasses import dataclass, field

# --- writing -------------------------------------------------------------------------------------


class TapResult(unittest.TestResult):
    """Prints one line per test as it ends; what explains a failure follows as comments."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.subtest_failed = False

    def startTest(self, test):
        super().startTest(test)
        self.subtest_failed = False

    def line(self, word, test, comment="", details=""):
        self.number += 1
        name = test.id().removeprefix("subject.")
        print(f"{word} {self.number} - {name}{comment}")
        for detail in details.rstrip().splitlines():
            print(f"# {detail}")
        sys.stdout.flush()

    def addSuccess(self, test):
        if not self.subtest_failed:
            self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test, details=self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line("not ok", test, details=self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.subtest_failed = True
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.line("not ok", subtest, details=kind[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, comment=f" # SKIP {reason}")

    def addExpectedFailure(self, test, err):
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line("not ok", test, details="it was expected to fail")


def run(script, arguments):
    path = pathlib.Path(script)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("subject", path)
    subject = importlib.util.module_from_spec(spec)
    sys.modules["subject"] = subject
    spec.loader.exec_module(subject)

    result = TapResult()
    unittest.defaultTestLoader.loadTestsFromModule(subject).run(result)
    print(f"1..{result.number}")
    return 0 if result.wasSuccessful() and result.number else 1


# --- reading -------------------------------------------------------------------------------------

RESULT = re.compile(r"(not )?ok\b *(\d+)? *-? *(.*)")
SKIP = re.compile(r" *# *skip\S* *(.*)", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d+)")
OUTCOMES = ("passed", "failed", "skipped")
STATUS = re.compile(r"exit status (\d+)")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error: ")
THE_REST = "the rest"
CLOSING = re.compile(r"(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")


@dataclass
class Case:
    name: str
    outcome: str  # one of OUTCOMES
    details: list = field(default_factory=list)


@dataclass
class Record:
    """What one suite did. A closing count line stands for a suite that lists only its failures."""

    cases: list = field(default_factory=list)
    counted: dict = field(default_factory=dict)

    def count(self, outcome):
        if self.counted:
            return self.counted[outcome]
        return sum(case.outcome == outcome for case in self.cases)

    def add(self, name, outcome, details=()):
        self.cases.append(Case(name, outcome, list(details)))


def read_result(found, remark):
    """One TAP line. The directive decides: cmocka writes 'not ok 2 # SKIP name', the test its reason before that."""
    text = found[3]
    skip = SKIP.search(text)
    if skip:
        name = text[: skip.start()].strip()
        return Case(name or skip[1], "skipped", [skip[1] if name else remark or "no reason given"])
    return Case(text, "failed" if found[1] else "passed")


def read_text(text):
    record, planned, status, remark = Record(), None, 0, ""
    for line in text.splitlines():
        line = line.strip()
        if found := RESULT.fullmatch(line):
            record.cases.append(read_result(found, remark))
            remark = ""
        elif found := PLAN.fullmatch(line):
            planned = (planned or 0) + int(found[1])
        elif found := CLOSING.fullmatch(line):
            record.counted = dict(zip(OUTCOMES, (int(number or 0) for number in found.groups())))
        elif found := STATUS.fullmatch(line):
            status = int(found[1])
        elif line.startswith("#") and record.cases and record.cases[-1].outcome == "failed":
            record.cases[-1].details.append(line[1:].strip())
        elif line.startswith("#"):
            remark = line[1:].strip()
    if planned is not None and planned > len(record.cases):
        record.add(THE_REST, "failed", [f"{len(record.cases)} of {planned} tests came to an end"])
    if status != 0 and not record.count("failed"):
        record.add("its end", "failed", [f"exit status {status}"])
        if record.counted:
            record.counted["failed"] += 1
    return record


def last_words(program, output):
    """What tells a crash from a time that was up: the sanitizer's report, or else how it ended."""
    lines = output.splitlines()
    at = next((i for i, line in enumerate(lines) if SANITIZER.search(line)), max(0, len(lines) - 12))
    return [f"it ran for {program.get('time')} s", *lines[at:at + 12]]


def read_ctest(path):
    """The JUnit file of ctest: one test program each, with its TAP as output."""
    record = Record()
    for program in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name, status = program.get("name"), program.get("status")
        output = program.findtext("system-out") or ""
        inner = read_text(output)
        for case in inner.cases:
            record.add(f"{name}: {case.name}", case.outcome, case.details)
        if inner.cases and inner.cases[-1].name == THE_REST:
            record.cases[-1].details.extend(last_words(program, output))
        explained = any(case.outcome == "failed" for case in inner.cases)
        if status == "run" and not inner.cases:
            record.add(name, "passed")
        elif status != "run" and not explained:
            reason = next((e.get("message") for e in program if e.get("message")), status)
            record.add(name, "failed", [reason, *last_words(program, output)])
    return record


def read(path):
    is_ctest = path.suffix == ".xml"
    record = read_ctest(path) if is_ctest else read_text(path.read_text(errors="replace"))
    if not record.cases and not record.counted:
        record.add("the suite", "failed", ["it ran no test"])
    return record


def closing_line(records):
    totals = {outcome: sum(record.count(outcome) for record in records) for outcome in OUTCOMES}
    return ", ".join(f"{total} {outcome}" for outcome, total in totals.items())


def report(records):
    """Failures one by one; skips by reason, since a whole group often shares one."""
    for suite, record in records.items():
        skips = defaultdict(list)
        for case in record.cases:
            if case.outcome == "failed":
                print(f"failed   {suite}: {case.name}")
                for detail in case.details[:20]:
                    print(f"         {detail}")
            elif case.outcome == "skipped":
                skips[" ".join(case.details)].append(case.name)
        for reason, names in skips.items():
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            print(f"skipped  {suite}: {names[0]}{others}: {reason}")


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("run", "count", "report"):
        sys.exit(__doc__)
    if arguments[0] == "run":
        return run(arguments[1], arguments[2:])
    records = {pathlib.Path(name).stem: read(pathlib.Path(name)) for name in arguments[1:]}
    if arguments[0] == "report":
        report(records)
    print(closing_line(records.values()))
    return 1 if any(record.count("failed") for record in records.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
