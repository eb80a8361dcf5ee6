"""The generated tests can fail: each planted mistake, in generated C or in the spec, turns at least one of them red.

A mistake in the spec moves the code and would move the tests with it. So the code comes from the spec with the mistake
and the tests from the committed one: their cases are those of tests/vectors/known.json, which only a commit changes."""

import contextlib
import json
import re
import tempfile
import unittest

import tree
import workbench

IN_C = [     # file, what stands there, the mistake
    ("wire/command.c", r"len > row->high", "len >= row->high"),
    ("wire/command.c", r"if \(good < len\)", "if (good + 1 < len)"),
    ("wire/command.c", r"decoder->state >= mcq_command_first_final", "decoder->state > 0"),
    ("wire/frame.c", r"decoder->size > \(command", "decoder->size >= (command"),
    ("wire/frame.c", r"decoder->left -= len;", "decoder->left -= len > 1 ? len - 1 : len;"),
    ("wire/metadata.c", r"\+\+decoder->count > decoder->max_count", "++decoder->count >= decoder->max_count"),
    ("wire/metadata.c", r"len > decoder->size - at", "len > decoder->size"),
    ("wire/encode.h", r"size > 255", "size >= 255"),
    ("wire/encode.h", r"\.tail = 127", ".tail = 126"),
    ("wire/charset.h", r"0x0000000000000000u, 0x7fffffffffffffffu|0x7fffffffffffffffu", "0xffffffffffffffffu"),
    ("security/steps.c", r"NULL, NULL_PEER_FAILED, NULL_PEER_FAILED", "NULL, NULL_PEER_READY, NULL_PEER_FAILED"),
    ("table/socket_type.c", r"PEER\(PULL\)", "PEER(PUSH)"),
]
IN_SPEC = [  # file, what stands there, the mistake
    ("greeting.spec", r"send 0x7f", "send 0x01"),
    ("greeting.spec", r"(mechanism +: text\[20\].*)pad 0x00", r"\1pad 0x20"),
    ("frame.spec", r"bit 2 command", "bit 3 command"),
    ("frame.spec", r"(?s)(layout frame.v3.*?must )0", r"\g<1>8"),
    ("command.spec", r"(?s)(command ERROR.*?text\[0\.\.)255", r"\g<1>254"),
    ("command.spec", r"ttl     : u16be", "ttl     : u32be"),
    ("command.spec", r"(?s)(command PONG.*?bytes\[0\.\.)16", r"\g<1>15"),
    ("command.spec", r"before message 0x01", "before message 0x02"),
    ("command.spec", r"name   : text\[1\.\.255\]", "name   : text[1..254]"),
    ("zmtp.spec", r"PRINTABLE  0x20\.\.0x7e", "PRINTABLE  0x20..0x7f"),
    ("zmtp.spec", r"max_properties      1024(.*)1024", r"max_properties      1023\g<1>1023"),
    ("plain.spec", r"ERROR     -> failed because refused_by_peer", "ERROR     -> wait_welcome"),
    ("socket.spec", r"PUSH     code 8 ", "PUSH     code 63"),
]


class Mutations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.bench = workbench.Bench(folder.name)
        cls.bench.generate()
        cls.bench.build()

    @contextlib.contextmanager
    def plant(self, name, old, new):
        """A bench with the mistake in it."""
        with self.subTest(name, mistake=new), self.bench.fork() as bench:
            path = bench.root / name
            kept = path.read_text()
            text, count = re.subn(old, new, kept, count=1)
            self.assertEqual((count, True), (1, text != kept), f"{name} no longer has what this test mutates")
            path.write_text(text)
            yield bench

    def assert_red(self, bench):
        bench.build()
        self.assertIsNotNone(next(bench.failing(), None), "all tests are green")

    def test_without_a_mistake_all_are_green_and_hold_the_committed_answers(self):
        self.assertEqual([], list(self.bench.failing()))
        known = json.loads((tree.ROOT / "tests/vectors/known.json").read_text())["cases"]
        text = b"".join(tree.files(self.bench.root / "build/tests").values()).decode()
        self.assertGreater(len(known), 300)
        for case in known:
            row = '{"%s", "%s", ' % (case["name"], re.sub("(..)", r"\\x\1", case["head"]))
            self.assertIn(row, text)

    def test_mistakes_in_generated_c(self):
        for name, old, new in IN_C:
            with self.plant(f"build/{name}", old, new) as bench:
                self.assert_red(bench)

    def test_mistakes_in_the_spec(self):
        for name, old, new in IN_SPEC:
            with self.plant(f"spec/{name}", old, new) as bench:
                bench.generate(tests=False)
                self.assert_red(bench)


if __name__ == "__main__":
    unittest.main()
