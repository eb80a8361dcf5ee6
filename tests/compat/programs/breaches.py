"""Peers that break the protocol, made by hand: what a monitor tells of each, until the connection ends."""

import ctypes
import ctypes.util
import socket
import struct

import zmq
from zmq.utils.monitor import recv_monitor_message

LIMIT_MS = 10000
SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
KEY, TAG = 32, 16
READY = b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
WRONG = b"\x0bSocket-Type\0\0\0\x03PUB"
CUT = READY[:-3]
CODES = {value: name.removeprefix("PROTOCOL_ERROR_") for name, value in vars(zmq).items()
         if name.startswith("PROTOCOL_ERROR_")}


# --- octets -----------------------------------------------------------------------------------------------------------

def frame(flags, body):
    if len(body) > 255:
        return bytes([flags | 2]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def command(name, body=b""):
    return frame(4, bytes([len(name)]) + name + body)


class Peer:
    """A connection to what is tried, in the role of a peer."""

    def __init__(self, stream):
        self.stream = stream
        stream.settimeout(LIMIT_MS / 1000)

    def say(self, *octets):
        try:
            self.stream.sendall(b"".join(octets))
        except OSError:
            pass                                             # it is gone, and the monitor tells why

    def greet(self, mechanism, is_server=False):
        self.say(b"\xff", bytes(8), b"\x7f\3\0", mechanism.ljust(20, b"\0"), bytes([is_server]), bytes(31))
        self.read(64)

    def read(self, size):
        octets = b""
        while len(octets) < size:
            piece = self.stream.recv(size - len(octets))
            if not piece:
                raise EOFError(octets)
            octets += piece
        return octets

    def read_frame(self):
        flags = self.read(1)[0]
        size = struct.unpack(">Q", self.read(8))[0] if flags & 2 else self.read(1)[0]
        return self.read(size)


# --- CURVE ------------------------------------------------------------------------------------------------------------

class Pair:
    def __init__(self):
        public, secret = ctypes.create_string_buffer(KEY), ctypes.create_string_buffer(KEY)
        SODIUM.crypto_box_keypair(public, secret)
        self.public, self.secret = public.raw, secret.raw


def seal(octets, nonce, public, secret):
    box = ctypes.create_string_buffer(len(octets) + TAG)
    SODIUM.crypto_box_easy(box, octets, ctypes.c_ulonglong(len(octets)), nonce, public, secret)
    return box.raw


def unseal(box, nonce, public, secret):
    octets = ctypes.create_string_buffer(len(box))
    assert SODIUM.crypto_box_open_easy(octets, box, ctypes.c_ulonglong(len(box)), nonce, public, secret) == 0
    return octets.raw[:len(box) - TAG]


def flipped(octets, is_wanted=True):
    return octets[:-1] + bytes([octets[-1] ^ is_wanted])


def number(value):
    return value.to_bytes(8, "big")


class Client(Peer):
    """Of a CURVE server under trial."""

    def __init__(self, stream, server):
        super().__init__(stream)
        self.server, self.own, self.brief, self.end = server, Pair(), Pair(), b"C"

    def hello(self, version=b"\1\0", more=b"", flip=False):
        box = seal(bytes(64), b"CurveZMQHELLO---" + number(1), self.server, self.brief.secret)
        return command(b"HELLO", version + bytes(72) + self.brief.public + number(1) + flipped(box, flip) + more)

    def welcomed(self):
        self.greet(b"CURVE")
        self.say(self.hello())
        body = self.read_frame()
        opened = unseal(body[24:], b"WELCOME-" + body[8:24], self.server, self.brief.secret)
        self.peer, self.cookie = opened[:KEY], opened[KEY:]
        return self

    def initiate(self, metadata=READY, vouched=None, flip="", vouch_flip=False):
        nonce = bytes(16)
        vouch = seal((vouched or self.brief.public) + self.server, b"VOUCH---" + nonce, self.peer, self.own.secret)
        inside = self.own.public + nonce + flipped(vouch, vouch_flip) + metadata
        box = seal(inside, b"CurveZMQINITIATE" + number(2), self.peer, self.brief.secret)
        return command(b"INITIATE", flipped(self.cookie, flip == "cookie") + number(2) + flipped(box, flip == "box"))

    def ready(self):
        self.welcomed().say(self.initiate())
        self.read_frame()
        return self

    def message(self, octets=b"\0x", nonce=3, flip=False):
        box = seal(octets, b"CurveZMQMESSAGE" + self.end + number(nonce), self.peer, self.brief.secret)
        return frame(0, b"\7MESSAGE" + number(nonce) + flipped(box, flip))


class Server(Peer):
    """Of a CURVE client under trial."""

    def __init__(self, stream, own):
        super().__init__(stream)
        self.own, self.brief = own, Pair()

    def greeted(self):
        self.greet(b"CURVE", True)
        self.peer = self.read_frame()[80:112]
        return self

    def welcome(self, more=b"", flip=False):
        nonce = bytes(16)
        box = seal(self.brief.public + bytes(96), b"WELCOME-" + nonce, self.peer, self.own.secret)
        return command(b"WELCOME", nonce + flipped(box, flip) + more)

    def initiated(self):
        self.greeted().say(self.welcome())
        self.read_frame()
        return self

    def ready(self, metadata=READY, flip=False):
        box = seal(metadata, b"CurveZMQREADY---" + number(1), self.peer, self.brief.secret)
        return command(b"READY", number(1) + flipped(box, flip))


# --- what is tried ----------------------------------------------------------------------------------------------------

class Trial:
    """A socket with its monitor, and a peer by hand."""

    def __init__(self, is_bound, options):
        self.context = zmq.Context()
        if zmq.PLAIN_SERVER in options or zmq.ZAP_DOMAIN in options:     # else all are let in
            self.zap = self.open(zmq.REP)
            self.zap.bind("inproc://zeromq.zap.01")
        self.socket = self.open(zmq.DEALER)
        for option, value in options.items():
            self.socket.setsockopt(option, value)
        self.monitor = self.socket.get_monitor_socket()
        self.monitor.setsockopt(zmq.RCVTIMEO, LIMIT_MS)
        if is_bound:
            self.stream = socket.create_connection(("127.0.0.1", self.socket.bind_to_random_port("tcp://127.0.0.1")))
            return
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT_MS / 1000)
            self.socket.setsockopt(zmq.RECONNECT_IVL, -1)
            self.socket.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
            self.stream = listener.accept()[0]

    def open(self, kind):
        opened = self.context.socket(kind)
        opened.setsockopt(zmq.RCVTIMEO, LIMIT_MS)
        opened.setsockopt(zmq.LINGER, 0)
        return opened

    def reply(self, *parts):
        """ZAP's handler; b"=" for what was asked with."""
        request = self.zap.recv_multipart()
        self.zap.send_multipart([request[1] if part == b"=" else part for part in parts])

    def said(self, is_over):
        """Names of the events, till the one that says that the connection is over."""
        told = []
        while True:
            try:
                event = recv_monitor_message(self.monitor)
            except zmq.Again:
                return told + ["nothing more"]
            kind, value = event["event"], event["value"]
            if kind == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return told + [CODES.get(value, hex(value))]
            if kind == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                return told + [f"status {value}"]
            if kind == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                return told + [f"error {value}"]
            if kind == zmq.EVENT_DISCONNECTED:
                return told + ["disconnected"]
            if kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                told.append("succeeded")
                if is_over:
                    self.stream.close()

    def end(self):
        self.stream.close()
        self.socket.disable_monitor()
        self.context.destroy(0)


def attempt(name, is_bound, options, acts, is_over=True):
    """is_over: a peer that was let in goes away; else what it did afterwards counts."""
    trial = Trial(is_bound, options)
    acts(trial)
    print(f"{name}:", ", ".join(trial.said(is_over)), flush=True)
    trial.end()


def of_null():
    ready, error = command(b"READY", READY), command(b"ERROR", b"\x03400")
    for name, *said in (
            ("READY twice at once", ready, ready),
            ("a command cut within its name", frame(4, b"\x09REA")),
            ("an empty command", frame(4, b"")),
            ("a frame that is no command", frame(0, b"x")),
            ("an error", error),
            ("an error too long", command(b"ERROR", b"\x09400")),
            ("an error without a length", command(b"ERROR")),
            ("an error with more behind it", command(b"ERROR", b"\x03400x")),
            ("HELLO", command(b"HELLO", b"x")),
            ("metadata cut short", command(b"READY", CUT)),
            ("a type that does not fit", command(b"READY", WRONG)),
            ("no type", command(b"READY")),
    ):
        for is_bound in (True, False):
            def acts(trial, said=said):
                peer = Peer(trial.stream)
                peer.greet(b"NULL")
                peer.say(*said)
            attempt(f"NULL {'server' if is_bound else 'client'}, {name}", is_bound, {}, acts)


GOOD = (b"1.0", b"=", b"200", b"", b"", b"")


def of_zap():
    for name, reply in (
            ("good", GOOD),
            ("too short", GOOD[:5]),
            ("too long", GOOD + (b"",)),
            ("another version", (b"2.0",) + GOOD[1:]),
            ("another request", (b"1.0", b"other") + GOOD[2:]),
            ("no status", GOOD[:2] + (b"2x0",) + GOOD[3:]),
            ("a status of two digits", GOOD[:2] + (b"20",) + GOOD[3:]),
            ("status 201", GOOD[:2] + (b"201",) + GOOD[3:]),
            ("status 400", GOOD[:2] + (b"400",) + GOOD[3:]),
            ("status 500", GOOD[:2] + (b"500",) + GOOD[3:]),
            ("metadata cut short", GOOD[:5] + (CUT,)),
    ):
        for mechanism, options, said in (
                (b"NULL", {zmq.ZAP_DOMAIN: b"x"}, command(b"READY", READY)),
                (b"PLAIN", {zmq.PLAIN_SERVER: 1}, command(b"HELLO", b"\1u\1p")),
        ):
            def acts(trial, mechanism=mechanism, said=said, reply=reply):
                peer = Peer(trial.stream)
                peer.greet(mechanism)
                peer.say(said)
                trial.reply(*reply)
                if mechanism == b"PLAIN" and reply == GOOD:
                    peer.read_frame()
                    peer.say(command(b"INITIATE", READY))
            attempt(f"ZAP for {mechanism.decode()}, {name}", True, options, acts)


def of_plain():
    hello = command(b"HELLO", b"\1u\1p")
    for name, *said in (
            ("no lengths", command(b"HELLO")),
            ("a user too long", command(b"HELLO", b"\7u\1p")),
            ("no password", command(b"HELLO", b"\1u")),
            ("a password too long", command(b"HELLO", b"\1u\7p")),
            ("more behind the password", command(b"HELLO", b"\1u\1pp")),
            ("INITIATE first", command(b"INITIATE", READY)),
            ("a command that nobody knows", command(b"WHAT")),
            ("READY", command(b"READY", READY)),
            ("a frame that is no command", frame(0, b"x")),
    ):
        def acts(trial, said=said):
            peer = Peer(trial.stream)
            peer.greet(b"PLAIN")
            peer.say(*said)
        attempt(f"PLAIN server, {name}", True, {zmq.PLAIN_SERVER: 1}, acts)
    for name, *said in (
            ("HELLO twice", hello),
            ("metadata cut short", command(b"INITIATE", CUT)),
            ("a type that does not fit", command(b"INITIATE", WRONG)),
            ("a message too early", frame(0, b"x")),
            ("INITIATE without its name's end", frame(4, b"\x08INIT")),
    ):
        def acts(trial, said=said):
            peer = Peer(trial.stream)
            peer.greet(b"PLAIN")
            peer.say(hello)
            trial.reply(*GOOD)
            peer.read_frame()
            peer.say(*said)
        attempt(f"PLAIN server after WELCOME, {name}", True, {zmq.PLAIN_SERVER: 1}, acts)
    for name, *said in (
            ("WELCOME with a body", command(b"WELCOME", b"x")),
            ("READY first", command(b"READY", READY)),
            ("a command that nobody knows", command(b"WHAT")),
            ("HELLO", hello),
            ("READY cut short", command(b"WELCOME"), command(b"READY", CUT)),
            ("READY of a type that does not fit", command(b"WELCOME"), command(b"READY", WRONG)),
            ("WELCOME twice", command(b"WELCOME"), command(b"WELCOME")),
            ("a message too early", command(b"WELCOME"), frame(0, b"x")),
            ("an error, as libzmq spells it", frame(4, b"\x5eRROR\x03400")),
            ("an error too long, as libzmq spells it", frame(4, b"\x5eRROR\x09400")),
    ):
        def acts(trial, said=said):
            peer = Peer(trial.stream)
            peer.greet(b"PLAIN", True)
            peer.read_frame()
            peer.say(*said)
        attempt(f"PLAIN client, {name}", False, {zmq.PLAIN_USERNAME: b"u", zmq.PLAIN_PASSWORD: b"p"}, acts)


def of_curve_servers():
    pair = Pair()
    options = {zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: pair.secret}

    def attempt_with(name, step):
        attempt(f"CURVE server, {name}", True, options, lambda trial: step(Client(trial.stream, pair.public)), False)

    def greeted(peer):
        peer.greet(b"CURVE")
        return peer

    for name, step in (
            ("HELLO too long", lambda peer: peer.say(peer.hello(more=b"x"))),
            ("HELLO too short", lambda peer: peer.say(command(b"HELLO", b"\1\0"))),
            ("HELLO of another version", lambda peer: peer.say(peer.hello(version=b"\2\0"))),
            ("HELLO that does not open", lambda peer: peer.say(peer.hello(flip=True))),
            ("INITIATE first", lambda peer: peer.say(command(b"INITIATE", bytes(300)))),
            ("a command that nobody knows", lambda peer: peer.say(command(b"WHAT"))),
            ("READY", lambda peer: peer.say(command(b"READY", bytes(30)))),
            ("a frame that is no command", lambda peer: peer.say(frame(0, b"x"))),
    ):
        attempt_with(name, lambda peer, step=step: step(greeted(peer)))
    for name, step in (
            ("HELLO twice", lambda peer: peer.say(peer.hello())),
            ("INITIATE too short", lambda peer: peer.say(command(b"INITIATE", bytes(100)))),
            ("a cookie that does not open", lambda peer: peer.say(peer.initiate(flip="cookie"))),
            ("INITIATE that does not open", lambda peer: peer.say(peer.initiate(flip="box"))),
            ("a vouch that does not open", lambda peer: peer.say(peer.initiate(vouch_flip=True))),
            ("a vouch for another key", lambda peer: peer.say(peer.initiate(vouched=bytes(KEY)))),
            ("metadata cut short", lambda peer: peer.say(peer.initiate(CUT))),
            ("a type that does not fit", lambda peer: peer.say(peer.initiate(WRONG))),
            ("a message too early", lambda peer: peer.say(peer.message())),
    ):
        attempt_with(name, lambda peer, step=step: step(peer.welcomed()))
    for name, step in (
            ("a command", lambda peer: peer.say(command(b"READY", READY))),
            ("a message in clear", lambda peer: peer.say(frame(0, b"x"))),
            ("an empty message in clear", lambda peer: peer.say(frame(0, b""))),
            ("a name cut short", lambda peer: peer.say(frame(0, b"\7MESS"))),
            ("a long message in clear", lambda peer: peer.say(frame(0, b"\4WHAT" + bytes(40)))),
            ("MESSAGE too short", lambda peer: peer.say(frame(0, b"\7MESSAGE" + bytes(9)))),
            ("MESSAGE that does not open", lambda peer: peer.say(peer.message(flip=True))),
            ("a nonce again", lambda peer: peer.say(peer.message(), peer.message())),
            ("INITIATE's nonce", lambda peer: peer.say(peer.message(nonce=2))),
            ("INITIATE again", lambda peer: peer.say(peer.initiate())),
    ):
        attempt_with("ready, " + name, lambda peer, step=step: step(peer.ready()))


def of_curve_clients():
    pair, own = Pair(), Pair()
    options = {zmq.CURVE_SERVERKEY: pair.public, zmq.CURVE_PUBLICKEY: own.public, zmq.CURVE_SECRETKEY: own.secret}

    for is_after, name, step in (
            (0, "WELCOME too long", lambda peer: peer.say(peer.welcome(more=b"x"))),
            (0, "WELCOME too short", lambda peer: peer.say(command(b"WELCOME", b"x"))),
            (0, "WELCOME that does not open", lambda peer: peer.say(peer.welcome(flip=True))),
            (0, "READY first", lambda peer: peer.say(peer.ready())),
            (0, "an error", lambda peer: peer.say(command(b"ERROR", b"\x03400"))),
            (0, "an error too long", lambda peer: peer.say(command(b"ERROR", b"\x09400"))),
            (0, "an error without a length", lambda peer: peer.say(command(b"ERROR"))),
            (0, "HELLO", lambda peer: peer.say(command(b"HELLO", bytes(194)))),
            (0, "a command that nobody knows", lambda peer: peer.say(command(b"WHAT"))),
            (0, "a frame that is no command", lambda peer: peer.say(frame(0, b"x"))),
            (1, "READY too short", lambda peer: peer.say(command(b"READY", b"x"))),
            (1, "READY that does not open", lambda peer: peer.say(peer.ready(flip=True))),
            (1, "metadata cut short", lambda peer: peer.say(peer.ready(CUT))),
            (1, "a type that does not fit", lambda peer: peer.say(peer.ready(WRONG))),
            (1, "an error", lambda peer: peer.say(command(b"ERROR", b"\x03400"))),
            (1, "an error too long", lambda peer: peer.say(command(b"ERROR", b"\x09400"))),
            (1, "ready, a message in clear", lambda peer: peer.say(peer.ready(), frame(0, b"x" * 40))),
            (1, "ready, MESSAGE too short", lambda peer: peer.say(peer.ready(), frame(0, b"\7MESSAGE" + bytes(9)))),
    ):
        def acts(trial, is_after=is_after, step=step):
            peer = Server(trial.stream, pair)
            step(peer.initiated() if is_after else peer.greeted())
        attempt(f"CURVE client, {name}", False, options, acts, False)


SODIUM.sodium_init()
of_null()
of_zap()
of_plain()
of_curve_servers()
of_curve_clients()
print("end")
