"""Model checks: every tests/model/*.pml, as it is and with each of its planted mistakes.

    run.py [--tap] [NAME...]

A model passes when spin has searched all of its states and found nothing; a planted mistake (BUG_x in
the model's head) passes when it is found. Prints states and depth for each. Exit status 1 when
something failed.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 120
MEMORY_MB = 2048
DEPTH = 1_000_000
RESULT = re.compile(r"depth reached (\d+).*errors: (\d+)\n\s*([\d.e+]+) states, stored", re.DOTALL)


def planted(model):
    """The mistakes that the model's head names."""
    head = model.read_text(encoding="utf-8").split("*/", 1)[0]
    return re.findall(r"\bBUG_\w+", head)


def search(model, mistake):
    """(states, depth, errors) of a search over all states, or the reason why there was none."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"-D{mistake}"] if mistake else []
        steps = (
            ["spin", *flags, "-a", str(model.resolve())],
            ["cc", "-O2", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"],
            ["./pan", f"-m{DEPTH}"],
        )
        for step in steps:
            try:
                run = subprocess.run(step, cwd=folder, capture_output=True, text=True,
                                     timeout=TIMEOUT_S, check=False)
            except (OSError, subprocess.TimeoutExpired) as problem:
                return f"{step[0]}: {problem}"
            if run.returncode != 0:
                return f"{step[0]}: {(run.stdout + run.stderr).strip()[-300:]}"
    found = RESULT.search(run.stdout)
    if found is None or "max search depth too small" in run.stdout:
        return "pan: the search did not reach its end"
    return int(float(found[3])), int(found[1]), int(found[2])


def judge(model, mistake):
    """(passed, line) of one search."""
    title = f"{model.stem} with {mistake}" if mistake else model.stem
    result = search(model, mistake)
    if isinstance(result, str):
        return False, f"{title:44} {result}"
    states, depth, errors = result
    if mistake:
        verdict = "found" if errors else "NOT FOUND"
    else:
        verdict = f"{errors} violations"
    return bool(errors) == bool(mistake), f"{title:44} {states:>9,} states  depth {depth:>6,}  {verdict}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tap", action="store_true", help="print TAP")
    parser.add_argument("names", nargs="*", help="models to check (default: all)")
    args = parser.parse_args()
    models = [m for m in sorted(HERE.glob("*.pml")) if not args.names or m.stem in args.names]
    runs = [(model, mistake) for model in models for mistake in ["", *planted(model)]]
    failed = 0
    if args.tap:
        print(f"1..{len(runs)}")
    for number, (model, mistake) in enumerate(runs, 1):
        passed, line = judge(model, mistake)
        failed += not passed
        if args.tap:
            line = f"{'ok' if passed else 'not ok'} {number} - {' '.join(line.split())}"
        print(line, flush=True)
    if not args.tap:
        print(f"{len(runs) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not runs else 0


sys.exit(main())
