"""Every refused spec of tests/gen/bad is refused at the right place, for that reason and no other.

A bad file's header says what surrounds it and what must be said about it:

    # expect: LINE:COLUMN LINT-ID a piece of the message
    # adds to the spec             the real spec and this file
    # replaces: NAME ...           the same without the files named
    # alone                        this file is the whole spec
"""

import ast
import functools
import pathlib
import re
import unittest

from gen import build, load, reader
from gen.lint import explain

ROOT = pathlib.Path(__file__).resolve().parents[2]
BAD = sorted((ROOT / "tests/gen/bad").glob("*.spec"))
EXPECT = re.compile(r"# expect: (\d+):(\d+) ([a-z-]+) (.+)")


def surroundings(text):
    """The real spec's files that the bad one joins."""
    real = sorted((ROOT / "spec").glob("*.spec"))
    if "# alone" in text:
        return []
    replaced = re.search(r"# replaces: (.+)", text)
    if replaced is None:
        assert "# adds to the spec" in text
        return real
    names = replaced[1].split()
    assert set(names) <= {path.name for path in real}, names
    return [path for path in real if path.name not in names]


@functools.cache
def load_bad(path):
    """load.load() over a folder with the bad file in its place: once, for all that is asked of it."""
    files = [*surroundings(path.read_text()), path]
    return load.load_texts({f"spec/{file.name}": file.read_text() for file in files})


def ids_in_the_generator():
    """The literals that calls of add() and refuse() have in the place of the lint's id."""
    found = set()
    for path in (ROOT / "gen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in ("add", "refuse") and len(node.args) >= 3:
                position = 2 if path.name == "match.py" and node.func.attr == "refuse" else 1
                literals = [n.value for n in ast.walk(node.args[position])
                            if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                found.update(text for text in literals if re.fullmatch(r"[a-z]+(-[a-z]+)*", text))
    return found


def misread(example):
    """Refusals of an example's words; it stands wherever its statements may."""
    told = []
    for parent in ("file", "limits", "layout", "machine", "state", "sockets", "message", "alphabet"):
        problems = reader.Problems()
        statements = reader.read("example", example, problems)
        build.Builder(problems).rows(statements, parent)
        if not problems:
            return []
        told.append([problem.message for problem in problems.items])
    return told


class Refusals(unittest.TestCase):
    def test_the_real_spec_is_not_refused(self):
        _, problems, sources = load.load(ROOT)
        self.assertFalse(problems, load.report(problems, sources))

    def test_each_bad_spec_gets_what_it_expects_and_nothing_else(self):
        self.assertTrue(BAD)
        for path in BAD:
            with self.subTest(path.stem):
                self.check(path)

    def check(self, path):
        expected = sorted(
            (int(line), int(column), lint, piece)
            for line, column, lint, piece in EXPECT.findall(path.read_text())
        )
        self.assertTrue(expected, "no '# expect:' line")
        self.assertTrue(any(path.stem.startswith(lint) for *_, lint, _ in expected), "misnamed")
        _, problems, sources = load_bad(path)
        found = sorted(problems.items, key=lambda p: (p.where.line, p.where.column, p.lint))
        told = load.report(problems, sources)
        places = [(p.where.line, p.where.column, p.lint) for p in found]
        self.assertEqual([one[:3] for one in expected], places, told)
        for one, problem in zip(expected, found):
            self.assertEqual(f"spec/{path.name}", problem.where.file)
            self.assertIn(one[3], problem.message)

    def test_each_refusal_offers_a_way_out(self):
        """After what is wrong comes what to do: what is needed, a second clause, what is known."""
        for path in BAD:
            for problem in load_bad(path)[1].items:
                with self.subTest(path.stem):
                    self.assertRegex(problem.message, r"[;?:(,]| needs? ")
                    self.assertFalse(problem.message.endswith("."))

    def test_each_mark_lies_within_its_line(self):
        for path in BAD:
            _, problems, sources = load_bad(path)
            for problem in problems.items:
                where = problem.where
                with self.subTest(path.stem):
                    line = sources[where.file][where.line - 1]
                    marked = line[where.column - 1 : where.column - 1 + where.width]
                    self.assertEqual(len(marked), where.width)
                    self.assertEqual(marked, marked.strip())


class Report(unittest.TestCase):
    def test_a_refusal_reads_as_the_design_shows_it(self):
        _, problems, sources = load_bad(ROOT / "tests/gen/bad/overflow.spec")
        self.assertEqual(
            load.report(problems, sources),
            "spec/overflow.spec:12:38: error: 'username' may have 256 octets,"
            " which u8 cannot count (at most 255)\n"
            "   12 |     username : bytes[0..256]  length u8\n"
            "      |                                      ^~\n"
            "  rule: HELLO.username (RFC 24)   lint: overflow\n"
            "gen: 1 error, nothing written",
        )


class Explained(unittest.TestCase):
    def test_each_id_of_a_bad_spec_has_an_explanation(self):
        for path in BAD:
            for *_, lint, _ in EXPECT.findall(path.read_text()):
                with self.subTest(path.stem):
                    self.assertIsNotNone(explain.text(lint))

    def test_each_explanation_is_of_an_id_in_use_and_has_a_bad_spec(self):
        expected = {lint for path in BAD for *_, lint, _ in EXPECT.findall(path.read_text())}
        self.assertEqual(sorted(explain.LINTS), sorted(expected))

    def test_each_id_written_in_the_generator_has_a_bad_spec(self):
        expected = {lint for path in BAD for *_, lint, _ in EXPECT.findall(path.read_text())}
        written = ids_in_the_generator()
        self.assertGreater(len(written), 20)
        self.assertEqual(written - expected, set())

    def test_each_mended_example_is_made_of_known_words(self):
        for lint, row in explain.LINTS.items():
            with self.subTest(lint):
                self.assertEqual(misread(row["mended"]), [])

    def test_an_unknown_id_has_none(self):
        self.assertIsNone(explain.text("no-such-lint"))


if __name__ == "__main__":
    unittest.main()
