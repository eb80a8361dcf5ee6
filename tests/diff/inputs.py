"""The inputs of the comparison, and where they come from: made from random marks, valid or broken on purpose."""

import collections
import random
import struct

KINDS = ("greeting", "frames", "command", "metadata", "ready", "message", "text", "box")
WEIGHTS = (13, 24, 24, 14, 14, 7, 2, 2)
DETECT, RECORD, LIST, ALPHABET = "greeting", "property", "READY", "Z85"
ECHO = b"xx"                     # as in the driver
EDGES = (0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x7f, 0x80, 0xfe, 0xff)
HEAD = struct.Struct("<BBIQIII")


class Input(collections.namedtuple("Input", "kind own quirks limit other seed octets")):
    """One input of the driver; the fields' meanings stand there. own is a name, quirks a frozenset."""

    def pack(self, codec):
        codes = {"ready": lambda: codec.SOCKETS[self.own]["code"], "frames": lambda: codec.STREAMS.index(self.own),
                 "command": lambda: list(codec.SCOPES).index(self.own),
                 "message": lambda: list(codec.MESSAGES).index(self.own),
                 "box": lambda: list(codec.BOXES).index(self.own)}
        own = codes[self.kind]() if self.kind in codes else 0
        bits = sum(1 << place for place, name in enumerate(codec.QUIRKS) if name in self.quirks)
        return HEAD.pack(KINDS.index(self.kind), own, bits, self.limit, self.other, self.seed,
                         len(self.octets)) + self.octets

    def __str__(self):
        quirks = ", ".join(sorted(self.quirks)) or "none"
        return (f"{self.kind} {self.own}  limit {self.limit}  other {self.other}  cuts {self.seed}\n"
                f"    quirks {quirks}\n    octets {self.octets.hex() or 'none'}")


class Maker:
    """Inputs from a generator of random marks; the same seed makes the same ones."""

    def __init__(self, codec, seed):
        self.codec, self.random = codec, random.Random(seed)

    def one_in(self, count):
        return self.random.random() * count < 1

    def input(self):
        kind = self.random.choices(KINDS, WEIGHTS)[0]
        own, limit, other, octets, marks = getattr(self, "make_" + kind)()
        if self.one_in(20):
            octets = self.random.randbytes(self.random.randrange(80))
        elif self.one_in(2):
            missing = 0
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                octets, missing = self.mutated(kind, octets, marks)
            if missing and kind in ("command", "metadata") and self.one_in(3):
                other = missing
        if kind != "frames":                         # no frame announces a longer command
            octets = octets[:self.codec.CEILINGS["max_command_bytes"] - other]
        return Input(kind, own, self.quirks(), limit, other, self.random.getrandbits(32), octets)

    def quirks(self):
        names = list(self.codec.QUIRKS)
        return self.random.choice((
            frozenset(), self.codec.NATIVE, self.codec.NATIVE, self.codec.COMPAT,
            frozenset(names).difference(self.random.sample(names, 1)),
            frozenset(name for name in names if self.random.getrandbits(1)),
        ))

    # --- valid ones, and some at an edge that are not ---

    def size(self, low, high):
        """Between the two, mostly small, often at an end."""
        high = 1 << 16 if high is None else high
        choice = self.random.random()
        if choice < 0.6:
            return self.random.randint(low, min(high, low + 20))
        if choice < 0.99:
            return min(high, max(low, self.random.choice((low, low + 1, 127, 128, 254, 255, 256, 300))))
        return max(low, high - self.random.randrange(2)) if high <= 1 << 17 else low

    def number(self, field):
        low, high = self.random.choice(self.codec.accepted(field))
        if self.one_in(12):
            return min(max(self.random.choice((low - 1, high + 1)), 0), 256 ** self.codec.WIDTHS[field["type"]] - 1)
        return self.random.choice((low, min(low + 1, high), max(low, high - 1), high, self.random.randint(low, high)))

    def value(self, field):
        """One that the field may hold, or one just beyond an edge of that."""
        if field["type"] in self.codec.WIDTHS:
            return self.number(field)
        if field["type"] not in ("bytes", "text"):
            return self.records()[0]
        low, high = field["size"]
        size = self.size(0 if "pad" in field else low, high)
        if self.one_in(20) and "pad" not in field:
            size = self.random.choice((max(0, low - 1), high + 1 if high in range(1 << 16) else size))
        if "length" in field:
            size = min(size, 256 ** self.codec.WIDTHS[field["length"]] - 1)
        if "chars" not in field:
            return self.random.randbytes(size)
        chars = self.codec.CHARSETS[field["chars"]]["octets"]
        text = bytes(self.random.choices(chars, k=size))
        if size and self.one_in(12):
            at = self.random.randrange(size)
            near = (self.random.choice(chars) + self.random.choice((-1, 1))) & 0xff
            text = text[:at] + bytes([near]) + text[at + 1:]
        return text

    def values(self, fields):
        """Of all fields but some of those that we would send by ourselves."""
        return {field["name"]: self.value(field) for field in fields
                if "value" not in field and not (isinstance(field.get("send"), int) and self.one_in(3))}

    def make_greeting(self):
        """Of any form; sometimes with another octet where one decides."""
        form = self.random.choice([name for name in self.codec.LAYOUTS if name.startswith(DETECT + ".")])
        fields = self.codec.LAYOUTS[form]["fields"]
        octets = bytearray(self.codec.encode_fields(fields, self.values(fields), strict=False))
        for stage in self.codec.DETECTS[DETECT]["stages"]:
            if stage["octet"] in range(len(octets)) and self.one_in(6):
                branch = self.random.choice(stage["branches"])
                octets[stage["octet"]] = branch["value"] + self.random.choice((0, 0, 1, -1)) & 0xff
        extra = self.random.randbytes(self.random.randrange(12)) if self.one_in(4) else b""
        return "", 0, 0, bytes(octets) + extra, []

    def frame(self, layout, marks):
        flags = self.random.choice((0, 0, 0, 1, 1, 4, self.random.choice((5, 8, 0x80, self.random.randrange(256)))))
        body = self.random.randbytes(self.size(0, 70000 if self.one_in(200) else 300))
        form = self.random.choice(self.codec.size_forms(layout, len(body)))
        return self.codec.encode_size(layout, flags, form, len(body), marks) + body

    def make_frames(self):
        octets, marks = b"", []
        layout = self.random.choice(self.codec.STREAMS)
        for _ in range(self.random.choice((1, 1, 2, 3, 5))):
            own = []
            frame = self.frame(layout, own)
            marks += [(place + len(octets), width) for place, width in own]
            octets += frame
        tight = self.random.choice((0, 1, 16, 255, 256, 300))
        limit = tight if self.one_in(6) else self.codec.CEILINGS["max_frame_bytes"]
        most = tight if self.one_in(6) else self.codec.CEILINGS["max_command_bytes"]
        return layout, limit, most, octets, marks

    def make_command(self):
        scope = self.random.choice([name for name, table in self.codec.SCOPES.items() for _ in table])
        table = self.codec.SCOPES[scope]
        if self.one_in(30):                          # a name of another table, or none
            table = self.random.choice(list(self.codec.SCOPES.values()))
        name = table[self.random.choice(list(table))]
        marks = []
        fields = self.codec.COMMANDS[name].get("fields", ())
        octets = self.codec.encode_command(name, self.values(fields), False, marks)
        if self.one_in(30):
            octets = octets[:1] + octets[1:].lower()
        for alias, _, command in self.codec.ALIASES[scope]:
            if command == name and self.one_in(2):
                octets = alias + octets[1 + octets[0]:]
        return scope, 0, 0, octets, marks

    def records(self, known=False):
        """Properties; with those that the spec knows by name among them, most of their values good."""
        fields = self.codec.STRUCTS[RECORD]["fields"]
        records = [self.values(fields) for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
        if self.one_in(100):
            records = [{"name": b"n", "value": b""}] * self.size(0, 1025)
        if known:
            for key in self.codec.COMMANDS[LIST]["fields"][0]["keys"]:
                for _ in range(self.random.choice((0, 1, 1, 1, 1, 2))):
                    records.insert(self.random.randint(0, len(records)), self.key_record(key))
        marks = []
        return self.codec.encode_records(RECORD, records, False, marks), marks

    def key_record(self, key):
        name = key["name"].encode()
        if self.one_in(6):
            name = self.random.choice((name.lower(), name.upper(), name.swapcase()))
        if "among_sockets" in key:
            value = self.random.choice(list(self.codec.SOCKETS)).encode()
            return {"name": name, "value": value.lower() if self.one_in(30) else value}
        low, high = key["size"]
        value = self.random.randbytes(self.random.choice((low, 1, 5, high, high + 1)))
        if self.one_in(6):
            value = bytes([key["forbid_first"]]) + value[1:]
        return {"name": name, "value": value}

    def most_records(self):
        limit = self.codec.LIMITS["max_properties"]
        return self.random.choice((limit["value"], limit["value"], limit["native"], 0, 1, 2, 3))

    def make_metadata(self):
        octets, marks = self.records(known=self.one_in(4))
        return "", self.most_records(), 0, octets, marks

    def make_ready(self):
        octets, marks = self.records(known=True)
        own = self.random.choice(list(self.codec.SOCKETS))
        if self.one_in(2):                           # one that fits the peer that we made
            peers = [name for name, socket in self.codec.SOCKETS.items()
                     if any(peer.encode() in octets for peer in socket.get("peers", ()))]
            own = self.random.choice(peers or [own])
        return own, max(self.most_records(), 3), 0, octets, marks

    def make_message(self):
        """Its parts as frames; sometimes with a part too many, too few, or in another place."""
        name, mechanism = self.random.choice(list(self.codec.MESSAGES)), self.random.choice(list(self.codec.MECHANISMS))
        among = {"mechanisms": mechanism, "statuses": str(self.random.choice(list(self.codec.STATUSES)))}
        parts = []
        for field in self.codec.MESSAGES[name]["fields"]:
            if field.get("mechanism", mechanism) == mechanism:
                said = field.get("text", among.get(field.get("among")))
                parts.append(said.encode() if said is not None else ECHO if "echo" in field else self.value(field))
        if self.one_in(4):
            at, other = self.random.randrange(len(parts)), self.random.choice(parts)
            parts[at:at + self.random.randrange(2)] = [other] * self.random.randrange(3)
        octets, marks, layout = b"", [], self.codec.STREAMS[-1]
        for part in parts:
            own = []
            form = self.random.choice(self.codec.size_forms(layout, len(part)))
            head = self.codec.encode_size(layout, 0, form, len(part), own)
            marks += [(place + len(octets), width) for place, width in own]
            octets += head + part
        return name, 0, 0, octets, marks

    def make_text(self):
        """Good ones and such as nearly are; the number of octets that have a text is another."""
        alphabet = self.codec.ALPHABETS[ALPHABET]
        groups = [self.random.randbytes(alphabet["octets"]) for _ in range(self.random.randrange(12))]
        text = self.codec.encode_text(ALPHABET, b"".join(groups)).encode()
        if self.one_in(4):
            letters = (alphabet["characters"][-1] * alphabet["letters"]).encode()
            text = text.replace(text[:alphabet["letters"]], letters)
        return "", 0, 0, text, []

    def make_box(self):
        name = self.random.choice(list(self.codec.BOXES))
        fields = self.codec.BOXES[name]["fields"]
        return name, 0, 0, self.codec.encode_fields(fields, self.values(fields), strict=False), []

    # --- broken ones ---

    def mutated(self, kind, octets, marks):
        """(octets, how many were cut off) after one change."""
        change = self.random.choice((self.flip, self.set_edge, self.cut, self.cut_field, self.extend, self.remove,
                                     self.repeat, self.splice, self.set_number, self.set_number))
        out = change(kind, octets, marks)
        return out, max(0, len(octets) - len(out)) if change in (self.cut, self.cut_field) else 0

    def place(self, octets):
        """Most often near the beginning, where names and marks are."""
        most = len(octets) if self.one_in(2) else min(len(octets), 24)
        return self.random.randrange(most) if most else 0

    def flip(self, kind, octets, marks):
        at = self.place(octets)
        flipped = bytes(octet ^ 1 << self.random.randrange(8) for octet in octets[at:at + 1])
        return octets[:at] + flipped + octets[at + 1:]

    def set_edge(self, kind, octets, marks):
        at = self.place(octets)
        return octets[:at] + bytes([self.random.choice(EDGES)]) + octets[at + 1:]

    def cut(self, kind, octets, marks):
        return octets[:self.place(octets)]

    def cut_field(self, kind, octets, marks):
        if not marks:
            return self.cut(kind, octets, marks)
        at, width = self.random.choice(marks)
        return octets[:at + self.random.randrange(width + 2)]

    def extend(self, kind, octets, marks):
        return octets + self.random.randbytes(self.random.choice((1, 1, 2, 9, 300)))

    def remove(self, kind, octets, marks):
        at = self.place(octets)
        return octets[:at] + octets[at + self.random.choice((1, 1, 2, 8)):]

    def repeat(self, kind, octets, marks):
        at = self.place(octets)
        end = at + self.random.choice((1, 2, 8))
        return octets[:end] + octets[at:]

    def splice(self, kind, octets, marks):
        other = getattr(self, "make_" + kind)()[3]
        return octets[:self.place(octets)] + other[self.place(other):]

    def set_number(self, kind, octets, marks):
        places = [(at, width) for at, width in marks if width]
        if not places:
            return octets
        at, width = self.random.choice(places)
        top = 256 ** width - 1
        now = int.from_bytes(octets[at:at + width], "big")
        left = max(0, len(octets) - at - width)
        value = self.random.choice((0, 1, now - 1, now + 1, left, left + 1, top, top // 2, top // 2 + 1, 255, 256))
        return octets[:at] + (value & top).to_bytes(width, "big") + octets[at + width:]
