"""Each target runs shipped code and not a copy of it: so many lines of src/ and of what is generated, by its inputs.

A floor is some nine tenths of what the target reached when it was set, three quarters where threads decide. One that is
no longer met says that inputs or code have moved away from the target."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

from fuzz.campaign import targets
import planted

TREE = planted.BUILD / "tests/fuzz/floor"    # a build of its own, kept from run to run
FLOORS = {
    "balance": 110, "boxes": 550, "calls": 7300, "command": 1550, "curve": 2700, "dropin": 1730, "duplex": 2190,
    "endpoint": 160, "fair": 130, "frame": 460, "greeting": 850, "machine": 120, "metadata": 190, "options": 1780,
    "pipe": 490, "raw": 3420, "request": 230, "router": 330, "session": 2850, "socks": 160, "subscriptions": 580,
    "z85": 30, "zap": 230,
}
FLOOR = 30                                   # of a target that has none of its own yet


def build():
    """The targets with gcov's counters -> what a campaign would see of them."""
    log = planted.BUILD / "tests/fuzz/floor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as output:
        for line in (["cmake", "--preset", "coverage", "-B", TREE],
                     ["cmake", "--build", TREE, "--target", "fuzz_targets"]):
            if subprocess.run(line, cwd=planted.ROOT, stdout=output, stderr=output, check=False).returncode:
                raise AssertionError(log.read_text(encoding="utf-8", errors="replace")[-3000:])
    return targets.Builds({"plain": TREE / "fuzz"})


def shipped(path):
    """Whether a file is one of those that a user gets."""
    return path.is_relative_to(planted.ROOT / "src") or path.is_relative_to(TREE / "generated")


def reached(target, builds, room):
    """Runs a target over its inputs -> how many lines of shipped code were run at least once."""
    corpus = planted.ROOT / "fuzz/corpus" / target.name
    inputs = [TREE / "fuzz" / "seeds" / target.name, *([corpus] if corpus.is_dir() else [])]
    subprocess.run([builds.program("plain", target), *inputs], check=True, stdout=subprocess.DEVNULL, timeout=300,
                   env={**os.environ, "GCOV_PREFIX": str(room)})
    counted = sorted(room.rglob("*.gcda"))
    for path in counted:                     # gcov wants the notes beside the counts
        notes = pathlib.Path("/", path.relative_to(room)).with_suffix(".gcno")
        path.with_suffix(".gcno").symlink_to(notes)
    reports = subprocess.run(["gcov", "--json-format", "--stdout", *counted], cwd=room, check=True, capture_output=True)
    lines = set()
    for found in map(json.loads, reports.stdout.splitlines()):
        for part in found["files"]:
            path = pathlib.Path(os.path.normpath(os.path.join(found["current_working_directory"], part["file"])))
            if shipped(path):
                lines.update((path, line["line_number"]) for line in part["lines"] if line["count"])
    return len(lines)


@unittest.skipUnless(shutil.which("gcov"), "there is no gcov")
class Floor(unittest.TestCase):
    def test_fault_h9__every_target__runs_so_many_lines_of_shipped_code(self):
        builds = build()
        known = targets.load(builds)
        self.assertLessEqual(set(FLOORS), set(known), "floors of targets that are gone")
        rooms = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, rooms)
        for name in known:
            (rooms / name).mkdir()
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            counts = list(pool.map(lambda target: reached(target, builds, rooms / target.name), known.values()))
        for name, count in zip(known, counts):
            with self.subTest(target=name):
                self.assertGreaterEqual(count, FLOORS.get(name, FLOOR))
        print("#", ", ".join(f"{name} {count}" for name, count in zip(known, counts)))


if __name__ == "__main__":
    unittest.main()
