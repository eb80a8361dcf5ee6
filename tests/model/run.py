"""Model checks: every tests/model/*.pml, as it is and with each of its planted mistakes; and the models that
gen makes of the handshakes in spec/, in every configuration and with mistakes planted in copies of spec/.

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
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import handshake
import mistakes
import spin

HERE = pathlib.Path(__file__).parent


def planted(text):
    """The mistakes that the model's head names."""
    return re.findall(r"\bBUG_\w+", text.split("*/", 1)[0])


def judge(model, mistake):
    """(passed, line) of one model with at most one mistake."""
    title = f"{model.stem} with {mistake}" if mistake else model.stem
    states, depth, finding = 0, 0, None
    for how in spin.searches(model.read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as folder:
            try:
                spin.build(folder, model.resolve(), how, mistake=mistake)
                found = spin.search(folder, how)
            except spin.Broken as problem:
                return False, f"{title:52} {problem}"
        states, depth, finding = states + found.states, max(depth, found.depth), found.finding
        if finding:
            break
    if mistake:
        verdict = f"caught: {finding}" if finding else "NOT CAUGHT"
    else:
        verdict = f"1 violation: {finding}" if finding else "0 violations"
    line = f"{title:52} {states:>9,} states  depth {depth:>6,}  {verdict}"
    return bool(finding) == bool(mistake), line


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tap", action="store_true", help="print TAP")
    parser.add_argument("names", nargs="*", help="models to check (default: all)")
    args = parser.parse_args()
    written = {model.stem: model for model in sorted(HERE.glob("*.pml"))}
    with tempfile.TemporaryDirectory() as folder:
        made = handshake.generate(handshake.ROOT, folder)
        names = args.names or [*written, *made]
        unknown = [name for name in names if name not in written and name not in made]
        if unknown:
            parser.error(f"no model '{unknown[0]}'; there are {', '.join([*written, *made])}")
        return report(args.tap, [*jobs(written, names), *handshake_jobs(made, names)])


def jobs(models, names):
    """Those written by hand, as they are and with each mistake of their heads."""
    return [(judge, model, mistake) for name, model in models.items() if name in names
            for mistake in ["", *planted(model.read_text(encoding="utf-8"))]]


def handshake_jobs(models, names):
    """The generated ones: every configuration, then the mistakes planted in the spec."""
    chosen = [model for name, model in models.items() if name in names]
    return [*((handshake.judge, model, *run) for model in chosen for run in model.runs()),
            *((handshake.judge_mistake, mistake) for mistake in mistakes.MISTAKES
              if mistake.machine.split(".")[0] in names)]


def report(tap, runs):
    """Prints a line for each as soon as those before it are done. Returns the exit status."""
    failed = 0
    if tap:
        print(f"1..{len(runs)}")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for number, (passed, line) in enumerate(pool.map(lambda run: run[0](*run[1:]), runs), 1):
            failed += not passed
            if tap:
                line = f"{'ok' if passed else 'not ok'} {number} - {' '.join(line.split())}"
            print(line, flush=True)
    if not tap:
        print(f"{len(runs) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not runs else 0


sys.exit(main())
