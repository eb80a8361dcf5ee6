"""The replay itself: the captures pass, and every kind of planted change turns it red."""

import copy
import functools
import hashlib
import json
import os
import pathlib
import stat
import sys
import tempfile
import unittest

import capture
import oracle
import plan
import replay

HERE = pathlib.Path(__file__).parent
DRIVER = pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", HERE.parents[1] / "build/dev"),
                      "tests/vectors/session_driver")
EXCEPTIONS = replay.read_exceptions(HERE / "exceptions")


@functools.cache
def captures():
    return {case["id"]: (group, case) for group, case in capture.read_directory(HERE)}


def case_of(name):
    return copy.deepcopy(captures()[name][1])


def failures(case, driver=DRIVER, exceptions=EXCEPTIONS):
    """What the replay finds wrong with a case."""
    try:
        sides = capture.sides("planted", case)
    except capture.CaptureError as error:
        return [str(error)]
    return [failure for side in sides for failure in
            replay.replay(side, driver, replay.exception_of(side, exceptions)).failures]


def replace_octets(case, name, change):
    """Rewrites a relay's stream and what the capture says about it, as a recorder would have."""
    result = case["result"]
    stream = change(bytearray(capture.segments(result["streams"][name])))
    result["streams"][name] = [{"hex": bytes(stream).hex()}]
    result["sha256"][name] = hashlib.sha256(stream).hexdigest()
    del result["parsed"]
    at = 0
    for step in result["steps"]:
        if step.get("from") == name and "len" in step:
            step["hex"] = bytes(stream[at:at + step["len"]]).hex()
            at += step["len"]


def flip(at):
    def change(stream):
        stream[at] ^= 0x01
        return stream
    return change


class Captures(unittest.TestCase):
    def test_all_pass_or_wait_for_a_later_part(self):
        outcomes = replay.replay_directory(HERE, DRIVER, EXCEPTIONS)
        for outcome in outcomes:
            with self.subTest(outcome.title):
                self.assertEqual(outcome.failures, [])
        self.assertGreater(sum(not outcome.skipped for outcome in outcomes), 200)

    def test_each_line_of_the_exceptions_is_about_something(self):
        for name, line in EXCEPTIONS.items():
            self.assertIn(line.reaction, replay.REACTIONS, name)


class PlantedInCaptures(unittest.TestCase):
    def test_a_flipped_octet_breaks_the_digest(self):
        for name in ("C", "B"):
            case = case_of("null_req_to_rep")
            stream = bytearray(capture.segments(case["result"]["streams"][name]))
            case["result"]["streams"][name] = [{"hex": bytes(flip(70)(stream)).hex()}]
            self.assertIn("SHA-256", failures(case)[0])

    def test_any_octet_of_the_greeting_and_of_ready_counts(self):
        """The session that plays this side says what it always says."""
        case = case_of("null_req_to_rep")
        ready_end = oracle.GREETING_BYTES + len(oracle.ready_bytes("REQ", b""))
        for at in range(ready_end):
            with self.subTest(at=at):
                changed = copy.deepcopy(case)
                replace_octets(changed, "C", flip(at))
                self.assertTrue(failures(changed))

    def test_a_frame_header_that_we_would_not_write(self):
        case = case_of("frame_256")
        replace_octets(case, "C", lambda stream: stream[:92] + b"\x0a" + stream[93:])
        self.assertIn("our stream at octet 92", " ".join(failures(case)))

    def test_an_event_that_contradicts_parsed(self):
        case = case_of("ping_context_1")
        case["result"]["parsed"][0]["probe"]["frames"][1]["size"] += 1
        self.assertIn("size is 8, parsed says 9", " ".join(failures(case)))

    def test_a_missing_pong(self):
        case = case_of("ping_context_1")
        steps = case["result"]["steps"]
        pong = next(step for step in steps if step.get("hex") == "040604504f4e4741")
        steps.remove(pong)
        streams = case["result"]["streams"][0]
        octets = capture.segments(streams["zmq"])[:-pong["len"]]
        streams["zmq"] = [{"hex": octets.hex()}]
        streams["sha256_zmq"] = hashlib.sha256(octets).hexdigest()
        self.assertIn("called for 040604504f4e4741, recorded nothing", " ".join(failures(case)))

    def test_an_outcome_that_the_octets_do_not_call_for(self):
        case = case_of("t_unknown_command")
        case["result"]["steps"].append({"conn": 1, "from": "zmq", "event": "eof", "t_ms": 999.0})
        self.assertIn("nothing in the octets calls for it", " ".join(failures(case)))
        case = case_of("g_mech_unknown")
        case["result"]["steps"] = [step for step in case["result"]["steps"] if "event" not in step]
        self.assertIn("libzmq stays open after", " ".join(failures(case)))

    def test_a_timer_that_fires_much_earlier_or_later(self):
        for shift in (-150, 150):
            case = case_of("ping_timeout_closes")
            for step in case["result"]["steps"]:
                if step.get("event") == "eof":
                    step["t_ms"] += shift
            self.assertIn("timer:", " ".join(failures(case)), shift)


class PlantedInTheSession(unittest.TestCase):
    """A driver that leaves something out of its log, or changes it, never passes."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def driver(self, edit):
        """A driver whose log passes through a line of Python: `line` in, `line` out."""
        path = self.folder / "driver"
        path.write_text(f"#!{sys.executable}\nimport re, subprocess, sys\n"
                        f"log = subprocess.run([{str(DRIVER)!r}], stdin=sys.stdin,\n"
                        "                     capture_output=True, text=True).stdout\n"
                        "for line in log.splitlines():\n"
                        f"    {edit}\n"
                        "    print(line)\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def events(self, name):
        return self.log(name, "event ")

    def log(self, name, start):
        side = capture.sides("planted", case_of(name))[-1]
        outcome = replay.replay(side, DRIVER, None)
        return [line for line in outcome.log.splitlines() if line.startswith(start)]

    def test_the_unchanged_log_passes(self):
        self.assertEqual(failures(case_of("ping_context_15"), self.driver("pass")), [])

    def test_every_member_of_every_kind_of_event_counts(self):
        for name in ("frame_multipart_3", "ping_context_15", "pong_unasked", "sub_31_A",
                     "null_identity_dealer_router", "t_unknown_command", "error_received_400",
                     "plain_ok", "dish_to_radio_join_message"):
            for line in {" ".join(line.split()[:2]): line for line in self.events(name)}.values():
                kind = " ".join(line.split()[:2])
                for member in replay.members(line):
                    with self.subTest(case=name, kind=kind, member=member):
                        edit = (f"line = re.sub(r' {member}=\\S*', '', line) "
                                f"if line.startswith({kind!r}) else line")
                        self.assertTrue(failures(case_of(name), self.driver(edit)))

    def test_a_lost_event_and_a_second_one(self):
        for edit in ("if line.startswith('event body part=1'): continue",
                     "if line.startswith('event body part=1'): print(line)"):
            self.assertTrue(failures(case_of("frame_multipart_3"), self.driver(edit)))

    def test_other_output_phase_error_or_rule(self):
        for name, edit in (
                ("ping_context_1", "line = line.replace('504f4e4741', '504f4e4742')"),
                ("ping_context_1", "line = line.replace('phase=TRAFFIC', 'phase=HANDSHAKE')"),
                ("g_mech_unknown", "line = line.replace('err=MISMATCH', 'err=OK')"),
                ("h_prop_value_overrun", "line = re.sub(r' offset=\\d+', ' offset=9999', line)"),
                ("t_ping_one_ttl_octet", "line = line.replace('rule=PING.ttl', 'rule=PING')"),
                ("ping_context_1", "line = re.sub(r'^stage 64 .*', 'stage 63 90', line)")):
            with self.subTest(case=name, edit=edit):
                self.assertTrue(failures(case_of(name), self.driver(edit)))

    def test_a_cut_that_gives_another_log(self):
        edit = "print('differs cut at 7: a | whole: b') if line.startswith('runs') else None"
        self.assertIn("differs cut at 7: a | whole: b",
                      failures(case_of("frame_1"), self.driver(edit)))

    def test_a_driver_that_crashes_or_says_nothing(self):
        for edit in ("sys.exit(-6)", "continue"):
            self.assertTrue(failures(case_of("frame_1"), self.driver(edit)))


class Exceptions(unittest.TestCase):
    def changed(self, name, *line):
        found = {key: value for key, value in EXCEPTIONS.items() if key != name}
        if line:
            found[name] = replay.Exceptional(*line)
        return failures(case_of(name.partition(":")[0]), exceptions=found)

    def test_a_case_without_its_line_fails(self):
        for name, line in EXCEPTIONS.items():
            case = name.partition(":")[0]
            if case in captures() and line.reaction != "sends" and not name.startswith("v2_"):
                with self.subTest(name):
                    self.assertTrue(self.changed(name))

    def test_the_wrong_reaction_or_rule_fails(self):
        self.assertTrue(self.changed("t_ping_one_ttl_octet", "stays", "PING.ttl"))
        self.assertTrue(self.changed("plain_refused_300:B", "closes", "PLAIN.server.wait_hello"))
        self.assertTrue(self.changed("plain_ok:B", "spells", "PLAIN.ERROR"))
        self.assertTrue(self.changed("t_ping_one_ttl_octet", "closes", "PING.context"))
        self.assertTrue(self.changed("ping_ttl_wraps_16bit", "closes", "PING.ttl"))

    def test_a_line_that_is_not_needed_fails(self):
        for reaction in replay.REACTIONS:
            self.assertTrue(self.changed("null_req_to_rep", reaction, "PING.ttl"), reaction)


class Captured(unittest.TestCase):
    """The reader of captures."""

    def test_segments(self):
        self.assertEqual(capture.segments([{"hex": "ff00"}, {"mod251": 252}]),
                         b"\xff\x00" + bytes(range(251)) + b"\x00")

    def test_other_json_is_left_alone_and_a_newer_format_is_not(self):
        with tempfile.TemporaryDirectory() as folder:
            known = pathlib.Path(folder, "known.json")
            known.write_text(json.dumps({"format": "something-else-1", "cases": []}))
            with self.assertRaisesRegex(capture.CaptureError, "no captures"):
                capture.read_directory(folder)
            known.write_text(json.dumps({"format": "zmtp-vectors-2", "cases": []}))
            with self.assertRaisesRegex(capture.CaptureError, "zmtp-vectors-2"):
                capture.read_directory(folder)


class Read(unittest.TestCase):
    """The oracle, on octets written by hand."""

    PEER = (oracle.greeting_bytes(b"") + oracle.ready_bytes("PUSH", b""))

    def verdict(self, octets, **more):
        return oracle.read(self.PEER + octets, "PULL", **more)

    def test_headers(self):
        self.assertEqual(oracle.header_bytes(0, 255), b"\x00\xff")
        self.assertEqual(oracle.header_bytes(1, 256), b"\x03" + (256).to_bytes(8, "big"))

    def test_versions(self):
        signature = b"\xff" + bytes(8) + b"\x7f"
        for octets, form, version in (
            (b"GET / HTTP/1.1", "v1", "1.0"), (b"\xff" + bytes(8) + b"\x7e", "v1", "1.0"),
            (signature + b"\0", "v2", "1.0"), (signature + b"\1", "v2", "2.0"),
            (signature + b"\2", "v3", "3.1"), (signature + b"\3\0", "v3", "3.0"),
            (signature + b"\3\1", "v3", "3.1"), (signature + b"\4\0", "v3", "3.1"),
        ):
            peer = oracle.peer_of(octets)
            self.assertEqual((peer.form, peer.version), (form, version), octets.hex())
        for octets in (b"", b"\xff", signature, signature + b"\3"):
            self.assertIsNone(oracle.peer_of(octets))

    def test_frames_of_1_0(self):
        octets = b"\1\0" + b"\3\1ab" + b"\xff" + (256).to_bytes(8, "big") + b"\0" + bytes(255)
        frames = list(oracle.frames_of(octets, 0, version="1.0"))
        self.assertEqual([(f.size, f.more, f.header) for f in frames],
                         [(0, False, 2), (2, True, 2), (255, False, 10)])
        for frame in frames:
            self.assertEqual(oracle.header_bytes(frame.flags, frame.size, "1.0"),
                             octets[frame.at:frame.at + frame.header])

    def test_a_limit_is_met_by_the_header_alone(self):
        self.assertIsNone(self.verdict(b"\x00\x64", frame_limit=100).refusal)
        refusal = self.verdict(b"\x00\x65", frame_limit=100).refusal
        self.assertIn("LIMIT", refusal.errors)

    def test_a_cut_frame_is_unfinished(self):
        self.assertEqual(self.verdict(b"\x01\x05ab").events[-1],
                         "event unfinished part=0 flags=1 size=5 octets=6162")

    def test_a_ping_is_answered_and_cut(self):
        verdict = self.verdict(oracle.command_bytes(b"PING", bytes(2) + b"x" * 17))
        self.assertEqual([answer.octets for answer in verdict.answers],
                         [oracle.command_bytes(b"PONG", b"x" * 16)])

    def test_what_only_a_pattern_refuses(self):
        peer = oracle.greeting_bytes(b"") + oracle.ready_bytes("REP", b"")
        for octets, refused in ((b"\x00\x01x", True), (b"\x01\x00\x00\x01x", False)):
            verdict = oracle.read(peer + octets, "REQ")
            self.assertIsNone(verdict.refusal)
            self.assertEqual(bool(oracle.pattern_refuses(verdict, "REQ")), refused)


class Planned(unittest.TestCase):
    def test_long_input_is_cut_near_headers_and_by_a_stride(self):
        side = capture.sides("frames", case_of("frame_65535"))[1]
        words = next(line for line in plan.plan(side).script if line.startswith("splits")).split()
        cuts = set(map(int, words[1:]))
        self.assertTrue({1, 63, 64, 65, 91, 92, 93, 101, 102, 156, 97 * 100} <= cuts)
        self.assertLess(len(cuts), 1500)

    def test_subscriptions_go_out_in_the_order_of_a_trie(self):
        side = capture.sides("subscriptions", case_of("sub_31_before_connect_order"))[0]
        calls = [line for line in plan.plan(side).script if line.startswith("subscribe")]
        self.assertEqual(calls, ["subscribe -", "subscribe 61", "subscribe 6162", "subscribe 62"])

    def test_a_subscription_after_the_end_of_the_recording_has_the_right_header(self):
        case = case_of("sub_30_255_defect")
        topic = bytes.fromhex(case["setup"]["zmq"]["subscribe"][0])
        side = capture.sides("subscriptions", case)[0]
        self.assertTrue(plan.plan(side).output.endswith(
            b"\x02" + (256).to_bytes(8, "big") + b"\x01" + topic))


if __name__ == "__main__":
    unittest.main()
