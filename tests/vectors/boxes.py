"""The boxes of a recorded CURVE connection, opened with its keys: what oracle.py and plan.py need of it.

libsodium's functions, called as the RFC says; nothing here is shared with the session's own code.
"""

import ctypes
import ctypes.util

import oracle

SERVER, SECRET, SERVER_KEY = 47, 49, 50  # options of the libzmq API
KEY, TAG, COMMAND, MORE = 32, 16, 2, 1
# What the recorder's generator gave first in each process: the probes' own pair of the connection.
FIRST = bytes.fromhex("21c8bf84b2daa3a47867c080e0bdb225ad597b8181673f5c59a3882c848082f1")
# Of the probes' servers the recording does not have the cookie's key: their cookies are sealed anew, with this one.
COOKIE_KEY = bytes(range(KEY))

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
SODIUM.sodium_init()


def agree(public, secret):
    key = ctypes.create_string_buffer(KEY)
    return key.raw if SODIUM.crypto_box_beforenm(key, public, secret) == 0 else None


def public_of(secret):
    public = ctypes.create_string_buffer(KEY)
    SODIUM.crypto_scalarmult_base(public, secret)
    return public.raw


def seal(octets, nonce, key):
    box = ctypes.create_string_buffer(len(octets) + TAG)
    SODIUM.crypto_secretbox_easy(box, octets, ctypes.c_ulonglong(len(octets)), nonce, key)
    return box.raw


def unseal(box, nonce, key, what):
    octets = ctypes.create_string_buffer(max(1, len(box) - TAG))
    if key is None or len(box) < TAG or \
            SODIUM.crypto_secretbox_open_easy(octets, box, ctypes.c_ulonglong(len(box)), nonce, key) != 0:
        raise oracle.Refused(f"{what} that does not open", "PROTO")
    return octets.raw[:len(box) - TAG]


def is_short(body, size, what):
    if len(body) < size:
        raise oracle.Refused(f"{what} too short", "PROTO")


class Boxes:
    """What our side of a connection knows."""

    def __init__(self, side):
        known = side.case["result"].get("curve") or {}
        self.is_server = bool(side.option(SERVER, 0))
        self.secret = side.option(SECRET)
        self.server = public_of(self.secret) if self.is_server else side.option(SERVER_KEY)
        is_probe = side.case["kind"] == "probe"
        role = "server" if self.is_server else "client"
        own = FIRST.hex() if is_probe else known.get(f"{role}_transient_secret", FIRST.hex())
        self.own = bytes.fromhex(own)
        self.cookie_key = bytes.fromhex(known["cookie_key"]) if "cookie_key" in known else COOKIE_KEY
        self.incoming, self.recorded = side.stream("in"), side.stream("out")
        self.client = b""                            # C, as the client proved it
        self.key = self.hello_key = None
        self.nonces = bytes(32)                      # of what we seal in the handshake
        self.seen, self.said = 0, 1 if self.is_server else 2
        self.prepare()

    # --- both streams ---

    def command(self, stream, name):
        """(where its body begins, the body) of a command of the handshake; (None, b"")"""
        for frame in oracle.frames_of(stream):
            if frame.is_complete and frame.command()[0] == name:
                return frame.at + frame.header, frame.body
        return None, b""

    def own_command(self, name):
        """The frame of our own, as recorded."""
        at, body = self.command(self.recorded, name)
        return b"" if at is None else oracle.command_bytes(name, body[1 + len(name):])

    def prepare(self):
        """Keys of the connection, and cookies that can be opened."""
        ours, theirs = (self.recorded, self.incoming) if self.is_server else (self.incoming, self.recorded)
        hello, (welcome_at, welcome) = self.command(theirs, b"HELLO")[1], self.command(ours, b"WELCOME")
        if self.is_server:
            self.peer = hello[80:112]
            self.hello_key = agree(self.peer, self.secret) if len(self.peer) == KEY else None
        else:
            self.hello_key = agree(self.server, self.own)
        if len(welcome) != 168:
            return
        try:
            opened = unseal(welcome[24:], b"WELCOME-" + welcome[8:24], self.hello_key, "a WELCOME")
        except oracle.Refused:
            return
        if self.is_server:
            self.nonces = welcome[8:24] + opened[32:48]
            self.renew_cookie(welcome_at, welcome, opened)
        else:
            self.peer = opened[:KEY]
            self.read_own_initiate()
        self.key = agree(self.peer, self.own)

    def renew_cookie(self, at, welcome, opened):
        """What is recorded of it, under a key that we have. With the recorded key nothing changes."""
        inside, nonce = self.peer + self.own, b"COOKIE--" + opened[32:48]
        assert opened[:KEY] == public_of(self.own)
        cookie = seal(inside, nonce, self.cookie_key)
        box = seal(opened[:48] + cookie, b"WELCOME-" + welcome[8:24], self.hello_key)
        self.recorded = self.recorded[:at + 24] + box + self.recorded[at + 168:]
        at, body = self.command(self.incoming, b"INITIATE")
        if body[25:105] == opened[48:]:
            self.incoming = self.incoming[:at + 25] + cookie + self.incoming[at + 105:]

    def read_own_initiate(self):
        body = self.command(self.recorded, b"INITIATE")[1]
        if body:
            key = agree(self.peer, self.own)
            self.nonces = unseal(body[113:], b"CurveZMQINITIATE" + body[105:113], key, "our INITIATE")[32:48]

    def random(self):
        """What our session draws, in its order."""
        return self.own + self.cookie_key + self.nonces if self.is_server else self.own + self.nonces

    # --- the peer's part of the handshake ---

    def read_hello(self, body):
        if len(body) != 200 or body[6:8] != b"\1\0":
            raise oracle.Refused("a HELLO of another size or version", "PROTO")
        unseal(body[120:], b"CurveZMQHELLO---" + body[112:120], self.hello_key, "a HELLO")

    def read_welcome(self, body):
        if len(body) != 168:
            raise oracle.Refused("a WELCOME of another size", "PROTO")
        unseal(body[24:], b"WELCOME-" + body[8:24], self.hello_key, "a WELCOME")

    def read_initiate(self, body):
        """The metadata."""
        is_short(body, 257, "an INITIATE")
        unseal(body[25:105], b"COOKIE--" + body[9:25], self.cookie_key, "a cookie")
        opened = unseal(body[113:], b"CurveZMQINITIATE" + body[105:113], self.key, "an INITIATE")
        self.client, self.seen = opened[:KEY], int.from_bytes(body[105:113], "big")
        vouch = unseal(opened[48:128], b"VOUCH---" + opened[32:48], agree(self.client, self.own), "a vouch")
        if vouch[:KEY] != self.peer:
            raise oracle.Refused("a vouch for another key", "PROTO")
        return opened[128:]

    def read_ready(self, body):
        is_short(body, 30, "a READY")
        self.seen = int.from_bytes(body[6:14], "big")
        return unseal(body[14:], b"CurveZMQREADY---" + body[6:14], self.key, "a READY")

    # --- messages ---

    def open(self, frame, from_server):
        """The frame that is in a frame."""
        name, data = frame.command()
        if name != b"MESSAGE":
            raise oracle.Refused("a frame that is no MESSAGE", "PROTO")
        is_short(frame.body, 33, "a MESSAGE")
        end = b"S" if from_server else b"C"
        opened = unseal(data[8:], b"CurveZMQMESSAGE" + end + data[:8], self.key, "a MESSAGE")
        flags = (opened[0] & MORE or frame.flags & oracle.MORE) | (oracle.COMMAND if opened[0] & COMMAND else 0)
        return oracle.Sealed(frame.at, flags, len(opened) - 1, frame.header, opened[1:], frame.size, frame.raw())

    def open_theirs(self, frame):
        nonce = int.from_bytes(frame.body[8:16], "big")
        if frame.command()[0] == b"MESSAGE" and len(frame.body) >= 33 and nonce <= self.seen:
            raise oracle.Refused("a nonce that goes back", "PROTO")
        self.seen = nonce
        return self.open(frame, not self.is_server)

    def open_ours(self, frame):
        self.said = int.from_bytes(frame.body[8:16], "big")
        return self.open(frame, self.is_server)

    def seal_ours(self, octets):
        """A frame that the recording has no more."""
        frame = next(oracle.frames_of(octets, 0))
        self.said += 1
        nonce = self.said.to_bytes(8, "big")
        inside = bytes([COMMAND if frame.is_command else int(frame.more)]) + frame.body
        box = seal(inside, b"CurveZMQMESSAGE" + (b"S" if self.is_server else b"C") + nonce, self.key)
        body = b"\x07MESSAGE" + nonce + box
        return oracle.header_bytes(0, len(body)) + body
