"""The generated C decoders against the reference codec, on inputs that are valid, broken on purpose, and random.

    diff.py [--seed N] [--count N] [--jobs N] [--build DIR]
    diff.py --corpus [--face FACE] [--jobs N] [--build DIR] FILE|FOLDER...

Each input goes to codec_driver, which decodes it whole and in pieces and writes down every field of every record and
how it ended; the reference codec writes down what must come. A difference is made smaller and printed with what
either side says; the seed and the input's number reproduce it. With --corpus the inputs are those of a fuzz target
(fuzz/FACE.c), files and folders of them, AFL++'s own included: what only AFL++ writes there is no input. Which target
it is, a part of the path says (seeds/frame, out/fuzz_frame/main/queue), or --face. Exit status: 0 none differs, 1 some
do, 2 there is nothing to compare.
"""

import argparse
import collections
import functools
import importlib.util
import itertools
import multiprocessing
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER, CODEC = "tests/diff/codec_driver", "generated/python/zmtp_codec.py"    # within a build
BATCH = 1000                     # inputs made from one generator of random marks
SHOWN = 5                        # differences that are printed
SHRINKING = 400                  # inputs tried to make one of them smaller
KINDS = ("greeting", "frames", "command", "metadata", "ready", "message", "text", "box")
WEIGHTS = (13, 24, 24, 14, 14, 7, 2, 2)
DETECT, RECORD, LIST, ALPHABET = "greeting", "property", "READY", "Z85"
ECHO = b"xx"                     # as in the driver
PARTS_MOST = 32
EDGES = (0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x7f, 0x80, 0xfe, 0xff)
HEAD = struct.Struct("<BBIQIII")


def default_build():
    return pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", ROOT / "build/dev"))


@functools.cache
def load_codec(path):
    """The reference codec of a build."""
    spec = importlib.util.spec_from_file_location("zmtp_codec", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


# --- what must come -------------------------------------------------------------------------------------------


class Oracle:
    """What the driver must answer, worked out by the reference codec."""

    def __init__(self, codec):
        self.codec = codec
        self.verdicts = collections.Counter()
        self.ready_field = codec.COMMANDS[LIST]["fields"][0]

    def answer(self, item):
        return getattr(self, "answer_" + item.kind)(item)

    def closing(self, verdict):
        self.verdicts[verdict.err, verdict.rule] += 1
        return f"{verdict.err} {verdict.rule or 'none'} {verdict.at}\n"

    @staticmethod
    def fields(record, names):
        values = ((name, record[name]) for name in names)
        return "".join(f" {name}={value if isinstance(value, int) else value.hex()}" for name, value in values)

    def answer_greeting(self, item):
        codec = self.codec
        verdict = codec.decode_greeting(DETECT, item.octets, item.quirks)
        said, *whole = verdict.records
        text = (f"greeting form={said['form']} frames={said['frames']} speaks={said['speaks']} "
                f"replay={said['replay']} due={codec.due(DETECT, item.octets)}")
        for record in whole:
            fields = codec.LAYOUTS[f"{DETECT}.{said['form']}"]["fields"]
            chosen = {field["name"]: record[field["name"]] for field in fields if isinstance(field.get("send"), str)}
            text += f"{self.fields(record, record)} encoded={codec.encode_fields(fields, chosen).hex()}"
        return f"{text}\n{self.closing(verdict)}"

    def answer_frames(self, item):
        codec = self.codec
        limits = {"max_frame_bytes": item.limit, "max_command_bytes": item.other}
        verdict = codec.decode_stream(item.own, item.octets, item.quirks, limits)
        lines = [f"frame flags={record['flags']} size={record['size']} "
                 f"encoded={codec.encode_frame_head(item.own, record['flags'], record['size']).hex()} "
                 f"body={record['body'].hex()}{' open' if 'open' in record else ''}\n" for record in verdict.records]
        return "".join(lines) + self.closing(verdict)

    def answer_command(self, item):
        codec = self.codec
        verdict = codec.decode_command(item.own, item.octets, item.quirks, item.other)
        text = ""
        for record in verdict.records:
            name = record["id"]
            if name is None:
                text = "unknown\n"
                continue
            fields = codec.COMMANDS[name].get("fields", ())
            chosen = {field["name"]: record[field["name"]] for field in fields
                      if not isinstance(field.get("value", field.get("send")), int)}
            again = codec.encode_command(name, chosen, strict=False)
            text = f"{name}{self.fields(record, [field['name'] for field in fields])} encoded={again.hex()}\n"
        return text + self.closing(verdict)

    def records(self, item, missing):
        return self.codec.decode_records(RECORD, item.octets, item.limit, "max_properties", item.quirks, missing)

    def answer_metadata(self, item):
        verdict = self.records(item, item.other)
        lines = [f"property{self.fields(record, record)} "
                 f"encoded={self.codec.encode_records(RECORD, [record], strict=False).hex()}\n"
                 for record in verdict.records if verdict.err == "OK"]
        return "".join(lines) + self.closing(verdict)

    def answer_ready(self, item):
        verdict = self.records(item, 0)
        text = self.closing(verdict)
        if verdict.err != "OK":
            return text
        checked = self.codec.check_keys(self.ready_field, verdict.records, item.own, item.quirks)
        for values in checked.records:
            names = [key["name"] for key in self.ready_field["keys"]]
            values = {name: values.get(name, b"") for name in names}
            if not values["Socket-Type"]:
                values["Socket-Type"] = b"none"
            text += f"ready{self.fields(values, names)}\n"
        return text + self.closing(checked)

    def parts(self, octets):
        """A message's frames, each as long as its header says."""
        stream = self.codec.decode_stream(self.codec.STREAMS[-1], octets, self.codec.COMPAT)
        return [record["body"] for record in stream.records if "open" not in record][:PARTS_MOST]

    def answer_message(self, item):
        codec, name = self.codec, item.own
        message = codec.MESSAGES[name]
        verdict = codec.decode_message(name, self.parts(item.octets), item.quirks, ECHO)
        self.verdicts[verdict.err, verdict.rule] += 1
        text = ""
        for record in verdict.records:
            shown = [field["name"] for field in message["fields"]
                     if field["name"] in record or field["name"] not in self.fixed(message)]
            values = {**dict.fromkeys(shown, b""), **record}
            sent = codec.encode_message(name, record)
            if codec.decode_message(name, sent, frozenset(), record["request_id"]).err != "OK":
                sent = []                            # what a quirk let in is not sent
            text += (f"{name}{self.fields(values, [each for each in shown if each not in self.fixed(message)])}"
                     f"{''.join(f' sent={frame.hex()}' for frame in sent)}\n")
        broken = next((field for field in message["fields"] if field["id"] == verdict.rule), message)
        fault = broken.get("fault", message["fault"])[0].replace("_", " ") if verdict.rule else "none"
        return f"{text}{fault} {verdict.rule or 'none'}\n"

    @staticmethod
    def fixed(message):
        """The fields that always hold the same."""
        return {field["name"] for field in message["fields"] if "text" in field or field["size"] == (0, 0)}

    def answer_text(self, item):
        """The octets taken for a text, and for what a text is to be made of."""
        verdict = self.codec.decode_text(ALPHABET, item.octets.decode("latin-1"))
        self.verdicts[verdict.err, verdict.rule] += 1
        octets = "".join(f" octets={record['octets'].hex()}" for record in verdict.records)
        try:
            text = f" text={self.codec.encode_text(ALPHABET, item.octets).encode().hex()}"
        except ValueError:
            text = ""
        return f"decoded{octets}\nencoded{text}\n"

    def answer_box(self, item):
        """A number as the octets that it came as: the quirk that lets in its reserved bits reads them over."""
        verdict = self.codec.decode_box(item.own, item.octets, item.quirks)
        text, at = "", 0
        for field in self.codec.BOXES[item.own]["fields"] if verdict.records else ():
            value = verdict.records[0][field["name"]]
            size = self.codec.WIDTHS.get(field["type"]) or len(value)
            text, at = f"{text} {field['id']}={item.octets[at:at + size].hex()}", at + size
        return f"{text}\n{self.closing(verdict)}"

    def can_break(self, field):
        """All but octets up to the end that may be any and any number."""
        if field["type"] in self.codec.WIDTHS or "chars" in field or "rest" not in field:
            return True
        low, high = field["size"]
        return field["type"] == "bytes" and (low > 0 or high < self.codec.CEILINGS["max_command_bytes"])

    def refusable(self):
        """The rules that some input of these kinds must break, or the inputs are worth little."""
        codec = self.codec
        found = {"limit.max_frame_bytes", "limit.max_command_bytes", "limit.max_properties"}
        decided = {stage["octet"] for stage in codec.DETECTS[DETECT]["stages"]}
        for layout in codec.LAYOUTS.values():
            at = 0
            for field in layout["fields"]:           # an octet that decides on the form is right in it, but for a quirk
                free = layout["form"] == "stream" or at not in decided or "quirks" in field
                if free and set(field) & {"value", "mask", "range", "chars", "bits"}:
                    found.add(field["id"])
                at += codec.WIDTHS.get(field["type"]) or field["size"][1] or 0
        units = [codec.STRUCTS[RECORD]]
        units += [codec.COMMANDS[name] for scope in codec.SCOPES.values() for name in scope.values()]
        for unit in units:
            found.update(field["id"] for field in unit.get("fields", ()) if self.can_break(field))
            found.update(() if "fields" in unit else (unit["id"],))
        found.update(f"{self.ready_field['id']}.{key['name']}" for key in self.ready_field["keys"])
        for message in codec.MESSAGES.values():
            found.update((message["id"], *(field["id"] for field in message["fields"])))
        found.update(field["id"] for box in codec.BOXES.values() for field in box["fields"] if self.can_break(field))
        return found | {f"alphabet.{ALPHABET}"}


# --- inputs ---------------------------------------------------------------------------------------------------


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


# --- a fuzz corpus --------------------------------------------------------------------------------------------


HEAD_OCTETS, TARGET_LIMIT, SESSION_LIMIT = 2, 65536, 65536      # of the targets
OCTETS_MOST = 1 << 17


class Face:
    """What the inputs of the fuzz targets are to the driver: by target, the inputs that one of theirs makes. The first
    two octets choose, as the target's file says."""

    def __init__(self, codec):
        self.codec = codec

    @classmethod
    def names(cls):
        return [name[5:] for name in dir(cls) if name.startswith("read_")]

    def inputs(self, face, octets):
        head, octets = octets[:HEAD_OCTETS], octets[HEAD_OCTETS:]
        if len(head) < HEAD_OCTETS or len(octets) > OCTETS_MOST:
            return []
        return list(getattr(self, "read_" + face)(*head, octets))

    def quirks(self, choice):
        return (frozenset(), self.codec.NATIVE, self.codec.COMPAT, self.codec.COMPAT)[choice % 4]

    def whole(self, kind, own, quirks, octets, limit=0):
        """No frame announces a longer command or list."""
        if len(octets) <= self.codec.CEILINGS["max_command_bytes"]:
            yield Input(kind, own, quirks, limit, 0, cuts(octets), octets)

    def read_greeting(self, _, choice, octets):
        yield Input("greeting", "", self.quirks(choice), 0, 0, cuts(octets), octets)

    def read_frame(self, own, choice, octets):
        limit = TARGET_LIMIT if choice & 4 else self.codec.CEILINGS["max_frame_bytes"]
        layout = self.codec.STREAMS[own % len(self.codec.STREAMS)]
        yield Input("frames", layout, self.quirks(choice), limit, TARGET_LIMIT, cuts(octets), octets)

    def read_command(self, own, choice, octets):
        scopes = list(self.codec.SCOPES)
        yield from self.whole("command", scopes[own % len(scopes)], self.quirks(choice), octets)

    def read_metadata(self, own, choice, octets):
        most = self.codec.CEILINGS["max_properties"]
        yield from self.whole("metadata", "", self.quirks(choice), octets, most)
        for name, socket in self.codec.SOCKETS.items():
            if socket["code"] == own:
                yield from self.whole("ready", name, self.quirks(choice), octets, most)

    def read_zap(self, own, _, octets):
        messages = list(self.codec.MESSAGES)
        for quirks in (frozenset(), self.codec.COMPAT):
            yield Input("message", messages[own % len(messages)], quirks, 0, 0, cuts(octets), octets)

    def read_z85(self, _, __, octets):
        yield Input("text", "", frozenset(), 0, 0, cuts(octets), octets)

    def read_boxes(self, own, choice, octets):
        names = list(self.codec.BOXES)
        yield Input("box", names[own % len(names)], self.quirks(choice), 0, 0, cuts(octets), octets)

    def read_session(self, _, __, octets):
        """The greeting, the frames behind it, and each command among them by every table of names."""
        codec = self.codec
        for quirks in (codec.NATIVE, codec.COMPAT):
            yield Input("greeting", "", quirks, 0, 0, cuts(octets), octets)
            verdict = codec.decode_greeting(DETECT, octets, quirks)
            if verdict.err != "OK":
                continue
            said = verdict.records[0]
            stream = octets[0 if said["replay"] else verdict.at:]
            yield Input("frames", said["frames"], quirks, SESSION_LIMIT, SESSION_LIMIT, cuts(stream), stream)
            for record in codec.decode_stream(said["frames"], stream, quirks).records:
                if record["flags"] & command_flag(codec, said["frames"]) and "open" not in record:
                    for scope in codec.SCOPES:
                        yield from self.whole("command", scope, quirks, record["body"])


def command_flag(codec, layout):
    """The flag of commands, or 0."""
    return sum(1 << bit["number"] for field in codec.LAYOUTS[layout]["fields"] for bit in field.get("bits", ())
               if bit["name"] == "command")


def cuts(octets):
    """Where an input is cut follows from it alone, so that it always does the same."""
    return zlib.crc32(octets)


def corpus_files(paths):
    """The inputs among these files and folders, each once. AFL++ keeps what it needs for itself in hidden folders and
    README.txt, and its figures beside its queue."""
    found = {}
    for path in map(pathlib.Path, paths):
        inside = path.rglob("*") if path.is_dir() else [path]
        queues = path.is_dir() and any(each.is_dir() and each.name == "queue" for each in path.rglob("*"))
        for file in sorted(inside):
            parts = file.relative_to(path).parts
            hidden = any(part.startswith(".") for part in parts) or file.name == "README.txt"
            apart = queues and not {"queue", "crashes", "hangs"} & set(parts)
            if file.is_file() and not hidden and not apart:
                found[file.resolve()] = None
    return list(found)


def face_of(path):
    """The target whose inputs lie there, by the last part of the path that names one."""
    names = Face.names()
    words = [re.sub(r"^fuzz_", "", part) for part in path.resolve().parts[:-1]]
    return next((word for word in reversed(words) if word in names), None)


def compare_files(arguments):
    """A process's share of the files -> results as batch() gives them, with the number of inputs."""
    driver, codec, pairs = arguments
    side = Side(driver, codec)
    face, oracle, found, count = Face(side.codec), Oracle(side.codec), [], 0
    for name, path in pairs:
        items = face.inputs(name, path.read_bytes())
        count += len(items)
        for item, got in zip(items, side.driver.answers(items)):
            if got != oracle.answer(item):
                found.append(f"{path}\n  {side.difference(oracle, item)}" if len(found) < side.shown else "")
    side.driver.close()
    return count, oracle.verdicts, found


def compare_corpus(paths, processes, driver, codec, face=None):
    """(result, the files whose target is not known)."""
    started, files, strangers = time.monotonic(), corpus_files(paths), []
    pairs = []
    for path in files:
        name = face or face_of(path)
        if name is None:
            strangers.append(path)
        else:
            pairs.append((name, path))
    total, verdicts, differences = 0, collections.Counter(), []
    with multiprocessing.Pool(processes) as pool:
        for count, seen, found in pool.imap(compare_files, [(driver, codec, pairs[at::4 * processes])
                                                            for at in range(4 * processes)]):
            total += count
            verdicts.update(seen)
            differences += found
    return Result(total, verdicts, differences, time.monotonic() - started), len(pairs), strangers


# --- comparison -----------------------------------------------------------------------------------------------


class Driver:
    """The C side, kept running: batches of inputs in, their answers out."""

    def __init__(self, path, codec):
        self.path, self.codec = path, codec
        self.start()

    def start(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([self.path], stdin=pipe, stdout=pipe, stderr=pipe)

    def answers(self, items):
        """One text for each; a driver that dies is started again, and its death is the answer of the guilty input."""
        try:
            return self.ask(items)
        except (EOFError, BrokenPipeError):
            said = self.process.stderr.read().decode(errors="replace").split("\n")[:8]
            status = self.close()
            self.start()
            if len(items) == 1:
                return [f"the driver ended with status {status}\n" + "\n".join(said)]
            return [self.answers([item])[0] for item in items]

    def ask(self, items):
        batch = b"".join(item.pack(self.codec) for item in items)
        self.process.stdin.write(struct.pack("<I", len(batch)) + batch)
        self.process.stdin.flush()
        return [self.read(struct.unpack("<I", self.read(4))[0]).decode() for _ in items]

    def read(self, size):
        octets = self.process.stdout.read(size)
        if len(octets) < size:
            raise EOFError
        return octets

    def close(self):
        """Ends it -> its exit status."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:              # octets that it did not live to read
                pass
        return self.process.wait()


def smaller(driver, oracle, item):
    """The same difference with fewer octets and quirks, as far as a bounded number of tries goes."""
    tries = 0

    def differs(candidate):
        nonlocal tries
        tries += 1
        return tries <= SHRINKING and driver.answers([candidate])[0] != oracle.answer(candidate)

    step = max(1, len(item.octets) // 2)
    while step:
        at = 0
        while at < len(item.octets):
            shorter = item._replace(octets=item.octets[:at] + item.octets[at + step:])
            if differs(shorter):
                item = shorter
            else:
                at += step
        step //= 2
    for quirk in sorted(item.quirks):
        if differs(candidate := item._replace(quirks=item.quirks - {quirk})):
            item = candidate
    return item


Result = collections.namedtuple("Result", "count verdicts differences seconds")


class Side:
    """What a process of the comparison keeps: its driver, and the codec of the same build."""

    def __init__(self, driver, codec, shown=SHOWN):
        self.codec, self.shown = load_codec(codec), shown
        self.driver = Driver(driver, self.codec)

    def batch(self, seed, number, count):
        """Compares one batch -> (verdicts, a text for each difference; not all are worked out)."""
        oracle, maker, found = Oracle(self.codec), Maker(self.codec, f"{seed}:{number}"), []
        items = [maker.input() for _ in range(count)]
        for place, (item, got) in enumerate(zip(items, self.driver.answers(items))):
            if got != oracle.answer(item):
                found.append(f"seed {seed}, input {number * BATCH + place}\n  {self.difference(oracle, item)}"
                             if len(found) < self.shown else "")
        return oracle.verdicts, found

    def difference(self, oracle, item):
        """The input, made smaller, and the lines in which the two sides differ."""
        item = smaller(self.driver, oracle, item)
        text = f"{item}\n"
        pairs = itertools.zip_longest(self.driver.answers([item])[0].splitlines(), oracle.answer(item).splitlines(),
                                      fillvalue="")
        for line, wanted in [pair for pair in pairs if pair[0] != pair[1]]:
            text += f"    C      {excerpt(line, wanted)}\n    codec  {excerpt(wanted, line)}\n"
        return text


def excerpt(line, other):
    """A long line from a little before the place where it differs."""
    begin = max(0, len(os.path.commonprefix([line, other])) - 24)
    begin = 0 if len(line) <= 160 else begin
    return "..." * (begin > 0) + line[begin:begin + 160] + "..." * (len(line) > begin + 160)


def batches(count):
    """(number, inputs) of each batch."""
    return [(number, min(BATCH, count - number * BATCH)) for number in range(-(-count // BATCH))]


def work(arguments):
    """A process's share of the batches -> their results."""
    driver, codec, seed, share = arguments
    side = Side(driver, codec)
    results = [side.batch(seed, *batch) for batch in share]
    side.driver.close()
    return results


def compare(seed, count, processes, driver, codec):
    """The whole comparison. The same seed compares the same inputs, however many processes there are."""
    todo, started = batches(count), time.monotonic()
    shares = [(driver, codec, seed, todo[at:at + 10]) for at in range(0, len(todo), 10)]
    verdicts, differences = collections.Counter(), []
    with multiprocessing.Pool(processes) as pool:
        for results in pool.imap(work, shares):
            for seen, found in results:
                verdicts.update(seen)
                differences += found
    return Result(count, verdicts, differences, time.monotonic() - started)


def is_found(seed, count, driver, codec):
    """Does any of the inputs tell the two apart? For planted mistakes: no more is compared than it takes."""
    side = Side(driver, codec, shown=0)
    found = any(side.batch(seed, *batch)[1] for batch in batches(count))
    side.driver.close()
    return found


def unbroken(result, codec):
    """The rules that none of the inputs broke, of those that some input must."""
    return Oracle(codec).refusable() - {rule for err, rule in result.verdicts if err not in ("OK", "AGAIN")}


def summary(result, codec, seed):
    """One line: how much was compared, how it ended, which rules nobody broke."""
    accepted = sum(count for (err, _), count in result.verdicts.items() if err == "OK")
    missed, rules = unbroken(result, codec), len(Oracle(codec).refusable())
    return (f"{result.count} inputs, seed {seed}: {len(result.differences)} differ; {accepted} accepted, "
            f"{rules - len(missed)} of {rules} rules broken, {result.seconds:.0f} s"
            f"{'; not broken: ' if missed else ''}{', '.join(sorted(missed))}")


def print_differences(result):
    for text in [text for text in result.differences if text][:SHOWN]:
        print(text)


def main_corpus(args):
    codec = args.build / CODEC
    result, files, strangers = compare_corpus(args.paths, args.jobs, args.build / DRIVER, codec, args.face)
    print_differences(result)
    accepted = sum(count for (err, _), count in result.verdicts.items() if err == "OK")
    print(f"{files} files, {result.count} inputs: {len(result.differences)} differ; {accepted} accepted, "
          f"{result.seconds:.0f} s")
    if strangers:
        print(f"{len(strangers)} files of no target that is known here, such as {strangers[0]}; see --face")
    return 1 if result.differences else 0 if files and not strangers else 2


def main():
    parser = argparse.ArgumentParser(prog="./dev test diff", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="default: a new one")
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs to compare (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=default_build(), help="the build that is compared")
    parser.add_argument("--corpus", action="store_true", help="compare the inputs of fuzz targets instead")
    parser.add_argument("--face", choices=Face.names(), help="the target, where the paths do not say it")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="with --corpus: files and folders")
    args = parser.parse_args()
    if bool(args.paths) != args.corpus:
        parser.error("--corpus needs files or folders, and only it takes them")
    if args.corpus:
        return main_corpus(args)
    codec = args.build / CODEC
    result = compare(args.seed, args.count, args.jobs, args.build / DRIVER, codec)
    print_differences(result)
    print(summary(result, load_codec(codec), args.seed))
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
