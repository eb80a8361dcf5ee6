"""Captured conversations of the types that libzmq has in builds with drafts, with our socket in the place
of one side: what its application sent goes out as recorded, and what came reaches it as it did there.

The handshake's octets are test_replay.py's business; here they are only played. A case where we differ from
libzmq on purpose says so below.
"""

import ctypes
import json
import os
import pathlib
import socket
import unittest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", HERE.parents[1] / "build" / "dev"))
PATIENCE_MS = 5000
GREETING_BYTES = 64
TYPES = {"SERVER": 12, "CLIENT": 13, "RADIO": 14, "DISH": 15, "GATHER": 16, "SCATTER": 17, "PEER": 19,
         "CHANNEL": 20}
LINGER, RCVTIMEO, SNDTIMEO, LAST_ENDPOINT = 17, 27, 28, 32


def cases(name):
    found = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return {case["id"]: case for case in found}


def octets_of(stream):
    return b"".join(bytes.fromhex(segment["hex"]) for segment in stream)


def traffic_of(stream):
    """What comes behind the greeting and READY."""
    ready = stream[GREETING_BYTES:]
    return ready[2 + ready[1]:]


class Library:
    """The public calls."""

    def __init__(self):
        self.calls = ctypes.CDLL(str(next(BUILD.rglob("libmonocoque.so"))))
        for name in ("mcq_ctx_new", "mcq_socket", "mcq_message_data"):
            getattr(self.calls, name).restype = ctypes.c_void_p
        for name in ("mcq_message_group", "mcq_last_error"):
            getattr(self.calls, name).restype = ctypes.c_char_p
        self.calls.mcq_message_size.restype = ctypes.c_size_t
        self.context = ctypes.c_void_p(self.calls.mcq_ctx_new())

    def must(self, result):
        if result != 0:
            raise AssertionError(self.calls.mcq_last_error().decode())

    def end(self):
        self.must(self.calls.mcq_ctx_term(self.context, PATIENCE_MS))


class Ours:
    """Our socket."""

    def __init__(self, library, type_):
        self.library, self.calls = library, library.calls
        self.socket = ctypes.c_void_p(self.calls.mcq_socket(library.context, TYPES[type_]))
        for option, value in ((LINGER, 0), (RCVTIMEO, PATIENCE_MS), (SNDTIMEO, PATIENCE_MS)):
            library.must(self.calls.mcq_set(self.socket, option, ctypes.c_int64(value)))
        self.message = ctypes.create_string_buffer(64)
        self.heard_id = 0

    def bind(self):
        room, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        self.library.must(self.calls.mcq_bind(self.socket, b"tcp://127.0.0.1:*"))
        self.library.must(self.calls.mcq_get_bytes(self.socket, LAST_ENDPOINT, room, ctypes.byref(size)))
        return int(room.value.rpartition(b":")[2])

    def connect(self, port):
        self.library.must(self.calls.mcq_connect(self.socket, f"tcp://127.0.0.1:{port}".encode()))

    def join(self, group):
        self.library.must(self.calls.mcq_join(self.socket, group))

    def wait_peers(self):
        self.library.must(self.calls.mcq_wait_peers(self.socket, 1, PATIENCE_MS))

    def send(self, body, group):
        self.library.must(self.calls.mcq_message_init_copy(self.message, body, ctypes.c_size_t(len(body))))
        if group is not None:
            self.library.must(self.calls.mcq_message_set_group(self.message, group))
        self.library.must(self.calls.mcq_send_message(self.socket, self.message, 0))
        self.library.must(self.calls.mcq_message_close(self.message))

    def recv(self, timeout_ms=PATIENCE_MS):
        """(group, body); None: nothing came in time."""
        self.library.must(self.calls.mcq_set(self.socket, RCVTIMEO, ctypes.c_int64(timeout_ms)))
        self.library.must(self.calls.mcq_message_init(self.message))
        if self.calls.mcq_recv_message(self.socket, self.message, 0) != 0:
            return None
        size = self.calls.mcq_message_size(self.message)
        body = ctypes.string_at(self.calls.mcq_message_data(self.message), size)
        got = self.calls.mcq_message_group(self.message), body
        self.library.must(self.calls.mcq_message_close(self.message))
        return got

    def close(self):
        self.library.must(self.calls.mcq_close(self.socket))


class Peer:
    """The other side: plain TCP."""

    def __init__(self, stream):
        self.stream = stream
        self.stream.settimeout(PATIENCE_MS / 1000)
        self.heard = b""

    def send(self, octets):
        self.stream.sendall(octets)

    def hear(self, count):
        while len(self.heard) < count:
            octets = self.stream.recv(count - len(self.heard))
            if not octets:
                raise AssertionError(f"the end, after {len(self.heard)} of {count} octets")
            self.heard += octets
        return self.heard

    def has_ended(self, timeout_s):
        self.stream.settimeout(timeout_s)
        try:
            while octets := self.stream.recv(4096):
                self.heard += octets
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True


class Relay(unittest.TestCase):
    """Two libzmq sockets: ours is one of them after the other."""

    def play(self, case, side):
        other = {"C": "B", "B": "C"}[side]
        setup = case["setup"]["connector" if side == "C" else "binder"]
        streams = {name: octets_of(stream) for name, stream in case["result"]["streams"].items()}
        library = Library()
        ours = Ours(library, setup["type"])
        for step in case["result"]["steps"]:
            if step.get("app") == side and "join" in step:
                ours.join(bytes.fromhex(step["join"]))
        if side == "B":
            peer = Peer(socket.create_connection(("127.0.0.1", ours.bind())))
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                ours.connect(server.getsockname()[1])
                peer = Peer(server.accept()[0])
        peer.send(streams[other])
        ours.wait_peers()
        groups = iter([bytes.fromhex(step[3]) if len(step) > 3 else None
                       for step in case["script"] if step[0] == "zsend" and step[1] == side])
        for step in case["result"]["steps"]:
            if step.get("app") == side and "send" in step:
                ours.send(bytes.fromhex(step["send"][0]), next(groups))
            elif step.get("app") == side and "recv" in step:
                got = ours.recv(PATIENCE_MS if step["recv"] else 50)
                self.assertEqual([got[1].hex()] if got else None, step["recv"])
        expected = traffic_of(streams[side])
        heard = peer.hear(len(streams[side]))
        self.assertEqual(traffic_of(heard).hex(), expected.hex())
        peer.stream.close()
        ours.close()
        library.end()

    def test_each_side_sends_and_receives_what_libzmq_did(self):
        for name, case in cases("draft_sockets").items():
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
        library = Library()
        ours = Ours(library, type_)
        peer = Peer(socket.create_connection(("127.0.0.1", ours.bind())))
        for step in case["script"]:
            if step[0] == "send":
                peer.send(bytes.fromhex(step[1]))
        expected = self.OURS.get(name) or case["result"]["outcome"]
        ended = False
        for _ in range(20):
            if type_ == "DISH":  # a message is looked at by who receives it
                self.assertIsNone(ours.recv(10))
            ended = ended or peer.has_ended(0.01 if expected == "open" else 0.2)
        self.assertEqual("closed" if ended else "open", expected)
        if name == "d_dish_ping":
            self.assertIn(b"PONG", peer.heard)
        peer.stream.close()
        ours.close()
        library.end()

    def test_malformed_octets_end_what_they_should(self):
        for name, case in cases("malformed_draft").items():
            with self.subTest(case=name):
                self.play(name, case)


if __name__ == "__main__":
    unittest.main()
