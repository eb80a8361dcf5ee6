"""A plain reading of ZMTP, with NULL, PLAIN or CURVE security, as libzmq takes it: octets in,
expectations out.

It reads a whole stream at once and shares no code, table or generated file with the session, so
they can only agree by both being right. Where the session refuses what libzmq accepts, the case is
in the file `exceptions`.
"""

import re
from dataclasses import dataclass, field

GREETING_BYTES = 64
GREETING_2_BYTES = 12
TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB")
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
    head: bytes = b""

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

    def raw(self):
        return self.head + self.body

    def command(self):
        """(name, data); the name is None where it runs past the end or there is none."""
        if not self.body or len(self.body) < 1 + self.body[0]:
            return None, b""
        return self.body[1:1 + self.body[0]], self.body[1 + self.body[0]:]


@dataclass
class Sealed(Frame):
    """What was in a box: size, flags and body are of that, the place is the frame's that it was in."""

    def __init__(self, at, flags, size, header, body, outer, octets):
        super().__init__(at, flags, size, header, body)
        self.outer, self.octets = outer, octets

    @property
    def end(self):
        return self.at + self.header + self.outer

    def raw(self):
        return self.octets


def frames_of(octets, at=GREETING_BYTES, limit=SIZE_MAX, version="3.1"):
    """The frames of a stream; the last one may be cut. Raises nothing: sizes are the caller's."""
    while at < len(octets):
        if version == "1.0" and octets[at] == 0:
            yield Frame(at, 0, -1, 1, b"")
            return
        flags_at = at if version > "1.0" else at + 9 if octets[at] == 255 else at + 1
        header = flags_at + 1 - at if version == "1.0" else 9 if octets[at] & LONG else 2
        if len(octets) < at + header:
            return
        if version == "1.0":  # the size counts the flags, which have one bit
            sized = octets[at + 1:flags_at] or octets[at:at + 1]
            flags, size = octets[flags_at] & MORE, int.from_bytes(sized, "big") - 1
        else:
            flags, size = octets[at], int.from_bytes(octets[at + 1:at + header], "big")
        yield Frame(at, flags, size, header, octets[at + header:at + header + max(0, min(size, limit))],
                    octets[at:at + header])
        if size < 0:
            return
        at += header + size


def header_bytes(flags, size, version="3.1"):
    """The one header that may be sent for a body of this size."""
    if version == "1.0":
        counted = bytes([size + 1]) if size < 254 else b"\xff" + (size + 1).to_bytes(8, "big")
        return counted + bytes([flags])
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
        return header_bytes(0, 1 + len(topic), version) + (b"\1" if subscribe else b"\0") + topic
    return command_bytes(b"SUBSCRIBE" if subscribe else b"CANCEL", topic)


@dataclass
class Peer:
    """What the first octets say. Frames begin behind the greeting; 1.0 has none."""

    form: str
    version: str
    decided: int  # octets that tell
    begin: int = 0

    @property
    def is_old(self):
        return self.version < "3.0"


def peer_of(octets):
    """The peer, or None while its octets do not tell."""
    if octets and octets[0] != 255:
        return Peer("v1", "1.0", 1)
    if len(octets) >= 10 and not octets[9] & 1:
        return Peer("v1", "1.0", 10)
    if len(octets) < 11:
        return None
    if octets[10] < 2:
        return Peer("v2", "2.0" if octets[10] else "1.0", 11, GREETING_2_BYTES)
    if octets[10] == 3 and len(octets) < 12:
        return None
    return Peer("v3", "3.0" if octets[10] == 3 and octets[11] == 0 else "3.1", 12, GREETING_BYTES)


# --- the handshake --------------------------------------------------------------------------------

# What our side must hear, in this order, by mechanism and whether it is the server.
EXPECTED = {("NULL", False): [b"READY"], ("NULL", True): [b"READY"],
            ("PLAIN", False): [b"WELCOME", b"READY"], ("PLAIN", True): [b"HELLO", b"INITIATE"],
            ("CURVE", False): [b"WELCOME", b"READY"], ("CURVE", True): [b"HELLO", b"INITIATE"]}
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
    routing_id: bytes = b""  # for peers before 3.0
    boxes: object = None  # of CURVE: boxes.Boxes


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
    elif security.mechanism == "CURVE":
        if not security.server:
            verdict.say_octets(GREETING_BYTES, security.boxes.own_command(b"HELLO"))
    elif not security.server:
        verdict.say(GREETING_BYTES, b"HELLO", bytes([len(security.username)]) + security.username
                    + bytes([len(security.password)]) + security.password)


def ask_zap(verdict, security, at, username, password):
    if security.mechanism == "CURVE":
        verdict.event("zap", mechanism="CURVE", public_key=security.boxes.client.hex())
    else:
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
    peer: Peer | None = None
    greeted: bool = False  # the greeting was taken
    frames: list = field(default_factory=list)
    ttl_seen: bool = False
    said: list = field(default_factory=list)  # our part of the handshake
    expected: list = field(default_factory=list)  # the names of what the peer's part must still be

    def say(self, at, name, data):
        self.say_octets(at, command_bytes(name, data))

    def say_octets(self, at, octets):
        if octets:
            self.said.append(Answer(0, at, octets))

    def event(self, kind, **members):
        self.events.append(" ".join(["event", kind, *(f"{k}={v}" for k, v in members.items())]))


def read(octets, socket_type, frame_limit=SIZE_MAX, security=Security()):
    """The verdict on a peer's stream for a socket of this type."""
    verdict = Verdict(peer=peer_of(octets))
    peer = verdict.peer
    if peer is None or len(octets) < peer.begin:
        return verdict
    verdict.version = peer.version
    at, last = 0, max(peer.begin, peer.decided)
    message = []
    try:
        read_greeting(verdict, octets, security)
        if peer.is_old:
            verdict.say_octets(last, old_identity(peer, security.routing_id))
        else:
            begin_handshake(verdict, security)
        for frame in frames_of(octets, peer.begin, version=peer.version):
            verdict.frames.append(frame)
            at, last = frame.at, frame.end
            if frame.size < 0:
                last = frame.at + frame.header
                raise Refused("a size that has no room for the flags", "PROTO")
            if frame.size > (SIZE_MAX if frame.is_command else min(SIZE_MAX, frame_limit)):
                last = frame.at + frame.header
                raise Refused("a size beyond the limit", "LIMIT", "PROTO")
            if verdict.ready_at is None:
                if frame.is_complete and peer.is_old:
                    read_identity(verdict, frame, octets, socket_type)
                elif frame.is_complete:
                    read_handshake(verdict, frame, socket_type, security)
            elif security.mechanism == "CURVE":
                if frame.is_complete:
                    message = read_sealed(verdict, security.boxes.open_theirs(frame), message, socket_type)
            elif not frame.is_command:
                message = read_message(verdict, frame, message)
            elif frame.is_complete and peer.is_old:
                verdict.event("ignored", id="unknown", size=frame.size)
            elif frame.is_complete:
                read_command(verdict, frame, socket_type)
    except Refused as refused:
        at = last if refused.exactly else at
        verdict.refusal = Refusal(refused.why, refused.errors, at, last)
    return verdict


def read_greeting(verdict, octets, security):
    peer = verdict.peer
    if peer.is_old and (security.mechanism != "NULL" or security.zap is not None):
        raise Refused("a peer too old for any security", "MISMATCH")
    mechanism = octets[12:32]
    if not peer.is_old and not re.fullmatch(rb"[A-Z0-9_.+-]*\0*", mechanism):
        raise Refused("a mechanism that is no name", "PROTO", "MISMATCH")
    if not peer.is_old and mechanism != security.mechanism.encode().ljust(20, b"\0"):
        raise Refused("another mechanism", "MISMATCH")
    verdict.greeted = True
    verdict.event("greeting", form=peer.form, version=peer.version,
                  octets=octets[:peer.begin].hex())


def old_identity(peer, routing_id):
    """In front of our first message. To a 1.0 peer its header was the signature."""
    if peer.form == "v1":
        return routing_id
    return header_bytes(0, len(routing_id), peer.version) + routing_id


def read_identity(verdict, frame, octets, socket_type):
    """libzmq never looks at the type. Who does not subscribe gets all."""
    code = octets[11] if verdict.peer.form == "v2" else len(TYPES)
    verdict.ready_at = frame.end
    verdict.event("ready", version=verdict.version,
                  socket_type=TYPES[code] if code < len(TYPES) else "none",
                  identity=frame.body.hex(), metadata="")
    if verdict.peer.form == "v1" and "SUB" in PEERS[socket_type]:
        verdict.event("subscribe", topic="")


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
    if security.mechanism == "CURVE":
        read_curve(verdict, frame, name, socket_type, security)
    elif name == b"HELLO":
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


def read_curve(verdict, frame, name, socket_type, security):
    """Our own part is as it was recorded."""
    boxes = security.boxes
    if name == b"HELLO":
        boxes.read_hello(frame.body)
        verdict.say_octets(frame.end, boxes.own_command(b"WELCOME"))
    elif name == b"WELCOME":
        boxes.read_welcome(frame.body)
        verdict.say_octets(frame.end, boxes.own_command(b"INITIATE"))
    elif name == b"READY":
        read_metadata(verdict, frame, boxes.read_ready(frame.body), socket_type)
    else:
        metadata = boxes.read_initiate(frame.body)
        read_metadata(Verdict(), frame, metadata, socket_type)
        if security.zap is not None:
            ask_zap(verdict, security, frame.end, b"", b"")
        read_metadata(verdict, frame, metadata, socket_type)
        verdict.say_octets(frame.end, boxes.own_command(b"READY"))


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
    verdict.event("ready", version=verdict.version, socket_type=types[-1] if types else "none",
                  identity=identity.hex(), metadata=data.hex())


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


def read_sealed(verdict, frame, message, socket_type):
    if not frame.is_command:
        return read_message(verdict, frame, message)
    read_command(verdict, frame, socket_type)
    return message


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
    if not greeting or greeting.get("mechanism") not in ("NULL", "PLAIN") or peer_of(octets).is_old:
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
