"""Octets read as the model says, slowly and whole: the judge of what one spec accepts and another refuses.

It knows the kinds of units that tests/vectors/known.json has cases of, and no C."""

from dataclasses import dataclass, field

from gen import lower, security


UNKNOWN = "unknown"      # the rule of a command whose name nobody knows


class Refusal(Exception):
    """The rule that was broken: args[0]."""


@dataclass
class Reading:
    """rule: what was broken, UNKNOWN for a name that is none, "" when all is well. spans: (rule, from, to)."""
    octets: bytes
    quirks: tuple = ()
    at: int = 0
    rule: str = ""
    spans: list = field(default_factory=list)

    @property
    def accepted(self):
        return self.rule == ""

    def take(self, count, rule):
        if count > len(self.octets) - self.at:
            raise Refusal(rule)
        self.at += count
        self.spans.append((rule, self.at - count, self.at))
        return self.octets[self.at - count:self.at]

    def number(self, width, rule):
        return int.from_bytes(self.take(width, rule), "big")


def fixed(reading, protocol, layout):
    for row in lower.fixed_fields(layout, protocol):
        octets = reading.take(row.octets, row.field.id)
        if row.field.pad is not None:
            octets = octets.rstrip(bytes([row.field.pad]))
        loose = {protocol.quirks[q].accept for q in row.field.quirks if q in reading.quirks}
        if not set(octets) <= row.accepted[0] | loose:
            raise Refusal(row.field.id)


def frames(reading, protocol, layout):
    flags = next(f for f in layout.fields if f.type == "bits8")
    bits = {b.name: b.number for b in flags.bits}
    sizes = [f for f in layout.fields if f.condition]
    while reading.at < len(reading.octets):
        octet = reading.number(1, flags.id)
        if not set(lower.flag_quirks(flags, octet)) <= set(reading.quirks):
            raise Refusal(flags.id)
        size = next(f for f in sizes if bool(octet >> bits[f.condition[0]] & 1) == f.condition[1])
        count = reading.number(lower.WIDTHS[size.type], size.id)
        if size.range and not size.range[0] <= count <= size.range[1]:
            raise Refusal(size.id)
        reading.take(min(count, len(reading.octets) - reading.at), layout.fields[-1].id)


def elements(reading, protocol, unit):
    """The fields of a command or record. A quirk on a field lifts its bounds and its characters."""
    for e in lower.elements(unit, protocol):
        loose = set(e.field.quirks) & set(reading.quirks)
        octets = b""
        if e.width:
            value = reading.number(e.width, e.field.id)
        else:
            value = e.low if e.kind == "fixed" else len(reading.octets) - reading.at
        if e.kind != "number":
            octets = reading.take(value, e.field.id)
        chars = protocol.charsets[e.field.chars].octets if e.field.chars else range(256)
        if not loose and not (e.low <= value <= e.high and set(octets) <= set(chars)):
            raise Refusal(e.field.id)


def command(reading, protocol, scope):
    found = next((s for s in security.scopes(protocol) if s.name == scope), None)
    heads = {bytes([len(c.command.name)]) + c.command.name.encode(): c for c in found.commands} if found else {}
    heads.update({a.octets: a.command for a in found.aliases if a.quirk in reading.quirks} if found else {})
    head = next((head for head in heads if reading.octets.startswith(head)), None)
    if head is None:
        raise Refusal(UNKNOWN)
    unit = heads[head].command
    reading.take(len(head), unit.id)
    elements(reading, protocol, unit)
    if reading.at < len(reading.octets):
        raise Refusal(unit.fields[-1].id if unit.fields else unit.id)


def metadata(reading, protocol):
    count = 0
    while reading.at < len(reading.octets):
        count += 1
        if count > protocol.limits["max_properties"].value:
            raise Refusal("limit.max_properties")
        elements(reading, protocol, protocol.structs["property"])


READERS = {
    "greeting": lambda reading, p, _: fixed(reading, p, p.layouts["greeting.v3"]),
    "frame": lambda reading, p, _: frames(reading, p, p.layouts["frame.v3"]),
    "command": command,
    "metadata": lambda reading, p, _: metadata(reading, p),
}


def read(protocol, unit, octets, quirks=(), scope=""):
    """unit: one of READERS; scope: the table of names that a command's is looked up in -> Reading."""
    reading = Reading(octets, tuple(quirks))
    try:
        READERS.get(unit, lambda *_: None)(reading, protocol, scope)
    except Refusal as refusal:
        reading.rule = refusal.args[0]
    return reading
