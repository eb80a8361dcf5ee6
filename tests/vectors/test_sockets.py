"""Captured conversations of the types that libzmq has in builds with drafts, with our socket in the place
of one side: what its application sent goes out as recorded, and what came reaches it as it did there.

The handshake's octets are test_replay.py's business; here they are only played. A case where we differ from
libzmq on purpose says so below.
"""

import ctypes
import unittest

from relay import NOTHING_MS, PATIENCE_MS, Peer, cases_of, octets_of, split_traffic

import native

MESSAGE_BYTES = 64
TYPES = ("SERVER", "CLIENT", "RADIO", "DISH", "GATHER", "SCATTER", "PEER", "CHANNEL")


def traffic_of(stream):
    return split_traffic(stream)[1]


class Ours(native.Socket):
    """Our socket, with messages that may have a group."""

    def __init__(self, library, type_):
        super().__init__(library, type_)
        self.message = ctypes.create_string_buffer(MESSAGE_BYTES)

    def send_to(self, group, body):
        self.must(self.calls.mcq_message_init_copy(self.message, body, len(body)))
        if group is not None:
            self.must(self.calls.mcq_message_set_group(self.message, group))
        self.must(self.calls.mcq_send_message(self.socket, self.message, 0))
        self.must(self.calls.mcq_message_close(self.message))

    def recv_body(self, timeout_ms):
        """None: nothing came in time."""
        self.set("RCVTIMEO", timeout_ms)
        self.must(self.calls.mcq_message_init(self.message))
        if self.calls.mcq_recv_message(self.socket, self.message, 0) != 0:
            return None
        body = ctypes.string_at(self.calls.mcq_message_data(self.message), self.calls.mcq_message_size(self.message))
        self.must(self.calls.mcq_message_close(self.message))
        return body


class Relay(unittest.TestCase):
    """Two libzmq sockets: ours is one of them after the other."""

    def play(self, case, side):
        other = {"C": "B", "B": "C"}[side]
        setup = case["setup"]["connector" if side == "C" else "binder"]
        streams = {name: octets_of(stream) for name, stream in case["result"]["streams"].items()}
        library = native.Library(PATIENCE_MS)
        ours = Ours(library, setup["type"])
        for step in case["result"]["steps"]:
            if step.get("app") == side and "join" in step:
                ours.join(bytes.fromhex(step["join"]))
        peer = Peer(ours, side == "B")
        peer.send(streams[other])
        ours.must(ours.wait_peers(PATIENCE_MS))
        groups = iter([bytes.fromhex(step[3]) if len(step) > 3 else None
                       for step in case["script"] if step[0] == "zsend" and step[1] == side])
        for step in case["result"]["steps"]:
            if step.get("app") == side and "send" in step:
                ours.send_to(next(groups), bytes.fromhex(step["send"][0]))
            elif step.get("app") == side and "recv" in step:
                body = ours.recv_body(PATIENCE_MS if step["recv"] else NOTHING_MS)
                self.assertEqual([body.hex()] if body is not None else None, step["recv"])
        expected = traffic_of(streams[side])
        heard = peer.hear(len(streams[side]))
        self.assertEqual(traffic_of(heard).hex(), expected.hex())
        peer.close()
        ours.close()
        library.end()

    def test_each_side_sends_and_receives_what_libzmq_did(self):
        for case in cases_of("draft_sockets"):
            name = case["id"]
            if case["setup"]["connector"]["type"] not in TYPES or name == "dish_heartbeat_kills":
                continue  # the heartbeats' times are test_heartbeat.py's business
            for side in "CB":
                with self.subTest(case=name, side=side):
                    self.play(case, side)


class Probe(unittest.TestCase):
    """Octets that no libzmq sends, to ours as they were sent to libzmq."""

    # What becomes of the connection, where that is not what libzmq does.
    OURS = {
        "d_radio_join_256": "closed",  # libzmq's process ends
        "d_dish_ping": "open",  # libzmq's DISH counts a command as a message's part
    }

    def play(self, name, case):
        type_ = case["setup"]["zmq"]["type"]
        library = native.Library(PATIENCE_MS)
        ours = Ours(library, type_)
        peer = Peer(ours, True)
        for step in case["script"]:
            if step[0] == "send":
                peer.send(bytes.fromhex(step[1]))
        expected = self.OURS.get(name) or case["result"]["outcome"]
        ended = False
        for _ in range(20):
            if type_ == "DISH":  # a message is looked at by who receives it
                self.assertIsNone(ours.recv_body(10))
            ended = ended or peer.has_ended(0.01 if expected == "open" else 0.2)
        self.assertEqual("closed" if ended else "open", expected)
        if name == "d_dish_ping":
            self.assertIn(b"PONG", peer.heard)
        peer.close()
        ours.close()
        library.end()

    def test_malformed_octets_end_what_they_should(self):
        for case in cases_of("malformed_draft"):
            with self.subTest(case=case["id"]):
                self.play(case["id"], case)


if __name__ == "__main__":
    unittest.main()
