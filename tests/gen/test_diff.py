"""What --diff says of an edit: each kind of it in its group, with its meaning, its level and octets that prove it."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import tree

from gen import diff, load, render

# spec file, what to replace, by what, the change's id, what it means, the level
EDITS = [
    ("zmtp.spec", r"compat 1024\n", "compat 512\n", "limit.max_properties", diff.LESS, "major"),
    ("zmtp.spec", r"max_message_frames  2\^20", "max_message_frames  2^21", "limit.max_message_frames", diff.MORE,
     "minor"),
    ("zmtp.spec", r"/// All frame", "/// Every frame", "limit.max_message_bytes", diff.DOC, "patch"),
    ("command.spec", r"(?s)(command PING.*?bytes\[0\.\.)16", r"\g<1>20", "PING.context", diff.MORE, "minor"),
    ("command.spec", r"(?s)(command PING.*?)unit 100 ms", r"\1in 1..9 unit 100 ms", "PING.ttl", diff.LESS, "major"),
    ("command.spec", r"before message 0x01", "before message 0x02", "SUBSCRIBE", diff.SENDS, "major"),
    ("command.spec", r"(?s)(quirk identity_any on.*?)default strict", r"\1default compat", "quirk.identity_any",
     diff.MORE, "minor"),
    ("command.spec", r'source "RFC 37, Heartbeats"', 'source "RFC 37"', "PING", diff.DOC, "patch"),
    ("greeting.spec", r"send 0x7f", "send 0xff", "greeting.v3.tail", diff.SENDS, "major"),
    ("greeting.spec", r"in 3\.\.255", "in 3..254", "greeting.v3.major", diff.LESS, "major"),
    ("frame.spec", r"must 0 ", "must 8 ", "frame.v3.flags", diff.SENDS, "major"),
    ("frame.spec", r"reserved rest", "bit 3 urgent\n        reserved rest", "frame.v3.flags.urgent", diff.MORE,
     "minor"),
    ("socket.spec", r"(PUSH +code 8 .*peers PULL) ", r"\1 PUSH ", "socket.PUSH", diff.MORE, "minor"),
    ("null.spec", r"ERROR( +)-> failed because refused_by_peer", r"ERROR\1-> failed because peer_refused", None,
     diff.DOC, "patch"),
    ("plain.spec", r"WELCOME   -> send_initiate", "WELCOME   -> failed because early_command",
     "PLAIN.client.wait_welcome on WELCOME", diff.LESS, "major"),
]


class Words(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.tree = tree.copy(pathlib.Path(temporary.name) / "tree")
        self.old = load.load(tree.ROOT)[0]

    def edit(self, name, old, new):
        path = self.tree / "spec" / name
        text, count = re.subn(old, new, path.read_text(), count=1)
        self.assertEqual(count, 1, f"{name} no longer has what this test edits")
        path.write_text(text)

    def test_each_kind_of_edit_is_told_with_its_meaning_and_level(self):
        for name, old, new, rule, meaning, level in EDITS:
            with self.subTest(old):
                before = (self.tree / "spec" / name).read_text()
                self.edit(name, old, new)
                protocol = load.load(self.tree)[0]      # some edits break a lint: the models differ all the same
                (self.tree / "spec" / name).write_text(before)
                changes = diff.Comparison(self.old, protocol).changes
                self.assertIn(meaning, {e for c in changes if rule in (None, c.id) for e in c.effects}, changes)
                self.assertEqual(level, diff.level(set().union(*(c.effects for c in changes))), changes)
                back = diff.Comparison(protocol, self.old).changes
                self.assertEqual({c.id for c in changes}, {c.id for c in back})

    def test_nothing_changed_is_said_of_the_same_spec_and_of_comments(self):
        self.edit("frame.spec", r"\A", "# A remark for the next reader.\n\n")
        self.assertEqual([], diff.Comparison(self.old, load.load(self.tree)[0]).changes)

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.tree, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True,
                       capture_output=True)

    def test_the_report_against_a_revision(self):
        self.git("init", "-q")
        self.git("add", "spec")
        self.git("commit", "-qm", "before")
        self.edit("zmtp.spec", r"max_properties      1024     native 64      compat 1024", "max_properties 2048")
        done = tree.generate(self.tree, "--diff")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertRegex(done.stdout, r"HEAD -> working tree: changes \d+, level minor \(accepts more\)")
        for row in (r"limit.max_properties  accepts more  ceiling 1024 -> 2048",
                    r"accepts more  limit.max_properties  6150 octets  metadata: 016100000000 x 1025",
                    r"MCQ_MAX_PROPERTIES +UINT64_C\(1024\) -> UINT64_C\(2048\)",
                    r"wire/limits.h +\+3 +-3",
                    r"(?m)^-#define MCQ_MAX_PROPERTIES UINT64_C\(1024\)\n\+?"):
            self.assertRegex(done.stdout, row)
        for revision, sentence in (("no-such", "git has no spec/ at 'no-such'"),):
            done = tree.generate(self.tree, "--diff", revision)
            self.assertEqual((2, ""), (done.returncode, done.stdout))
            self.assertIn(sentence, done.stderr)

    def test_a_spec_that_the_notation_no_longer_reads(self):
        self.git("init", "-q")
        kept = (self.tree / "spec/frame.spec").read_text()
        (self.tree / "spec/frame.spec").write_text("frames are octets\n" + kept)
        self.git("add", "spec")
        self.git("commit", "-qm", "before")
        (self.tree / "spec/frame.spec").write_text(kept)
        done = tree.generate(self.tree, "--diff", "HEAD")
        self.assertEqual(2, done.returncode)
        self.assertIn("spec/frame.spec:1:1: error: 'frames' has no meaning here", done.stderr)
        self.assertIn("the present notation does not read", done.stderr)


class Judge(unittest.TestCase):
    """The judge of witnesses agrees with every known answer, which came about apart from it."""

    def test_known_answers(self):
        renderer = render.Renderer(tree.ROOT, load.load(tree.ROOT)[0])
        files = renderer.render({**render.BUILD, **render.COMMITTED})
        codec = diff.Codec(files)
        known = json.loads(files["tests/vectors/known.json"])["cases"]
        self.assertGreater(len(known), 300)
        for case in known:
            with self.subTest(unit=case["unit"], case=case["name"]):
                self.assertEqual(case["rule"], codec.judge(case).rule)


if __name__ == "__main__":
    unittest.main()
