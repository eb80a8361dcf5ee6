"""libzmq's verdict on the seeds, and the parts of the tool that gets it."""

import contextlib
import dataclasses
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest

import libzmq_verdict as verdict
from libzmq_verdict import diff, oracle, zmq

BUILD = diff.default_build()
GREETING = oracle.greeting_bytes(b"")
READY = oracle.ready_bytes("PAIR", b"")
JOIN = oracle.command_bytes(b"JOIN", b"\0")      # libzmq without draft sockets does not look into it
HELLO = oracle.header_bytes(0, 5) + b"hello"
PAIR = verdict.Setting("PAIR", "NULL", False, None)


class Streams(unittest.TestCase):
    def test_pieces_end_with_the_greeting_and_with_frames(self):
        self.assertEqual(verdict.pieces(GREETING + READY + HELLO[:3]), [GREETING, READY, HELLO[:3]])
        self.assertEqual(verdict.pieces(GREETING[:20]), [GREETING[:20]])
        self.assertEqual(verdict.pieces(b""), [])
        self.assertEqual(verdict.pieces(b"\3\0me"), [b"\3\0me"])

    def test_a_unit_that_is_cut_is_completed(self):
        for cut in (12, 40, 65, 66, 70):
            octets = (GREETING + READY + HELLO)[:cut]
            whole = verdict.completed(octets)
            self.assertTrue(whole.startswith(octets))
            self.assertEqual(len(whole), len(GREETING) if cut <= len(GREETING) else
                             len(GREETING) + 2 if cut == 65 else len(GREETING + READY), cut)
        self.assertEqual(verdict.completed(b"\xff\0\0"), b"\xff\0\0")
        long = GREETING + b"\2" + (1 << 40).to_bytes(8, "big")
        self.assertEqual(verdict.completed(long), long)

    def test_a_peer_of_another_type(self):
        changed = verdict.with_peer_type(GREETING + READY + HELLO, "DEALER")
        self.assertEqual(changed, GREETING + oracle.command_bytes(
            b"READY", oracle.property_bytes(b"Socket-Type", b"DEALER")) + HELLO)
        self.assertEqual(len(list(verdict.every_type(PAIR, GREETING))), len(oracle.TYPES))

    def test_what_is_behind_a_difference(self):
        self.assertEqual(verdict.rule_of(GREETING[:30]), "greeting.v3")
        self.assertEqual(verdict.rule_of(GREETING + READY), "READY")
        self.assertEqual(verdict.rule_of(GREETING + READY + HELLO), "frame.v3.body")
        old = b"\xff" + bytes(8) + b"\x7f\x01\x03"
        self.assertEqual(verdict.rule_of(old + b"\0\0" + HELLO), "frame.v2.body")
        self.assertEqual(verdict.rule_of(old + b"\4\0" + HELLO), "frame.v2.flags")


@unittest.skipIf(zmq is None, "python3-zmq is not there")
class Live(unittest.TestCase):
    def judge(self, todo, exceptions):
        judge = verdict.Judge(BUILD, exceptions)
        self.addCleanup(judge.close)
        return list(judge.judge(todo)), judge.explained

    def test_a_difference_is_found_where_it_begins_and_explained_where_a_row_says_so(self):
        todo = [(PAIR, GREETING + READY + HELLO), (PAIR, GREETING + READY + HELLO + JOIN + HELLO)]
        (number, octets, difference), = self.judge(todo, {})[0]
        self.assertEqual((number, octets), (1, GREETING + READY + HELLO + JOIN))
        self.assertEqual((difference.reaction, difference.rule), ("closes", "JOIN.group"))
        found, explained = self.judge(todo, {"a": verdict.replay.Exceptional("closes", "JOIN.group")})
        self.assertEqual((found, explained), ([], {"closes JOIN.group": 1}))

    def test_both_sides_are_seen(self):
        """Planted: another verdict of ours on the same octets differs from libzmq's."""
        judge = verdict.Judge(BUILD, {})
        self.addCleanup(judge.close)
        octets = GREETING + READY + HELLO
        (ours, theirs), = judge.play([(PAIR, octets)])
        self.assertEqual((ours.messages, theirs.messages, ours.is_ready, theirs.is_ready),
                         ([[b"hello"]], [[b"hello"]], True, True))
        self.assertEqual(ours.output, theirs.output)
        self.assertIsNone(verdict.compare(PAIR, octets, ours, theirs))
        for reaction, change in (("closes", {"is_closed": True}), ("misses", {"is_ready": False}),
                                 ("hands", {"messages": []}), ("sends", {"output": ours.output + b"x"})):
            planted = dataclasses.replace(ours, **change)
            self.assertEqual(verdict.compare(PAIR, octets, planted, theirs).reaction, reaction)

    def test_the_seeds_and_the_corpus(self):
        """No difference that is not explained, and no explanation that nothing calls for."""
        own = pathlib.Path(verdict.__file__).parent
        with tempfile.TemporaryDirectory() as name:
            folder, said = pathlib.Path(name), io.StringIO()
            subprocess.run([sys.executable, own / "unpack.py", BUILD / "generated/fuzz/seeds.txt", folder],
                           check=True, timeout=60)
            with contextlib.redirect_stdout(said):
                status = verdict.main(["--build", str(BUILD), str(folder / "session"), str(own / "corpus/session")])
        self.assertEqual(status, 0, said.getvalue())
        self.assertRegex(said.getvalue(), r"1\d\d conversations.*: 0 differ")
        for name, row in verdict.replay.read_exceptions(verdict.EXCEPTIONS).items():
            if name.startswith("live_"):
                self.assertIn(f"explained by: {row.reaction} {row.rule}\n", said.getvalue(), name)


if __name__ == "__main__":
    unittest.main()
