"""czmq's own tests of certificates and of its authenticator, as Debian ships them, on our libzmq.so.5.

Each runs in a process and a folder of its own. The ports are the system's to choose.
"""

import ctypes.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
LIBRARY = ctypes.util.find_library("czmq")
LIMIT_S = 60
RUN = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])[sys.argv[2]](0)
maps = open("/proc/self/maps").read()
assert sys.argv[3] in maps, "another libzmq was loaded"
"""


@unittest.skipIf(LIBRARY is None, "libczmq is not installed")
class Czmq(unittest.TestCase):
    def run_test(self, name):
        ours = (BUILD / "zmq/lib").resolve()
        with tempfile.TemporaryDirectory() as folder:
            for part in ("ro", "rw"):
                pathlib.Path(folder, f"src/selftest-{part}").mkdir(parents=True)
            done = subprocess.run([sys.executable, "-c", RUN, LIBRARY, name, str(ours)], cwd=folder, text=True,
                                  capture_output=True, timeout=LIMIT_S, check=False,
                                  env={**os.environ, "LD_LIBRARY_PATH": str(ours)})
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])

    def test_zcert(self):
        self.run_test("zcert_test")

    def test_zauth(self):
        self.run_test("zauth_test")


if __name__ == "__main__":
    unittest.main()
