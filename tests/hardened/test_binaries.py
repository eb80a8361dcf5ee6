"""The binaries of the preset hardened have every mitigation that it is there for."""

import os
import pathlib
import re
import subprocess
import unittest

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])


def readelf(path, *flags):
    return subprocess.run(["readelf", "-W", *flags, path], capture_output=True, text=True, check=True).stdout


def libraries():
    return sorted(path for path in (BUILD / "src").rglob("*.so*") if path.is_file() and not path.is_symlink())


def programs():
    return sorted(path for path in (BUILD / "examples").iterdir() if path.is_file() and os.access(path, os.X_OK))


class Hardened(unittest.TestCase):
    def test_every_mitigation_is_there(self):
        self.assertTrue(libraries() and programs())
        for path in libraries() + programs():
            with self.subTest(path=path.name):
                segments, dynamic = readelf(path, "-l"), readelf(path, "-d")
                self.assertIn("GNU_RELRO", segments)
                self.assertRegex(dynamic, r"BIND_NOW|FLAGS_1.*NOW")
                self.assertRegex(segments, r"GNU_STACK(\s+0x\w+){5}\s+RW\s")
                self.assertNotRegex(segments, r"LOAD(\s+0x\w+){5}\s+RWE")
                self.assertNotIn("TEXTREL", dynamic)
                self.assertRegex(readelf(path, "-h"), r"Type:\s+DYN")

    def test_the_library_is_protected_by_what_the_compiler_knows(self):
        for path in libraries():
            with self.subTest(path=path.name):
                symbols = readelf(path, "--dyn-syms")
                self.assertIn("__stack_chk_fail", symbols)
                self.assertTrue(re.search(r"__(mem|str|v?snprintf|read|poll|recv)\w*_chk", symbols), "FORTIFY_SOURCE")
                if os.uname().machine == "x86_64":  # where indirect jumps may land
                    self.assertGreater(path.read_bytes().count(b"\xf3\x0f\x1e\xfa"), 100, "endbr64")


if __name__ == "__main__":
    unittest.main()
