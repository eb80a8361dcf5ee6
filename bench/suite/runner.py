"""Runs points: for each, the lanes in turn, as often as there are rounds; each round begins with another lane."""

import json
import os
import signal
import subprocess
import sys

from bench.suite import machine
from bench.suite.lanes import LANES

PATIENCE_S = 180        # the driver itself gives up earlier


def run_once(drivers, lane, point, options):
    """-> the figures of one run, or {"failed": why}."""
    process = drivers.start(lane, point.row, options, point.preloads)
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        out, err = "", "it came to no end"
    finally:
        try:    # the driver's children end with it; whoever interrupts us ends all of them
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if process.returncode != 0 or not out:
        return {"failed": " ".join(err.split()) or f"exit status {process.returncode}"}
    return json.loads(out)


class Progress:
    def __init__(self, total):
        self.done, self.total, self.shown = 0, total, sys.stderr.isatty()

    def step(self, text):
        self.done += 1
        if self.shown:
            filled = self.done * 20 // self.total
            sys.stderr.write(f"\r\033[K[{'#' * filled}{'-' * (20 - filled)}] {self.done * 100 // self.total:3} %  "
                             f"{text[:60]}")
            sys.stderr.flush()

    def end(self):
        if self.shown:
            sys.stderr.write("\r\033[K")


def chosen_lanes(point, wanted, drivers):
    names = [name for name in point.lanes if wanted is None or name in wanted]
    return [LANES[name] for name in names if drivers.has(LANES[name])]


def count(points, wanted, drivers, rounds):
    return sum(len(chosen_lanes(point, wanted, drivers)) for point in points) * rounds


def run_all(drivers, points, rounds, seconds, wanted=None, extra=()):
    """Yields runs, so that what is done is there whenever it ends. extra: options of the driver for all points."""
    progress = Progress(max(1, count(points, wanted, drivers, rounds)))
    load = machine.Load()
    try:
        for point in points:
            lanes = chosen_lanes(point, wanted, drivers)
            for number in range(rounds):
                for index in range(len(lanes)):
                    lane = lanes[(index + number) % len(lanes)]
                    progress.step(f"{point.key}: {lane.name}")
                    load.since()
                    found = run_once(drivers, lane, point, (f"--seconds={seconds}", *point.options, *extra))
                    yield {"point": point.key, "lane": lane.name, "round": number, "load": load.since(), **found}
    finally:
        progress.end()
