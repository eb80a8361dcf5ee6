"""Replays captured conversations against our session, on the wire.

    replay.py --driver PROGRAM [--case ID] [-v] [--tap] DIRECTORY

Our session takes the place of each recorded libzmq socket in turn; README.md says how. A line for
each failure, the reasons for what was skipped, then "N passed, N failed, N skipped": one replay is
one side of one connection. Exit status 1 when something failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field

import capture
import oracle
import plan

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 120


@dataclass
class Outcome:
    title: str
    failures: list = field(default_factory=list)
    skipped: str = ""
    script: str = ""
    log: str = ""
    note: str = ""


# --- cases where we differ on purpose -------------------------------------------------------------


@dataclass
class Exceptional:
    """A line of the file `exceptions`."""

    reaction: str
    rule: str


REACTIONS = ("closes", "stays", "sends", "spells", "hands")


def read_exceptions(path):
    found = {}
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or words[1] not in REACTIONS:
            raise capture.CaptureError(f"{path}:{number}: write CASE {'|'.join(REACTIONS)} RULE")
        found[words[0]] = Exceptional(words[1], words[2])
    return found


# --- one side -------------------------------------------------------------------------------------


def exception_of(side, exceptions):
    """The line for this side, or None. It is about one side: a probe's first connection, in a relay
    the side that closes, or the one that it names."""
    named = exceptions.get(f"{side.case['id']}:{side.name}")
    if named:
        return named
    found = exceptions.get(side.case["id"])
    other = side.number > 1 or found and found.reaction == "stays" and side.ended("in_end")
    return None if other else found


def replay(side, driver, exceptional):
    outcome = Outcome(side.title)
    for what, octets, parsed in (("peer", side.stream("in"), side.parsed_in),
                                 ("ours", side.stream("out"), side.parsed_out)):
        difference = oracle.differs_from_parsed(octets, parsed)
        if difference:
            outcome.failures.append(f"capture, {what}: {difference}")
    try:
        wanted = plan.plan(side, exceptional.reaction if exceptional else None)
    except plan.Skip as reason:
        outcome.skipped = str(reason)
        return outcome
    except plan.Disagreement as difference:
        outcome.failures.append(f"capture: {difference}")
        return outcome
    outcome.script = "\n".join(wanted.script) + "\n"
    outcome.note = wanted.note
    outcome.log, problem = run_driver(driver, outcome.script)
    if problem:
        outcome.failures.append(problem)
    else:
        outcome.failures += compare(wanted, outcome.log, exceptional)
    return outcome


def run_driver(driver, script):
    """(log, what went wrong or an empty string)."""
    try:
        ended = subprocess.run([driver], input=script, capture_output=True, text=True,
                               timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return "", f"the driver does not end within {TIMEOUT_S} s"
    if ended.returncode not in (0, 1):
        last = (ended.stderr.strip().splitlines() or ["no word"])[0]
        return ended.stdout, f"the driver ends with {ended.returncode}: {last}"
    return ended.stdout, ""


def compare(wanted, log, exceptional):
    """What the log has otherwise than it must."""
    lines = log.splitlines()
    found = [line for line in lines if line.startswith(("broken:", "timer:", "differs "))]
    last = {line.split(" ", 1)[0]: members(line) for line in lines
            if line.startswith(("failure ", "state ", "output "))}
    missing = {"failure", "state", "output"} - last.keys()
    if missing:
        return [*found, f"the log has no line for {', '.join(sorted(missing))}"]
    found += compare_events(wanted.events, [line for line in lines if line.startswith("event ")])
    found += compare_failure(wanted, last["failure"], exceptional)
    phase = last["state"].get("phase")
    if phase != wanted.phase:
        found.append(f"phase: expected {wanted.phase}, got {phase}")
    found += compare_output(bytes(wanted.output), bytes.fromhex(last["output"].get("octets", "")))
    if not found:
        found += compare_stages(wanted.stages, lines)
    return found


def members(line):
    return dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)


def compare_events(wanted, got):
    for index in range(max(len(wanted), len(got))):
        a = wanted[index] if index < len(wanted) else "no event"
        b = got[index] if index < len(got) else "no event"
        if a != b:
            return [f"event {index + 1}: {first_difference(a, b)}"]
    return []


def first_difference(wanted, got):
    """The first member that differs, or both lines where they are of different kinds."""
    if wanted.split()[:2] == got.split()[:2]:
        kind, a, b = wanted.split()[1], members(wanted), members(got)
        for name in [*a, *(b.keys() - a.keys())]:
            if a.get(name) != b.get(name):
                return f"{kind} {name}: expected {short(a.get(name))}, got {short(b.get(name))}"
    return f"expected {short(wanted)}, got {short(got)}"


def short(text):
    text = "nothing" if text is None else text or "''"
    return text if len(text) <= 100 else f"{text[:100]}... ({len(text)} characters)"


def compare_failure(wanted, got, exceptional):
    error, offset = got.get("err"), int(got.get("offset", -1))
    refusal = wanted.refusal
    if refusal is None:
        expected = "TIMEOUT" if wanted.timeout else "CLOSED" if wanted.closed else "OK"
        return [] if error == expected else [f"failure: expected {expected}, got {error} "
                                             f"(rule {got.get('rule')}, offset {offset})"]
    if error not in refusal.errors:
        return [f"failure: expected {' or '.join(refusal.errors)} for {refusal.why}, got {error} "
                f"(rule {got.get('rule')}, offset {offset})"]
    if not refusal.first <= offset <= refusal.last:
        return [f"failure: expected at octet {refusal.first} to {refusal.last}, got {offset}"]
    if exceptional and exceptional.reaction == "closes" and got.get("rule") != exceptional.rule:
        return [f"failure: the exception names rule {exceptional.rule}, got {got.get('rule')}"]
    return []


def compare_output(wanted, got):
    if wanted == got:
        return []
    at = next((i for i, (a, b) in enumerate(zip(wanted, got)) if a != b),
              min(len(wanted), len(got)))
    return [f"output at octet {at}: expected {plan.around(wanted, at)}, "
            f"got {plan.around(got, at)}"]


def compare_stages(wanted, lines):
    """By which octet of the input was how much of the output there?"""
    got = {int(words[1]): int(words[2]) for words in map(str.split, lines) if words[0] == "stage"}
    for at in sorted(wanted.keys() | got.keys()):
        if wanted.get(at) != got.get(at):
            a, b = (after(stages, at) for stages in (wanted, got))
            return [f"after octet {at} of the input: expected {a} octets of output, got {b}"]
    return []


def after(stages, at):
    return max((count for begin, count in stages.items() if begin <= at), default=0)


# --- a directory ----------------------------------------------------------------------------------


def collect(directory, only):
    """(side, failure) of every case; one of the two is None."""
    for group, case in capture.read_directory(directory):
        if only and case["id"] != only:
            continue
        try:
            for side in capture.sides(group, case):
                yield side, None
        except capture.CaptureError as error:
            yield None, Outcome(case["id"], [f"capture: {error}"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            yield None, Outcome(case["id"], [f"capture: not in the format: {error!r}"])


def replay_directory(directory, driver, exceptions, only=None):
    """The outcome of every side, in the order of the files."""
    def job(pair):
        side, outcome = pair
        return outcome or replay(side, driver, exception_of(side, exceptions))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(job, collect(directory, only)))


# --- what is printed ------------------------------------------------------------------------------


def print_lines(outcomes, verbose):
    skips = defaultdict(list)
    for outcome in outcomes:
        if verbose:
            print(f"--- {outcome.title}\n{outcome.script}{outcome.log}", end="")
            if outcome.note:
                print(f"note: {outcome.note}")
        for failure in outcome.failures:
            print(f"{outcome.title}: {failure}")
        if outcome.skipped and not outcome.failures:
            skips[outcome.skipped].append(outcome.title)
    for reason, titles in sorted(skips.items()):
        others = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
        print(f"skipped: {titles[0]}{others}: a later part brings {reason}")
    print(closing_line(outcomes))


def print_tap(outcomes):
    for number, outcome in enumerate(outcomes, 1):
        if outcome.failures:
            print(f"not ok {number} - {outcome.title}")
            for failure in outcome.failures:
                print(f"# {failure}")
        elif outcome.skipped:
            print(f"ok {number} - {outcome.title} # SKIP a later part brings {outcome.skipped}")
        else:
            print(f"ok {number} - {outcome.title}")
    print(f"1..{len(outcomes)}")


def closing_line(outcomes):
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    skipped = sum(bool(outcome.skipped) and not outcome.failures for outcome in outcomes)
    return f"{len(outcomes) - failed - skipped} passed, {failed} failed, {skipped} skipped"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--driver", required=True, help="the session_driver program")
    parser.add_argument("--case", help="only the case of this id")
    parser.add_argument("--exceptions", default=HERE / "exceptions", help="another list of them")
    parser.add_argument("--tap", action="store_true", help="print TAP, for the test suite")
    parser.add_argument("-v", "--verbose", action="store_true", help="print scripts and logs too")
    parser.add_argument("directory")
    asked = parser.parse_args(arguments)
    if not os.access(asked.driver, os.X_OK):
        print(f"replay: {asked.driver}: no such program, build it first", file=sys.stderr)
        return 2
    try:
        outcomes = replay_directory(asked.directory, asked.driver,
                                    read_exceptions(asked.exceptions), asked.case)
    except (capture.CaptureError, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    if asked.tap:
        print_tap(outcomes)
    else:
        print_lines(outcomes, asked.verbose)
    return 1 if any(outcome.failures for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
