"""The same spec gives the same bytes: under any hash seed, in any folder, on any day."""

import os
import pathlib
import platform
import re
import tempfile
import unittest

import tree

DATE = re.compile(rb"\b(19|20)\d\d-\d\d-\d\d\b|\b\d\d:\d\d:\d\d\b")


class SameBytes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.first = cls.run_in(tree.ROOT, "first")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def run_in(cls, root, name, hash_seed="0"):
        out = cls.folder / name
        done = tree.generate(root, "--out", str(out), hash_seed=hash_seed)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return tree.files(out)

    def committed(self, root, hash_seed="0"):
        """The pages and vectors of a copy, as --write makes them."""
        done = tree.generate(root, "--write", hash_seed=hash_seed)
        self.assertEqual(done.returncode, 0, done.stderr)
        read = ("gen/", "templates/", "spec/")
        return {n: text for n, text in tree.files(root).items() if not n.startswith(read)}

    def assert_same(self, one, other):
        self.assertEqual(sorted(one), sorted(other))
        self.assertEqual([], [name for name in one if one[name] != other[name]])

    def test_hash_seeds_change_nothing(self):
        self.assertGreater(len(self.first), 10)
        for seed in ("1", "2"):
            with self.subTest(seed=seed):
                self.assert_same(self.first, self.run_in(tree.ROOT, f"seed{seed}", seed))

    def test_another_folder_changes_nothing(self):
        elsewhere = tree.copy(self.folder / "else where" / "deeper")
        self.assert_same(self.first, self.run_in(elsewhere, "elsewhere"))

    def test_committed_files_are_the_same_under_any_seed(self):
        one = self.committed(tree.copy(self.folder / "one"), "1")
        other = self.committed(tree.copy(self.folder / "other"), "2")
        self.assertGreater(len(one), 1)
        self.assert_same(one, other)

    def test_no_file_holds_a_path_a_date_or_a_host(self):
        pages = self.committed(tree.copy(self.folder / "pages"))
        traces = [str(tree.ROOT), str(self.folder), os.path.expanduser("~/"), platform.node()]
        traces = [trace.encode() for trace in traces if len(trace) > 3]
        for name, text in {**self.first, **pages}.items():
            with self.subTest(name):
                self.assertEqual([], [trace for trace in traces if trace in text])
                self.assertIsNone(DATE.search(text))
                self.assertNotIn(b"\r", text)
                self.assertTrue(text.endswith(b"\n"))

    def test_the_list_names_what_is_written(self):
        listed = tree.generate(tree.ROOT, "--names").stdout.split()
        self.assertEqual(sorted(listed), sorted(self.first))

    def test_a_second_run_writes_nothing(self):
        out = self.folder / "twice"
        tree.generate(tree.ROOT, "--out", str(out))
        stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        done = tree.generate(tree.ROOT, "--out", str(out), hash_seed="3")
        self.assertIn(" 0 changed", done.stdout)
        self.assertEqual(stamps, {path: path.stat().st_mtime_ns for path in out.rglob("*")})


if __name__ == "__main__":
    unittest.main()
