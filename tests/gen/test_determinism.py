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
    """Two copies of the tree in folders of their own are generated from under other hash seeds than the tree itself."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.first = cls.run_in(tree.ROOT, cls.folder / "first")
        cls.copies = {seed: tree.copy(cls.folder / name) for seed, name in (("1", "one"), ("2", "else where/deeper"))}
        cls.built = {seed: cls.run_in(copy, copy / "build", seed) for seed, copy in cls.copies.items()}
        cls.committed = {seed: cls.write(copy, seed) for seed, copy in cls.copies.items()}

    @classmethod
    def run_in(cls, root, out, hash_seed="0"):
        done = tree.generate(root, "--out", str(out), hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr
        return tree.files(out)

    @classmethod
    def write(cls, root, hash_seed):
        """The pages and vectors of a copy, as --write makes them."""
        done = tree.generate(root, "--write", hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr
        read = ("gen/", "templates/", "spec/", "build/")
        return {n: text for n, text in tree.files(root).items() if not n.startswith(read)}

    def assert_same(self, one, other):
        self.assertEqual(sorted(one), sorted(other))
        self.assertEqual([], [name for name in one if one[name] != other[name]])

    def test_hash_seeds_and_folders_change_nothing(self):
        self.assertGreater(len(self.first), 10)
        for seed, files in self.built.items():
            with self.subTest(seed=seed):
                self.assert_same(self.first, files)

    def test_committed_files_are_the_same_under_any_seed(self):
        one, other = self.committed.values()
        self.assertGreater(len(one), 1)
        self.assert_same(one, other)
        self.assert_same(one, {name: (tree.ROOT / name).read_bytes() for name in one})

    def test_no_file_holds_a_path_a_date_or_a_host(self):
        traces = [str(tree.ROOT), str(self.folder), os.path.expanduser("~/"), platform.node()]
        traces = [trace.encode() for trace in traces if len(trace) > 3]
        for name, text in {**self.first, **self.committed["1"]}.items():
            with self.subTest(name):
                self.assertEqual([], [trace for trace in traces if trace in text])
                self.assertIsNone(DATE.search(text))
                self.assertNotIn(b"\r", text)
                self.assertTrue(text.endswith(b"\n"))

    def test_the_list_names_what_is_written(self):
        listed = tree.generate(tree.ROOT, "--names").stdout.split()
        self.assertEqual(sorted(listed), sorted(self.first))

    def test_a_second_run_writes_nothing(self):
        out = self.folder / "first"
        stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        done = tree.generate(tree.ROOT, "--out", str(out), hash_seed="3")
        self.assertIn(" 0 changed", done.stdout)
        self.assertEqual(stamps, {path: path.stat().st_mtime_ns for path in out.rglob("*")})


if __name__ == "__main__":
    unittest.main()
