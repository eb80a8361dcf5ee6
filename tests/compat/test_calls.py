"""The program calls on the system's library and on ours: line by line the same, but for what calls-differ.txt names.

Peers that break the protocol, breaches.py, are told of the same way. Of the errors that the manual pages of
libzmq3-dev name, the part pages shows each, but for those of pages-unseen.txt.
"""

import difflib
import errno
import fnmatch
import gzip
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
SOURCES = [HERE / f"programs/{name}.c"
           for name in ("say", "calls", "options", "endpoints", "patterns", "bodies", "waits", "monitors", "pages")]
PARTS = re.findall(r"^    X\((\w+)\)", (HERE / "programs/say.h").read_text(), re.MULTILINE)


def rows():
    for line in (HERE / "calls-differ.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            part, rest = line.split(None, 1)
            pattern, _why = re.split(r" {2,}", rest, maxsplit=1)
            yield part.lstrip("~"), pattern, part.startswith("~")


MANUAL = pathlib.Path("/usr/share/man/man3")
OWN = {name: 156384712 + number for number, name in enumerate(("EFSM", "ENOCOMPATPROTO", "ETERM", "EMTHREAD"), 51)}


def named_errors():
    """Call and error, as the pages' lists of errors have them; a page of many calls counts as one."""
    for file in sorted(MANUAL.glob("zmq_*.3.gz")):
        text = gzip.decompress(file.read_bytes()).decode()
        for section in re.findall(r'^\.SH "ERRORS\b[^\n]*$(.*?)(?=^\.SH)', text, re.MULTILINE | re.DOTALL):
            for name in re.findall(r"\\fB(E[A-Z]+)\\fR", section):
                yield file.name.removesuffix(".3.gz"), name


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not pathlib.Path("/usr/include/zmq.h").exists():
            raise unittest.SkipTest("needs libzmq3-dev")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.program = pathlib.Path(cls.folder.name, "calls")
        # The warnings of zmq_utils.h itself are not ours.
        built = subprocess.run(["cc", "-I", HERE.parent, "-o", cls.program, *SOURCES, "-lzmq", "-pthread"],
                               capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if built.returncode:
            raise AssertionError(built.stderr)

    def says(self, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT_S,
                              check=False, env={**os.environ, "LC_ALL": "C"})
        self.assertEqual(done.returncode, 0, done.stdout[-500:] + done.stderr)
        self.assertTrue(done.stdout.endswith("end\n"))
        return done.stdout.splitlines()

    def same_on_both(self, part, *words):
        """But for the rows of this part, each of which is of use."""
        theirs, ours = self.says(*words), self.says(BUILD / "mcq", "run", "--", *words)
        known = {pattern: may_go for name, pattern, may_go in rows() if name == part}
        used, strange = set(), []
        for line in difflib.ndiff(theirs, ours):
            if line.startswith(("- ", "+ ")):
                found = [pattern for pattern in known if re.fullmatch(pattern, line[2:])]
                used.update(found)
                strange += [] if found else [line]
        self.assertEqual("\n".join(strange), "", "- the system's, + ours")
        self.assertEqual([row for row, may_go in known.items() if not may_go and row not in used], [],
                         "of no use any more")

    def test_each_call_says_the_same(self):
        self.assertGreater(len(PARTS), 10)
        for part in PARTS:
            with self.subTest(part=part):
                self.same_on_both(part, self.program, part)
        self.assertLessEqual({name for name, *_rest in rows()}, {*PARTS, "breaches"})

    @unittest.skipUnless(pathlib.Path("/usr/lib/python3/dist-packages/zmq").exists(), "needs python3-zmq")
    def test_each_breach_of_the_protocol_is_told_the_same(self):
        self.same_on_both("breaches", "/usr/bin/python3", HERE / "programs/breaches.py")

    @unittest.skipUnless(list(MANUAL.glob("zmq_*.3.gz")), "the manual's pages are not installed")
    def test_errors_of_the_manual_come(self):
        seen, due = set(), set(named_errors())
        self.assertGreater(len(due), 100)
        for line in self.says(BUILD / "mcq", "run", "--", self.program, "pages"):
            if found := re.fullmatch(r"(zmq_\w+): (E[A-Z]+) = -1 \((\d+) .*\)", line):
                call, name, number = found.groups()
                if int(number) == OWN.get(name, getattr(errno, name, None)):
                    seen |= {(call, name), (re.sub("_timers_.*", "_timers", call), name)}
        rows = [line.split(None, 2) for line in (HERE / "pages-unseen.txt").read_text().splitlines()
                if line and not line.startswith("#")]
        used = [[pair for pair in due - seen if fnmatch.fnmatch(pair[0], call) and fnmatch.fnmatch(pair[1], name)]
                for call, name, _why in rows]
        self.assertEqual(due - seen - {pair for pairs in used for pair in pairs}, set())
        self.assertEqual([row for row, pairs in zip(rows, used) if not pairs], [], "of no use any more")


if __name__ == "__main__":
    sys.exit(unittest.main())
