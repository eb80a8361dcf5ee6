"""Every target, built by AFL++'s compiler, finds new ways through itself from an input that says nothing."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from fuzz.campaign import instances, stats, targets
import planted

TREE = planted.BUILD / "tests/fuzz/afl"      # a build of its own, kept from run to run
FOUND = 3                                    # new inputs that are enough
LIMIT_S = 100
STARTS = 3                                   # of afl-fuzz: one that a signal ends says nothing about the target


def setUpModule():
    if planted.missing():
        raise unittest.SkipTest(planted.missing())


def build():
    """The targets as the preset afl has them."""
    log = planted.BUILD / "tests/fuzz/afl.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as output:
        for line in (["cmake", "--preset", "afl", "-B", TREE], ["cmake", "--build", TREE, "--target", "fuzz_targets"]):
            if subprocess.run(line, cwd=planted.ROOT, stdout=output, stderr=output, check=False).returncode:
                raise AssertionError(log.read_text(encoding="utf-8", errors="replace")[-3000:])
    return targets.Builds({"plain": TREE / "fuzz"})


def fuzz(target, builds, room):
    """-> what afl-fuzz kept, the crashes that it saw, and the end of what it said."""
    said = ""
    for number in range(STARTS):
        kept, crashes, status, log = fuzz_once(target, builds, room / str(number))
        said += log
        if status >= 0 or kept >= FOUND:
            break
        end = f"{target.name}: afl-fuzz was ended by {signal.Signals(-status).name}"
        print(f"# {end}")
        said += f"\n{end}\n"
    return kept, crashes, said[-1500:]


def fuzz_once(target, builds, room):
    """Runs afl-fuzz until it found something -> the same, and how it ended by itself."""
    first, out = room / "in", room / "out"
    first.mkdir(parents=True)
    (first / "empty").write_bytes(bytes(3))
    environment = {**os.environ, **instances.machine()[0], "AFL_NO_UI": "1", "AFL_NO_AFFINITY": "1",
                   "AFL_FORKSRV_INIT_TMOUT": "60000"}
    if target.mutator:
        environment["AFL_CUSTOM_MUTATOR_LIBRARY"] = str(builds.mutator(target))
    with open(room / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["afl-fuzz", "-i", first, "-o", out, "-V", str(LIMIT_S), "-t", "5000", "-m", "none", "-x",
             builds.generated("fuzz/zmtp.dict"), "--", builds.program("plain", target)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        kept = []
        while process.poll() is None and len(kept) < FOUND:
            time.sleep(0.1)
            kept = [path for path in targets.inputs([out / "default/queue"]) if ",src:" in path.name]
        status = process.poll() or 0
        process.send_signal(signal.SIGINT)
        process.wait(60)
    found = stats.read_instance(out / "default")
    return len(kept), len(found.crashes), status, (room / "log").read_text(encoding="utf-8", errors="replace")


class Smoke(unittest.TestCase):
    def test_every_target_finds_new_paths_from_an_empty_corpus(self):
        builds = build()
        known = targets.load(builds)
        self.assertTrue(known)
        room = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, room)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            ends = pool.map(lambda target: fuzz(target, builds, room / target.name), known.values())
            for name, (kept, crashes, log) in zip(known, ends):
                with self.subTest(target=name):
                    self.assertGreaterEqual(kept, FOUND, log)
                    self.assertEqual(crashes, 0)


if __name__ == "__main__":
    unittest.main()
