"""Captured conversations whose one side our socket takes: their octets, and who says those of the other side."""

import json
import pathlib
import socket
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))

PATIENCE_MS = 5000
NOTHING_MS = 50
GREETING_BYTES = 64


def cases_of(group):
    return json.loads((HERE / f"{group}.json").read_text(encoding="utf-8"))["cases"]


def value_of(text):
    """Octets are hex, or the count of octets i mod 251."""
    return bytes.fromhex(text) if isinstance(text, str) else bytes(index % 251 for index in range(text["mod251"]))


def octets_of(stream):
    return b"".join(value_of(segment.get("hex", segment)) for segment in stream)


def split_traffic(stream):
    """(greeting and READY, what comes behind them)."""
    ready = stream[GREETING_BYTES:]
    end = GREETING_BYTES + 2 + ready[1]
    return stream[:end], stream[end:]


class Peer:
    """The other side, over plain TCP. It connects, or takes the connection of a socket of ours."""

    def __init__(self, ours, connects):
        if connects:
            self.stream = socket.create_connection(("127.0.0.1", int(ours.bind().rpartition(":")[2])))
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                ours.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
                self.stream = server.accept()[0]
        self.stream.settimeout(PATIENCE_MS / 1000)
        self.heard = b""

    def send(self, octets):
        self.stream.sendall(octets)

    def hear(self, count):
        while len(self.heard) < count:
            octets = self.stream.recv(count - len(self.heard))
            if not octets:
                raise AssertionError(f"the end, after {len(self.heard)} of {count} octets")
            self.heard += octets
        return self.heard

    def has_ended(self, timeout_s):
        self.stream.settimeout(timeout_s)
        try:
            while octets := self.stream.recv(4096):
                self.heard += octets
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.stream.close()
