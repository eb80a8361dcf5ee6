"""programs/calls.c on the system's library and on ours: line by line the same, but for what calls-differ.txt names."""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"]).resolve()
HERE = pathlib.Path(__file__).parent
LIMIT_S = 120
PARTS = re.findall(r'\{"(\w+)", \w+\}', (HERE / "programs/calls.c").read_text())


def rows():
    for line in (HERE / "calls-differ.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            part, rest = line.split(None, 1)
            pattern, _why = re.split(r" {2,}", rest, maxsplit=1)
            yield part.lstrip("~"), pattern, part.startswith("~")


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not pathlib.Path("/usr/include/zmq.h").exists():
            raise unittest.SkipTest("needs libzmq3-dev")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.program = pathlib.Path(cls.folder.name, "calls")
        # The warnings of zmq_utils.h itself are not ours.
        built = subprocess.run(["cc", "-o", cls.program, HERE / "programs/calls.c", "-lzmq", "-pthread"],
                               capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if built.returncode:
            raise AssertionError(built.stderr)

    def says(self, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT_S,
                              check=False, env={**os.environ, "LC_ALL": "C"})
        self.assertEqual(done.returncode, 0, done.stdout[-500:] + done.stderr)
        self.assertTrue(done.stdout.endswith("end\n"))
        return done.stdout.splitlines()

    def differences(self, part):
        theirs = self.says(self.program, part)
        ours = self.says(BUILD / "mcq", "run", "--", self.program, part)
        return [line for line in difflib.ndiff(theirs, ours) if line.startswith(("- ", "+ "))]

    def test_each_call_says_the_same(self):
        self.assertGreater(len(PARTS), 10)
        used = set()
        for part in PARTS:
            known = [pattern for name, pattern, _may_go in rows() if name == part]
            with self.subTest(part=part):
                lines = self.differences(part)
                strange = []
                for line in lines:
                    found = [pattern for pattern in known if re.fullmatch(pattern, line[2:])]
                    used |= {(part, pattern) for pattern in found}
                    if not found:
                        strange.append(line)
                self.assertEqual("\n".join(strange), "", "- the system's, + ours")
        due = {(part, pattern) for part, pattern, may_go in rows() if not may_go}
        self.assertEqual(due - used, set(), "these rows are of no use any more")


if __name__ == "__main__":
    sys.exit(unittest.main())
