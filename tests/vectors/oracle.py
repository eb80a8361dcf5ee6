"""A plain reading of ZMTP 3.x with NULL or PLAIN security, as libzmq takes it: octets in,
expectations out.

It reads a whole stream at once and shares no code, table or generated file with the session, so
they can only agree by both being right. Where the session refuses what libzmq accepts, the case is
in the file `exceptions`.
"""

import re
from dataclasses import dataclass, field

GREETING_BYTES = 64
MORE, LONG, COMMAND = 0x01, 0x02, 0x04
SIZE_MAX = 2**63 - 1
CONTEXT_BYTES = 16  # of a PING or PONG; what exceeds them is cut
GROUP_BYTES = 255  # of a JOIN or LEAVE

# RFC 37, 41, 48, 49, 51, 52: who may talk to whom.
PEERS = {
    "PAIR": {"PAIR"},
    "PUB": {"SUB", "XSUB"}, "XPUB": {"SUB", "XSUB"},
    "SUB": {"PUB", "XPUB"}, "XSUB": {"PUB", "XPUB"},
    "REQ": {"REP", "ROUTER"}, "REP": {"REQ", "DEALER"},
    "DEALER": {"REP", "DEALER", "ROUTER"}, "ROUTER": {"REQ", "DEALER", "ROUTER"},
    "PUSH": {"PULL"}, "PULL": {"PUSH"},
    "CLIENT": {"SERVER"}, "SERVER": {"CLIENT"}, "RADIO": {"DISH"}, "DISH": {"RADIO"},
    "SCATTER": {"GATHER"}, "GATHER": {"SCATTER"}, "PEER": {"PEER"}, "CHANNEL": {"CHANNEL"},
}
SENDS_IDENTITY = {"REQ", "DEALER", "ROUTER"}
KNOWN_COMMANDS = {b"SUBSCRIBE", b"CANCEL", b"PING", b"PONG", b"JOIN", b"LEAVE"}
ONE_FRAME = {"CLIENT", "SERVER", "SCATTER", "GATHER", "PEER", "CHANNEL"}


class Refused(Exception):
    """The octets break a rule: `errors` are the names the session may give it."""

    def __init__(self, why, *errors, exactly=False):
        super().__init__(why)
        self.why, self.errors = why, errors
        self.exactly = exactly  # at the last octet


@dataclass
class Refusal:
    why: str
    errors: tuple
    first: int  # the refused octet lies in first..last
    last: int


@dataclass
class Frame:
    at: int
    flags: int
    size: int
    header: int  # octets of the header
    body: bytes  # as much of it as there is

    @property
    def more(self):
        return bool(self.flags & MORE)

    @property
    def is_command(self):
        return bool(self.flags & COMMAND)

    @property
    def end(self):
        return self.at + self.header + self.size

    @property
    def is_complete(self):
        return len(self.body) == self.size

    def command(self):
        """(name, data); the name is None where it runs past the end or there is none."""
        if not self.body or len(self.body) < 1 + self.body[0]:
            return None, b""
        return self.body[1:1 + self.body[0]], self.body[1 + self.body[0]:]


def frames_of(octets, at=GREETING_BYTES, limit=SIZE_MAX):
    """The frames of a stream; the last one may be cut. Raises nothing: sizes are the caller's."""
    while at < len(octets):
        flags = octets[at]
        header = 9 if flags & LONG else 2
        if len(octets) < at + header:
            return
        size = int.from_bytes(octets[at + 1:at + header], "big")
        yield Frame(at, flags, size, header, octets[at + header:at + header + min(size, limit)])
        at += header + size


def header_bytes(flags, size):
    """The one header that may be sent for a body of this size."""
    if size > 255:
        return bytes([flags | LONG]) + size.to_bytes(8, "big")
    return bytes([flags, size])


def command_bytes(name, data):
    body = bytes([len(name)]) + name + data
    return header_bytes(COMMAND, len(body)) + body


def property_bytes(name, value):
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def greeting_bytes(routing_id, mechanism="NULL"):
    return (b"\xff" + (len(routing_id) + 1).to_bytes(8, "big") + b"\x7f\x03\x01"
            + mechanism.encode().ljust(20, b"\0") + bytes(32))


def metadata_bytes(socket_type, routing_id, metadata=b""):
    data = property_bytes(b"Socket-Type", socket_type.encode())
    if socket_type in SENDS_IDENTITY:
        data += property_bytes(b"Identity", routing_id)
    return data + metadata


def ready_bytes(socket_type, routing_id, metadata=b""):
    return command_bytes(b"READY", metadata_bytes(socket_type, routing_id, metadata))


def subscription_bytes(version, topic, subscribe):
    if version < "3.1":
        return header_bytes(0, 1 + len(topic)) + (b"\1" if subscribe else b"\0") + topic
    return command_bytes(b"SUBSCRIBE" if subscribe else b"CANCEL", topic)


def older_peer(octets):
    """The version of a peer that does not speak 3.x, or None. Unknown yet counts as 3.x."""
    if octets[:1] not in (b"", b"\xff") or len(octets) >= 10 and not octets[9] & 1:
        return "1.0"
    if len(octets) >= 11 and octets[10] < 2:
        return "2.0"
    return None


# --- the handshake --------------------------------------------------------------------------------

# What our side must hear, in this order, by mechanism and whether it is the server.
EXPECTED = {("NULL", False): [b"READY"], ("NULL", True): [b"READY"],
            ("PLAIN", False): [b"WELCOME", b"READY"], ("PLAIN", True): [b"HELLO", b"INITIATE"]}
ZAP_OK, ZAP_TOLD = 200, (400, 500)  # those of the second kind are told to the peer
MISSPELT = b"\x5eRROR"  # ERROR, as both sides of libzmq's PLAIN write it


@dataclass
class Security:
    """How our side is configured. zap: the status that ZAP answers when asked, or None: do not ask."""

    mechanism: str = "NULL"
    server: bool = False
    username: bytes = b""
    password: bytes = b""
    zap: int | None = None
    metadata: bytes = b""  # of our READY or INITIATE


def misspelt(octets):
    """A frame that holds an ERROR, in libzmq's spelling."""
    body = MISSPELT + octets[8:]
    return header_bytes(COMMAND, len(body)) + body


def begin_handshake(verdict, security):
    verdict.expected = list(EXPECTED[security.mechanism, security.server])
    if security.mechanism == "NULL":
        if security.zap is not None:
            ask_zap(verdict, security, GREETING_BYTES, b"", b"")
        verdict.say(GREETING_BYTES, b"READY", security.metadata)
    elif not security.server:
        verdict.say(GREETING_BYTES, b"HELLO", bytes([len(security.username)]) + security.username
                    + bytes([len(security.password)]) + security.password)


def ask_zap(verdict, security, at, username, password):
    verdict.event("zap", mechanism=security.mechanism, username=username.hex(),
                  password=password.hex())
    if security.zap in ZAP_TOLD:
        reason = str(security.zap).encode()
        verdict.say(at, b"ERROR", bytes([len(reason)]) + reason)
    if security.zap != ZAP_OK:
        raise Refused("ZAP's answer", "REFUSED", exactly=True)


def read_hello(data):
    """(username, password)."""
    name_end = 1 + data[0] if data else 1
    if name_end >= len(data) or len(data) != name_end + 1 + data[name_end]:
        raise Refused("a malformed HELLO", "PROTO")
    return data[1:name_end], data[name_end + 1:]


# --- the whole stream -----------------------------------------------------------------------------


@dataclass
class Answer:
    """Octets that we owe the peer."""

    begin: int  # the input that calls for them: first octet, and how many are in when they are due
    due: int
    octets: bytes
    is_pong: bool = False


@dataclass
class Verdict:
    """What must come of a peer's stream."""

    events: list = field(default_factory=list)  # lines of the driver's log
    answers: list = field(default_factory=list)  # the PONGs, in order
    refusal: Refusal | None = None
    ready_at: int | None = None  # input offset at which messages may flow
    version: str = "3.1"
    frames: list = field(default_factory=list)
    ttl_seen: bool = False
    said: list = field(default_factory=list)  # our part of the handshake
    expected: list = field(default_factory=list)  # the names of what the peer's part must still be

    def say(self, at, name, data):
        self.said.append(Answer(0, at, command_bytes(name, data)))

    def event(self, kind, **members):
        self.events.append(" ".join(["event", kind, *(f"{k}={v}" for k, v in members.items())]))


def read(octets, socket_type, frame_limit=SIZE_MAX, security=Security()):
    """The verdict on a 3.x peer's stream for a socket of this type."""
    verdict = Verdict()
    if len(octets) < GREETING_BYTES:
        return verdict
    verdict.version = "3.0" if octets[10] == 3 and octets[11] == 0 else "3.1"
    at, last = 0, GREETING_BYTES
    message = []
    try:
        read_greeting(verdict, octets, security.mechanism)
        begin_handshake(verdict, security)
        for frame in frames_of(octets):
            verdict.frames.append(frame)
            at, last = frame.at, frame.end
            if frame.size > (SIZE_MAX if frame.is_command else min(SIZE_MAX, frame_limit)):
                last = frame.at + frame.header
                raise Refused("a size beyond the limit", "LIMIT", "PROTO")
            if verdict.ready_at is None:
                if frame.is_complete:
                    read_handshake(verdict, frame, socket_type, security)
            elif not frame.is_command:
                message = read_message(verdict, frame, message)
            elif frame.is_complete:
                read_command(verdict, frame, socket_type)
    except Refused as refused:
        at = last if refused.exactly else at
        verdict.refusal = Refusal(refused.why, refused.errors, at, last)
    return verdict


def read_greeting(verdict, octets, own_mechanism):
    mechanism = octets[12:32]
    if not re.fullmatch(rb"[A-Z0-9_.+-]*\0*", mechanism):
        raise Refused("a mechanism that is no name", "PROTO", "MISMATCH")
    if mechanism != own_mechanism.encode().ljust(20, b"\0"):
        raise Refused("another mechanism", "MISMATCH")
    verdict.event("greeting", form="v3", version=verdict.version, octets=octets[:64].hex())


def read_handshake(verdict, frame, socket_type, security):
    """libzmq looks at the name only, not at the flags."""
    name, data = frame.command()
    if security.mechanism == "PLAIN" and frame.body.startswith(MISSPELT):
        name, data = b"ERROR", frame.body[len(MISSPELT):]
    if name == b"ERROR" and (security.mechanism == "NULL" or not security.server):
        # libzmq minds neither octets after the reason nor what it is made of, and closes anyway.
        if not data or len(data) != 1 + data[0] or not re.fullmatch(rb"[ -~]*", data[1:]):
            raise Refused("a malformed ERROR", "PROTO")
        verdict.event("refused", reason=data[1:1 + data[0]].hex())
        raise Refused("an ERROR", "REFUSED")
    if name != verdict.expected[0]:
        raise Refused(f"something else than {verdict.expected[0].decode()}", "PROTO")
    verdict.expected.pop(0)
    if name == b"HELLO":
        ask_zap(verdict, security, frame.end, *read_hello(data))
        verdict.say(frame.end, b"WELCOME", b"")
    elif name == b"WELCOME":
        if data:
            raise Refused("a WELCOME with data", "PROTO")
        verdict.say(frame.end, b"INITIATE", security.metadata)
    else:
        read_metadata(verdict, frame, data, socket_type)
        if name == b"INITIATE":
            verdict.say(frame.end, b"READY", security.metadata)


def read_metadata(verdict, frame, data, socket_type):
    types, identity = [], b""
    for key, value in properties(data):
        if key == b"Socket-Type":
            types.append(value.decode("latin-1"))
        elif key == b"Identity":
            identity = value
    for name in types:
        if name not in PEERS[socket_type]:
            raise Refused(f"a {name} socket", "MISMATCH")
    verdict.ready_at = frame.end
    verdict.event("ready", version=verdict.version, socket_type=types[-1] if types else "none", identity=identity.hex(),
                  metadata=data.hex())


def properties(data):
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        value = name_end + 4
        if value > len(data):
            raise Refused("a property cut short", "PROTO")
        end = value + int.from_bytes(data[name_end:value], "big")
        if end > len(data):
            raise Refused("a property value that runs past the end", "PROTO")
        yield data[at + 1:name_end], data[value:end]
        at = end


def read_message(verdict, frame, message):
    """The parts of the message so far, this one included; empty after its last."""
    verdict.event("body" if frame.is_complete else "unfinished", part=len(message),
                  flags=int(frame.more), size=frame.size, octets=frame.body.hex())
    return [*message, frame] if frame.more else []


def read_command(verdict, frame, socket_type):
    """A command in traffic. Subscriptions are for publishers only."""
    name, data = frame.command()
    if name in (b"SUBSCRIBE", b"CANCEL"):
        if "SUB" in PEERS[socket_type]:
            verdict.event(name.decode().lower(), topic=data.hex())
        else:
            ignore(verdict, frame, name)
    elif name in (b"JOIN", b"LEAVE"):
        if len(data) > GROUP_BYTES or 0 in data:
            raise Refused("a group's name that is none", "PROTO")
        if "DISH" in PEERS[socket_type]:
            verdict.event(name.decode().lower(), group=data.hex())
        else:
            ignore(verdict, frame, name)
    elif name == b"PING":
        if len(data) < 2:
            raise Refused("a PING without its time to live", "PROTO")
        ttl_ds, context = int.from_bytes(data[:2], "big"), data[2:2 + CONTEXT_BYTES]
        verdict.ttl_seen |= ttl_ds > 0
        verdict.event("ping", ttl_ns=ttl_ds * 10**8, context=context.hex())
        verdict.answers.append(Answer(frame.at, frame.end, command_bytes(b"PONG", context), True))
    elif name == b"PONG":
        verdict.event("pong", ttl_ns=0, context=data[:CONTEXT_BYTES].hex())
    else:
        ignore(verdict, frame, name)


def ignore(verdict, frame, name):
    known = name in KNOWN_COMMANDS
    verdict.event("ignored", id=name.decode() if known else "unknown", size=frame.size)


# --- what libzmq refuses and the protocol allows --------------------------------------------------

RESERVABLE = 2**36  # octets that no machine of the recordings could set aside


def size_refused(verdict, frame_limit):
    """Why libzmq closes on a frame for its size, where we have no reason to, or None."""
    for frame in verdict.frames:
        if frame.is_command and frame.size > frame_limit:
            return "libzmq holds MAXMSGSIZE against commands, we against messages"
        if not frame.is_complete and frame.size > RESERVABLE:
            return "libzmq sets memory aside for the size a header names, we for what arrives"
    return None


def pattern_refuses(verdict, socket_type):
    """Why libzmq's socket closes on frames that the protocol allows, or None."""
    first = True
    for frame in verdict.frames:
        if frame.is_command or not frame.is_complete or frame.end <= (verdict.ready_at or 0):
            continue
        if socket_type == "REQ" and first and (frame.size or not frame.more):
            return "a REQ takes no reply without its delimiter"
        if socket_type == "DISH" and first != frame.more:
            return "a DISH takes a group frame and one body"
        if socket_type in ONE_FRAME and frame.more:
            return f"a {socket_type} takes messages of one frame"
        first = not frame.more
    return None


# --- the recorder's own reading -------------------------------------------------------------------


def differs_from_parsed(octets, parsed):
    """What the capture's `parsed` says otherwise than we do, or None."""
    greeting = (parsed or {}).get("greeting")
    if not greeting or greeting.get("mechanism") not in ("NULL", "PLAIN") or older_peer(octets):
        return None
    ours = {"signature": octets[:10].hex(), "major": octets[10], "minor": octets[11],
            "mechanism": octets[12:32].rstrip(b"\0").decode("latin-1"), "as_server": octets[32],
            "filler_zero": not any(octets[33:64])}
    for key in greeting.keys() & ours.keys():
        if greeting[key] != ours[key]:
            return f"greeting: {key} is {ours[key]}, parsed says {greeting[key]}"
    frames = [frame for frame in frames_of(octets)]
    for frame, said in zip(frames, parsed.get("frames", [])):
        found = {"at": frame.at, "flags": frame.flags, "more": frame.more, "size": frame.size,
                 "kind": "command" if frame.is_command else "message"}
        if frame.is_command and "name" in said:
            found["name"] = (frame.command()[0] or b"").decode("latin-1")
        for key, value in found.items():
            if key in said and said[key] != value:
                return f"frame at {frame.at}: {key} is {value}, parsed says {said[key]}"
    return None
