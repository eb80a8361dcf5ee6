"""Known answers: octets and the verdict they must get, worked out from the model alone, apart from the C templates.

A case's octets are head + unit * count + tail, so that large ones stay short in the generated source."""

import functools
from dataclasses import dataclass

from gen import detect, lower, security

U = {"u8": 1, "u16be": 2, "u32be": 4, "u64be": 8}


@dataclass(frozen=True)
class Case:
    """One input to a decoder. at: octets accepted before the refused one, or the whole length."""
    name: str
    head: bytes
    unit: bytes = b""
    count: int = 0
    tail: bytes = b""
    quirks: tuple = ()
    err: str = "OK"
    rule: str = ""
    at: int = 0
    scope: str = ""
    branch: object = None     # of a greeting: the one that names the form, or None

    @property
    def octets(self):
        return self.head + self.unit * self.count + self.tail

    @property
    def rule_enum(self):
        return lower.rule_enum(self.rule) if self.rule else "MCQ_RULE_NONE"

    @property
    def quirk_bits(self):
        return " | ".join(lower.quirk_bit(q) for q in self.quirks) or "0"


def c_octets(octets):
    """A C string literal of these octets; no escape can swallow a following digit."""
    return '"' + "".join(f"\\x{o:02x}" for o in octets) + '"'


def number(value, kind):
    return value.to_bytes(U[kind], "big")


def put(octets, at, value):
    return octets[:at] + bytes([value]) + octets[at + 1:]


def frame_head(framing, flags, size, long=False):
    long = long or size > framing.short_most
    if framing.marker is None:
        return bytes([flags | framing.long_lead]) + number(size, "u64be") if long else bytes([flags, size])
    counted = size + framing.counted
    return (bytes([framing.long_lead]) + number(counted, "u64be") if long else bytes([counted])) + bytes([flags])


class Cases:
    def __init__(self, protocol):
        self.p = protocol
        self.detect = protocol.detects["greeting"]
        detected = detect.Detected(protocol, self.detect)
        self.layouts, self.decisions = detected.layouts, detected.decisions
        self.fields = {form: lower.fixed_fields(layout, protocol) for form, layout in self.layouts.items()}

    # --- greeting -----------------------------------------------------------------------------

    def greeting_octets(self, form="v3", mechanism="NULL"):
        """Ours to a peer of that form."""
        out = b""
        for field in self.layouts[form].fields:
            octets = lower.field_octets(field)
            if field.value is not None:
                out += bytes([field.value])
            elif field.send == "mechanism":
                out += mechanism.encode().ljust(octets, b"\0")
            elif isinstance(field.send, int):
                out += bytes([field.send]) * octets
            else:
                out += (1).to_bytes(octets, "big")
        return out

    def read_greeting(self, octets, quirks):
        """(branch, verdict, rule, octets accepted): the decision first, then the form's fields one after the other."""
        for stage in self.detect.stages[1:]:
            if stage.octet >= len(octets):
                return None, "AGAIN", "", len(octets)
            branch = next(b for b in stage.branches if octets[stage.octet] & b.mask == b.value)
            if branch.target != "next":
                break
        layout = self.layouts.get(branch.target)
        for row in self.fields.get(branch.target, ()):
            padded = False
            lets_in = {self.p.quirks[name].accept for name in row.field.quirks if name in quirks}
            for at, octet in enumerate(octets[row.offset:row.offset + row.octets], row.offset):
                padded = padded or octet == row.field.pad
                if octet not in ({row.field.pad} if padded else row.accepted[0] | lets_in):
                    return branch, "PROTO", row.field.id, at
        whole = layout is None or len(octets) >= layout.form
        return branch, "OK" if whole else "AGAIN", "", min(len(octets), layout.form) if layout else 0

    @functools.cache
    def greeting(self):
        """Each way through the decision; behind it each octet at the edges of what its rule allows, or of what
        decides; each quirk on and off; cuts."""
        inputs = []
        for way, _ in detect.paths(self.detect):
            form = way[-1][1].target
            good = self.greeting_octets(form if form in self.layouts else "v3")
            for octet, branch in way:
                fits = next(row.octets for row in self.decisions if row.branch is branch)
                good = put(good, octet, good[octet] if good[octet] in fits else min(fits))
            name = f"{form} {way[-1][1].speaks}"
            inputs += [(name, good), (f"{name}, cut", good[:-1]), (f"{name}, at 9", good[:9])]
            edges = [(row.octet, row.octets) for row in self.decisions]
            for row in self.fields.get(form, ()):
                edges.append((row.offset, row.accepted[0]))
                for what, said in (("empty", b""), ("full", b"A" * row.octets),
                                   ("after its padding", b"\0A".rjust(row.octets, b"A"))):
                    if row.field.pad is not None:
                        octets = good[:row.offset] + said.ljust(row.octets, b"\0") + good[row.offset + row.octets:]
                        inputs.append((f"{name}, {row.field.id} {what}", octets))
            inputs += [(f"{name}, octet {at} = {value:#04x}", put(good, at, value)) for at, octets in edges
                       for low, high in lower.ranges(octets)[:3]
                       for value in {low, high, low - 1, high + 1} - {-1, 256}]
        found = {}
        for name, octets in inputs:
            strict = self.read_greeting(octets, ())
            every = tuple(q.name for q in self.p.quirks.values() if q.accept is not None)
            loose = self.read_greeting(octets, every)
            for quirks, said, read in ((), "", strict), *([(every, ", let in", loose)] if loose != strict else []):
                branch, err, rule, at = read
                found[octets, quirks] = Case(name + said, octets, quirks=quirks, err=err, rule=rule, at=at,
                                             branch=branch)
        return sorted(found.values(), key=lambda c: (c.name, c.octets))

    # --- frames -------------------------------------------------------------------------------

    def flag_octets(self, framing):
        """All 256 flag octets with the quirks they need."""
        return [(octet, lower.flag_quirks(framing.flags, octet)) for octet in range(256)]

    def frames(self, framing):
        """Headers at the edges of every size; a body follows where it is short enough to write down."""
        found, most = [], framing.short_most
        for size in sorted({0, 1, 2, most - 1, most, most + 1, most + 2, 255, 256, 65535, 65536}):
            head = frame_head(framing, 0, size)
            found.append(Case(f"body of {size}", head, b"\x5a", size, at=len(head) + size))
        for size in (0, 1, most):
            head = frame_head(framing, 0, size, long=True)
            found.append(Case(f"long form of {size}", head, b"\x5a", size, at=len(head) + size))
        for first in (0x7f, 0x80, 0xff):
            accepted = first <= framing.top_octet
            octets = bytes([framing.long_lead]) + bytes([first]) + b"\xff" * 7 + bytes(not accepted)
            found.append(Case(f"size begins with {first:#04x}", octets, err="AGAIN" if accepted else "PROTO",
                              rule="" if accepted else framing.long.id, at=9 if accepted else 1))
        if framing.counted:
            for octets in (bytes(2), bytes([framing.long_lead]) + bytes(9)):
                found.append(Case(f"size of 0 in {len(octets) - 1}", octets, err="PROTO", rule=framing.long.id,
                                  at=len(octets) - 2))
        one, last = frame_head(framing, 1, 3) + b"abc", frame_head(framing, 0, 1) + b"d"
        found.append(Case("two frames", one + last, at=len(one + last)))
        found.append(Case("five empty frames", frame_head(framing, 1, 0) * 4 + frame_head(framing, 0, 0), at=10))
        return found

    # --- commands -----------------------------------------------------------------------------

    def filler(self, element):
        """An octet that the element may hold."""
        if element.constant is not None:
            return bytes([element.constant])
        return b"\x61"

    def bad_octets(self, element):
        """The octets beside the ranges of its characters."""
        octets = self.p.charsets[element.field.chars].octets if element.field.chars else range(256)
        edges = {octet for low, high in lower.ranges(octets) for octet in (low - 1, high + 1)}
        return [bytes([octet]) for octet in sorted(edges - {-1, 256} - set(octets))]

    def body(self, elements, spans=None, numbers=None):
        """The elements' octets, with spans of the given lengths (default: the least) and numbers (default: 0)."""
        out = b""
        for element in elements:
            if element.kind == "number":
                value = (numbers or {}).get(element.name, element.low)
                out += value.to_bytes(element.width, "big")
                continue
            length = (spans or {}).get(element.name, element.low)
            out += length.to_bytes(element.width, "big") if element.width else b""
            out += self.filler(element) * length
        return out

    @functools.cache
    def command(self):
        """Each command of each table of names at its bounds, one octet over, cut, and with octets too many; names that
        the table has not."""
        found = []
        tables = security.scopes(self.p)
        for scope in tables:
            add = (lambda name, *args, of=scope, **more: found.append(
                Case(f"{of.name}: {name}", *args, scope=of.enum, **more)))
            for command in scope.commands:
                self._command_cases(command, add)
            for quirk, head, command in scope.aliases:
                octets = head + self.body(command.elements)
                add(quirk, octets, quirks=(quirk,), at=len(octets))
                add(f"{quirk}, strict", octets, at=len(octets), rule="unknown")
            for head in [*map(self.head, scope.commands), *(head for _, head, _ in scope.aliases)]:
                for at in range(1, len(head)):
                    octets = head[:at] + b"\0" + head[at + 1:]
                    add(f"{head[1:].decode()} with octet {at} wrong", octets, at=len(octets), rule="unknown")
            stranger = next(command for other in tables for command in other.commands
                            if command.command.name not in [known.command.name for known in scope.commands])
            octets = self.head(stranger) + self.body(stranger.elements)
            add(f"{stranger.command.id}, which it has not", octets, at=len(octets), rule="unknown")
            add("no name at all", b"", rule="unknown")
            add("a name that nobody knows", b"\x05HELLP", rule="unknown", at=6)
            add("a name longer than its command", b"\xffREADY", rule="unknown", at=6)
        return found

    def head(self, command):
        return bytes([len(command.command.name)]) + command.command.name.encode()

    def _command_cases(self, command, add):
        elements, name = command.elements, command.command.id
        least = self.head(command) + self.body(elements)
        add(f"{name} least", least, at=len(least))
        add(f"{name} in lower case", least.lower(), at=len(least), rule="unknown")
        for place, element in enumerate(elements):
            before = self.head(command) + self.body(elements[:place])
            cases = self._number_cases if element.kind == "number" else self._span_cases
            cases(element, f"{name}.{element.name}", before, self.body(elements[place + 1:]), add)
        if not elements or elements[-1].kind != "rest":
            add(f"{name} with an octet too many", least + b"\x61", err="PROTO", at=len(least),
                rule=elements[-1].field.id if elements else name)

    def _number_cases(self, element, name, before, after, add):
        wrong = {"err": "PROTO", "rule": element.field.id}
        octets = (lambda value: value.to_bytes(element.width, "big"))
        most = before + octets(element.high) + after
        add(f"{name} largest", most, at=len(most))
        for value in (element.low - 1, element.high + 1):
            if 0 <= value < 256 ** element.width:       # what one octet may be is the machine's, the rest is compared
                add(f"{name} = {value}", before + octets(value) + after,
                    at=len(before) + (element.width if element.width > 1 else 0), **wrong)
        cut = before + octets(element.low)[:-1]
        add(f"{name} cut", cut, at=len(cut), **wrong)

    def _span_cases(self, element, name, before, after, add):
        wrong = {"err": "PROTO", "rule": element.field.id}
        length = (lambda n: n.to_bytes(element.width, "big") if element.width else b"")
        filler, quirk = self.filler(element), element.quirk
        at = len(before) + element.width
        ceiling = self.p.limits["max_command_bytes"].value - len(before)
        high = min(element.high, ceiling)
        if not element.is_records:
            add(f"{name} at {high}", before + length(high), filler, high, after, at=at + high + len(after))
        if element.kind == "counted":
            add(f"{name} cut", before + length(2) + b"a", at=at, **wrong)
            add(f"{name} without its length", before, at=len(before), **wrong)
        elif element.low:
            add(f"{name} short", before, filler, element.low - 1, at=at, **wrong)
        if element.kind == "rest" and not element.is_records and high < ceiling:
            add(f"{name} at {high + 1}", before, filler, high + 1, at=at, **wrong)
            if quirk:
                add(f"{name} at {high + 1}, let in", before, filler, high + 1, quirks=(quirk,), at=at + high + 1)
        for bad in self.bad_octets(element):
            size = max(element.low, 3)
            octets = before + length(size) + filler + bad + filler * (size - 2) + after
            add(f"{name} with 0x{bad.hex()}", octets, at=at + 1, **wrong)
            if quirk:
                add(f"{name} with 0x{bad.hex()}, let in", octets, quirks=(quirk,), at=len(octets))

    # --- metadata -----------------------------------------------------------------------------

    def property(self, name, value):
        return bytes([len(name)]) + name + number(len(value), "u32be") + value

    def metadata(self):
        """Names and values at their bounds; counts at the limit and one over; cuts after every octet."""
        name, value = lower.elements(self.p.structs["property"], self.p)
        most = self.p.limits["max_properties"].value
        small = self.property(b"a", b"")
        good = self.property(b"Socket-Type", b"REQ") + self.property(b"Identity", b"")
        quirk = name.field.quirks[0]
        beside = [octet[0] for octet in self.bad_octets(name)]
        found = [
            Case("empty", b""), Case("as we send it", good, at=len(good)),
            Case(f"{most} properties", b"", small, most, at=len(small) * most),
            Case(f"{most + 1} properties", b"", small, most + 1, err="LIMIT", rule="limit.max_properties",
                 at=len(small) * most + 1),
            Case(f"name at {name.high}", bytes([name.high]), b"n", name.high, b"\0\0\0\0", at=name.high + 5),
            Case("name empty", self.property(b"", b"v"), err="PROTO", rule=name.field.id, at=1),
            Case("name empty, let in", self.property(b"", b"v"), quirks=(quirk,), at=6),
            *(Case(f"name with {bad:#04x}", self.property(bytes([0x61, bad]), b""), err="PROTO", rule=name.field.id,
                   at=2) for bad in beside),
            *(Case(f"name with {bad:#04x}, let in", self.property(bytes([0x61, bad]), b""), quirks=(quirk,), at=7)
              for bad in beside),
            Case("name past the end", b"\x09abc", err="PROTO", rule=name.field.id, at=1),
            Case("value past the end", b"\x01a\0\0\0\x02v", err="PROTO", rule=value.field.id, at=6),
            Case("value of 2^32-1", b"\x01a\xff\xff\xff\xffv", err="PROTO", rule=value.field.id, at=6),
            Case("an octet too many", good + b"\x01", err="PROTO", rule=name.field.id, at=len(good) + 1),
        ]
        for cut in range(1, 5):
            octets = b"\x01a" + b"\0" * (cut - 1)
            found.append(Case(f"cut {cut} before the value", octets, err="PROTO", rule=value.field.id, at=len(octets)))
        return found

    def ready(self):
        """(our type, what a peer of the table's first type may say to it): properties that the spec knows by name at
        their bounds, and names that are nearly theirs."""
        field, peer = self.p.commands["READY"].fields[0], next(iter(self.p.sockets.values()))
        kind, own = next(key for key in field.keys if key.among_sockets), peer.peers[0]
        name, stranger = kind.name.encode(), next(s for s in self.p.sockets if s not in self.p.sockets[own].peers)
        typed = self.property(name, peer.name.encode())
        lower_case = typed.replace(name, name.lower())
        rows = [("a type that fits", typed, "OK", kind, ()), ("no type", b"", "PROTO", kind, ()),
                ("no type, let in", b"", "OK", kind, (kind.quirk,)), ("in lower case", lower_case, "OK", kind, ()),
                ("a case that matters", lower_case, "PROTO", kind, ("property_case_matters",))]
        rows += [(f"a type {what}", self.property(name, value), "MISMATCH", kind, ())
                 for what, value in (("that does not fit", stranger.encode()), ("that nobody knows", b"?"))]
        for octet in sorted({octet for octet in name if not chr(octet).isalpha()}):      # no letter: it has no case
            near = typed.replace(bytes([octet]), bytes([octet ^ 0x20]))
            rows.append((f"{octet ^ 0x20:#04x} in its name", near, "PROTO", kind, ("property_name_any",)))
        for key in [key for key in field.keys if key.size]:
            for size, first in ((key.size[1], 0x61), (key.size[1] + 1, 0x61), (1, key.forbid_first), (0, 0x61)):
                octets = typed + self.property(key.name.encode(), bytes([first]).ljust(size, b"a")[:size])
                good = size <= key.size[1] and first != key.forbid_first
                rows += [(f"{key.name} of {size} from {first:#04x}", octets, "OK" if good else "PROTO", key, ()),
                         (f"{key.name} of {size} from {first:#04x}, let in", octets, "OK", key, (key.quirk,))]
        return own, [Case(what, octets, quirks=quirks, err=err, rule="" if err == "OK" else f"{field.id}.{key.name}")
                     for what, octets, err, key, quirks in rows]
