"""Model -> what templates print: octet sets, sizes, rule lists, step rows. No template does arithmetic."""

import re
from dataclasses import dataclass

from gen.model import units

WIDTHS = {"u8": 1, "u16be": 2, "u32be": 4, "u64be": 8, "bits8": 1}
C_TYPES = {"u8": "uint8_t", "u16be": "uint16_t", "u32be": "uint32_t", "u64be": "uint64_t"}


def c_name(text):
    """An identifier's tail: Socket-Type -> socket_type."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def c_enum(text):
    return c_name(text).upper()


def ranges(octets):
    """A set of octets as sorted (low, high) pairs."""
    found = []
    for octet in sorted(octets):
        if found and found[-1][1] == octet - 1:
            found[-1] = (found[-1][0], octet)
        else:
            found.append((octet, octet))
    return found


def ragel_set(octets):
    """0x00..0x02 | 0x09: an octet set in Ragel's words."""
    return " | ".join(f"0x{low:02x}" if low == high else f"0x{low:02x}..0x{high:02x}" for low, high in ranges(octets))


# --- rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """One thing a peer can break: its id, where the protocol says so, what it says."""
    id: str
    source: str
    doc: str

    @property
    def enum(self):
        return "MCQ_RULE_" + c_enum(self.id)


def rules(protocol):
    """All rules in the order of the spec: the enum's order, so its values change only when the spec does."""
    found = []
    for limit in protocol.limits.values():
        found.append(Rule(limit.id, "", limit.doc))
    for unit in units(protocol):
        if not any(rule.id == unit.id for rule in found):
            found.append(Rule(unit.id, unit.source, unit.doc))
        for field in unit.fields:
            if not any(rule.id == field.id for rule in found):
                found.append(Rule(field.id, unit.source, field.doc))
            found.extend(Rule(f"{field.id}.{key.name}", unit.source, "") for key in field.keys)
    for detect in protocol.detects.values():
        found.extend(Rule(f"{detect.id}.{form}", detect.source, detect.doc) for form in detect.replay)
    for machine in protocol.machines.values():
        found.extend(Rule(f"{machine.id}.{state.name}", machine.source, "") for state in machine.states)
    return found


def rule_enum(rule_id):
    return "MCQ_RULE_" + c_enum(rule_id)


def framing_enum(layout_id):
    return "MCQ_FRAMING_" + layout_id.rpartition(".")[2].upper()


def zmtp_enum(version):
    return "MCQ_ZMTP_" + c_enum(version)


def quirk_bit(name):
    return "MCQ_QUIRK_" + c_enum(name)


# --- layouts ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FixedField:
    field: object
    offset: int
    octets: int
    pattern: str             # Ragel, one expression for the whole field
    quirk_pattern: str       # Ragel for what only the quirk lets in, or ""
    accepted: tuple          # per octet, the set it may hold

    @property
    def name(self):
        return c_name(self.field.name)

    @property
    def is_array(self):
        return self.field.type in ("bytes", "text")

    @property
    def quirk(self):
        return self.field.quirks[0] if self.field.quirks else ""


def field_octets(field):
    """Octets of a field of fixed size."""
    return WIDTHS[field.type] if field.type in WIDTHS else field.size[1]


def accepted_octets(field, protocol):
    """What one octet of a one-octet field or a text may hold."""
    if field.value is not None:
        return frozenset([field.value])
    if field.mask is not None:
        return frozenset(o for o in range(256) if o & field.mask[0] == field.mask[1])
    if field.range is not None:
        return frozenset(range(field.range[0], field.range[1] + 1))
    if field.chars:
        return protocol.charsets[field.chars].octets
    return frozenset(range(256))


def octet_pattern(field, protocol):
    """A one-octet number in Ragel's words; each octet of any other may be any."""
    accepted = accepted_octets(field, protocol) if field.type == "u8" else range(256)
    return f"( {ragel_set(accepted)} )" if len(accepted) < 256 else "any"


def fixed_fields(layout, protocol):
    """The fields of a layout of fixed size, with their offsets and Ragel expressions."""
    found, offset = [], 0
    for field in layout.fields:
        octets = field_octets(field)
        accepted = accepted_octets(field, protocol)
        one = ragel_set(accepted) if len(accepted) < 256 else "any"
        pattern = f"( {one} )" if octets == 1 else f"( {one} ){{{octets}}}"
        if field.pad is not None:
            pattern = f"( ( any{{{octets}}} ) & ( ( {one} )* 0x{field.pad:02x}* ) )"
        extra = ""
        if field.quirks and (value := protocol.quirks[field.quirks[0]].accept) is not None:
            extra = f"0x{value:02x}"
        found.append(FixedField(field, offset, octets, pattern, extra, (accepted,) * octets))
        offset += octets
    return found


# --- frames ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlagForm:
    """The flag octets that need the same quirks and are followed by the same size."""
    name: str
    octets: frozenset
    quirks: tuple
    long: bool

    @property
    def pattern(self):
        return ragel_set(self.octets)


def flag_quirks(field, octet):
    """The quirks that this flags octet needs; () is strictly valid."""
    need = []
    known = 0
    for bit in field.bits:
        known |= 1 << bit.number
        rival = next((b for b in field.bits if b.name == bit.excludes), None)
        if octet >> bit.number & 1 and (octet >> rival.number & 1 if rival else bit.quirk):
            need.append(bit.quirk)
    if octet & ~known & 0xff != (field.reserved_must or 0):
        need.append(field.reserved_quirk)
    return tuple(need)


class Framing:
    """A stream of frames: flags octet, size of one or eight octets, body. A bit of the flags announces the eight, or
    an octet in the size's place does; then the size comes first and may count the flags too."""

    def __init__(self, layout):
        self.layout, self.name = layout, layout.id.rpartition(".")[2]
        self.flags = next(f for f in layout.fields if f.type == "bits8")
        self.short, self.long = (next(f for f in layout.fields if f.condition and f.condition[1] == wanted)
                                 for wanted in (False, True))
        by, width = self.long.condition[0], WIDTHS[self.long.type]
        self.marker = by if isinstance(by, int) else None                    # the octet, where it is one
        self.long_lead = self.marker or sum(1 << b.number for b in self.flags.bits if b.name == by)
        self.counted = WIDTHS[self.flags.type] if self.long.counts else 0    # octets besides the body's
        self.known_flags = sum(1 << bit.number for bit in self.flags.bits)
        self.reserved = self.flags.reserved_must or 0
        self.head_most = 1 + width + (self.marker is not None)
        self.short_most = (self.short.range[1] if self.short.range else 255) - self.counted     # a body's octets
        self.head_shape = self.marker, self.counted, self.short_most, self.reserved
        self.top_octet = (self.long.range[1] if self.long.range else 256 ** width - 1) >> 8 * (width - 1)
        self.command = sum(1 << bit.number for bit in self.flags.bits if bit.name == "command")
        groups = {}
        for octet in range(256):
            key = (self.marker is None and bool(octet & self.long_lead), flag_quirks(self.flags, octet))
            groups.setdefault(key, set()).add(octet)
        self.forms = [FlagForm("_".join(["long" if long else "short", *quirks]), frozenset(octets), quirks, long)
                      for (long, quirks), octets in sorted(groups.items())]
        # Bit n set: flags octet n (below 32) needs no quirk; the same without those of commands.
        self.strict_mask = sum(1 << octet for form in self.forms if not form.quirks for octet in form.octets)
        assert self.strict_mask < 1 << 32
        command = sum(1 << bit.number for bit in self.flags.bits if bit.excludes)
        self.message_mask = sum(1 << octet for octet in range(32)
                                if self.strict_mask >> octet & 1 and not octet & command)


# --- commands and records --------------------------------------------------------------------------


@dataclass(frozen=True)
class Element:
    """One field of a command or record: a number, or a span of octets skipped by length.

    kind: 'number' (width octets), 'counted' (a length of `width` octets, then the span), 'fixed' or 'rest'."""
    field: object
    kind: str
    width: int
    index: int               # among the unit's elements of its kind
    low: int
    high: int
    quirk: str

    @property
    def name(self):
        return c_name(self.field.name)

    @property
    def enum(self):
        return rule_enum(self.field.id)

    @property
    def has_bound(self):
        """Does the field itself say how much is too much, rather than a limit?"""
        return self.kind != "number" and not (self.field.box or self.is_records or self.field.limit)

    @property
    def constant(self):
        """The octet or number that is always sent, where the caller has no choice; else None."""
        choices = (self.field.value, self.field.send if self.kind in ("number", "fixed") else None)
        return next((value for value in choices if isinstance(value, int)), None)

    @property
    def out_of_range(self):
        """C that is true for a number of several octets outside its bounds; "" when it has none. One octet's bounds are
        the machine's."""
        tests = [f"decoder->number < {self.low}"] * (self.low > 0)
        tests += [f"decoder->number > {self.high}"] * (self.high < 256 ** self.width - 1)
        return " || ".join(tests) if self.width > 1 else ""

    @property
    def sample(self):
        """A number that it may hold, its digits all different where it is wide enough."""
        return self.constant if self.constant is not None else max(self.low, min(self.high, 0xa5))

    @property
    def is_records(self):
        return self.field.type not in ("bytes", "text")

    @property
    def c_type(self):
        return C_TYPES.get(self.field.type, "struct mcq_bytes")


def elements(unit, protocol):
    found, spans, numbers = [], 0, 0
    for field in unit.fields:
        quirk = field.quirks[0] if field.quirks else ""
        if field.type in WIDTHS:
            low, high = field.range or (0, 2 ** (8 * WIDTHS[field.type]) - 1)
            low, high = (low, high) if field.value is None else (field.value, field.value)
            found.append(Element(field, "number", WIDTHS[field.type], numbers, low, high, quirk))
            numbers += 1
            continue
        low, high = field.size
        if field.type not in ("bytes", "text"):     # records: bounded in items, so their octets by the command
            low, high = 0, None
        high = protocol.limits["max_command_bytes"].value if high is None else high
        kind, width = ("counted", WIDTHS[field.length]) if field.length else ("rest" if field.rest else "fixed", 0)
        found.append(Element(field, kind, width, spans, low, high, quirk))
        spans += 1
    return found


@dataclass(frozen=True)
class LoweredCommand:
    command: object
    elements: tuple

    @property
    def name(self):
        return c_name(self.command.id)

    @property
    def enum(self):
        return "MCQ_COMMAND_" + c_enum(self.command.id)

    @property
    def rule(self):
        return rule_enum(self.command.id)

    @property
    def fixed_octets(self):
        """Octets of the body that are always there: name, numbers, length prefixes, spans of one size."""
        return 1 + len(self.command.name) + sum(e.low if e.kind == "fixed" else e.width for e in self.elements)

    @property
    def given(self):
        """The elements that a caller of the encoder chooses."""
        return [e for e in self.elements if e.constant is None]

    @property
    def params(self):
        """Those of the encoder."""
        return [f"{e.c_type} {e.name}" for e in self.given]

    @property
    def trial(self):
        """The least and the most octets that one round trip after the other puts into all spans whose length varies."""
        spans = [e for e in self.spans if e.kind != "fixed"]
        return max([e.low for e in spans], default=0), min([180 // max(1, len(spans)), *(e.high for e in spans)])

    @property
    def is_secret(self):
        return any(e.field.secret for e in self.elements)

    def follows_span(self, element):
        """Does it begin where a span ends, with no octet of the machine's between?"""
        place = self.elements.index(element)
        return place > 0 and not element.width and self.elements[place - 1].kind != "number"

    def after(self, element):
        """The next element, or None."""
        place = self.elements.index(element) + 1
        return self.elements[place] if place < len(self.elements) else None

    @property
    def spans(self):
        return [e for e in self.elements if e.kind != "number"]


def commands(protocol):
    return [LoweredCommand(c, tuple(elements(c, protocol))) for c in protocol.commands.values()]


# --- machines --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    event: str
    target: str
    guard: str
    otherwise: str
    reason: str
    action: str


def steps(machine, state):
    """One row for each event: 'else' expanded, so that no event is without an answer."""
    answers = {a.event: a for a in state.answers}
    return [Step(event, a.target, a.guard, a.else_target or a.target, a.reason, a.action)
            for event in machine.events for a in [answers.get(event) or answers["else"]]]


def named_in_answers(protocol, attribute):
    """(mechanism, name) pairs of what machines' answers name: a 'guard' or an 'action' is a C function written by hand,
    a 'reason' is told to the user."""
    return sorted({(machine.mechanism, getattr(answer, attribute)) for machine in protocol.machines.values()
                   for state in machine.states for answer in state.answers if getattr(answer, attribute)})


def all_states(machine):
    """The written states, then the two that end the handshake."""
    return [state.name for state in machine.states] + [machine.accept, machine.reject]


def octet_bits(octets):
    """256 bits as four 64-bit words of C, lowest octet first."""
    return ["0x%016xu" % sum(1 << (o - 64 * w) for o in octets if 64 * w <= o < 64 * w + 64) for w in range(4)]


def profile_quirks(protocol, profile):
    """The bits of the quirks that a profile turns on."""
    return sum(1 << i for i, q in enumerate(protocol.quirks.values()) if profile == "compat" or q.default == "compat")
