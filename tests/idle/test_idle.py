"""Who waits does nothing: no system call, no context switch, with 100 or 1000 connections open."""

import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time
import unittest

PROGRAM = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"]) / "tests/idle/idle"
ENGINES = ("io_uring", "epoll")
PATIENCE_S = 20  # for things to calm down, on a busy machine
SILENCE_S = 0.6
FDS_OF_MANY = 4096


class Idle:
    """The program of idle.c on one engine, behind COMMAND; it is idle once this is made."""

    def __init__(self, engine, command=(), arguments=()):
        self.process = subprocess.Popen(
            [*command, PROGRAM, *arguments], env={**os.environ, "MONOCOQUE_ENGINE": engine}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.says("idle")

    def says(self, word):
        line = self.process.stdout.readline().strip()
        if line != word:
            raise AssertionError(f"{line or self.process.communicate()[1]} instead of {word}")

    def use(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.says("received")

    def end(self):
        self.process.communicate()
        return self.process.returncode


def switches(pid):
    """How often each thread has run, so far."""
    return {task.name: [line for line in (task / "status").read_text().splitlines()
                        if "ctxt_switches" in line]
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def is_silent(look):
    """Whether look says the same for SILENCE_S, once."""
    last, since = look(), time.monotonic()
    until = since + PATIENCE_S
    while time.monotonic() < until:
        time.sleep(SILENCE_S / 10)
        now = look()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= SILENCE_S:
            return True
    return False


class Connections(unittest.TestCase):
    def setUp(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.kinds = ((), ("fds",), ("many",)) if most >= FDS_OF_MANY else ((), ("fds",))

    def test_no_thread_runs(self):
        for engine in ENGINES:
            for arguments in self.kinds:
                with self.subTest(engine=engine, arguments=arguments):
                    self.no_thread_runs(engine, arguments)

    def no_thread_runs(self, engine, arguments):
        idle = Idle(engine, arguments=arguments)
        pid = idle.process.pid
        self.assertTrue(is_silent(lambda: switches(pid)))
        before = switches(pid)
        idle.use()
        self.assertNotEqual(switches(pid), before)
        self.assertTrue(is_silent(lambda: switches(pid)))
        self.assertEqual(idle.end(), 0)

    @unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
    def test_no_system_call_is_made(self):
        for engine in ENGINES:
            with self.subTest(engine=engine), tempfile.TemporaryDirectory() as folder:
                trace = pathlib.Path(folder) / "trace"
                idle = Idle(engine, ("strace", "-f", "-o", trace))
                self.assertTrue(is_silent(lambda: trace.stat().st_size),
                                trace.read_text()[-2000:])
                before = trace.stat().st_size
                idle.use()
                self.assertGreater(trace.stat().st_size, before)
                self.assertTrue(is_silent(lambda: trace.stat().st_size),
                                trace.read_text()[-2000:])
                self.assertEqual(idle.end(), 0)


if __name__ == "__main__":
    unittest.main()
