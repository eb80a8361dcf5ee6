"""What bind, connect, unbind and disconnect answer to endpoints: ours and a live libzmq's, errno by errno.

Each row has both answers; where they differ, docs/reference/endpoints.md must name it by the row's own text.
"""

import ctypes
import errno
import os
import socket
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import native

try:
    import zmq
except ImportError:
    zmq = None

PAGE = Path(__file__).parents[2] / "docs/reference/endpoints.md"
ENOCOMPATPROTO = 156384712 + 52  # libzmq's own
OK = 0

# What is called, its endpoint, our errno, libzmq's. {folder} is an empty folder of the row's own.
SAME = [
    ("bind", "tcp", errno.EINVAL),
    ("bind", "://127.0.0.1:*", errno.EINVAL),
    ("bind", "tcp://", errno.EINVAL),
    ("bind", "carrier://pigeon", errno.EPROTONOSUPPORT),
    ("bind", "TCP://127.0.0.1:*", errno.EPROTONOSUPPORT),
    ("bind", "tcp://127.0.0.1", errno.EINVAL),
    ("bind", "tcp://127.0.0.1:", errno.EINVAL),
    ("bind", "tcp://127.0.0.1:x", errno.EINVAL),
    ("bind", "tcp://127.0.0.1:65536", errno.EINVAL),
    ("bind", "tcp://*:*", OK),
    ("bind", "tcp://*:0", OK),
    ("bind", "tcp://lo:*", OK),
    ("bind", "tcp://[127.0.0.1]:*", OK),
    ("bind", "tcp://nosuch0:*", errno.ENODEV),
    ("bind", "tcp://no.such.host.invalid:5555", errno.ENODEV),
    ("bind", "tcp://192.0.2.1:5555", errno.EADDRNOTAVAIL),
    ("bind", "tcp://;127.0.0.1:5555", errno.EINVAL),
    ("bind", "tcp://{taken}", errno.EADDRINUSE),
    ("bind", "ipc://", errno.EINVAL),
    ("bind", "ipc://@", errno.EINVAL),
    ("bind", "ipc://{folder}/s", OK),
    ("bind", "ipc://@mcq-endpoints-{pid}", OK),
    ("bind", "ipc://@{abstract}", errno.EADDRINUSE),
    ("bind", "ipc://{folder}/none/s", errno.ENOENT),
    ("bind", "ipc://{folder}", errno.EADDRINUSE),
    ("bind", "ipc://{folder}/" + "x" * 108, errno.ENAMETOOLONG),
    ("bind", "ipc://{left_over}", OK),
    ("connect", "tcp://*:5555", errno.EINVAL),
    ("connect", "tcp://127.0.0.1:*", errno.EINVAL),
    ("connect", "tcp://lo:5555", OK),
    ("connect", "tcp://no.such.host.invalid:5555", OK),
    ("connect", "tcp://;127.0.0.1:5555", errno.EINVAL),
    ("connect", "tcp://lo:0;127.0.0.1:5555", OK),
    ("connect", "tcp://127.0.0.1:*;127.0.0.1:5555", OK),
    ("connect", "tcp:///x:5555", errno.EINVAL),
    ("connect", "tcp://a b:5555", errno.EINVAL),
    ("connect", "tcp://host:5555/path", errno.EINVAL),
    ("connect", "carrier://pigeon", errno.EPROTONOSUPPORT),
    ("connect", "ipc://{folder}/none/s", OK),
    ("connect", "ipc://@" + "x" * 107, errno.ENAMETOOLONG),
    ("unbind", "tcp://127.0.0.1:5555", errno.ENOENT),
    ("unbind", "ipc:///nowhere", errno.ENOENT),
    ("unbind", "rubbish", errno.EINVAL),
    ("unbind", "carrier://pigeon", errno.EPROTONOSUPPORT),
    ("disconnect", "tcp://127.0.0.1:5555", errno.ENOENT),
    ("disconnect", "tcp://", errno.EINVAL),
    ("bind", "udp://127.0.0.1:5555", ENOCOMPATPROTO),
    ("connect", "udp://rubbish", ENOCOMPATPROTO),
    ("unbind", "udp://127.0.0.1:5555", ENOCOMPATPROTO),
]
DIFFERENT = [
    ("bind", "tcp://127.0.0.1:99999", errno.EINVAL, OK),
    ("connect", "tcp://127.0.0.1:65536", errno.EINVAL, OK),
    ("bind", "tcp://[::1]:*", errno.EINVAL, errno.ENODEV),
    ("connect", "tcp://[::1]:5555", errno.EINVAL, OK),
    ("bind", "tcp://:5555", errno.EINVAL, errno.ENODEV),
    ("connect", "tcp://:5555", errno.EINVAL, OK),
    ("bind", "tcp://a b:5555", errno.EINVAL, errno.ENODEV),
    ("bind", "tcp://lo:0;127.0.0.1:*", errno.EINVAL, OK),
    ("connect", "tcp://nosuch0:0;127.0.0.1:5555", errno.EINVAL, OK),
    ("connect", "tcp://127.0.0.1:5555;", errno.EINVAL, OK),
    ("connect", "tcp://127.0.0.1.5:5555", errno.EHOSTUNREACH, OK),
    ("bind", "tcp://localhost:*", OK, errno.ENODEV),
    ("bind", "ipc:///etc/passwd/s", errno.ENOENT, errno.ENOTDIR),
    ("bind", "ipc://{alive}", errno.EADDRINUSE, OK),
    ("bind", "ipc://{file}", errno.EADDRINUSE, OK),
    ("connect", "ipc://*", errno.EINVAL, OK),
]


class Ours:
    def __init__(self):
        self.library = native.Library()

    def answer(self, verb, endpoint):
        made = native.Socket(self.library, "PULL")
        failed = getattr(made.calls, f"mcq_{verb}")(made.socket, endpoint.encode())
        number = ctypes.get_errno() if failed else OK
        made.close()
        return number

    def end(self):
        self.library.end()


class Theirs:
    def __init__(self):
        self.context = zmq.Context()

    def answer(self, verb, endpoint):
        with self.context.socket(zmq.PULL) as made:
            made.linger = 0
            try:
                getattr(made, verb)(endpoint)
            except zmq.ZMQError as error:
                return error.errno
            return OK

    def end(self):
        self.context.term()


class Scene:
    """What an endpoint may meet: ports, names and files that are somebody's, and left-overs."""

    def __init__(self):
        self.keep = tempfile.TemporaryDirectory()
        self.folder = f"{self.keep.name}/folder"
        os.mkdir(self.folder)
        self.open = []
        taken = self.listener(socket.AF_INET, ("127.0.0.1", 0))
        self.abstract = f"mcq-endpoints-taken-{os.getpid()}"
        self.listener(socket.AF_UNIX, "\0" + self.abstract)
        self.alive, self.left_over, self.file = (f"{self.keep.name}/{name}" for name in ("alive", "left", "file"))
        self.listener(socket.AF_UNIX, self.alive)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.left_over)
        Path(self.file).touch()
        self.names = {"folder": self.folder, "taken": "127.0.0.1:{}".format(taken.getsockname()[1]),
                      "abstract": self.abstract, "alive": self.alive, "left_over": self.left_over,
                      "file": self.file, "pid": os.getpid()}

    def listener(self, family, address):
        made = socket.socket(family)
        self.open.append(made)
        made.bind(address)
        made.listen()
        return made

    def end(self):
        for made in self.open:
            made.close()
        self.keep.cleanup()


class Endpoints(unittest.TestCase):
    def check(self, who, rows):
        for verb, endpoint, expected in rows:
            with self.subTest(f"{verb} {endpoint}"):
                scene = Scene()
                try:
                    self.assertEqual(who.answer(verb, endpoint.format(**scene.names)), expected)
                finally:
                    scene.end()
        who.end()

    def test_ours(self):
        self.check(Ours(), SAME + [(verb, endpoint, ours) for verb, endpoint, ours, _ in DIFFERENT])

    @unittest.skipIf(zmq is None, "python3-zmq is not installed")
    def test_libzmq(self):
        self.check(Theirs(), SAME + [(verb, endpoint, theirs) for verb, endpoint, _, theirs in DIFFERENT])

    def test_differences_are_named(self):
        page = PAGE.read_text()
        for verb, endpoint, ours, theirs in DIFFERENT:
            with self.subTest(f"{verb} {endpoint}"):
                self.assertNotEqual(ours, theirs)
                self.assertIn(f"`{verb} {endpoint}`", page)


if __name__ == "__main__":
    unittest.main()
