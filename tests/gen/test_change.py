"""An edit of the spec moves the parser, the page and the tests that depend on it, no other file."""

import pathlib
import re
import tempfile
import unittest

import tree

LIMIT = re.compile(r"max_properties +1024 +native 64 +compat 1024")
PAGE = "docs/reference/zmtp.md"


class Change(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.tree = tree.copy(pathlib.Path(temporary.name) / "tree")
        self.out = self.tree / "build"

    def edit(self, name, old, new):
        path = self.tree / "spec" / name
        text, count = re.subn(old, new, path.read_text())
        self.assertEqual(count, 1, f"{name} no longer has what this test edits")
        path.write_text(text)

    def generate(self):
        """All that --out and --write make."""
        for arguments in (["--out", str(self.out)], ["--write"]):
            done = tree.generate(self.tree, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        return self.made()

    def made(self):
        read = ("gen/", "templates/", "spec/")
        return {n: text for n, text in tree.files(self.tree).items() if not n.startswith(read)}

    def moved(self, before, after):
        self.assertEqual(sorted(before), sorted(after))
        return {name for name in before if before[name] != after[name]}

    def narrow(self):
        self.edit("zmtp.spec", LIMIT, "max_properties 512 native 32 compat 512")

    def test_a_limit_moves_its_constant_its_page_and_its_boundary_test(self):
        before = self.generate()
        self.narrow()
        after = self.generate()

        ids = "build/wire/ids.h"
        for suffix, old, new in (("", 1024, 512), ("_NATIVE", 64, 32), ("_COMPAT", 1024, 512)):
            define = f"#define MCQ_MAX_PROPERTIES{suffix} UINT64_C(%d)\n"
            self.assertIn((define % old).encode(), before[ids])
            self.assertIn((define % new).encode(), after[ids])

        boundary = "build/tests/test_metadata.c"
        for made, last in ((before, 1024), (after, 512)):
            self.assertRegex(made[boundary].decode(), rf'"{last} properties".* MCQ_OK,')
            self.assertRegex(made[boundary].decode(), rf'"{last + 1} properties".* MCQ_LIMIT,')

        row = r"(?m)^.*max_properties.*\b%d\b.*$"
        self.assertRegex(before[PAGE].decode(), row % 1024)
        self.assertRegex(after[PAGE].decode(), row % 512)
        self.assertNotRegex(after[PAGE].decode(), row % 1024)

        self.assertLessEqual({ids, boundary, PAGE}, self.moved(before, after))

    def test_a_limit_leaves_the_other_units_as_they_are(self):
        before = self.generate()
        self.narrow()
        moved = self.moved(before, self.generate())
        others = re.compile(r"greeting|frame|socket_type|steps|charset|encode|notation")
        self.assertEqual([], sorted(name for name in moved if others.search(name)))

    def test_a_comment_moves_nothing(self):
        before = self.generate()
        self.edit("frame.spec", r"\A", "# A remark for the next reader.\n\n")
        self.assertEqual(set(), self.moved(before, self.generate()))

    def test_check_names_the_stale_page_and_the_way_out(self):
        self.generate()
        self.assertEqual(tree.generate(self.tree, "--check").returncode, 0)
        self.narrow()
        done = tree.generate(self.tree, "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn(PAGE, done.stderr)
        self.assertIn("./dev gen", done.stderr)

    def test_a_misspelt_name_writes_nothing_at_all(self):
        self.edit("command.spec", r"0\.\.max_properties", "0..max_propertys")
        for arguments in (["--out", str(self.out)], ["--write"]):
            done = tree.generate(self.tree, *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn("did you mean 'max_properties'?", done.stderr)
            self.assertTrue(done.stderr.endswith("gen: 1 error, nothing written\n"), done.stderr)
        self.assertEqual({}, self.made())

    def test_a_misspelt_name_leaves_what_was_made_before(self):
        before = self.generate()
        self.edit("null.spec", "-> wait_ready", "-> wait_raedy")
        self.assertEqual(tree.generate(self.tree, "--out", str(self.out)).returncode, 1)
        self.assertEqual(tree.generate(self.tree, "--write").returncode, 1)
        self.assertEqual(set(), self.moved(before, self.made()))


if __name__ == "__main__":
    unittest.main()
