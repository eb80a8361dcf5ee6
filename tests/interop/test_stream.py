"""STREAM and ROUTER_RAW of libzmq and of the drop-in, told the same by the same program: both say the same.

The program is this file, run once on each library; peers are plain sockets. What it prints has no names in it that
a run chooses by itself: those are numbered as they come.
"""

import contextlib
import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path

try:
    import zmq
except ImportError:
    zmq = None

PATIENCE_S = 10
PATIENCE_MS = 1000 * PATIENCE_S
EAGAIN, EHOSTUNREACH = "Resource temporarily unavailable", "Host unreachable"


class Talk:
    """One socket, and all that is seen of it."""

    def __init__(self, context, kind, raw=False):
        self.names = {}
        self.socket = context.socket(kind)
        self.socket.linger = 0
        self.socket.reconnect_ivl = 1
        if raw:
            self.socket.setsockopt(zmq.ROUTER_RAW, 1)

    def bind(self):
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        return lambda: socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    def show(self, name):
        if len(name) != 5 or name[0]:
            return name
        return self.names.setdefault(name, f"name {len(self.names)}")

    def hear(self, verb):
        """The next message, whose name is given back."""
        if not self.socket.poll(PATIENCE_MS):
            print(verb, "nothing")
            return b""
        name, *rest = self.socket.recv_multipart()
        print(verb, self.show(name), rest)
        return name

    def say(self, *parts):
        """libzmq may not know yet that a peer is gone, and say EAGAIN."""
        try:
            self.socket.send_multipart(parts, zmq.DONTWAIT)
            print("said", [self.show(parts[0]), *parts[1:]])
        except zmq.ZMQError as error:
            print("not said", [self.show(parts[0]), *parts[1:]], error.strerror.replace(EAGAIN, EHOSTUNREACH))

    def say_in_vain(self, *parts):
        """libzmq may know by now that a peer is gone, or take what never leaves."""
        with contextlib.suppress(zmq.ZMQError):
            self.socket.send_multipart(parts, zmq.DONTWAIT)

    def read(self, plain, count):
        """Octets that the peer gets, or the end. libzmq ends a connection inside calls on the socket."""
        plain.settimeout(0.01)
        got = b""
        for _ in range(100 * PATIENCE_S):
            self.socket.getsockopt(zmq.EVENTS)
            try:
                piece = plain.recv(count - len(got) or 1)
            except TimeoutError:
                continue
            got += piece
            if not piece or len(got) == count:
                break
        print("peer got", got)

    def set(self, name, value):
        try:
            self.socket.setsockopt(getattr(zmq, name), value)
            print("set", name, value)
        except zmq.ZMQError as error:
            print("not set", name, value, error.strerror)


def bound(context, kind, raw=False):
    talk = Talk(context, kind, raw)
    call = talk.bind()
    plain = call()
    name = talk.hear("came")
    plain.sendall(b"hello")
    talk.hear("data")
    if not raw:
        print("own name is the peer's:", talk.socket.getsockopt(zmq.ROUTING_ID) == name)
    talk.say(name, b"answer")
    talk.read(plain, 6)
    for nobody in (b"nobody", b"", bytes(5)):
        talk.say(nobody, b"x")
    print("events", talk.socket.getsockopt(zmq.EVENTS))
    plain.sendall(b"last")
    plain.close()
    talk.hear("data")
    talk.hear("went")
    talk.say_in_vain(name, b"too late")
    plain = call()
    name = talk.hear("came")
    talk.say(name, b"last words")
    talk.say(name, b"")
    talk.read(plain, 10)
    talk.read(plain, 1)
    talk.say_in_vain(name, b"x")
    half = call()
    name = talk.hear("came")
    half.sendall(b"request")
    half.shutdown(socket.SHUT_WR)
    talk.hear("data")
    talk.hear("went")
    talk.say_in_vain(name, b"x")
    talk.socket.close()


def misaligned(context, kind):
    """Names without bodies, which make bodies of the names that follow."""
    talk = Talk(context, kind)
    plain = talk.bind()()
    name = talk.hear("came")
    talk.say(name, b"one", b"a name of its own")
    talk.say(b"nobody", b"x")
    talk.say(name, b"two")
    talk.say(name)
    talk.say(name, b"three")
    talk.say(b"x")
    talk.say(name, b"four")
    talk.say(name)
    talk.say(name, b"")
    talk.say(name, b"end")
    talk.read(plain, 100)
    talk.socket.close()


def connected(context, kind, raw=False):
    talk = Talk(context, kind, raw)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE_S)
    endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    if raw:
        talk.set("CONNECT_ROUTING_ID", b"first")
    talk.socket.connect(endpoint)
    name = b"first" if raw else talk.socket.getsockopt(zmq.ROUTING_ID)
    talk.say(name, b"early")
    plain = listener.accept()[0]
    talk.read(plain, 5)
    talk.hear("came")
    plain.close()
    talk.hear("went")
    plain = listener.accept()[0]
    talk.hear("came again")
    talk.say(name, b"later")
    talk.read(plain, 5)
    talk.say(name, b"")
    talk.read(plain, 1)
    talk.say_in_vain(name, b"x")
    talk.set("CONNECT_ROUTING_ID", b"srv")
    talk.socket.connect(endpoint)
    talk.say(b"srv", b"hi")
    plain = listener.accept()[0]
    talk.read(plain, 2)
    talk.hear("came")
    talk.socket.close()


def options(context):
    for kind in ("STREAM", "ROUTER", "DEALER"):
        talk = Talk(context, getattr(zmq, kind))
        print(kind)
        for name in ("STREAM_NOTIFY", "ROUTER_RAW", "ROUTER_MANDATORY", "ROUTER_HANDOVER", "PROBE_ROUTER"):
            for value in (0, 1):
                talk.set(name, value)
        for value in (b"", b"a"):
            talk.set("CONNECT_ROUTING_ID", value)
        talk.socket.close()


def program():
    with zmq.Context() as context:
        bound(context, zmq.STREAM)
        bound(context, zmq.ROUTER, raw=True)
        misaligned(context, zmq.STREAM)
        connected(context, zmq.STREAM)
        connected(context, zmq.ROUTER, raw=True)
        options(context)


@unittest.skipIf(zmq is None, "there is no pyzmq")
class Stream(unittest.TestCase):
    maxDiff = None

    def output(self, *before):
        done = subprocess.run([*before, "/usr/bin/python3", __file__, "talk"], capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_both_say_the_same(self):
        tool = Path(os.environ["MONOCOQUE_BUILD_DIR"], "mcq")
        theirs = self.output()
        self.assertGreater(len(theirs), 60)
        self.assertEqual(self.output(tool, "run"), theirs)


if __name__ == "__main__":
    if sys.argv[1:] == ["talk"]:
        program()
    else:
        unittest.main()
