"""Live conversations between examples/dialogue.c and libzmq, checked octet for octet on both sides.

    dialogue.py --dialogue PROGRAM [--tap]

libzmq plays PULL, REP, PUB and ROUTER through pyzmq, each once binding (we connect) and once
connecting (we accept). Prints every conversation as our program decodes it, then a table of what
passed, then "N passed, N failed, N skipped".
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field

try:
    import zmq
except ImportError:
    zmq = None

PATIENCE_S = 5
COLUMNS = 100
LONG = bytes(ord("a") + i % 26 for i in range(300))  # needs the eight-octet size


@dataclass
class Conversation:
    """What each side is told to say, and must hear from the other. A message is a list of parts."""

    peer: str  # libzmq's socket type
    ours: str
    says: list  # ours, as frames on the wire; topics for a SUB
    peer_hears: list  # what libzmq's application must get
    peer_says: list = field(default_factory=list)  # what it then sends
    hears: list = field(default_factory=list)  # the frames that must reach us


CONVERSATIONS = [
    Conversation("PULL", "PUSH",
                 says=[[b"job"], [b"a", b"", b"ccc"], [LONG]],
                 peer_hears=[[b"job"], [b"a", b"", b"ccc"], [LONG]]),
    Conversation("REP", "REQ",
                 says=[[b"", b"ping", b"two"]], peer_hears=[[b"ping", b"two"]],
                 peer_says=[[b"pong", LONG]], hears=[[b"", b"pong", LONG]]),
    Conversation("PUB", "SUB",  # a PUB does not see who listens: it repeats itself
                 says=[b"temp."], peer_hears=[],
                 peer_says=[[b"wind.oslo", b"3"], [b"temp.oslo", b"7.2", LONG]],
                 hears=[[b"temp.oslo", b"7.2", LONG]] * 2),
    Conversation("ROUTER", "DEALER",
                 says=[[b"hi"], [b"x", LONG]], peer_hears=[[b"hi"], [b"x", LONG]],
                 peer_says=[[b"yo"], [b"\x00\xff", LONG]], hears=[[b"yo"], [b"\x00\xff", LONG]]),
]


# --- the two sides --------------------------------------------------------------------------------


class Peer(threading.Thread):
    """libzmq's side, in a thread of its own: what it heard, or why it gave up."""

    def __init__(self, context, talk, binds, endpoint):
        super().__init__(daemon=True)
        self.talk = talk
        self.socket = context.socket(getattr(zmq, talk.peer))
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = PATIENCE_S * 1000
        self.socket.reconnect_ivl = 20
        self.port = None
        if binds:
            self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        else:
            self.socket.connect(endpoint)
        self.heard, self.problem = [], ""
        self.is_over = threading.Event()

    def run(self):
        try:
            route = []
            for _ in self.talk.peer_hears:
                frames = self.socket.recv_multipart()
                if self.talk.peer == "ROUTER":
                    route, frames = frames[:1], frames[1:]
                self.heard.append(frames)
            while True:
                for frames in self.talk.peer_says:
                    self.socket.send_multipart(route + frames)
                if self.talk.peer != "PUB" or self.is_over.wait(0.02):
                    break
        except zmq.ZMQError as error:
            self.problem = f"libzmq's {self.talk.peer}: {error}"


def run_dialogue(program, verb, port, talk):
    """(exit status, what it printed)."""
    said = [message if isinstance(message, bytes) else b"|".join(message) for message in talk.says]
    command = [program, verb, f"127.0.0.1:{port}", talk.ours, str(len(talk.hears)), *said]
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode()
    return ended.returncode, ended.stdout.decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- one conversation -----------------------------------------------------------------------------

LINE = re.compile(r'(->|<-) (\S+) *(?:"(.*)"|(.*))')
ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


def octets(text):
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1")


def decoded(printed, arrow):
    """(what was said before the messages, the messages) in one direction."""
    words, messages, frames, piece = [], [], [], b""
    for line in printed.splitlines():
        found = LINE.fullmatch(line)
        if not found or found[1] != arrow:
            continue
        name, text = found[2], octets(found[3] or found[4] or "")
        if name == "piece":
            piece += text
        elif name in ("part", "message"):
            frames.append(piece + text)
            piece = b""
            if name == "message":
                messages.append(frames)
                frames = []
        else:
            words.append((name, text))
    return words, messages


IDENTITY = ("REQ", "DEALER", "ROUTER")


def greeting_words(socket_type):
    """What opens each direction."""
    words = [("ZMTP", b"3.1"), ("mechanism", b"NULL"), ("READY", b""),
             ("Socket-Type", socket_type.encode())]
    return words + [("Identity", b"")] * (socket_type in IDENTITY)


def differences(talk, status, printed, peer):
    """What was not said or heard as it should be."""
    our_words, our_messages = decoded(printed, "->")
    their_words, their_messages = decoded(printed, "<-")
    topics = [("SUBSCRIBE", topic) for topic in talk.says if isinstance(topic, bytes)]
    rows = [
        ("exit status", 0, status),
        ("our greeting", greeting_words(talk.ours) + topics, our_words),
        ("libzmq's greeting", greeting_words(talk.peer), their_words),
        ("sent", [message for message in talk.says if isinstance(message, list)], our_messages),
        ("libzmq received", talk.peer_hears, peer.heard),
        ("received", talk.hears, their_messages),
        ("libzmq", "", peer.problem),
    ]
    return [f"{what}: expected {shorten(repr(wanted), 60)}, got {shorten(repr(got), 60)}"
            for what, wanted, got in rows if wanted != got]


def hold(context, program, talk, binds):
    """(what our program printed, what was wrong)."""
    port = None if binds else free_port()
    peer = Peer(context, talk, binds, f"tcp://127.0.0.1:{port}")
    peer.start()
    status, printed = run_dialogue(program, "connect" if binds else "listen",
                                   peer.port if binds else port, talk)
    peer.is_over.set()
    peer.join(PATIENCE_S + 2)
    found = differences(talk, status, printed, peer)
    if peer.is_alive():
        found.append("libzmq's side did not end in time")
    else:
        peer.socket.close()
    return printed, found


# --- what is printed ------------------------------------------------------------------------------


def shorten(text, columns):
    return text if len(text) <= columns else f"{text[:columns - 3]}..."


def title(talk, binds):
    return f"{talk.ours} {'connects to' if binds else 'accepts'} {talk.peer}"


def print_conversation(name, printed):
    print(name)
    for line in printed.splitlines():
        found = LINE.fullmatch(line)
        if found and found[3] and len(line) > COLUMNS - 4:
            line = f'{line[:COLUMNS - 24]}..." {len(octets(found[3]))} octets'
        print("   ", shorten(line, COLUMNS - 4))
    print()


def print_table(results):
    print(f"{'conversation':30} {'frames out':>10} {'frames in':>10} {'octets':>8}   checked")
    for talk, binds, found in results:
        frames = [frame for message in talk.says for frame in
                  (message if isinstance(message, list) else [message])]
        heard = [frame for message in talk.hears for frame in message]
        size = sum(map(len, frames + heard))
        print(f"{title(talk, binds):30} {len(frames):10} {len(heard):10} {size:8}   "
              f"{'both sides, every octet' if not found else 'FAILED'}")


def print_tap(results):
    for number, (talk, binds, found) in enumerate(results, 1):
        print(f"{'not ok' if found else 'ok'} {number} - {title(talk, binds)}")
        for difference in found:
            print(f"# {difference}")
    print(f"1..{len(results)}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dialogue", required=True, help="the dialogue program of examples/")
    parser.add_argument("--tap", action="store_true", help="print TAP, for the test suite")
    asked = parser.parse_args(arguments)
    if not os.access(asked.dialogue, os.X_OK):
        print(f"dialogue: {asked.dialogue}: no such program, build it first", file=sys.stderr)
        return 2
    if zmq is None:
        print("1..0 # SKIP python3-zmq is not installed" if asked.tap else
              "skipped: python3-zmq is not installed\n0 passed, 0 failed, 1 skipped")
        return 0

    results = []
    context = zmq.Context()
    for talk in CONVERSATIONS:
        for binds in (True, False):
            printed, found = hold(context, asked.dialogue, talk, binds)
            results.append((talk, binds, found))
            if not asked.tap:
                print_conversation(title(talk, binds), printed)
    if all("did not end" not in difference for *_, found in results for difference in found):
        context.term()
    if asked.tap:
        print_tap(results)
    else:
        print_table(results)
        print()
        for talk, binds, found in results:
            for difference in found:
                print(f"{title(talk, binds)}: {difference}")
        failed = sum(bool(found) for *_, found in results)
        print(f"{len(results) - failed} passed, {failed} failed, 0 skipped")
    return 1 if any(found for *_, found in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
