"""The count that ./dev check closes with: nothing that failed, crashed or never ran may pass for passed."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TAP = pathlib.Path(__file__).resolve().parents[1] / "tap.py"


class TapTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def tap(self, verb, name, text):
        path = self.folder / name
        path.write_text(text)
        done = subprocess.run([sys.executable, TAP, verb, path], capture_output=True, text=True, check=False)
        return done.stdout, done.returncode

    def counts(self, name, text, passed, failed, skipped):
        line, status = self.tap("count", name, text)
        self.assertEqual(line, f"{passed} passed, {failed} failed, {skipped} skipped\n")
        self.assertEqual(status, 1 if failed else 0)


class Text(TapTest):
    def test_results(self):
        self.counts("x.log", "1..3\nok 1 - a\nnot ok 2 - b\n# why\nok 3 - c # SKIP reason\n", 1, 1, 1)

    def test_skip_as_cmocka_writes_it(self):
        self.counts("x.log", "1..2\nok 1 - a\nnot ok 2 # SKIP b\n", 1, 0, 1)

    def test_ended_early(self):
        self.counts("x.log", "1..5\nok 1 - a\n", 1, 1, 0)

    def test_no_test(self):
        self.counts("x.log", "", 0, 1, 0)

    def test_closing_line_counts(self):
        self.counts("x.log", "skipped: much\n241 passed, 0 failed, 3 skipped\n", 241, 0, 3)

    def test_status_without_a_failure(self):
        self.counts("x.log", "ok 1 - a\nexit status 3\n", 1, 1, 0)
        self.counts("x.log", "7 passed, 0 failed, 0 skipped\nexit status 1\n", 7, 1, 0)

    def test_status_with_its_failure(self):
        self.counts("x.log", "not ok 1 - a\nexit status 1\n", 0, 1, 0)

    def test_report_tells_a_cmocka_test_s_reason(self):
        text, _ = self.tap("report", "x.log", "ok 1 - a\n# no such engine\nnot ok 2 # SKIP b\nnot ok 3 # SKIP c\n")
        self.assertEqual(text.splitlines()[:2], ["skipped  x: b: no such engine", "skipped  x: c: no reason given"])

    def test_report_tells_why(self):
        text, _ = self.tap("report", "x.log", "not ok 1 - a\n# because\nok 2 - b # SKIP no b\nok 3 - c # SKIP no b\n")
        self.assertEqual(text.splitlines(), [
            "failed   x: a",
            "         because",
            "skipped  x: b and 1 more: no b",
            "0 passed, 1 failed, 2 skipped",
        ])


class Ctest(TapTest):
    def program(self, status, output, more=""):
        return (f'<testsuite><testcase name="base.bytes" status="{status}">{more}'
                f"<system-out>{output}</system-out></testcase></testsuite>")

    def test_cases_inside(self):
        self.counts("x.xml", self.program("run", "ok 1 - a\nok 2 - b\n1..2\n"), 2, 0, 0)

    def test_program_without_cases(self):
        self.counts("x.xml", self.program("run", "hello\n"), 1, 0, 0)

    def test_failed_case_counts_once(self):
        self.counts("x.xml", self.program("fail", "not ok 1 - a\n1..1\n"), 0, 1, 0)

    def test_crash_after_good_cases(self):
        self.counts("x.xml", self.program("fail", "1..1\nok 1 - a\nSEGV\n"), 1, 1, 0)

    def test_crash_is_told_with_its_report(self):
        report = "==7==ERROR: AddressSanitizer: heap-use-after-free\n#0 in f\n" + "shadow\n" * 30
        text, _ = self.tap("report", "x.xml", self.program("fail", "1..2\nok 1 - a\n" + report))
        self.assertIn("==7==ERROR: AddressSanitizer: heap-use-after-free\n         #0 in f", text)

    def test_missing_program(self):
        skipped = '<skipped message="Unable to find executable"/>'
        self.counts("x.xml", self.program("notrun", "", skipped), 0, 1, 0)


class Writer(TapTest):
    MODULE = """
import unittest
class T(unittest.TestCase):
    def test_a(self):
        pass
    def test_b(self):
        self.fail("why")
    @unittest.skip("later")
    def test_c(self):
        pass
    def test_d(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
"""

    def test_round_trip(self):
        text, status = self.tap("run", "test_x.py", self.MODULE)
        self.assertEqual(status, 1)
        self.assertIn("# AssertionError: why", text)
        self.counts("x.log", text, 1, 2, 1)

    def test_module_without_tests(self):
        _, status = self.tap("run", "test_x.py", "import unittest\n")
        self.assertEqual(status, 1)

    def test_module_that_does_not_load(self):
        _, status = self.tap("run", "test_x.py", "import nothing_of_that_name\n")
        self.assertEqual(status, 1)
