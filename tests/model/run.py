"""Model checks: every tests/model/*.pml, as it is and with each of its planted mistakes.

    run.py [--tap] [NAME...]

A model passes when spin has searched all of its states and found nothing: no assertion that fails, no
state where something waits for ever, and, if it states an ltl property, no fair history that breaks
it. A planted mistake (BUG_x in the model's head) passes when one of these searches finds it. Prints
states and depth for each, of all its searches together. Exit status 1 when something failed.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 60
MEMORY_MB = 1024
DEPTH = 1_000_000
RESULT = re.compile(r"depth reached (\d+).*errors: (\d+)\n\s*([\d.e+]+) states, stored", re.DOTALL)
FINDING = re.compile(r"pan:\d+: (assertion violated|invalid end state|acceptance cycle)")

# How a search is compiled and run. Fairness is weak: who can always go on does so at some time.
SAFETY = (["-DSAFETY", "-DNOCLAIM"], [])
LIVENESS = (["-DNFAIR=4"], ["-a", "-f"])


def planted(text):
    """The mistakes that the model's head names."""
    return re.findall(r"\bBUG_\w+", text.split("*/", 1)[0])


def searches(text):
    return [SAFETY, LIVENESS] if re.search(r"^ltl\b", text, re.MULTILINE) else [SAFETY]


def search(model, mistake, how):
    """(states, depth, what was found) of a search over all states, or why there was none."""
    compiler_flags, pan_flags = how
    with tempfile.TemporaryDirectory() as folder:
        steps = (
            ["spin", *([f"-D{mistake}"] if mistake else []), "-a", str(model.resolve())],
            ["cc", "-O2", "-w", f"-DMEMLIM={MEMORY_MB}", *compiler_flags, "-o", "pan", "pan.c"],
            ["./pan", f"-m{DEPTH}", *pan_flags],
        )
        for step in steps:
            try:
                run = subprocess.run(step, cwd=folder, capture_output=True, text=True,
                                     timeout=TIMEOUT_S, check=False)
            except (OSError, subprocess.TimeoutExpired) as problem:
                return f"{step[0]}: {problem}"
            if run.returncode != 0:
                return f"{step[0]}: {(run.stdout + run.stderr).strip()[-300:]}"
    result, finding = RESULT.search(run.stdout), FINDING.search(run.stdout)
    incomplete = "Search not completed" in run.stdout and finding is None
    if result is None or incomplete or "max search depth too small" in run.stdout \
            or bool(int(result[2])) != bool(finding):
        return "pan: the search did not reach its end"
    return int(float(result[3])), int(result[1]), finding[1] if finding else None


def judge(model, mistake):
    """(passed, line) of one model with at most one mistake."""
    title = f"{model.stem} with {mistake}" if mistake else model.stem
    states, depth, finding = 0, 0, None
    for how in searches(model.read_text(encoding="utf-8")):
        result = search(model, mistake, how)
        if isinstance(result, str):
            return False, f"{title:36} {result}"
        states, depth, finding = states + result[0], max(depth, result[1]), finding or result[2]
        if finding:
            break
    if mistake:
        verdict = f"caught: {finding}" if finding else "NOT CAUGHT"
    else:
        verdict = f"1 violation: {finding}" if finding else "0 violations"
    line = f"{title:36} {states:>9,} states  depth {depth:>6,}  {verdict}"
    return bool(finding) == bool(mistake), line


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tap", action="store_true", help="print TAP")
    parser.add_argument("names", nargs="*", help="models to check (default: all)")
    args = parser.parse_args()
    models = {model.stem: model for model in sorted(HERE.glob("*.pml"))}
    unknown = [name for name in args.names if name not in models]
    if unknown:
        parser.error(f"no model '{unknown[0]}'; there are {', '.join(models)}")
    runs = [(model, mistake) for name, model in models.items() if not args.names or name in args.names
            for mistake in ["", *planted(model.read_text(encoding="utf-8"))]]
    failed = 0
    if args.tap:
        print(f"1..{len(runs)}")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for number, (passed, line) in enumerate(pool.map(lambda run: judge(*run), runs), 1):
            failed += not passed
            if args.tap:
                line = f"{'ok' if passed else 'not ok'} {number} - {' '.join(line.split())}"
            print(line, flush=True)
    if not args.tap:
        print(f"{len(runs) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not runs else 0


sys.exit(main())
