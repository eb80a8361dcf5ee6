"""RADIO, DISH and DGRAM over udp, with libzmq at the other end.

A stable build of libzmq has the types, and no calls for groups: its RADIO says all to the group without a name, its
DISH can join none. So its DGRAM stands in for them, which says and hears any octets.
"""

import ctypes
import errno
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import native

try:
    import zmq
except ImportError:
    zmq = None

RADIO, DISH, DGRAM, PUB = "RADIO", "DISH", "DGRAM", "PUB"
PATIENCE_MS = 10000
ENOCOMPATPROTO = 156384712 + 52
OK = 0
MULTICAST = "239.255.77.2"

# type, call, endpoint, what ours says, what libzmq says
VERDICTS = [
    (RADIO, "bind", "udp://127.0.0.1:{port}", ENOCOMPATPROTO, ENOCOMPATPROTO),
    (DISH, "connect", "udp://127.0.0.1:{port}", ENOCOMPATPROTO, ENOCOMPATPROTO),
    (DGRAM, "connect", "udp://127.0.0.1:{port}", ENOCOMPATPROTO, ENOCOMPATPROTO),
    (PUB, "bind", "udp://127.0.0.1:{port}", ENOCOMPATPROTO, ENOCOMPATPROTO),
    (PUB, "connect", "udp://rubbish", ENOCOMPATPROTO, ENOCOMPATPROTO),
    (PUB, "bind", "udp://", errno.EINVAL, errno.EINVAL),
    (DISH, "bind", "udp://127.0.0.1", errno.EINVAL, errno.EINVAL),
    (DISH, "bind", "udp://lo:{port}", OK, OK),
    (DISH, "bind", "udp://nosuch0:{port}", errno.ENODEV, errno.ENODEV),
    (DISH, "bind", "udp://lo;127.0.0.1:{port}", errno.EINVAL, errno.EINVAL),
    (DISH, "bind", "udp://nosuch0;" + MULTICAST + ":{port}", errno.ENODEV, errno.ENODEV),
    (RADIO, "connect", "udp://127.0.0.1:{port}", OK, OK),
    (RADIO, "connect", "udp://lo;" + MULTICAST + ":{port}", OK, OK),
    (RADIO, "connect", "udp://*:{port}", errno.EINVAL, errno.EINVAL),
    (RADIO, "connect", "udp://127.0.0.1:*", errno.EINVAL, errno.EINVAL),
    (RADIO, "connect", "udp://lo;127.0.0.1:{port}", errno.EINVAL, errno.EINVAL),
    # Here an address that is taken, or is none, is refused.
    (DISH, "bind", "udp://127.0.0.1:99999", errno.EINVAL, OK),
    (DGRAM, "bind", "tcp://127.0.0.1:*", ENOCOMPATPROTO, OK),
    (RADIO, "connect", "udp://nosuch0;" + MULTICAST + ":{port}", errno.EHOSTUNREACH, errno.ENODEV),
]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@unittest.skipIf(zmq is None, "pyzmq is not installed")
class Udp(unittest.TestCase):
    def setUp(self):
        self.library = native.Library(PATIENCE_MS)
        self.theirs = zmq.Context()
        self.open, self.open_there = [], []
        self.addCleanup(self.end)

    def end(self):
        for made in self.open:
            made.close()
        self.library.end()
        for made in self.open_there:
            made.close()
        self.theirs.term()

    def our(self, kind, verb=None, endpoint=""):
        made = native.Socket(self.library, kind)
        self.open.append(made)
        if verb:
            getattr(made, verb)(endpoint)
        return made

    def their(self, kind, verb=None, endpoint=""):
        try:
            made = self.theirs.socket(native.NUMBERS[kind])
        except zmq.ZMQError:
            self.skipTest("this libzmq does not have the type")
        self.open_there.append(made)
        made.linger, made.rcvtimeo = 0, PATIENCE_MS
        if verb:
            getattr(made, verb)(endpoint)
        return made

    def recv(self, made):
        part = made.recv()
        self.assertIsNotNone(part)
        return part

    def send(self, made, *parts):
        for part in parts:
            made.send(part, native.NUMBERS["SNDMORE"] if part is not parts[-1] else 0)

    def places(self):
        ports = free_port(), free_port()
        return [f"udp://127.0.0.1:{port}" for port in ports], [f"127.0.0.1:{port}".encode() for port in ports]

    def await_bound(self, made, address, near):
        """Its engine binds some time after the call: what is said until it has come is over when this returns."""
        made.rcvtimeo, heard = 20, []
        for _ in range(PATIENCE_MS // 20):
            self.send(near, address, b"there?")
            try:
                heard = made.recv_multipart()
                break
            except zmq.Again:
                continue
        made.rcvtimeo = PATIENCE_MS
        self.send(near, address, b"there")
        while heard[1:] != [b"there"]:
            heard = made.recv_multipart()

    def test_dgrams_talk(self):
        endpoints, (ours, theirs) = self.places()
        near, far = self.our(DGRAM, "bind", endpoints[0]), self.their(DGRAM, "bind", endpoints[1])
        self.await_bound(far, theirs, near)
        for body in (b"x", b"", b"y" * 8192):
            self.send(near, theirs, body)
            self.assertEqual(far.recv_multipart(), [ours + b"\0", body])
            far.send_multipart([ours, body])
            self.assertEqual([self.recv(near), self.recv(near)], [theirs, body])

    def test_their_radio_is_heard(self):
        endpoints, _ = self.places()
        dish = self.our(DISH, "bind", endpoints[0])
        dish.join(b"")
        radio = self.their(RADIO, "connect", endpoints[0])
        for body in (b"x", b"", b"y" * 8191):
            radio.send(body)
            self.assertEqual(self.recv(dish), body)

    def test_radio_sends_what_they_would(self):
        endpoints, (_, theirs) = self.places()
        far = self.their(DGRAM, "bind", endpoints[1])
        self.await_bound(far, theirs, self.our(DGRAM, "bind", endpoints[0]))
        radio = self.our(RADIO, "connect", endpoints[1])
        for body in (b"x", b"", b"y" * 8191):
            self.send(radio, body)
            self.assertEqual(far.recv_multipart()[1], b"\0" + body)

    def test_dish_hears_a_group_said_by_them(self):
        endpoints, (ours, _) = self.places()
        dish = self.our(DISH, "bind", endpoints[0])
        dish.join(b"news")
        far = self.their(DGRAM, "bind", endpoints[1])
        for octets in (b"\4newsone", b"\4old.lost", b"\3newcut", b"\4ne", b"\4newstwo"):
            far.send_multipart([ours, octets])
        self.assertEqual([self.recv(dish), self.recv(dish)], [b"one", b"two"])

    def test_endpoints_are_judged_alike(self):
        said = []
        for kind, verb, endpoint, _, _ in VERDICTS:
            text = endpoint.format(port=free_port())
            made = self.our(kind)
            failed = getattr(made.calls, f"mcq_{verb}")(made.socket, text.encode())
            ours = ctypes.get_errno() if failed else OK
            try:
                getattr(self.their(kind), verb)(text)
                theirs = OK
            except zmq.ZMQError as error:
                theirs = error.errno
            said.append((kind, verb, endpoint, ours, theirs))
        self.assertEqual(said, VERDICTS)


if __name__ == "__main__":
    unittest.main()
