"""An edit of the spec moves the parser, the page and the tests that depend on it, no other file."""

import pathlib
import re
import shutil
import tempfile
import unittest

import tree

LIMIT = re.compile(r"max_properties +1024 +native 64 +compat 1024")
PAGE = "docs/reference/zmtp.md"
MAKE = ["--out", "build"], ["--write"]


class Change(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.clean = tree.copy(pathlib.Path(folder.name) / "clean")
        cls.before = cls.generate(cls.clean)
        cls.narrow = cls.changed(folder.name, "narrow")
        cls.edit(cls.narrow, "zmtp.spec", LIMIT, "max_properties 512 native 32 compat 512")
        cls.after = cls.generate(cls.narrow)

    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.tree = self.changed(folder, "tree")

    @classmethod
    def changed(cls, folder, name):
        """A copy of the tree with all that is made from it."""
        return pathlib.Path(shutil.copytree(cls.clean, pathlib.Path(folder) / name))

    @classmethod
    def edit(cls, root, name, old, new):
        path = root / "spec" / name
        text, count = re.subn(old, new, path.read_text())
        assert count == 1, f"{name} no longer has what this test edits"
        path.write_text(text)

    @classmethod
    def generate(cls, root):
        """All that --out and --write make."""
        for arguments in MAKE:
            done = tree.generate(root, *arguments)
            assert done.returncode == 0, done.stderr
        return cls.made(root)

    @classmethod
    def made(cls, root):
        read = ("gen/", "templates/", "spec/")
        return {n: text for n, text in tree.files(root).items() if not n.startswith(read)}

    def moved(self, after):
        self.assertEqual(sorted(self.before), sorted(after))
        return {name for name in after if self.before[name] != after[name]}

    def test_a_limit_moves_its_constant_its_page_and_its_boundary_test(self):
        before, after = self.before, self.after
        limits = "build/wire/limits.h"
        for suffix, old, new in (("", 1024, 512), ("_NATIVE", 64, 32), ("_COMPAT", 1024, 512)):
            define = f"#define MCQ_MAX_PROPERTIES{suffix} UINT64_C(%d)\n"
            self.assertIn((define % old).encode(), before[limits])
            self.assertIn((define % new).encode(), after[limits])

        boundary = "build/tests/test_metadata.c"
        for made, last in ((before, 1024), (after, 512)):
            self.assertRegex(made[boundary].decode(), rf'"{last} properties".* MCQ_OK,')
            self.assertRegex(made[boundary].decode(), rf'"{last + 1} properties".* MCQ_LIMIT,')

        row = r"(?m)^.*max_properties.*\b%d\b.*$"
        self.assertRegex(before[PAGE].decode(), row % 1024)
        self.assertRegex(after[PAGE].decode(), row % 512)
        self.assertNotRegex(after[PAGE].decode(), row % 1024)

        self.assertLessEqual({limits, boundary, PAGE}, self.moved(after))

    def test_a_limit_leaves_the_other_units_as_they_are(self):
        moved = self.moved(self.after)
        others = re.compile(r"ids|greeting|frame|socket_type|steps|charset|encode|notation")
        self.assertEqual([], sorted(name for name in moved if others.search(name)))

    def test_a_comment_moves_nothing(self):
        self.edit(self.tree, "frame.spec", r"\A", "# A remark for the next reader.\n\n")
        self.assertEqual(set(), self.moved(self.generate(self.tree)))

    def test_check_names_the_stale_page_and_the_way_out(self):
        self.assertEqual(tree.generate(self.tree, "--check").returncode, 0)
        self.edit(self.tree, "zmtp.spec", LIMIT, "max_properties 512 native 32 compat 512")
        done = tree.generate(self.tree, "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn(PAGE, done.stderr)
        self.assertIn("./dev gen", done.stderr)

    def test_a_misspelt_name_writes_nothing_at_all(self):
        (self.tree / PAGE).unlink()
        shutil.rmtree(self.tree / "build")
        kept = self.made(self.tree)
        self.edit(self.tree, "command.spec", r"0\.\.max_properties", "0..max_propertys")
        for arguments in MAKE:
            done = tree.generate(self.tree, *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn("did you mean 'max_properties'?", done.stderr)
            self.assertTrue(done.stderr.endswith("gen: 1 error, nothing written\n"), done.stderr)
        self.assertEqual(kept, self.made(self.tree))

    def test_a_misspelt_name_leaves_what_was_made_before(self):
        self.edit(self.tree, "null.spec", "-> wait_ready", "-> wait_raedy")
        for arguments in MAKE:
            self.assertEqual(tree.generate(self.tree, *arguments).returncode, 1)
        self.assertEqual(set(), self.moved(self.made(self.tree)))


if __name__ == "__main__":
    unittest.main()
