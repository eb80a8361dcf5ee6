"""What a change of the spec costs: each patch of changes/ touches the spec alone, or one hook file beside it, and the
code that is then generated compiles without a warning and passes the tests that were generated with it."""

import pathlib
import re
import tempfile
import unittest

import tree
import workbench

from gen import load

CHANGES = pathlib.Path(__file__).parent / "changes"
HOOKS = {"mechanism": "src/security/token.c"}      # exercise -> what it writes by hand


class Exercises(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.bench = workbench.Bench(folder.name)
        cls.bench.commit()
        cls.bench.generate()
        cls.bench.build()

    def change(self, name):
        """Applies a patch to a copy of the tree -> (what --diff says, the bench, built)."""
        bench = self.enterContext(self.bench.fork())
        patch = CHANGES / f"{name}.patch"
        for touched in re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE):
            self.assertTrue(touched.startswith("spec/") or touched == HOOKS.get(name), touched)
        bench.run("git", "apply", "--unidiff-zero", patch)
        said = tree.generate(bench.root, "--diff")
        self.assertEqual(0, said.returncode, said.stderr)
        bench.generate()
        self.assertNotIn("warning:", bench.build())
        self.assertEqual([], list(bench.failing()))
        return said.stdout, bench

    def says(self, text, *rows):
        for row in rows:
            self.assertRegex(text, row)

    def differ(self, text):
        """The artefacts that --diff lists."""
        return set(re.findall(r"(?m)^  (\S+)\s+\+\d+ +-\d+$", text))

    def test_a_command(self):
        text, bench = self.change("command")
        self.says(text, r"level minor \(accepts more\)", r"NOTE +accepts more +new command",
                  r"command NOTE +nothing -> 9..264 octets",
                  r"accepts more +NOTE +9 octets +command of traffic: 044e4f54450107b200",
                  r"wire/command\.c +\+")
        others = re.compile("greeting|frame|metadata|socket")
        self.assertEqual(set(), {name for name in self.differ(text) if others.search(name)})
        cases = (bench.root / "build/tests/test_command.c").read_text()
        for case in ("NOTE.text at 255", "NOTE.text cut", "NOTE.level largest", "NOTE.level = 0", "NOTE.level = 8",
                     "NOTE.since = 1969", "NOTE.since = 10000", "mcq_encode_note("):
            self.assertIn(case, cases)

    def test_a_mechanism(self):
        text, bench = self.change("mechanism")
        self.says(text, r"level minor \(accepts more\)", r"TOKEN\.SHOW +accepts more +new command",
                  r"TOKEN +accepts more +new mechanism", r"TOKEN\.server +accepts more +new machine",
                  r"machine TOKEN\.server +nothing -> 3 states x 5 events",
                  r"accepts more +TOKEN\.SHOW +22 octets +command of token: 0453484f5710(61){16}")
        self.assertIn("mcq_token_token_ok", (bench.root / "build/security/steps.h").read_text())
        self.assertIn("token_server__each_state_and_event", (bench.root / "build/tests/test_steps.c").read_text())
        (bench.root / HOOKS["mechanism"]).unlink()
        with self.assertRaisesRegex(AssertionError, "undefined reference to `mcq_token_token_ok'"):
            bench.build()

    def test_a_minor_version_with_a_flag(self):
        text, bench = self.change("minor")
        self.says(text, r"level major", r"greeting\.v3\.minor +sends differently +send 1 -> 2",
                  r"frame\.v3_2 +accepts more +new layout", r"versions +accepts more .* 3\.1 -> .* 3\.1 3\.2",
                  r"accepts more +frame\.v3_2 +2 octets +frame\.v3_2: 0000",
                  r"reads differently +greeting: 3\.2 +6. octets +greeting: ff0000000000000001\w\w0302")
        urgent = bench.root / "build/wire/frame.h"
        self.assertIn("#define MCQ_FRAME_URGENT UINT8_C(0x08)\n", urgent.read_text())
        kept = (bench.root / "build/tests/test_frame.c").read_text()
        for name, needs in (("v3", "reserved_bits_ignored"), ("v3_2", "0")):      # the flag is one at 3.2 alone
            row = re.search(rf"flags_need_{name}\[256\] = \{{\n(.*?)\}};", kept, re.DOTALL)[1]
            self.assertIn(needs, row.replace("\n", "").split(",")[8].lower())

    def test_a_limit(self):
        text, bench = self.change("limit")
        old = load.load(tree.ROOT)[0].limits["max_properties"].value
        self.says(text, r"level minor \(accepts more\)", rf"limit\.max_properties +accepts more +ceiling {old} -> 2048",
                  rf"accepts more +limit\.max_properties +{6 * (old + 1)} octets +metadata: 016100000000 x {old + 1}",
                  r"MCQ_MAX_PROPERTIES +UINT64_C")
        cases = (bench.root / "build/tests/test_metadata.c").read_text()
        for case in ("2048 properties", "2049 properties"):
            self.assertIn(case, cases)


if __name__ == "__main__":
    unittest.main()
