"""Our sockets and libzmq's while connections are cut in the middle of what is said, and with pyzmq's asyncio.

    test_live.py      MONOCOQUE_SEED=N decides where connections are cut; printed
"""

import asyncio
import os
import pathlib
import random
import select
import socket
import sys
import threading
import time
import unittest

try:
    import zmq
    import zmq.asyncio
except ImportError:
    zmq = None

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

import native

sys.path.insert(0, str(native.BUILD / "generated/python"))

import zmtp_codec

SEED = int(os.environ.get("MONOCOQUE_SEED", "1"))
PATIENCE_MS = 20000
MESSAGES = 1500
CUTS = 8
NUMBER = 8  # octets
FRAME = "frame.v3"
GREETING = zmtp_codec.LAYOUTS["greeting.v3"]["form"]  # octets
COMMAND = next(1 << bit["number"] for field in zmtp_codec.LAYOUTS[FRAME]["fields"]
               for bit in field.get("bits", ()) if bit["name"] == "command")


class Ours(native.Socket):
    """Ours, with as much of pyzmq's face as the tests need."""

    def __init__(self, library, kind):
        super().__init__(library, kind)
        self.set("RECONNECT_IVL", 10)


class Theirs:
    """The same of libzmq."""

    def __init__(self, context, kind):
        self.socket = context.socket(kind)
        self.socket.linger, self.socket.reconnect_ivl = 0, 10
        self.socket.rcvtimeo = self.socket.sndtimeo = PATIENCE_MS
        self.send, self.connect, self.close = self.socket.send, self.socket.connect, self.socket.close

    def set(self, option, value):
        self.socket.setsockopt(option, value)

    def bind(self):
        return f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"

    def recv(self):
        try:
            return self.socket.recv()
        except zmq.Again:
            return None


class Relay(threading.Thread):
    """Hands octets on, and cuts the connection after so many of them, a few times. Keeps what the sender said."""

    def __init__(self, endpoint, sender_binds, chance):
        super().__init__(daemon=True)
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.target, self.sender_binds, self.chance = (host, int(port)), sender_binds, chance
        self.said = []  # octets of the sender's, one entry a connection
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.cuts = 0
        self.is_over = False

    def run(self):
        while not self.is_over:
            if not select.select([self.listener], [], [], 0.05)[0]:
                continue
            near = self.listener.accept()[0]
            far = socket.create_connection(self.target)
            self.said.append(bytearray())
            try:
                self.hand_on({near: far, far: near}, far if self.sender_binds else near)
            except OSError:
                pass
            near.close()
            far.close()
        self.listener.close()

    def hand_on(self, other, sender):
        left = self.chance.randrange(200, 60000) if self.cuts < CUTS else None
        while not self.is_over:
            for end in select.select(list(other), [], [], 0.05)[0]:
                octets = end.recv(4096 if left is None else min(4096, left))
                if not octets:
                    return
                if end is sender:
                    self.said[-1] += octets
                other[end].sendall(octets)
                left = left if left is None else left - len(octets)
                if left == 0:
                    self.cuts += 1
                    return

    def carried(self):
        """The messages' bodies that went over each connection as a whole."""
        for octets in self.said:
            frames = zmtp_codec.decode_stream(FRAME, octets[GREETING:]).records
            yield [frame["body"] for frame in frames if "open" not in frame and not frame["flags"] & COMMAND]


def number_of(body):
    return int.from_bytes(body[:NUMBER], "big")


def body_of(number):
    """Its length follows from its number: empty behind that, short, long."""
    return number.to_bytes(NUMBER, "big") + bytes([number & 0xff]) * (0, 3, 300, 2000)[number % 4]


def setUpModule():
    print(f"# MONOCOQUE_SEED={SEED}", file=sys.stderr)


@unittest.skipUnless(zmq, "python3-zmq is not installed")
class Cut(unittest.TestCase):
    """What comes is whole and once, whatever is cut, in the order of its connection; and goes on to the end.

    A receiver that binds sees a new peer behind each cut, and takes in turns what both have brought."""

    def hold(self, ours_sends, sender_binds):
        library, context = native.Library(PATIENCE_MS), zmq.Context()
        sender, receiver = ((Ours(library, "PUSH"), Theirs(context, zmq.PULL)) if ours_sends else
                            (Theirs(context, zmq.PUSH), Ours(library, "PULL")))
        binder, connector = (sender, receiver) if sender_binds else (receiver, sender)
        relay = Relay(binder.bind(), sender_binds, random.Random(SEED * 4 + ours_sends * 2 + sender_binds))
        relay.start()
        connector.connect(relay.endpoint)
        heard = threading.Event()
        said = threading.Thread(target=self.say, args=(sender, heard))
        said.start()
        try:
            came = [0]
            while max(came) < MESSAGES or relay.cuts < CUTS:
                body = receiver.recv()
                self.assertIsNotNone(body, f"nothing behind {came[-1]}")
                came.append(number_of(body))
                self.assertEqual(body, body_of(came[-1]))
        finally:
            heard.set()
            said.join()
            relay.is_over = True
            relay.join()
            sender.close()
            receiver.close()
            library.end()
            context.term()
        self.assertEqual(relay.cuts, CUTS)
        if sender_binds:  # one peer to the receiver, however often it connects
            self.assertEqual(came, sorted(came))
        self.check(came[1:], [[number_of(body) for body in bodies] for bodies in relay.carried()])

    def check(self, came, carried):
        """A sender says nothing twice and nothing out of turn, and so does each connection."""
        said = [number for numbers in carried for number in numbers]
        self.assertEqual(said, sorted(set(said)))
        self.assertEqual(len(came), len(set(came)))
        self.assertLessEqual(set(came), set(said))
        for numbers in carried:
            whose = set(numbers)
            mine = [number for number in came if number in whose]
            self.assertEqual(mine, sorted(mine))

    @staticmethod
    def say(sender, heard):
        number = 0
        while not heard.is_set():
            number += 1
            sender.send(body_of(number))
            if number > MESSAGES:
                time.sleep(0.001)  # what was lost is not said again: the next ones tell
            elif number % 16 == 0:
                time.sleep(0.0005)  # so that there is something to say after each cut

    def test_we_send_and_bind(self):
        self.hold(True, True)

    def test_we_send_and_connect(self):
        self.hold(True, False)

    def test_we_receive_and_bind(self):
        self.hold(False, False)

    def test_we_receive_and_connect(self):
        self.hold(False, True)


@unittest.skipUnless(zmq, "python3-zmq is not installed")
class Asyncio(unittest.TestCase):
    """pyzmq's event loop sleeps on libzmq's ZMQ_FD, which wakes it once for what came: it must not miss ours."""

    def setUp(self):
        self.library, self.context = native.Library(PATIENCE_MS), zmq.asyncio.Context()

    def tearDown(self):
        self.library.end()
        self.context.term()

    def theirs(self, kind):
        found = self.context.socket(kind)
        found.linger = 0
        found.rcvtimeo = found.sndtimeo = PATIENCE_MS
        return found

    def in_thread(self, work):
        """Ours block, so they have a thread; returns what to wait for."""
        return asyncio.get_running_loop().run_in_executor(None, work)

    def test_their_rep_answers_our_req(self):
        async def talk():
            rep, req = self.theirs(zmq.REP), Ours(self.library, "REQ")
            req.connect(f"tcp://127.0.0.1:{rep.bind_to_random_port('tcp://127.0.0.1')}")

            def ask():
                for number in range(300):
                    req.send(body_of(number))
                    self.assertEqual(req.recv(), b"re: " + body_of(number))
            asked = self.in_thread(ask)
            for _ in range(300):
                await rep.send(b"re: " + await rep.recv())
            await asked
            req.close()
            rep.close()
        asyncio.run(talk())

    def test_our_rep_answers_their_reqs(self):
        async def talk():
            rep = Ours(self.library, "REP")
            endpoint = rep.bind()

            def answer():
                for _ in range(4 * 100):
                    rep.send(b"re: " + rep.recv())

            async def ask(who):
                req = self.theirs(zmq.REQ)
                req.connect(endpoint)
                for number in range(100):
                    await req.send(b"%d " % who + body_of(number))
                    self.assertEqual(await req.recv(), b"re: %d " % who + body_of(number))
                req.close()
            answered = self.in_thread(answer)
            await asyncio.gather(*(ask(who) for who in range(4)))
            await answered
            rep.close()
        asyncio.run(talk())

    def test_our_dealer_and_their_router(self):
        async def talk():
            router, dealer = self.theirs(zmq.ROUTER), Ours(self.library, "DEALER")
            dealer.connect(f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}")

            def say():
                for number in range(1000):
                    dealer.send(body_of(number), native.NUMBERS["SNDMORE"])
                    dealer.send(b"")
            said = self.in_thread(say)
            for number in range(1000):
                name, body, end = await router.recv_multipart()
                self.assertEqual((body, end), (body_of(number), b""))
                await router.send_multipart([name, body])
            await said

            def hear():
                for number in range(1000):
                    self.assertEqual(dealer.recv(), body_of(number))
            await self.in_thread(hear)
            dealer.close()
            router.close()
        asyncio.run(talk())


if __name__ == "__main__":
    unittest.main()
