"""Captured conversations of the stable types, with our socket in the place of one side: what its application
sent goes out as recorded, and what came reaches it as it did there. test_sockets.py does it for the drafts.

The peer's octets come as they were captured, in their recorded places between what the application did.
"""

import unittest

from relay import NOTHING_MS, PATIENCE_MS, Peer, cases_of, octets_of, split_traffic, value_of

import native

GROUPS = ("null_handshake", "frames", "subscriptions")
COMPAT = 1  # of PROFILE
ROUTER_MADE = 5  # octets of a routing id that a ROUTER makes, of which the first is 0

# Sides where ours says or hears something else, and why.
COMMAND = "what an XSUB wants goes to a peer of 3.1 as a command, as that of a SUB does (RFC 37)"
OTHERWISE = {
    ("null_pub_to_xsub", "B"): COMMAND,
    ("null_xsub_to_pub", "C"): COMMAND,
    ("null_xsub_to_xpub", "C"): COMMAND,
    ("xsub_raw_message_form", "C"): COMMAND,
    ("null_req_correlate", "C"): "the reply has the id that libzmq's request had, which was random",
}


def cases():
    for group in GROUPS:
        for case in cases_of(group):
            if case["kind"] == "relay" and case["result"]["outcome"] == "open":
                yield case


class Ours(native.Socket):
    """Our socket, set up as the captured one."""

    def __init__(self, library, setup):
        super().__init__(library, setup["type"])
        for option, value in setup.get("opts", []):
            self.set(option, value.encode() if isinstance(value, str) else value)
        for topic in setup.get("subscribe", []):
            self.set("SUBSCRIBE", bytes.fromhex(topic))
        self.names = {}  # routing ids that a ROUTER made then -> now

    def send_parts(self, parts):
        for index, part in enumerate(parts):
            self.send(self.names.get(part, part), native.NUMBERS["SNDMORE"] * (index + 1 < len(parts)))

    def recv_parts(self, expected):
        """A message's parts; None: nothing came in time."""
        self.set("RCVTIMEO", PATIENCE_MS if expected else NOTHING_MS)
        parts = [self.recv()]
        if parts[0] is None:
            return None
        while self.has_more():
            parts.append(self.recv())
        if expected and len(expected[0]) == len(parts[0]) == ROUTER_MADE and expected[0][0] == parts[0][0] == 0:
            self.names[expected[0]] = parts[0]
            parts[0] = expected[0]
        return parts


def is_app(step, side, *kinds):
    return step.get("app") == side and any(kind in step for kind in kinds)


def next_call(steps, side, index):
    """Where ours said what is heard here; -1: before all."""
    for place in range(index, len(steps)):
        if is_app(steps[place], side, "send", "setsockopt", "recv"):
            return place if "recv" not in steps[place] else -1
    return -1


class Relay(unittest.TestCase):
    """Two libzmq sockets: ours is one of them after the other."""

    def play(self, case, side):
        other = {"C": "B", "B": "C"}[side]
        setup = case["setup"]["connector" if side == "C" else "binder"]
        streams = {name: octets_of(stream) for name, stream in case["result"]["streams"].items()}
        library = native.Library(PATIENCE_MS)
        library.set("PROFILE", COMPAT)
        ours = Ours(library, setup)
        peer = Peer(ours, side == "B")
        try:
            self.follow(case, side, ours, peer, streams[other])
            peer.hear(len(streams[side]))
            greeted, said = split_traffic(streams[side])
            peer_greeted, peer_said = split_traffic(peer.heard)
            self.assertEqual(len(peer_greeted), len(greeted))
            for then, now in ours.names.items():
                said = said.replace(then, now)
            self.assertEqual(peer_said.hex(), said.hex())
        finally:
            peer.close()
            ours.close()
            library.end()

    def follow(self, case, side, ours, peer, stream):
        """The steps, in their order; a send's octets were captured before the call was noted."""
        steps, done = case["result"]["steps"], set()
        greeted = {who: len(split_traffic(octets_of(said))[0]) for who, said in case["result"]["streams"].items()}
        at = {"B": 0, "C": 0}
        for index, step in enumerate(steps):
            who = step.get("from")
            if who not in (None, side) and "len" in step:
                peer.send(stream[at[who]:at[who] + step["len"]])
            if who and "len" in step:
                at[who] += step["len"]
            if is_app(step, side, "recv"):
                self.catch_up(ours, steps[:index], side, done)
                expected = [value_of(part) for part in step["recv"]] if step["recv"] is not None else None
                self.assertEqual(ours.recv_parts(expected), expected)
            elif is_app(step, side, "send", "setsockopt") or (who == side and at[side] > greeted[side]):
                has_spoken = any(at[one] > greeted[one] for one in at if one != side)
                ours.wait_peers(PATIENCE_MS if has_spoken else NOTHING_MS)
                self.catch_up(ours, steps[:1 + next_call(steps, side, index)], side, done)
        self.assertEqual(sum(at[one] for one in at if one != side), len(stream))

    @staticmethod
    def catch_up(ours, steps, side, done):
        for index, step in enumerate(steps):
            if index in done or not is_app(step, side, "send", "setsockopt"):
                continue
            done.add(index)
            if "send" in step:
                ours.send_parts([value_of(part) for part in step["send"]])
            else:
                ours.set(step["setsockopt"], bytes.fromhex(step["value"]))

    def test_each_side_sends_and_receives_what_libzmq_did(self):
        count = 0
        for case in cases():
            for side in "CB":
                if (case["id"], side) in OTHERWISE:
                    continue
                count += 1
                with self.subTest(case=case["id"], side=side):
                    self.play(case, side)
        self.assertGreater(count, 90)


if __name__ == "__main__":
    unittest.main()
