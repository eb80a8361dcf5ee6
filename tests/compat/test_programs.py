"""Programs that know libzmq only: each runs on the system's library and on ours, and says the same.

Those in C and C++ are built against the system's headers. What is not installed is skipped, with its package's name.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"]).resolve()
HERE = pathlib.Path(__file__).parent / "programs"
LIMIT_S = 120
# The system's library goes by its own path, ours by that of mcq run.
OURS = [BUILD / "mcq", "run", "--"]


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def has_module(name):
    return run("/usr/bin/python3", "-c", f"import {name}").returncode == 0


class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def needs(self, is_there, package):
        if not is_there:
            self.skipTest(f"needs {package}")

    def built(self, compiler, source, *flags):
        program = self.folder / source.split(".")[0]
        done = run(compiler, HERE / source, "-o", program, *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return program

    def same_on_both(self, *words):
        theirs, ours = run(*words), run(*OURS, *words)
        self.assertEqual(theirs.returncode, 0, theirs.stdout + theirs.stderr)
        self.assertEqual(ours.returncode, 0, ours.stdout + ours.stderr)
        self.assertEqual(ours.stdout, theirs.stdout)
        self.assertTrue(ours.stdout.endswith("end\n"), ours.stdout)
        return ours.stdout

    def test_czmq(self):
        self.needs(pathlib.Path("/usr/include/czmq.h").exists(), "libczmq-dev")
        said = self.same_on_both(self.built("cc", "czmq.c", "-lczmq", "-lzmq"))
        self.assertIn("proxy: Hello World\npaused: nothing\nresumed: later\n", said)
        self.assertIn("monitor: LISTENING\nmonitor: ACCEPTED\nmonitor: DISCONNECTED\n", said)
        self.assertIn("loop: PING\n" * 3, said)

    def test_cppzmq(self):
        self.needs(pathlib.Path("/usr/include/zmq.hpp").exists() and shutil.which("g++"), "cppzmq-dev, g++")
        said = self.same_on_both(self.built("g++", "cppzmq.cpp", "-std=c++17", "-lzmq", "-pthread"))
        self.assertIn("router: 3 parts from client, REQ at 127.0.0.1\nclient: re:one\n", said)

    def test_php(self):
        self.needs(shutil.which("php") and run("php", "-r", "exit((int) !extension_loaded('zmq'));").returncode == 0,
                   "php-zmq, php-cli")
        self.assertIn("0161\na yes\n", self.same_on_both("php", HERE / "binding.php"))

    def test_asyncio_and_tornado(self):
        self.needs(has_module("zmq") and has_module("tornado"), "python3-zmq, python3-tornado")
        said = self.same_on_both("/usr/bin/python3", HERE / "loops.py")
        self.assertIn("tornado: 1000", said)


if __name__ == "__main__":
    sys.exit(unittest.main())
