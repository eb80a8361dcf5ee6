"""Which of libzmq's options is in its PINGs: what the cases of heartbeat.json say, asked of a live socket."""

import pathlib
import socket
import tempfile
import unittest

import capture
import oracle
import plan

try:
    import zmq
except ImportError:
    zmq = None

HERE = pathlib.Path(__file__).parent
IVL_MS, PATIENCE_S = 20, 20


def first_ping(options):
    """The body of the first PING of a DEALER with these options."""
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context, context.socket(zmq.DEALER) as dealer, \
            socket.socket(socket.AF_UNIX) as peer:
        dealer.linger = 0
        for option, value in options:
            dealer.setsockopt(option, value)
        dealer.bind(f"ipc://{folder}/peer")
        peer.connect(f"{folder}/peer")
        peer.settimeout(PATIENCE_S)
        peer.sendall(oracle.greeting_bytes(b"") + oracle.ready_bytes("DEALER", b""))
        octets = b""
        while True:
            for frame in oracle.frames_of(octets):
                name, data = frame.command()
                if frame.is_complete and name == b"PING":
                    return data
            octets += peer.recv(4096)


@unittest.skipIf(zmq is None, "python3-zmq is not there")
class Heartbeat(unittest.TestCase):
    def test_the_time_to_live_is_option_76_in_tenths_of_a_second(self):
        self.assertEqual(first_ping([(plan.HEARTBEAT_IVL, IVL_MS), (plan.HEARTBEAT_TTL, 3000)]), b"\x00\x1e")

    def test_the_timeout_is_option_77_and_not_in_the_ping(self):
        self.assertEqual(first_ping([(plan.HEARTBEAT_IVL, IVL_MS), (plan.HEARTBEAT_TIMEOUT, 3000)]), b"\x00\x00")

    def test_the_recorded_case_sets_the_timeout_alone(self):
        case = next(case for _, case in capture.read_directory(HERE) if case["id"] == "ping_from_libzmq")
        options = dict(case["setup"]["zmq"]["opts"])
        self.assertEqual((options.get(plan.HEARTBEAT_TTL), options[plan.HEARTBEAT_TIMEOUT]), (None, 3000))
        self.assertIn("PING body is 04 'PING' 00 00", case["meaning"])
        for side in capture.sides("heartbeat", case):
            pings = [frame for frame in oracle.frames_of(side.stream("out")) if frame.command()[0] == b"PING"]
            self.assertEqual({frame.command()[1] for frame in pings}, {b"\0\0"})


if __name__ == "__main__":
    unittest.main()
