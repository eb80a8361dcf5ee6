"""Every valid pair of socket types, ours on either end and libzmq on the other, each binding once.

    matrix.py --peer PROGRAM [--engine NAME]... [--transport NAME]... [--only WORD] [--jobs COUNT] [--tap]

Both ends know what the other one has to say: parts of 0 octets to 1 MiB, alone and mixed, whose
octets follow from their numbers, so that each end checks every octet it gets. All of it once in
clear and, over tcp, once sealed by CURVE, whose server is who binds; a client with a wrong key gets
nowhere. Prints a table of pairs, transports and who binds, every difference, then "N passed, N
failed, N skipped".
"""

import argparse
import os
import select
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

try:
    import zmq
except ImportError:
    zmq = None

PATIENCE_S = 5
SYNC_EVERY_S = 0.002
ENGINES = ("io_uring", "epoll")
TRANSPORTS = ("tcp", "ipc")
MIB = 1 << 20

# A message is the sizes of its parts. 255 is the last short frame; 65535 and 65536 lie on both sides
# of what fits into a block.
MESSAGES = [
    *([size] for size in (0, 1, 255, 256, 65535, 65536, MIB)),
    [1, 0, 255], [0, 65536, 0, 1], [256, MIB, 65535], [0, 0],
]
MANY = [[1], [3000, 0], [5700]]
MANY_REPEAT = 1500  # more than the high-water marks of both ends and the kernel's buffers hold

SYNC = b"sync"
DECOY = b"nobody asked for this"
TOPIC = b"temp."
OUR_ID, THEIR_ID = b"monocoque", b"libzmq"
# Keys of this run, by who has them: (public, secret).
KEYS = {who: zmq.curve_keypair() for who in ("ours", "theirs", "nobody")} if zmq and zmq.has("curve") else {}


@dataclass(frozen=True)
class Pair:
    """One conversation. Our role is the peer program's: send, recv, ask or echo."""

    ours: str
    theirs: str
    role: str
    has_topics: bool = False
    has_ids: bool = False  # both ends have a routing id of their own
    is_many: bool = False
    is_sealed: bool = False

    def title(self):
        word = {self.has_topics: "topics", self.has_ids: "ids", self.is_many: "many"}
        words = f"{word.get(True, '')}{' sealed' if self.is_sealed else ''}".strip()
        return f"{self.ours:6} {self.theirs:6} {self.role:4} {words}".rstrip()

    def messages(self):
        """The parts of each message, octet for octet."""
        return MANY_PARTS if self.is_many else PARTS


PAIRS = [
    Pair("PUSH", "PULL", "send"),
    Pair("PULL", "PUSH", "recv"),
    Pair("PUSH", "PULL", "send", is_many=True),
    Pair("PULL", "PUSH", "recv", is_many=True),
    Pair("PUB", "SUB", "send"),
    Pair("PUB", "SUB", "send", has_topics=True),
    Pair("PUB", "XSUB", "send", has_topics=True),
    Pair("SUB", "PUB", "recv"),
    Pair("SUB", "PUB", "recv", has_topics=True),
    Pair("SUB", "XPUB", "recv", has_topics=True),
    Pair("XPUB", "SUB", "send"),
    Pair("XPUB", "SUB", "send", has_topics=True),
    Pair("XPUB", "XSUB", "send", has_topics=True),
    Pair("XSUB", "PUB", "recv"),
    Pair("XSUB", "PUB", "recv", has_topics=True),
    Pair("XSUB", "XPUB", "recv", has_topics=True),
    Pair("REQ", "REP", "ask"),
    Pair("REP", "REQ", "echo"),
    Pair("REQ", "ROUTER", "ask"),
    Pair("ROUTER", "REQ", "echo"),
    Pair("DEALER", "REP", "ask"),
    Pair("REP", "DEALER", "echo"),
    *(Pair(type_, type_, role) for type_ in ("PAIR", "DEALER") for role in ("ask", "echo")),
    Pair("DEALER", "ROUTER", "ask"),
    Pair("ROUTER", "DEALER", "echo"),
    *(Pair(*types, role, has_ids=True)
      for types in (("DEALER", "ROUTER"), ("ROUTER", "DEALER"), ("ROUTER", "ROUTER"))
      for role in ("ask", "echo")),
]
PAIRS += [replace(pair, is_sealed=True) for pair in PAIRS]
# The client has the key of another server: neither end gets anything of the other.
REFUSED = Pair("wrong", "key", "of", is_sealed=True)

COUNTERPART = {"send": "recv", "recv": "send", "ask": "echo", "echo": "ask"}


class Trouble(Exception):
    """What was not as it must be."""


# --- octets ---------------------------------------------------------------------------------------

BLOCK = bytes((index * 13 + (index >> 8)) & 0xff for index in range(65536))
SHIFTED = [bytes((octet + shift) & 0xff for octet in range(256)) for shift in range(256)]


def octets_of(message, part, size):
    """The same as octet_at of peer.c."""
    blocks = [BLOCK.translate(SHIFTED[(message * 7 + part * 31 + block * 31) & 0xff])
              for block in range((size + 65535) // 65536)]
    return b"".join(blocks)[:size]


def parts_of(messages):
    return [[octets_of(message, part, size) for part, size in enumerate(sizes)]
            for message, sizes in enumerate(messages)]


PARTS = parts_of(MESSAGES)
MANY_PARTS = parts_of(MANY * MANY_REPEAT)


def describe(parts):
    return f"{len(parts)} parts of " + ",".join(str(len(part)) for part in parts)


def check_message(what, expected, got):
    if got == expected:
        return
    if [len(part) for part in got] != [len(part) for part in expected]:
        raise Trouble(f"{what}: {describe(got)} octets, expected {describe(expected)}")
    for number, (good, bad) in enumerate(zip(expected, got)):
        for at, (wanted, found) in enumerate(zip(good, bad)):
            if wanted != found:
                raise Trouble(f"{what}: part {number} octet {at} is {found:02x}, "
                              f"expected {wanted:02x}")


# --- our end --------------------------------------------------------------------------------------


class Ours:
    """The peer program."""

    def __init__(self, program, engine, pair, binds, endpoint, server_key=None):
        options = ["--topic", TOPIC] * pair.has_topics + ["--id", OUR_ID] * pair.has_ids
        options += ["--to", THEIR_ID] * (pair.has_ids and pair.ours == "ROUTER")
        options += ["--delimited"] * ((pair.ours, pair.theirs) in NEEDS_DELIMITER)
        options += ["--repeat", str(MANY_REPEAT)] * pair.is_many
        if server_key:
            options += ["--secret", KEYS["ours"][1]] + ["--server", server_key] * (not binds)
        messages = [",".join(map(str, sizes)) for sizes in (MANY if pair.is_many else MESSAGES)]
        self.process = subprocess.Popen(
            [program, *options, pair.ours, "bind" if binds else "connect", endpoint, pair.role,
             *messages],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "MONOCOQUE_ENGINE": engine})

    def says(self, timeout_s):
        """The next line that it prints; None: none in time, or it has ended."""
        readable, _, _ = select.select([self.process.stdout], [], [], timeout_s)
        line = self.process.stdout.readline() if readable else b""
        return line.decode().strip() or None

    def has_ended(self):
        return self.process.poll() is not None

    def go(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def end(self, timeout_s):
        """(exit status, what it complained of); killed if it does not end in time."""
        try:
            _, complaint = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, complaint = self.process.communicate()
            complaint += b"it did not end in time"
        return self.process.returncode, complaint.decode().strip()


# Who must put the empty part before its messages that REQ and REP put there by themselves.
NEEDS_DELIMITER = {("DEALER", "REP"), ("ROUTER", "REQ")}


# --- libzmq's end ---------------------------------------------------------------------------------


class Theirs:
    """libzmq through pyzmq: plays the counterpart of our role."""

    def __init__(self, context, pair, is_server=None, server_key=None):
        """With a server's key all is sealed."""
        self.pair = pair
        self.messages = pair.messages()
        self.socket = context.socket(getattr(zmq, pair.theirs))
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = PATIENCE_S * 1000
        self.socket.reconnect_ivl = 20
        if server_key:
            self.socket.curve_publickey, self.socket.curve_secretkey = KEYS["theirs"]
            if is_server:
                self.socket.curve_server = True
            else:
                self.socket.curve_serverkey = server_key
        self.prefix = [TOPIC] * pair.has_topics
        if pair.has_ids:
            self.socket.routing_id = THEIR_ID
            self.prefix = [OUR_ID] * (pair.theirs == "ROUTER")
        if pair.theirs == "ROUTER":
            self.socket.router_mandatory = True
        if (pair.theirs, pair.ours) in NEEDS_DELIMITER:
            self.prefix = [b""]
        topics = [TOPIC, SYNC] if pair.has_topics else [b""]  # who hears of SYNC knows both
        if pair.theirs == "SUB":
            for topic in topics:
                self.socket.subscribe(topic)
        self.topics = topics

    def check(self, message, got):
        """Returns what stands before the parts, which it may be that only the peer knows."""
        prefix = self.prefix
        if self.pair.theirs == "ROUTER" and not self.pair.has_ids:
            delimiter = (self.pair.theirs, self.pair.ours) in NEEDS_DELIMITER
            prefix = got[:1] + [b""] * delimiter
        check_message(f"libzmq's {self.pair.theirs}, message {message}",
                      prefix + self.messages[message], got)

    def receive(self, message):
        got = self.socket.recv_multipart()
        while self.pair.theirs in ("SUB", "XSUB") and got == [SYNC]:
            got = self.socket.recv_multipart()
        self.check(message, got)
        return got

    def say(self, message):
        if self.pair.theirs in ("PUB", "XPUB") and self.pair.has_topics:
            self.socket.send(DECOY)
        self.socket.send_multipart(self.prefix + self.messages[message])

    def wait_for_route(self):
        """A ROUTER knows its peer once there was a handshake: until then it refuses to send."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.say(0)
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH or time.monotonic() > until:
                    raise
            time.sleep(SYNC_EVERY_S)

    def ask(self):
        numbers = range(len(self.messages))
        if self.pair.theirs == "REQ":
            for message in numbers:
                self.say(message)
                self.receive(message)
            return
        if self.pair.theirs == "ROUTER":
            self.wait_for_route()
            numbers = numbers[1:]
        for message in numbers:
            self.say(message)
        for message in range(len(self.messages)):
            self.receive(message)

    def sync_as_publisher(self, ours):
        until = time.monotonic() + PATIENCE_S
        while ours.says(SYNC_EVERY_S) != "synced":
            if time.monotonic() > until or ours.has_ended():
                raise Trouble("our SUB has not heard \"sync\"")
            self.socket.send(SYNC)
        if self.pair.theirs == "XPUB":
            self.check_subscriptions()

    def sync_as_subscriber(self, ours):
        if self.pair.theirs == "XSUB":
            for topic in self.topics:
                self.socket.send(b"\x01" + topic)
        if self.socket.recv_multipart() != [SYNC]:
            raise Trouble("something came before \"sync\"")
        if self.pair.has_topics and self.pair.theirs == "SUB":
            self.socket.unsubscribe(SYNC)
        ours.go()

    def check_subscriptions(self):
        """What an XPUB was told: our topics, and that the one for "sync" was canceled.

        Our end waits for messages meanwhile: once it had gone libzmq would cancel all by itself.
        """
        expected = sorted([b"\x00" + SYNC] + [b"\x01" + topic for topic in self.topics])
        got = sorted(self.socket.recv() for _ in expected)
        if got != expected:
            raise Trouble(f"libzmq's XPUB: subscriptions {got}, expected {expected}")

    def play(self, ours):
        role = COUNTERPART[self.pair.role]
        if self.pair.theirs in ("PUB", "XPUB"):
            self.sync_as_publisher(ours)
        if self.pair.theirs in ("SUB", "XSUB"):
            self.sync_as_subscriber(ours)
        if role == "ask":
            self.ask()
            return
        for message in range(len(self.messages)):
            if role == "send":
                self.say(message)
            else:
                got = self.receive(message)
                if role == "echo":
                    self.socket.send_multipart(got)


# --- one conversation -----------------------------------------------------------------------------

NOT_THERE = 3  # exit status of the peer program


@dataclass
class Result:
    outcome: str  # "ok", "FAILED", "skip"
    why: str = ""


def free_endpoint(transport, folder):
    """Where libzmq binds: its own ipc://* makes its folder wherever it happens to be started."""
    if transport == "tcp":
        return "tcp://127.0.0.1:*"
    return f"ipc://{tempfile.mkdtemp(dir=folder)}/s"


def hold(context, program, case, folder):
    pair, binds, engine, transport = case
    if pair.is_sealed and not KEYS:
        return Result("skip", "libzmq has no CURVE here")
    if pair == REFUSED:
        return refuse(context, program, binds, engine)
    server_key = KEYS["ours" if binds else "theirs"][0] if pair.is_sealed else None
    theirs = Theirs(context, pair, not binds, server_key)
    ours, trouble = None, ""
    try:
        if not binds:
            theirs.socket.bind(free_endpoint(transport, folder))
        anywhere = "tcp://127.0.0.1:*" if transport == "tcp" else "ipc://*"
        ours = Ours(program, engine, pair, binds,
                    anywhere if binds else theirs.socket.last_endpoint.rstrip(b"\0"), server_key)
        _, _, endpoint = (ours.says(PATIENCE_S) or "").partition(" ")
        if not endpoint:
            raise Trouble("our end did not begin")
        if binds:
            theirs.socket.connect(endpoint)
        theirs.play(ours)
    except (Trouble, BrokenPipeError) as found:
        trouble = str(found)
    except zmq.ZMQError as found:
        trouble = f"libzmq's {pair.theirs}: {found}"
    # What libzmq was told to send leaves while it lingers; whatever hangs was told of by now.
    status, complaint = ours.end(1 if trouble else PATIENCE_S)
    theirs.socket.close()
    if status == NOT_THERE:
        return Result("skip", complaint)
    if status == 0 and not trouble:
        return Result("ok")
    reasons = [f"exit status {status}"] * (status != 0) + [complaint, trouble]
    return Result("FAILED", "; ".join(filter(None, reasons)))


def refuse(context, program, binds, engine):
    """libzmq's monitor tells of it: the connection ends in the handshake."""
    pair = Pair("PULL", "PUSH", "recv") if binds else Pair("PUSH", "PULL", "send")
    good, wrong = KEYS["ours" if binds else "theirs"][0], KEYS["nobody"][0]
    theirs = Theirs(context, pair, not binds, wrong if binds else good)
    monitor = theirs.socket.get_monitor_socket(
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    if not binds:
        theirs.socket.bind("tcp://127.0.0.1:*")
    ours = Ours(program, engine, pair, binds, "tcp://127.0.0.1:*" if binds else theirs.socket.last_endpoint,
                good if binds else wrong)
    trouble = ""
    try:
        _, _, endpoint = (ours.says(PATIENCE_S) or "").partition(" ")
        if binds:
            theirs.socket.connect(endpoint)
        if not monitor.poll(PATIENCE_S * 1000):
            raise Trouble("libzmq says nothing of it")
        event = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            raise Trouble("libzmq says that the handshake succeeded")
    except Trouble as found:
        trouble = str(found)
    ours.process.kill()
    ours.end(PATIENCE_S)
    theirs.socket.disable_monitor()
    theirs.socket.close()
    return Result("FAILED", trouble) if trouble else Result("ok")


# --- what is printed ------------------------------------------------------------------------------


def case_title(case):
    pair, binds, engine, transport = case
    return (f"{' '.join(pair.title().split())}, {'we bind' if binds else 'libzmq binds'}, {engine}, "
            f"{transport}")


def print_table(results, engines, transports):
    columns = list(product(engines, transports, (True, False)))
    print(f"{'':26}" + "".join(f"{f'{engine} {transport}':22}"
                                for engine, transport in product(engines, transports)))
    print(f"{'ours':6} {'libzmq':6} {'we':11} " +
          "".join(f"{'we bind' if binds else 'it binds':11}" for *_, binds in columns))
    for pair in dict.fromkeys(pair for pair, *_ in results):
        cells = (results[pair, binds, engine, transport].outcome
                 if (pair, binds, engine, transport) in results else ""
                 for engine, transport, binds in columns)
        print(f"{pair.title():26}" + "".join(f"{cell:11}" for cell in cells).rstrip())
    print()


def print_tap(results):
    for number, (case, result) in enumerate(results.items(), 1):
        word = "not ok" if result.outcome == "FAILED" else "ok"
        skip = f" # SKIP {result.why}" if result.outcome == "skip" else ""
        print(f"{word} {number} - {case_title(case)}{skip}")
        if result.outcome == "FAILED":
            print(f"# {result.why}")
    print(f"1..{len(results)}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", required=True, help="the program of peer.c")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="all of them by default")
    parser.add_argument("--transport", action="append", choices=TRANSPORTS, help="all of them by default")
    parser.add_argument("--only", default="", help="conversations whose title contains this")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--tap", action="store_true", help="print TAP, for the test suite")
    asked = parser.parse_args(arguments)
    if not os.access(asked.peer, os.X_OK):
        print(f"matrix: {asked.peer}: no such program, build it first", file=sys.stderr)
        return 2
    if zmq is None:
        print("1..0 # SKIP python3-zmq is not installed" if asked.tap else
              "skipped: python3-zmq is not installed\n0 passed, 0 failed, 1 skipped")
        return 0

    engines = asked.engine or list(ENGINES)
    transports = asked.transport or list(TRANSPORTS)
    cases = [case for case in product([*PAIRS, REFUSED], (True, False), engines, transports)
             if not case[0].is_sealed or case[-1] == "tcp"]
    cases = [case for case in cases
             if asked.only in case_title(case)]
    context = zmq.Context()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        results = dict(zip(cases, pool.map(
            lambda case: hold(context, asked.peer, case, folder), cases)))
    context.term()
    count = {outcome: sum(result.outcome == outcome for result in results.values())
             for outcome in ("ok", "FAILED", "skip")}
    if asked.tap:
        print_tap(results)
    else:
        if not asked.only:
            print_table(results, engines, transports)
        for case, result in results.items():
            if result.why:
                print(f"{case_title(case)}: {result.outcome}: {result.why}")
        print(f"{count['ok']} passed, {count['FAILED']} failed, {count['skip']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
