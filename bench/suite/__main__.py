"""./dev bench [quick|compare|profile|NAME...]: what a person types."""

import argparse
import statistics
import sys
import textwrap
import time

from bench.suite import machine, page, profile, rows, runner, screen, stats
from bench.suite.lanes import LANES, Drivers

QUICK_LANES = ("monocoque", "drop-in", "libzmq")


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Compares libraries; prints, and writes a report.")
    parser.add_argument("names", nargs="*", help="quick, compare, profile, or any of: " + " ".join(rows.GROUPS))
    parser.add_argument("--rounds", type=int, help="alternations of the lanes (5)")
    parser.add_argument("--seconds", type=float, help="measured in each run (1; quick 0.2; compare 0.5)")
    parser.add_argument("--lanes", help="NAME,... of: " + " ".join(LANES))
    parser.add_argument("--out", help="folder of the report (build/bench/report; of some names report-NAME)")
    parser.add_argument("--drivers", default="build/bench/bench/driver", help=argparse.SUPPRESS)
    parser.add_argument("--drop-in", default="build/bench/zmq/lib", help=argparse.SUPPRESS)
    parser.add_argument("--race", action="store_true", help=argparse.SUPPRESS)      # compare as the demo shows it
    return parser.parse_args()


def chosen(args):
    """-> points, lanes or None, rounds, seconds."""
    names = args.names or list(rows.GROUPS)
    lanes = args.lanes.split(",") if args.lanes else None
    seconds = args.seconds or 1
    if names == ["quick"]:
        wanted = {figure.key for figure in rows.FIGURES}
        points = [point for point in rows.points(rows.GROUPS) if point.key in wanted]
        lanes, seconds = lanes or QUICK_LANES, args.seconds or 0.2
    else:
        unknown = [name for name in names if name not in rows.GROUPS]
        if unknown:
            sys.exit(f"dev: bench: '{unknown[0]}' is not understood; known: quick profile {' '.join(rows.GROUPS)}")
        points = rows.points(names)
        if names == ["compare"]:
            seconds = args.seconds or 0.5
    for name in lanes or ():
        if name not in LANES:
            sys.exit(f"dev: bench: there is no lane '{name}'; known: {' '.join(LANES)}")
    return points, lanes, args.rounds or 5, seconds


def versions(runs):
    found = {}
    for run in runs:
        if "version" in run:
            engine = f", {run['engine']}" if run["engine"] else ""
            found[run["lane"]] = f"{run['library']} {run['version']}{engine}"
    return found


def load_warnings(before, runs):
    yield from machine.warnings(before, "Before the first run")
    loads = [run["load"] for run in runs]
    if loads:
        yield from machine.warnings({name: statistics.median(load[name] for load in loads)
                                     for name in ("others", "steal")}, "While it was measured")


def show(points, results, document, lanes):
    groups = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    names = [lane for lane in LANES if lanes is None or lane in lanes]
    for name, members in groups.items():
        for line in screen.group(name, members, results, names):
            print(line)
    print("\n".join(["", *screen.legend(document["versions"])]))
    if document["figures"]:
        print()
        for line in screen.figures(document["figures"]):
            print(line)


def failures(results):
    seen = {}
    for run in results.failed():
        seen.setdefault((run["point"], run["lane"]), []).append(run["failed"])
    return [f"{key}, {lane}: {len(reasons)} runs failed and are left out ({reasons[-1][:120]})"
            for (key, lane), reasons in seen.items()]


def report(args, points, lanes, rounds, seconds, before, runs):
    results = stats.Results(runs)
    found = [judged for figure in rows.FIGURES if (judged := stats.judge(figure, results))]
    document = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %Z"), "versions": versions(runs),
        "machine": {**machine.describe(), **machine.build_of(args.drivers)},
        "rounds": rounds, "seconds": seconds, "load_before": before, "figures": found, "runs": runs,
        "warnings": [*load_warnings(before, runs), *failures(results)],
    }
    if args.race:
        print("\n".join(screen.race(results)))
    else:
        show(points, results, document, lanes)
    for text in document["warnings"]:
        print(textwrap.fill(f"warning: {text}.", 100, subsequent_indent="  "))
    if not args.race:
        folder = args.out or "-".join(["build/bench/report", *args.names])
        count = page.write(folder, document, points, results)
        print(f"{folder}/report.html, {count} plots")
    return 1 if not any("failed" not in run for run in runs) else 0


def main():
    args = arguments()
    drivers = Drivers(args.drivers, args.drop_in)
    if args.names[:1] == ["profile"]:
        return profile.main(drivers)
    points, lanes, rounds, seconds = chosen(args)
    if args.race:
        lanes = ("drop-in", "libzmq")
    before = machine.load_now()
    runs = []
    try:
        runs.extend(runner.run_all(drivers, points, rounds, seconds, lanes))
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured until then")
    return report(args, points, lanes, rounds, seconds, before, runs)


if __name__ == "__main__":
    sys.exit(main())
