"""Whole campaigns over a target with planted bugs: found, triaged, minimised; killed and resumed; taken elsewhere."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import planted

FOUND_S = 60                     # the planted bug has to be found by then
SOON_S = 60                      # for what takes a moment, on a machine that does much else
REASON = planted.missing()


def until(holds, limit_s, what):
    """Waits for a state -> what holds() said."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if said := holds():
            return said
        time.sleep(0.1)
    raise AssertionError(f"not within {limit_s} s: {what}")


def setUpModule():
    if REASON:
        raise unittest.SkipTest(REASON)


def read(path):
    """-> octets; none where afl-fuzz moved it away meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class Campaigns(unittest.TestCase):
    """One build for all; each test has a home of its own."""

    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory()
        cls.builds = planted.make(pathlib.Path(cls.room.name))

    @classmethod
    def tearDownClass(cls):
        cls.room.cleanup()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name) / "state"
        self.addCleanup(self.end)

    def end(self):
        for record in self.home.glob("*/campaign.json"):
            self.fuzz("stop", record.parent.name)

    def fuzz(self, *words, status=0, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.campaign", "--home", self.home, "--builds", json.dumps(self.builds), *words],
            cwd=planted.ROOT, capture_output=True, text=True, timeout=200, check=False,
            env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        self.assertNotIn("Traceback", done.stderr)           # its exit status is that of a bug
        return done.stdout

    def start(self, name="one", *more):
        return self.fuzz("start", "--name", name, "--jobs", "1", "--turn", "600", *more)

    def status(self, name="one"):
        return json.loads(self.fuzz("status", "--json", name))

    def planted_row(self, name="one"):
        return self.status(name)["targets"][0]

    def record(self, name="one"):
        return json.loads((self.home / name / "campaign.json").read_text(encoding="utf-8"))

    def contents(self, name="one", what="queue"):
        found = set()
        for path in (self.home / name / "out").glob(f"*/*/{what}*/id:*"):
            found.add(path.read_bytes())
        return found

    def kept(self, name="one"):
        """Inputs by their first names, which afl-fuzz repeats in the new ones when it goes on. Whoever was killed as it
        wrote an input left it without octets: that is none yet."""
        paths = [path for what in ("queue", "_resume") for path in (self.home / name / "out").glob(f"*/*/{what}/id:*")]
        return {path.name.rpartition("orig:")[2]: octets for path in paths if (octets := read(path))}

    def are_back(self, before):
        """afl-fuzz goes on trimming: an input is back as it was, or shorter."""
        now = self.kept()
        return all(name in now and len(now[name]) <= len(octets) for name, octets in before.items())

    def put(self, octets, name="one", what="crashes", instance="main"):
        """A find as afl-fuzz would have left it."""
        folder = self.home / name / "out/planted" / instance / what
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"id:{len(list(folder.iterdir())):06},sig:06").write_bytes(octets)

    def begun(self):
        """A campaign that ran for a moment and stands still."""
        self.start()
        until(lambda: self.planted_row()["corpus"] > 1, SOON_S, "a first input is kept")
        self.fuzz("stop", "one")

    def test_planted_bug_is_found_and_triaged_into_one_folder(self):
        self.start()
        until(lambda: self.planted_row()["crashes"], FOUND_S, "the planted bug is found")
        self.assertIn("./dev fuzz triage", self.fuzz("status", "one"))
        self.fuzz("stop", "one")
        self.put(planted.LOUD + b"and much that has nothing to do with it")
        self.assertIn("1 bug", self.fuzz("triage", "one", status=1))
        folders = list((self.home / "one/bugs").iterdir())
        self.assertEqual(len(folders), 1, folders)
        bug = json.loads((folders[0] / "bug.json").read_text(encoding="utf-8"))
        self.assertEqual((bug["target"], bug["kind"], bug["rule"]), ("planted", "oracle", "PING.context"))
        self.assertLessEqual(bug["size"], len(planted.LOUD))
        self.assertIn("PING.context", (folders[0] / "decode.txt").read_text(encoding="utf-8"))
        self.assertIn("a planted bug", (folders[0] / "report.txt").read_text(encoding="utf-8"))
        self.assertIn(bug["replay"], (folders[0] / "README.md").read_text(encoding="utf-8"))
        case = list((folders[0] / "regress/planted").iterdir())
        self.assertEqual([path.read_bytes() for path in case], [(folders[0] / "input").read_bytes()])
        self.assertNotEqual(subprocess.run(bug["replay"].split(), cwd=planted.ROOT, stderr=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, check=False).returncode, 0)
        self.assertIn("a planted bug", self.fuzz("status", "one"))
        self.fuzz("report", "one")
        page = (self.home / "one/report.html").read_text(encoding="utf-8")
        for wanted in ("a planted bug", "PING.context", "<svg", "stability"):
            self.assertIn(wanted, page)
        self.assertNotIn("http", page)

    def test_triage_tells_bugs_apart_and_joins_what_is_the_same(self):
        self.begun()
        for octets in (planted.LOUD, planted.LOUD + b"more", planted.QUIET, planted.QUIET + b"xyz", planted.SEED):
            self.put(octets, what="crashes.2001-01-01-00:00:00", instance="asan")
        (self.home / "one/out/planted/asan/queue").mkdir()
        said = self.fuzz("triage", "one", status=1)
        bugs = {json.loads(path.read_text(encoding="utf-8"))["kind"]: path.parent
                for path in (self.home / "one/bugs").glob("*/bug.json")}
        self.assertEqual(sorted(bugs), ["heap-buffer-overflow", "oracle"], said)
        self.assertIn("1 inputs that end well now", said)
        self.assertIn("in bugs", (bugs["heap-buffer-overflow"] / "report.txt").read_text(encoding="utf-8"))
        again = self.fuzz("triage", "one", status=1)
        self.assertIn("0 inputs replayed; 2 bugs", again)
        self.assertIn("octets, now", self.fuzz("min", "one"))
        self.assertTrue(list((self.home / "one/min/planted").iterdir()))

    def kill_and_resume(self, meanwhile=lambda: None):
        self.start()
        until(lambda: self.planted_row()["corpus"] > 3, SOON_S, "some inputs are kept")
        until(lambda: self.record()["elapsed_s"] >= 2, SOON_S, "two seconds are written down")
        record = self.record()
        instance = record["running"]["planted/main"]
        for pid in (record["supervisor"][0], instance[0]):
            os.kill(pid, signal.SIGKILL)
        until(lambda: self.status()["state"] == "died", SOON_S, "its end is noticed")
        meanwhile()
        before, elapsed, row = self.kept(), self.status()["elapsed_seconds"], self.planted_row()
        self.assertEqual(row["dead"], ["main"])
        self.assertIn("dead: main", self.fuzz("status", "one"))
        self.assertIn("goes on", self.fuzz("resume", "one"))
        until(lambda: self.planted_row()["running"] == ["main"], SOON_S, "it runs again")
        until(lambda: self.are_back(before), SOON_S, "all inputs are back")
        self.assertGreaterEqual(self.status()["elapsed_seconds"], max(2, elapsed))
        self.assertGreaterEqual(self.planted_row()["execs"], row["execs"])
        until(lambda: len(self.kept()) > len(before) or self.planted_row()["crashes"], SOON_S, "it finds more")
        self.fuzz("stop", "one")
        self.assertTrue(self.are_back(before))
        self.assertEqual(left_over(self.home), [])
        self.assertEqual(self.status()["state"], "stopped")

    def test_nothing_is_lost_when_all_processes_are_killed(self):
        self.kill_and_resume()

    def test_nothing_is_lost_when_they_are_killed_as_stats_are_written(self):
        """Nor the input that was being written: it is none."""
        def cut():
            folder = self.home / "one/out/planted/main"
            (folder / "fuzzer_stats").write_text("start_time    ", encoding="utf-8")
            (folder / "queue/id:999999,src:000000,time:1,execs:1,op:havoc,rep:1").touch()

        self.kill_and_resume(cut)

    def test_time_ends_it_and_fresh_begins_anew(self):
        self.start("short", "--for", "1s")
        until(lambda: self.status("short")["state"] == "finished", SOON_S, "its time is over")
        self.assertIn("has had its time", self.error("resume", "short"))
        created = self.record("short")["created"]
        self.start("short", "--for", "10m", "--fresh")
        self.assertGreater(self.record("short")["created"], created)
        self.assertIn("runs already", self.error("start", "--name", "short"))

    def error(self, *words):
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.campaign", "--home", self.home, "--builds", json.dumps(self.builds), *words],
            cwd=planted.ROOT, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stderr

    def test_export_and_import_keep_every_input_and_bug(self):
        self.begun()
        self.put(planted.LOUD)
        self.fuzz("triage", "one", status=1)
        file = self.home / "one.tar.gz"
        self.fuzz("export", str(file), "--name", "one")
        self.fuzz("import", str(file), "--name", "two")
        self.assertEqual(self.contents("two"), self.contents("one"))
        self.assertEqual(self.contents("two", "crashes"), self.contents("one", "crashes"))
        bugs = [sorted(path.name for path in (self.home / name / "bugs").iterdir()) for name in ("one", "two")]
        self.assertEqual(*bugs)
        self.assertTrue(bugs[0])
        self.assertIn("0 new inputs", self.fuzz("import", str(file), "--name", "two"))
        self.assertEqual(self.status("two")["bugs"][0]["name"], bugs[0][0])

    def test_import_refuses_a_file_that_leaves_its_folder(self):
        self.home.mkdir(parents=True)
        file = self.home / "bad.tar.gz"
        with tarfile.open(file, "w:gz") as tar:
            for name in ("campaign.json", "bugs/../../outside"):
                info = tarfile.TarInfo(name)
                info.size = 2
                tar.addfile(info, io.BytesIO(b"{}"))
        self.assertIn("is no campaign", self.error("import", str(file), "--name", "two"))
        self.assertFalse((self.home / "outside").exists())

    def test_sync_takes_what_another_machine_left(self):
        self.begun()
        place = self.home / "shared"
        self.fuzz("sync", str(place), "--name", "one")
        theirs = place / f"one.{'x' * 4}.tar.gz"
        next(place.iterdir()).rename(theirs)
        self.begun_elsewhere()
        self.assertIn("new inputs taken", self.fuzz("sync", str(place), "--name", "one"))
        self.assertEqual(len(list(place.iterdir())), 2)
        self.assertLessEqual({planted.SEED}, self.contents())

    def test_sync_over_ssh(self):
        self.begun()
        tools, there = self.home / "bin", self.home / "elsewhere"
        tools.mkdir()
        (tools / "ssh").write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n', encoding="utf-8")
        (tools / "scp").write_text('#!/bin/sh\nfor word; do [ "${word#-}" = "$word" ] && set -- "$@" "${word#other:}"; '
                                   'shift; done\nexec cp "$@"\n', encoding="utf-8")
        for name in ("ssh", "scp"):
            (tools / name).chmod(0o755)
        env = {"PATH": f"{tools}:{os.environ['PATH']}"}
        self.fuzz("sync", f"other:{there}", "--name", "one", env=env)
        next(there.iterdir()).rename(there / "one.other.tar.gz")
        self.begun_elsewhere()
        self.assertNotIn(" 0 new inputs", self.fuzz("sync", f"other:{there}", "--name", "one", env=env))

    def begun_elsewhere(self):
        """This machine's campaign has less than what was left behind."""
        shutil.rmtree(self.home / "one/out")
        (self.home / "one/out/planted/main/queue").mkdir(parents=True)


def left_over(home):
    """Processes that a campaign below this folder started."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"MONOCOQUE_FUZZ_CAMPAIGN={home}".encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


if __name__ == "__main__":
    unittest.main()
