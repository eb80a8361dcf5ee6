"""Packets in, decoded fields out: writes captures and reads them back through tshark and the generated dissector."""

import json
import os
import pathlib
import shutil
import struct
import subprocess

SERVER_PORT = 47111                      # nobody else's: tshark takes 5555 for adb
CLIENT_PORT = 20000                      # the first conversation's; each has its own
SEGMENT = 1400                           # octets, so that larger chunks need reassembly
PROGRAM = shutil.which("tshark")
SCRIPT = pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", "build/dev")) / "generated/zmtp.lua"

SYN, ACK, PSH = 0x02, 0x10, 0x08


class Capture:
    """A pcap file in the making: conversations between one server port and a client port each."""

    def __init__(self):
        self.packets = []
        self.count = 0

    def packet(self, client_port, from_client, flags, numbers, payload=b""):
        ends = [(b"\x0a\0\0\x01", client_port), (b"\x0a\0\0\x02", SERVER_PORT)]
        (source, source_port), (target, target_port) = ends if from_client else ends[::-1]
        tcp = struct.pack(">HHIIBBHHH", source_port, target_port, *numbers, 5 << 4, flags, 65535, 0, 0) + payload
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, target)
        ethernet = b"\2\0\0\0\0\1" + b"\2\0\0\0\0\2" + b"\x08\0"
        self.packets.append(ethernet + ip + tcp)

    def conversation(self, chunks, segment=SEGMENT):
        """chunks: (from_client, octets) in order. Returns the client port that tells it from others."""
        port = CLIENT_PORT + self.count
        self.count += 1
        at = {True: 1, False: 1}
        self.packet(port, True, SYN, (0, 0))
        self.packet(port, False, SYN | ACK, (0, 1))
        self.packet(port, True, ACK, (1, 1))
        for from_client, octets in chunks:
            for start in range(0, len(octets), segment):
                piece = octets[start:start + segment]
                self.packet(port, from_client, PSH | ACK, (at[from_client], at[not from_client]), piece)
                at[from_client] += len(piece)
        return port

    def write(self, path):
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for number, octets in enumerate(self.packets):
                out.write(struct.pack("<IIII", 1, number % 1000000, len(octets), len(octets)) + octets)


class Item:
    """One field of the tree. octets: empty for a bit, and for what the wire does not have."""

    def __init__(self, name, value, octets, children):
        self.name, self.value, self.octets, self.children = name, value, octets, children

    def leaves(self):
        """What covers octets, each octet once: a field that others divide stands for none itself."""
        below = [leaf for child in self.children for leaf in child.leaves()]
        return below or ([self] if self.octets else [])

    def all(self):
        yield self
        for child in self.children:
            yield from child.all()


def items(pairs):
    """The fields of a list of JSON pairs, in the order of the tree; names may come several times."""
    found, raw = [], {}
    for name, value in pairs:
        if name.endswith("_raw") and isinstance(value, list):
            raw[name[:-4]] = value
        elif name.endswith("_tree") and found and found[-1].name == name[:-5]:
            found[-1].children = items(value)
        else:
            digits, _, _, mask, _ = raw.pop(name, ["", 0, 0, 0, 0])
            octets = b"" if mask else bytes.fromhex(digits)      # a bit's value is half an octet
            is_block = isinstance(value, list) and all(isinstance(one, tuple) for one in value)
            found.append(Item(name, None if is_block else value, octets, items(value) if is_block else []))
    return found


def run(*arguments):
    command = [PROGRAM, "-X", f"lua_script:{SCRIPT}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", timeout=170)
    said = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    if done.returncode or said:
        raise AssertionError(f"tshark says {done.returncode}: " + "\n".join(said[:20]))
    return done.stdout


def decoded(path, *options, server_port=SERVER_PORT):
    """[(client port, from client, [zmtp items])] of every packet that the dissector took."""
    text = run("-r", path, "-T", "json", "-x", *options)
    if "Lua Error" in text:
        raise AssertionError(text[text.index("Lua Error"):][:300])
    found = []
    for packet in json.loads(text, object_pairs_hook=list):
        layers = dict(dict(packet)["_source"])["layers"]
        ports = {name: int(value) for name, value in dict(layers)["tcp"] if name in ("tcp.srcport", "tcp.dstport")}
        from_client = ports["tcp.dstport"] == server_port
        taken = items([layer for layer in layers if layer[0] in ("zmtp", "zmtp_raw")])
        if taken:
            found.append((ports["tcp.srcport" if from_client else "tcp.dstport"], from_client, taken))
    return found


def by_direction(packets):
    """{(client port, from client): its protocol items in order}."""
    found = {}
    for port, from_client, taken in packets:
        found.setdefault((port, from_client), []).extend(taken)
    return found
