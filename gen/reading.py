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
    may_go_on: bool = False  # octets that are missing are no fault: they may come

    @property
    def accepted(self):
        return self.rule == ""

    def take(self, count, rule):
        if count > len(self.octets) - self.at:
            raise EOFError if self.may_go_on else Refusal(rule)
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


def greeting(reading, protocol):
    """The first octets decide on the form; one without a layout begins the frames, which are not looked at here."""
    decision = protocol.detects["greeting"]
    reading.may_go_on = True
    for stage in decision.stages[1:]:
        if stage.octet >= len(reading.octets):
            raise EOFError
        branch = next(b for b in stage.branches if reading.octets[stage.octet] & b.mask == b.value)
        if branch.target != "next":
            break
    if branch.target not in decision.replay:
        fixed(reading, protocol, protocol.layouts[f"{decision.id}.{branch.target}"])


def frames(reading, protocol, layout):
    framing = lower.Framing(layout)
    reading.may_go_on = True
    while reading.at < len(reading.octets):
        first = framing.marker is None and flags(reading, framing)
        size = framing.short
        if framing.marker is None and first & framing.long_lead:
            size = framing.long
        elif framing.marker is not None and reading.octets[reading.at] == framing.marker:
            size = framing.long
            reading.take(1, size.id)
        count = reading.number(lower.WIDTHS[size.type], size.id)
        if size.range and not size.range[0] <= count <= size.range[1]:
            raise Refusal(size.id)
        if framing.marker is not None:
            flags(reading, framing)
        reading.take(min(count - framing.counted, len(reading.octets) - reading.at), layout.fields[-1].id)


def flags(reading, framing):
    octet = reading.number(1, framing.flags.id)
    if not set(lower.flag_quirks(framing.flags, octet)) <= set(reading.quirks):
        raise Refusal(framing.flags.id)
    return octet


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
    "greeting": lambda reading, p, _: greeting(reading, p),
    "command": command,
    "metadata": lambda reading, p, _: metadata(reading, p),
}


def read(protocol, unit, octets, quirks=(), scope=""):
    """unit: one of READERS, or the layout of a stream of frames; scope: the table of names that a command's is looked up in -> Reading."""
    reading = Reading(octets, tuple(quirks))
    try:
        if unit in protocol.layouts:
            frames(reading, protocol, protocol.layouts[unit])
        else:
            READERS.get(unit, lambda *_: None)(reading, protocol, scope)
    except EOFError:
        reading.at = len(octets)
    except Refusal as refusal:
        reading.rule = refusal.args[0]
    return reading
