"""libzmq's verdict on what a peer sends, against ours: the slow oracle of the session's corpora.

    libzmq_verdict.py [--every-type] [--build DIR] FILE|FOLDER...

An input of the session target is played to a live libzmq socket and to our session in its place, of the same type and
with the same security. Compared are: is the connection closed or kept, was traffic reached, which messages does the
application get, which octets come back. What differs is played again frame by frame and with more patience, until it
is known which frame it begins with. A row of tests/vectors/exceptions may allow that; then the frame is taken out, and
the rest is played again. What none allows is printed with the decoded stream and both verdicts.

Nothing is slept through: a close is seen as it comes, and "kept" means that libzmq has read every octet (the kernel
tells) and that nothing came of it for a while. Folders may be AFL++'s own. Exit status: 0 every difference is
explained, 1 some are not, 2 there was nothing to play.
"""

import argparse
import array
import collections
import concurrent.futures
import dataclasses
import fcntl
import itertools
import json
import os
import pathlib
import socket
import struct
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/vectors"), str(ROOT / "tests/diff")]

import corpus  # noqa: E402
import diff  # noqa: E402
import oracle  # noqa: E402
import replay  # noqa: E402

try:
    import zmq
except ImportError:
    zmq = None

DRIVER = "tests/vectors/session_driver"              # within a build
EXCEPTIONS = ROOT / "tests/vectors/exceptions"
PARALLEL, BATCH = 128, 2048       # connections at a time, and how many until something is said
QUIET_S, PATIENT_QUIET_S = 0.25, 1       # nothing came of the octets for so long: the connection is kept
LAST_DROP_S = 0.03               # for messages that are still on their way to the application after a close
GIVE_UP_S = 20
TICK_S = 0.001
FRAMES_APART = 8                 # that many first frames are sent one by one
LIMIT = 65536                    # of a frame, as in fuzz/session.c
STATUSES = (200, 300, 400, 500, 0)       # as in fuzz/session.c; 0: a reply that is none
ROUTING_ID, USERNAME, PASSWORD = b"us", b"user", b"password"
NAMED = oracle.KNOWN_COMMANDS | {b"READY", b"ERROR", b"HELLO", b"WELCOME", b"INITIATE"}
ZAP_ENDPOINT = "inproc://zeromq.zap.01"
GETS_NOTHING = ("PUSH", "PUB")
ASKS = ("REQ", "REP")            # what these get depends on what the application did
SHOWN, SHOWN_OCTETS = 8, 48      # differences, frames, messages; octets of each
PREFIXES = 32                    # of a stream, in the search for the frame that makes the difference
EXPLAINED = "the protocol allows it: "


# --- an input ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Setting:
    """Which socket, with which security, has the peer before it."""

    type: str
    mechanism: str
    is_server: bool
    zap: int | None              # what ZAP answers; None: nobody asks

    def __str__(self):
        role = (" server" if self.is_server else " client") if self.mechanism != "NULL" else ""
        return f"{self.type}, {self.mechanism}{role}{f', ZAP says {self.zap}' if self.zap is not None else ''}"


class Choices:
    """The two octets that begin an input, as fuzz/session.c takes them."""

    def __init__(self, build):
        spec = json.loads((build / "generated/zmtp.json").read_text(encoding="utf-8"))
        self.machines = list(spec["machines"].values() if isinstance(spec["machines"], dict) else spec["machines"])
        self.types = {row["code"]: name for name, row in diff.load_codec(build / diff.CODEC).SOCKETS.items()}

    def setting(self, octets):
        """None: libzmq has no such socket, or we have not such security."""
        if len(octets) < 2 or self.types.get(octets[1]) not in oracle.TYPES:
            return None
        zap, which = divmod(octets[0], len(self.machines))
        machine = self.machines[which]
        if machine["mechanism"] not in ("NULL", "PLAIN"):
            return None
        is_server = machine["role"] == "server"
        status = STATUSES[(zap >> 1) % len(STATUSES)] if zap & 1 else 200 if is_server else None
        if machine["role"] == "client":              # a client's peer has to show nothing
            status = None
        return Setting(self.types[octets[1]], machine["mechanism"], is_server, status)


def pieces(octets):
    """The stream in the pieces in which a peer might write it: at the ends of the greeting and of the first frames.
    libzmq reads a burst otherwise than the same octets one by one: see frame_recv_one_write in the exceptions."""
    peer = oracle.peer_of(octets)
    if peer is None or len(octets) <= peer.begin:
        return [octets] if octets else []
    ends = [peer.begin]
    for frame in itertools.islice(oracle.frames_of(octets, peer.begin, version=peer.version), FRAMES_APART):
        if frame.size >= 0 and ends[-1] < frame.end < len(octets):
            ends.append(frame.end)
    return [octets[begin:end] for begin, end in itertools.pairwise([0, *[end for end in ends if end], len(octets)])]


def completed(octets):
    """With zeros for what is missing of the last unit: we refuse at the first wrong octet, libzmq often not before the
    greeting or the frame is whole, and now and then earlier than we do."""
    peer = oracle.peer_of(octets)
    if peer is None:
        return octets
    octets = octets.ljust(peer.begin, b"\0")
    end = last_end(peer, octets)
    while end < len(octets):                         # a header is cut
        octets += b"\0"
        end = last_end(peer, octets)
    return octets.ljust(end if end - len(octets) <= LIMIT else 0, b"\0")


def last_end(peer, octets):
    """Where the last frame ends, as far as headers are whole; what has no size ends all."""
    end = peer.begin
    for frame in oracle.frames_of(octets, peer.begin, version=peer.version):
        end = frame.end if frame.size >= 0 else len(octets)
    return end


# --- what came of it --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Seen:
    is_closed: bool = False
    is_ready: bool = False
    messages: list = dataclasses.field(default_factory=list)
    output: bytes = b""
    identity: bytes = b""        # ours alone, as all below: the peer's
    rule: str = ""               # which one was broken
    error: str = ""

    def __str__(self):
        messages = ", ".join("|".join(part.hex()[:SHOWN_OCTETS] or "-" for part in parts)
                             for parts in self.messages[-SHOWN:]) or "none"
        messages = f"... {len(self.messages)} in all, the last are " * (len(self.messages) > SHOWN) + messages
        by = f" by {self.rule} ({self.error})" if self.rule else ""
        return (f"{'closes' if self.is_closed else 'stays'}{by}, {'traffic' if self.is_ready else 'no traffic'}, "
                f"messages: {messages}\n           sends {self.output.hex() or 'nothing'}")


class Ours:
    """Our session, as session_driver runs it."""

    def __init__(self, driver):
        self.driver = driver

    def play(self, setting, octets):
        script = [f"type {setting.type}", f"routing_id {ROUTING_ID.hex()}", f"max_frame_bytes {LIMIT}",
                  f"mechanism {setting.mechanism} {'server' if setting.is_server else 'client'}",
                  f"username {USERNAME.hex()}", f"password {PASSWORD.hex()}",
                  *([f"zap {setting.zap}"] if setting.zap is not None else ()),
                  "handshake_ms 30000", "start 0", *([f"feed {octets.hex()}"] if octets else ())]
        log, problem = replay.run_driver(self.driver, "\n".join(script) + "\n")
        if problem or "broken:" in log or "differs " in log:
            raise RuntimeError(problem or log)
        return self.read(setting, log)

    def read(self, setting, log):
        seen, parts = Seen(), []
        for line in log.splitlines():
            kind, said = line.split(" ")[0], replay.members(line)
            if line.startswith("event ready"):
                seen.is_ready, seen.identity = True, bytes.fromhex(said["identity"])
            elif line.startswith("event body"):
                parts = (parts if int(said["part"]) else []) + [bytes.fromhex(said["octets"])]
                if not int(said["flags"]) & oracle.MORE:
                    seen.messages.append(parts)
            elif line.startswith(("event subscribe", "event cancel")) and setting.type == "XPUB":
                first = b"\1" if line.startswith("event subscribe") else b"\0"
                seen.messages.append([first + bytes.fromhex(said["topic"])])
            elif kind == "failure" and said["err"] != "OK":
                seen.is_closed, seen.rule, seen.error = True, said["rule"], said["err"]
            elif kind == "output":
                seen.output = bytes.fromhex(said["octets"])
        return seen


# --- libzmq ---------------------------------------------------------------------------------------------------


class Play:
    """One stream to one libzmq socket: step() until is_over. The socket is closed with close()."""

    def __init__(self, context, path, setting, octets, quiet_s):
        self.setting, self.todo, self.quiet_s, self.seen = setting, pieces(octets), quiet_s, Seen()
        self.socket = context.socket(getattr(zmq, setting.type))
        self.configure()
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.bind(f"ipc://{path}")
        self.raw = socket.socket(socket.AF_UNIX)
        self.raw.connect(str(path))
        self.raw.setblocking(False)
        # A frame that comes before ZAP has answered is too early for libzmq, which then closes; not so for us.
        self.pause_s = quiet_s / 5 if setting.zap is not None else 0
        self.is_over, self.closed_at = False, None
        self.began = self.moved = time.monotonic()

    def configure(self):
        sock, setting = self.socket, self.setting
        sock.linger, sock.maxmsgsize, sock.rcvhwm = 0, LIMIT, 0
        sock.routing_id = ROUTING_ID
        if setting.type == "SUB":
            sock.subscribe(b"")
        if setting.type == "XPUB":
            sock.setsockopt(zmq.XPUB_VERBOSER, 1)
        if setting.mechanism == "PLAIN" and setting.is_server:
            sock.plain_server = 1
        elif setting.mechanism == "PLAIN":
            sock.plain_username, sock.plain_password = USERNAME, PASSWORD
        if setting.zap is not None:
            sock.zap_domain = str(setting.zap).encode()

    def step(self):
        now = time.monotonic()
        if any([self.hear_monitor(), self.hear_socket(), self.hear_peer(), self.speak()]):
            self.moved = now
        if self.closed_at is None and self.seen.is_closed:
            self.closed_at = now
        if self.closed_at is not None:
            self.is_over = now - max(self.closed_at, self.moved) > LAST_DROP_S
        elif now - self.began > GIVE_UP_S:
            raise RuntimeError(f"libzmq reads nothing any more, {self.setting}")
        elif not self.todo and not self.unread():
            self.is_over = now - self.moved > self.quiet_s
        return self.is_over

    def hear_monitor(self):
        heard = False
        while self.monitor.poll(0):
            frames = self.monitor.recv_multipart()
            self.seen.is_ready |= struct.unpack("=HI", frames[0])[0] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            heard = True
        return heard

    def hear_socket(self):
        self.socket.getsockopt(zmq.EVENTS)           # or it would never look after its peers
        heard = False
        while self.setting.type not in GETS_NOTHING:
            try:
                self.seen.messages.append(self.socket.recv_multipart(zmq.NOBLOCK))
                heard = True
            except zmq.Again:
                break
            except zmq.ZMQError as error:            # a REP or REQ that has to speak first
                if error.errno != zmq.EFSM:
                    raise
                break
        return heard

    def hear_peer(self):
        try:
            octets = self.raw.recv(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionError:
            octets = b""
        self.seen.output += octets
        self.seen.is_closed |= not octets
        return bool(octets)

    def speak(self):
        if not self.todo or self.seen.is_closed or self.unread() or time.monotonic() - self.moved < self.pause_s:
            return False
        try:
            sent = self.raw.send(self.todo[0])
        except BlockingIOError:
            return False
        except ConnectionError:                      # the end is heard next
            self.todo = []
            return True
        self.todo[0] = self.todo[0][sent:]
        if not self.todo[0]:
            del self.todo[0]
        return True

    def unread(self):
        """Octets that libzmq has not read yet."""
        count = array.array("i", [0])
        fcntl.ioctl(self.raw, termios.TIOCOUTQ, count)
        return count[0]

    def close(self):
        self.raw.close()
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)


class Libzmq:
    """A context with a ZAP handler, which answers as the domain says, and as many sockets as there are streams."""

    def __init__(self):
        self.context = zmq.Context()
        self.context.max_sockets = 8 * PARALLEL      # each has a monitor, of two
        self.zap = self.context.socket(zmq.REP)
        self.zap.linger = 0
        self.zap.bind(ZAP_ENDPOINT)
        self.folder = tempfile.TemporaryDirectory(prefix="verdict-")
        self.numbers = itertools.count()

    def play(self, todo, quiet_s=QUIET_S):
        """What it makes of each (setting, octets), in their order."""
        found, waiting, running = [None] * len(todo), collections.deque(enumerate(todo)), {}
        while waiting or running:
            while waiting and len(running) < PARALLEL:
                number, (setting, octets) = waiting.popleft()
                path = pathlib.Path(self.folder.name) / str(next(self.numbers))
                running[number] = Play(self.context, path, setting, octets, quiet_s)
            self.answer_zap()
            for number, play in list(running.items()):
                if play.step():
                    found[number] = running.pop(number).seen
                    play.close()
            time.sleep(TICK_S)
        return found

    def answer_zap(self):
        while self.zap.poll(0):
            version, request_id, domain, *_ = self.zap.recv_multipart()
            reply = [version, request_id, domain, b"", b"", b""]
            self.zap.send_multipart(reply if domain != b"0" else [version])

    def close(self):
        self.zap.close(0)
        self.context.destroy(0)
        self.folder.cleanup()


# --- comparison -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Difference:
    """In the words of tests/vectors/exceptions: what we do, and the rule behind it."""

    reaction: str
    rule: str
    why: str


def same_message(setting, identity, ours, theirs):
    """A ROUTER puts the peer's name before a message; it invents one where the peer has none."""
    if setting.type != "ROUTER":
        return ours == theirs
    name, *parts = theirs
    return ours == parts and (name == identity if identity else len(name) == 5 and name[0] == 0)


def own_output(octets, setting, peer):
    """What the session says by itself. Topics are the application's, and leave when it looks."""
    if setting.type != "SUB" or peer is None:
        return octets
    begin = len(oracle.greeting_bytes(ROUTING_ID)) if peer.form == "v3" else peer.begin
    frames = list(oracle.frames_of(octets, begin, version=peer.version))
    said = [frame for frame in frames if not (frame.is_command and frame.command()[0] in (b"SUBSCRIBE", b"CANCEL")
                                              or not frame.is_command and frame.body[:1] in (b"\0", b"\1"))]
    return octets[:begin] + b"".join(octets[frame.at:frame.end] for frame in said)


def compare(setting, octets, ours, theirs):
    """The first of the differences that counts, or None."""
    peer = oracle.peer_of(octets)
    is_old = peer is not None and peer.is_old
    if ours.is_closed != theirs.is_closed:
        return Difference("closes", ours.rule, "") if ours.is_closed else Difference("stays", "", "")
    if ours.is_ready != theirs.is_ready and not is_old:
        return Difference("reaches" if ours.is_ready else "misses", "", "")
    pairs = itertools.zip_longest(ours.messages, theirs.messages)
    if setting.type not in GETS_NOTHING + ASKS:
        for number, (a, b) in enumerate(pairs, 1):
            if setting.type == "XPUB" and theirs.is_closed and a is None and b[0][:1] == b"\0":
                continue                             # the end of a peer cancels what it wanted
            if a is None or b is None or not same_message(setting, ours.identity, a, b):
                return Difference("hands", "", f"message {number}")
    a, b = own_output(ours.output, setting, peer), own_output(theirs.output, setting, peer)
    if a != b and not (ours.is_closed and (a.startswith(b) or b.startswith(a))):
        at = len(os.path.commonprefix([a, b]))
        return Difference("sends", "", f"octet {at}: ours {a[at:at + 12].hex() or 'nothing'}, "
                                       f"libzmq's {b[at:at + 12].hex() or 'nothing'}")
    return None


# --- where it begins ------------------------------------------------------------------------------------------


def ends_of_frames(octets):
    """Places behind the greeting and each frame, and the end."""
    peer = oracle.peer_of(octets)
    if peer is None or len(octets) <= peer.begin:
        return [len(octets)]
    ends = [frame.end for frame in oracle.frames_of(octets, peer.begin, version=peer.version) if frame.size >= 0]
    return [peer.begin, *[end for end in ends if end < len(octets)][:PREFIXES], len(octets)]


def last_frame(octets):
    """The last frame of a stream, which may be cut, or None: it is all greeting."""
    peer = oracle.peer_of(octets)
    if peer is None or len(octets) <= peer.begin:
        return None
    return next(reversed(list(oracle.frames_of(octets, peer.begin, version=peer.version))), None)


def rule_of(octets):
    """The rule behind the last thing in a stream: a greeting, a command or a frame. Odd flags of an older peer's first
    frame, which is its name, have to do with what becomes of the next ones."""
    peer, frame = oracle.peer_of(octets), last_frame(octets)
    if frame is None:
        return f"greeting.{peer.form}" if peer else "greeting"
    if frame.is_command and not peer.is_old:
        name = frame.command()[0]
        return name.decode("latin-1") if name in NAMED else "frame.v3.flags"
    first = next(oracle.frames_of(octets, peer.begin, version=peer.version))
    is_odd = (frame.flags | first.flags * peer.is_old) & ~(oracle.MORE | oracle.LONG)
    return f"frame.v{min(int(peer.version[0]), 3)}.{'flags' if is_odd else 'body'}"


class Judge:
    """Both sides and what is known of their differences."""

    def __init__(self, build, exceptions):
        self.choices, self.ours, self.libzmq = Choices(build), Ours(build / DRIVER), Libzmq()
        self.allowed = {(row.reaction, row.rule) for row in exceptions.values()}
        self.explained = collections.Counter()

    def close(self):
        self.libzmq.close()

    def play(self, todo, quiet_s=QUIET_S):
        """(ours, libzmq's) for each (setting, octets)."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            ours = pool.map(lambda one: self.ours.play(*one), todo)
            theirs = self.libzmq.play(todo, quiet_s)
            return list(zip(ours, theirs))

    def judge(self, todo):
        """(number, shortest stream that differs, difference) of each (setting, stream) with one that is not explained,
        as they are found. What is explained is taken out of the stream, and the rest of it played again."""
        for begin in range(0, len(todo), BATCH):
            left = dict(enumerate(todo[begin:begin + BATCH], begin))
            while left:
                seen = zip(left.items(), self.play(list(left.values())))
                suspects = {number: (stream[0], completed(stream[1])) for (number, stream), both in seen
                            if compare(*stream, *both)}
                left = {}
                for number, octets, difference, rest in self.locate(suspects):
                    if not self.explains(difference):
                        yield number, octets, difference
                    elif rest:
                        left[number] = rest

    def explains(self, difference):
        key = f"{difference.reaction} {difference.rule}"
        is_known = difference.why.startswith(EXPLAINED) or (difference.reaction, difference.rule) in self.allowed
        self.explained[difference.why if difference.why.startswith(EXPLAINED) else key] += is_known
        return is_known

    def firsts(self, todo, quiet_s):
        """Of these (number, setting, octets) the first of each number that differs."""
        found = {}
        for (number, *stream), both in zip(todo, self.play([stream for _, *stream in todo], quiet_s)):
            difference = compare(*stream, *both)
            if difference:
                found.setdefault(number, (stream[1], difference, both))
        return found

    def locate(self, streams):
        """For each that differs (number, so much of it that does and no less, how, the stream without its last). Who is
        quick may be wrong, so what is found is looked at again with patience."""
        todo = [(number, setting, octets[:end]) for number, (setting, octets) in streams.items()
                for end in ends_of_frames(octets)]
        quick = self.firsts(todo, QUIET_S)
        firsts = self.firsts([(number, streams[number][0], octets) for number, (octets, *_) in quick.items()],
                             PATIENT_QUIET_S)
        firsts |= self.firsts([each for each in todo if each[0] not in firsts], PATIENT_QUIET_S)
        for number, (octets, difference, both) in firsts.items():
            setting, whole = streams[number]
            difference.rule = difference.rule or rule_of(octets)
            difference.why = explanation(setting, octets, difference) or difference.why
            frame = last_frame(octets)
            goes_on = frame and both[0].is_ready and frame.end == len(octets) < len(whole) \
                and not difference.why.startswith(EXPLAINED)
            rest = (setting, octets[:frame.at] + whole[len(octets):]) if goes_on else None
            yield number, octets, difference, rest


def has_topic_within(verdict):
    """Is there a part of a longer message that would be a subscription, were it alone?"""
    frames = [frame for frame in verdict.frames if not frame.is_command and frame.end > (verdict.ready_at or 0)]
    return any(frame.body[:1] in (b"\0", b"\1") and (frame.more or before is not None and before.more)
               for before, frame in zip([None, *frames], frames))


def explanation(setting, octets, difference):
    """What the pattern of the socket makes of octets where none is at fault; None: nothing that is known."""
    verdict = oracle.read(octets, setting.type, LIMIT, oracle.Security(setting.mechanism, setting.is_server))
    reason = None
    if difference.reaction == "stays":
        reason = oracle.pattern_refuses(verdict, setting.type) or oracle.size_refused(verdict, LIMIT)
        if reason is None and verdict.ttl_seen:
            reason = "a PING's time to live is over"
    elif difference.reaction == "hands" and setting.type == "XPUB" and has_topic_within(verdict):
        reason = "an XPUB looks for a topic in each part of a message"
    return reason and EXPLAINED + reason


# --- other sockets --------------------------------------------------------------------------------------------


def with_peer_type(octets, name):
    """The same stream from a peer of another type: its greeting's code, or its property Socket-Type."""
    peer = oracle.peer_of(octets)
    if peer is None or len(octets) < peer.begin:
        return octets
    if peer.is_old:
        return octets[:11] + bytes([oracle.TYPES.index(name)]) + octets[12:] if peer.form == "v2" else octets
    typed, key = oracle.property_bytes(b"Socket-Type", name.encode()), b"\x0bSocket-Type"
    for frame in oracle.frames_of(octets, peer.begin, version=peer.version):
        begin = frame.body.find(key)
        if frame.is_command and frame.is_complete and begin >= 0 and frame.flags == oracle.COMMAND:
            value = begin + len(key) + 4
            end = value + int.from_bytes(frame.body[value - 4:value], "big")
            if value <= end <= frame.size:
                body = frame.body[:begin] + typed + frame.body[end:]
                return (octets[:frame.at] + oracle.header_bytes(frame.flags, len(body), peer.version) + body
                        + octets[frame.end:])
    return octets


def every_type(setting, octets):
    """The stream for each type of socket, from a peer of a type that it talks to."""
    for name in oracle.TYPES:
        peer = next(each for each in oracle.TYPES if each in oracle.PEERS[name])
        yield dataclasses.replace(setting, type=name), with_peer_type(octets, peer)


# --- what is printed ------------------------------------------------------------------------------------------


def decode(octets):
    """The stream in lines."""
    peer = oracle.peer_of(octets)
    begin = peer.begin if peer else len(octets)
    yield f"{peer.form if peer else 'undecided'} greeting {octets[:begin].hex() or 'of no octets'}"
    frames = list(oracle.frames_of(octets, begin, version=peer.version)) if peer else []
    if len(frames) > SHOWN:
        yield f"... {len(frames) - SHOWN} frames"
    for frame in frames[-SHOWN:]:
        name = (frame.command()[0] or b"no name").decode("latin-1") if frame.is_command and not peer.is_old else ""
        body = frame.body.hex()[:2 * SHOWN_OCTETS] + "..." * (frame.size > SHOWN_OCTETS)
        yield f"{frame.at}: flags {frame.flags:02x}, {frame.size} octets, {name or 'message'}: {body or '-'}"


def collect(paths, choices, every):
    """([(file, setting, stream)] of what both sides can play, how many files are none of it)."""
    found, left_out = [], 0
    for path in corpus.corpus_files(paths):
        octets = path.read_bytes()[:corpus.HEAD_OCTETS + corpus.OCTETS_MOST]
        setting = choices.setting(octets)
        if setting is None:
            left_out += 1
            continue
        stream = octets[corpus.HEAD_OCTETS:]
        streams = every_type(setting, stream) if every else [(setting, stream)]
        found += [(path, *each) for each in streams]
    return found, left_out


def main(arguments):
    parser = argparse.ArgumentParser(prog="./dev test verdict", description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=diff.default_build(), help="the build of our session")
    parser.add_argument("--every-type", action="store_true", help="play each input to every type of socket")
    parser.add_argument("--exceptions", default=EXCEPTIONS, help="another list of them")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders of the session target's inputs")
    args = parser.parse_args(arguments)
    if zmq is None:
        print("verdict: python3-zmq is not there", file=sys.stderr)
        return 2
    judge = Judge(args.build, replay.read_exceptions(args.exceptions))
    started = time.monotonic()
    todo, left_out = collect(args.paths, judge.choices, args.every_type)
    count = 0
    for number, octets, difference in judge.judge([stream for _, *stream in todo]):
        count += 1
        if count > SHOWN:
            continue
        path, setting, _ = todo[number]
        (ours, theirs), = judge.play([(setting, octets)], PATIENT_QUIET_S)
        print(f"{path}\n    {setting}: {difference.reaction} {difference.rule} {difference.why}".rstrip())
        for line in decode(octets):
            print(f"        {line}")
        print(f"    ours   {ours}\n    libzmq {theirs}", flush=True)
    judge.close()
    for what, times in judge.explained.most_common():
        print(f"{times} explained by: {what}")
    print(f"libzmq {zmq.zmq_version()}, {len(todo)} conversations, {time.monotonic() - started:.0f} s: {count} differ, "
          f"{left_out} files left out (CURVE, or a type that libzmq has not)")
    return 1 if count else 0 if todo else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
