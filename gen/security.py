"""Mechanisms: their keys and boxes from statements to the model, and what templates print of them."""

from collections import namedtuple
from dataclasses import dataclass

from gen import lower
from gen import model as m
from gen.lower import WIDTHS


def least(field):
    """The fewest octets of a field, its length included; records may all be missing."""
    if field.type in WIDTHS:
        return WIDTHS[field.type]
    return WIDTHS.get(field.length, 0) + (field.size[0] if field.type in ("bytes", "text") and field.size else 0)


def varies(field):
    return bool(field.rest or field.length or field.size and field.size[0] != field.size[1])


class Mechanisms:
    """The builder's part for mechanisms; a mixin of gen.build.Builder."""

    def unit_mechanism(self, found):
        name = found.fixed[0]
        children = [(row.key, child) for row, child in self.rows(found.statement.children, "mechanism")]
        commands = next((child.fixed[0] for key, child in children if key == "commands"), ())
        box = next((child for key, child in children if key == "boxes"), None)
        keys = tuple(self.security_key(child) for key, child in children if key == "key")
        form = box and tuple(box.value(word, 0) for word in ("overhead", "nonce", "key"))
        mechanism = m.Mechanism(name.text, name.text, tuple((w.text, w.where) for w in commands), keys=keys, box=form,
                                **self.told(found, name))
        self.put(self.mechanisms, mechanism, name.text, "mechanism")

    def unit_status(self, found):
        number, event = found.fixed
        if event.text not in m.ZAP:
            self.unknown(event, "event of ZAP", m.ZAP)
        if number.value in self.statuses:
            self.refuse(number.where, "duplicate", f"status {number.value} is already "
                        f"{self.statuses[number.value].event}; keep one line")
        self.statuses[number.value] = m.Status(number.value, event.text, found.doc, where=number.where, at=found.at)

    def security_key(self, found):
        name, owner = found.fixed
        return m.SecurityKey(name.text, owner.text, "connection" if "connection" in found else "long",
                             "symmetric" in found, found.texts("known"), found.doc, where=name.where,
                             at={**found.at, "owner": owner.where})

    def box(self, found, rule, kind, mechanism):
        """The inside of a field that is a box, or None after a refusal."""
        words = ("with",) if kind == "secretbox" else ("from", "to")
        for need in (*words, "nonce"):
            if need not in found:
                self.refuse(found.statement.where, "unknown-word", f"'{found.first.text}' needs the word "
                            f"'{need}' behind '{kind}'", rule)
                return None
        prefix, nonce = found["nonce"]
        return m.Box(rule, found[words[0]].text, found.text("to"), prefix.value, found.value("back", ""), nonce.text,
                     self.fields(found.statement.children, "command", rule, mechanism), self.origin,
                     where=found.statement.where, at=found.at)

    def box_size(self, box, mechanism):
        """(least, most) octets on the wire; most is None where what is inside varies."""
        form = self.mechanisms[mechanism].box if mechanism in self.mechanisms else None
        low = sum(least(field) for field in box.fields) + (form[0] if form else 0)
        return low, None if any(varies(field) for field in box.fields) else low


# --- which names a command may have ----------------------------------------------------------------


Alias = namedtuple("Alias", "quirk octets command")     # what a quirk lets in for the head of a lowered command


@dataclass(frozen=True)
class Scope:
    """One table of names: a mechanism's handshake, its own traffic, or the traffic that mechanisms share."""
    name: str
    commands: tuple          # lowered
    aliases: tuple

    @property
    def enum(self):
        return "MCQ_SCOPE_" + self.name.upper()


def scopes(protocol):
    """Traffic first, then each mechanism's handshake, and its traffic where it has commands of its own for it."""
    lowered = {command.command.id: command for command in lower.commands(protocol)}

    def scope(name, commands, mechanism=""):
        mine = {f"{mechanism}.{command.name}": lowered[command.id] for command in commands}
        aliases = [Alias(q.name, q.accept.to_bytes((q.accept.bit_length() + 7) // 8, "big"), mine[q.on])
                   for q in protocol.quirks.values() if q.on in mine and q.accept is not None]
        return Scope(lower.c_name(name), tuple(mine.values()), tuple(aliases))

    found = [scope("traffic", [c for c in protocol.commands.values() if c.phase == "traffic" and not c.mechanism])]
    for name, mechanism in protocol.mechanisms.items():
        own = [protocol.command_of(name, command) for command, _ in mechanism.commands]
        found += [scope(name + end, commands, name) for phase, end in (("handshake", ""), ("traffic", "_traffic"))
                  if (commands := [command for command in own if command.phase == phase])]
    return found


def command_enum(protocol, machine, name):
    """The command that a machine's mechanism calls so."""
    return "MCQ_COMMAND_" + lower.c_enum(protocol.command_of(machine.mechanism, name).id)


# --- boxes -----------------------------------------------------------------------------------------


def key_enum(mechanism, key):
    """A name of C for a key: C' is C_PRIME."""
    return f"MCQ_KEY_{lower.c_enum(mechanism)}_{lower.c_enum(key.replace(chr(39), '_prime'))}"


Place = namedtuple("Place", "name field at octets")    # of the constants; the model's; offset; the least octets
# A command of a mechanism with keys, or what is in a box, whose own place and nonce's are in what it lies in.
Inside = namedtuple("Inside", "unit mechanism box nonce places octets varies")


def insides(protocol):
    """The places of every field of the mechanisms with keys: commands, each followed by its boxes, outer ones first."""
    def walk(unit, mechanism, start, box, nonce):
        places, at = [], start
        for field in unit.fields:
            places.append(Place("MCQ_" + lower.c_enum(field.id), field, at, least(field)))
            at += least(field)
        found.append(Inside(unit, mechanism, box, nonce, tuple(places), at, any(varies(f) for f in unit.fields)))
        for place in places:
            if place.field.box:
                carrier = next(p for p in places if p.field.name == place.field.box.nonce)
                walk(place.field.box, mechanism, 0, place, carrier)

    found = []
    for command in protocol.commands.values():
        mechanism = protocol.mechanisms.get(command.mechanism)
        if mechanism and mechanism.keys:
            walk(command, mechanism, 1 + len(command.name), None, None)
    return found
