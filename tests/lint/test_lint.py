"""Each lint refuses what it is there to refuse: trees with one offence each, and clean ones."""

import pathlib
import re
import subprocess
import tempfile
import unittest
from unittest import mock

import asserts
import banned
import budget
import faults
import layers
import links
import objects
import tree
import wire


# In two pieces each, since this file is held to the same rules.
MARK, MACHINE, BESIDE, WRITER = "TO" "DO", "/wor" "k/x", "../shar" "ed", "@auth" "or"


class LintTest(unittest.TestCase):
    """Writes {path: text} into an empty tree and compares what a lint says of it."""

    def offences(self, lint, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(lint.check(root))

    def refuses(self, lint, files, start):
        found = self.offences(lint, files)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(start), found[0])

    def accepts(self, lint, files):
        self.assertEqual(self.offences(lint, files), [])


class Asserts(LintTest):
    def test_one_that_is_not_listed(self):
        files = {"src/session/new.c": "void f(int a)\n{\n    mcq_assert(g(a) <\n        3);\n}\n"}
        self.refuses(asserts, files, "src/session/new.c:3: 'g(a) < 3' ends the process")

    def test_elsewhere_and_in_comments(self):
        self.accepts(asserts, {"src/hub/new.c": "mcq_assert(a);\n", "src/session/new.c": "/* mcq_assert(a); */\n"})

    def test_one_that_is_gone(self):
        found = self.offences(asserts, {"src/session/session.c": "\n"})
        self.assertEqual(len(found), 1, found)


class Faults(LintTest):
    """A page of all rows with one test for all, and what one line of it does to that."""

    def page(self, **changed):
        idents = [f"{letter}{n}" for letter, count in faults.IDS.items() for n in range(1, count + 1)]
        return "".join(f"| {i} | it holds | {changed.get(i, '`any__test`')} |\n" for i in idents)

    def with_page(self, tests, **changed):
        return {faults.PAGE: self.page(**changed), "tests/x/test_x.c": f"static void any__test(void)\n{tests}"}

    def test_each_row_has_a_test_or_says_why_not(self):
        self.accepts(faults, self.with_page("", a3="not yet: no time"))
        self.refuses(faults, self.with_page("", a3=""), f"{faults.PAGE}:3: a3 has no test")

    def test_a_test_that_is_not_there(self):
        self.refuses(faults, self.with_page("", b2="`other__test`"), f"{faults.PAGE}:18: there is no test other__test")

    def test_a_row_that_is_missing_and_a_test_of_none(self):
        files = self.with_page("void fault_a99__x__y(void)\n")
        self.refuses(faults, files, f"{faults.PAGE}: fault_a99__x__y is named after a row")
        files = self.with_page("")
        files[faults.PAGE] = files[faults.PAGE].replace("| h9 |", "| h8 |")
        self.assertEqual(len(self.offences(faults, files)), 2)

    def test_what_is_written_is_accepted(self):
        files = self.with_page("void fault_a1__x__y(void)\nvoid fault_a2__x__y(void)\n", a2="not yet: no time")
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            (root / faults.PAGE).write_text(faults.fill(root))
            self.assertEqual(list(faults.check(root)), [])
            self.assertIn("| a1 | it holds | `fault_a1__x__y`<br>`any__test` |", (root / faults.PAGE).read_text())
            self.assertIn("| a2 | it holds | `fault_a2__x__y` |", (root / faults.PAGE).read_text())


class Layers(LintTest):
    TABLE = tree.read(tree.ROOT / "docs/layers.txt")

    def with_table(self, path, text, **more):
        return {"docs/layers.txt": self.TABLE, path: text, **more}

    def test_upward_include(self):
        files = self.with_table("src/arena/x.c", '#include "base/x.h"\n#include "pump/x.h"\n')
        self.refuses(layers, files, "src/arena/x.c:2: arena includes pump/x.h")

    def test_but_takes_out(self):
        table = self.TABLE.replace("all above  ", "all above but socket  ")
        files = {"docs/layers.txt": table, "src/runtime/ctx.c": '#include "socket/req.h"\n'}
        self.refuses(layers, files, "src/runtime/ctx.c:1: runtime includes socket/req.h")

    def test_all_above(self):
        self.accepts(layers, self.with_table("src/pump/read.c", '#include "session/session.h"\n'))

    def test_folder_without_row(self):
        files = self.with_table("src/other/x.c", "")
        self.refuses(layers, files, "src/other/x.c:1: src/other has no row")

    def test_include_of_unknown_folder(self):
        files = self.with_table("src/base/x.c", '#include "nowhere/x.h"\n')
        self.refuses(layers, files, "src/base/x.c:1: nowhere/x.h is in no layer")

    def test_public_header_below_the_api(self):
        header = {"include/monocoque.h": ""}
        files = self.with_table("src/hub/x.c", "#include <monocoque.h>\n", **header)
        self.refuses(layers, files, "src/hub/x.c:1: hub includes monocoque.h")

    def test_sans_io_header(self):
        files = self.with_table("src/session/x.c", "#include <stdint.h>\n#include <sys/socket.h>\n")
        self.refuses(layers, files, "src/session/x.c:2: session is sans-IO: <sys/socket.h>")

    def test_sans_io_generated(self):
        files = self.with_table("build/dev/generated/security/steps.h", "#include <time.h>\n")
        self.refuses(layers, files, "build/dev/generated/security/steps.h:1: security is sans-IO")

    def test_reactors_may_do_io(self):
        self.accepts(layers, self.with_table("src/reactor/x.c", "#include <sys/socket.h>\n"))


class Objects(unittest.TestCase):
    """Compiles one file of the wire layer as the build would lay it out."""

    def offences(self, text):
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder) / "src/CMakeFiles/monocoque_objects.dir/wire"
            target.mkdir(parents=True)
            command = ["cc", "-O2", "-fPIC", "-x", "c", "-c", "-o", target / "x.c.o", "-"]
            subprocess.run(command, input=text, text=True, check=True)
            return list(objects.check(pathlib.Path(folder), Layers.TABLE))

    def test_call(self):
        found = self.offences("long time(long *); long f(void) { return time(0); }")
        self.assertEqual(found, ["wire/x.c.o: calls time(), which is not among the calls of docs/layers.txt"])

    def test_mutable_variable(self):
        for text in ("int n;", "static int n; int f(void) { return ++n; }", "__thread int n;", "int n = 3;"):
            with self.subTest(text=text):
                found = self.offences(text)
                self.assertEqual(found, ["wire/x.c.o: n is a mutable variable; its owner should hold it"])

    def test_clean(self):
        text = """void *memcpy(void *, const void *, unsigned long); int mcq_f(char *);
                  static const char *const names[] = {"a", "b"};
                  const char *f(int n, char *to, char *from)
                  { memcpy(to, from, n); return names[mcq_f(to)]; }"""
        self.assertEqual(self.offences(text), [])


class Budget(LintTest):
    CODE = '''"""What a module is for,
in two lines."""

# A reason.
ROWS = ["a",
        "b"]     # a comment beside code is code


def f():
    """Why."""
    return """text
    is code"""
'''

    def test_what_counts(self):
        self.assertEqual(budget.code_lines(self.CODE), 5)

    def test_beyond_it(self):
        files = {"gen/a.py": self.CODE, "gen/lint/b.py": "A = 1\n", "gen/b.toml": "a = 1\n", "src/c.py": "B = 1\n"}
        with mock.patch.object(budget, "BUDGET", 5):
            self.refuses(budget, files, "gen/: 6 lines of code, at most 5")
        with mock.patch.object(budget, "BUDGET", 6):
            self.accepts(budget, files)


class Wire(LintTest):
    # path, text, and how the only offence begins
    OFFENCES = [
        ("src/hub/x.c", 'find("READY");', '"READY" is a word of the wire: use MCQ_COMMAND_READY'),
        ("src/base/x.c", 'find("Socket-Type");', '"Socket-Type" is a word of the wire: use MCQ_PROPERTY_SOCKET_TYPE'),
        ("src/api/x.c", 'is("CURVE");', '"CURVE" is a word of the wire'),
        ("src/session/x.c", "uint8_t octets[64];", "64 is 64, a number of the wire: use MCQ_MAX_PROPERTIES_NATIVE or"),
        ("src/session/x.c", "#define LAST 0x7f", "LAST is 127, a number of the wire: use what greeting.v3.tail sends"),
        ("src/runtime/x.c", "n / 100", "100 is 100, a number of the wire: use the unit of PING.ttl"),
        ("src/socket/x.c", "flags |= 0x04;", "0x04 is 4, a number of the wire: use MCQ_FRAME_COMMAND"),
        ("src/socket/x.c", "if (body.data[0] == 1)", "body.data[0] is compared with 1, an octet of the wire: use "
                                                     "mcq_command_of_message()"),
    ]
    CLEAN = [
        ("src/hub/x.c", "/* READY */ f(\"REA\"); // 255, 0x7f\n"),
        ("src/socket/x.c", "char batch[64]; size_t n = 2000 << 16; x = y[0] == 7;"),
        ("src/arena/x.c", "#define MANY 255"),
        ("tests/session/x.c", 'memcpy(at, "READY", 64);'),
    ]

    def test_offences(self):
        for path, text, sentence in self.OFFENCES:
            with self.subTest(path=path, text=text):
                self.refuses(wire, {path: text}, f"{path}:1: {sentence}")

    def test_clean(self):
        for path, text in self.CLEAN:
            with self.subTest(path=path, text=text):
                self.accepts(wire, {path: text})

    def test_each_exception_is_still_needed(self):
        kept = dict(wire.ALLOWED)
        self.addCleanup(wire.ALLOWED.update, kept)
        wire.ALLOWED.clear()
        found = "\n".join(wire.check(tree.ROOT))
        for path, what in kept:
            self.assertRegex(found, rf"(?m)^{re.escape(path)}:\d+: {re.escape(what)} ")

    def test_the_tree(self):
        self.assertEqual([], list(wire.check(tree.ROOT)))


class Banned(LintTest):
    # path, text, and how the only offence begins
    OFFENCES = [
        ("tests/base/test_x.c", "strcpy(a, b);\n", "'strcpy(' is banned: write memcpy"),
        ("src/base/x.c", "sprintf(a, b);\n", "'sprintf(' is banned: write snprintf"),
        ("src/base/x.c", "x = alloca(n);\n", "'alloca(' is banned"),
        ("examples/x.c", "strtok(a, b);\n", "'strtok(' is banned"),
        ("bench/x.c", "x = rand();\n", "'rand(' is banned"),
        ("src/hub/x.c", "assert(x);\n", "'assert(' is banned: write mcq_assert"),
        ("src/hub/x.c", "abort();\n", "'abort(' is banned"),
        ("src/hub/x.c", "p = malloc(n);\n", "'malloc(' is banned: write a call of the arena"),
        ("src/hub/x.c", 'printf("x");\n', "'printf(' is banned"),
        ("src/hub/x.h", "typedef struct x x;\n", "'typedef struct' is banned"),
        ("src/reactor/x.c", "entry->flags |= IOSQE_IO_LINK;\n", "'IOSQE_IO_LINK' is banned"),
        ("docs/x.md", f"{MARK}: later\n", f"'{MARK}' is banned"),
        ("docs/x.md", f"see {MACHINE}\n", f"'{MACHINE}' is banned"),
        ("docs/x.md", f"see {BESIDE}/x\n", f"'{BESIDE}' is banned"),
        ("docs/x.md", f"{WRITER} me\n", f"'{WRITER}' is banned"),
        ("docs/x.md", "word \n", "white space at the end"),
        ("src/hub/x.h", "int y" + "y" * 100 + ";\n", "106 columns, at most 100"),
        ("gen/x.py", "y = " + "1" * 120 + "\n", "124 columns, at most 120"),
        ("gen/x.py", "if x:\n\ty\n", "a tab"),
        ("docs/x.md", "no newline", "no newline at the end"),
    ]
    CLEAN = [
        ("src/base/x.c", "abort();\n"),
        ("src/arena/x.c", "free(p);\n"),
        ("src/hub/x.c", "mcq_slab_free(p); ops->free(p); static_assert(1, x); mcq_assert(x);\n"),
        ("src/hub/x.c", '/* strcpy(a, b) */ f("strcpy(");\n'),
        ("docs/x.md", f"{MARK}(#12): later\n"),
        ("fuzz/corpus/frame/1b0ebba1d3d6", "no newline, \t tab "),
        ("tests/regress/frame/cut", "no newline "),
        ("docs/x.md", "| " + "wide tables are fine in prose " * 5 + "|\n"),
    ]

    def test_offences(self):
        for path, text, sentence in self.OFFENCES:
            with self.subTest(path=path, text=text):
                line = text.count("\n") if text.endswith("\n") else 1
                self.refuses(banned, {path: text}, f"{path}:{line}: {sentence}")

    def test_clean(self):
        for path, text in self.CLEAN:
            with self.subTest(path=path, text=text):
                self.accepts(banned, {path: text})


class Links(LintTest):
    def test_missing_page(self):
        self.refuses(links, {"docs/a.md": "see [b](b.md)\n"}, "docs/a.md:1: there is no docs/b.md")

    def test_missing_heading(self):
        files = {"a.md": "[b](docs/b.md#how-it-works)\n", "docs/b.md": "# What it is\n"}
        self.refuses(links, files, "a.md:1: docs/b.md has no heading '#how-it-works'")

    def test_link_out_of_the_tree(self):
        self.refuses(links, {"docs/a.md": "[b](../../b.md)\n"}, "docs/a.md:1: there is no ../b.md")

    def test_good_links(self):
        files = {
            "README.md": "[a](docs/a.md) [b](docs/a.md#one-two) [c](https://example.org)\n",
            "docs/a.md": "# One: two\n\n`[not](a-link)`\n\n```\n[nor](this)\n```\n",
        }
        self.accepts(links, files)
