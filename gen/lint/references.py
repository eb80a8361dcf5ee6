"""References: every name that stands for something else is the name of something."""

from gen import lower, vocab
from gen.detect import family
from gen.match import nearest
from gen.model import ZAP, Field, Placed, place, units

LENGTHS = ("u8", "u16be", "u32be", "u64be")
ROLES = ("client", "server")
SIGNALS = ("other", "malformed", "sent", "timer", *ZAP)    # what a machine sees besides its mechanism's commands
EVERY_COMMAND = ("command.flags",)                   # a rule of no layout: the frame's flags as a command reads them


class Owners:
    """An item with all that it is in: owners.Machine is the machine of a state or of one of its answers."""

    def __init__(self, *chain):
        self.chain, self.item = chain, chain[-1]
        for owner in chain:
            setattr(self, type(owner).__name__, owner)

    @property
    def rule(self):
        """The rule that a refusal concerns, with where the protocol says so."""
        named = [owner.id for owner in self.chain if hasattr(owner, "id")][-1]
        source = [owner.source for owner in self.chain if hasattr(owner, "source")][-1:]
        return f"{named} ({source[0]})" if any(source) else named

    def inner(self):
        """Itself, then all that is in it."""
        yield self
        for value in vars(self.item).values():
            for part in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]:
                if isinstance(part, Placed):
                    yield from Owners(*self.chain, part).inner()


def siblings(of):
    """Fields of the same unit, bits of the same field."""
    parent = of.chain[-2]
    return [other.name for other in (parent.bits if isinstance(parent, Field) else parent.fields)]


def layouts(of):
    """Those that a decision on versions is about. One without any has been refused for that, and that is enough."""
    return family(of.Protocol, of.Detect) or None


def commands(of):
    mechanism = of.Protocol.mechanisms.get(of.Machine.mechanism)
    return [name for name, _ in mechanism.commands] if mechanism else [*of.Machine.events]


def rules(of):
    """All that a quirk may be about, unless that may be what was refused."""
    if of.Protocol.refused.intersection(of.Quirk.on.split(".")):
        return None
    mechanisms = [f"{mechanism.id}.{name}" for mechanism in of.Protocol.mechanisms.values()
                  for name, _ in mechanism.commands]
    return [*EVERY_COMMAND, *(rule.id for rule in lower.rules(of.Protocol)), *mechanisms, *of.Protocol.machines]


# What a name may be one of; None: there is no telling.
LISTS = {
    "quirks": lambda of: of.Protocol.quirks,
    "mechanisms": lambda of: of.Protocol.mechanisms,
    "sockets": lambda of: of.Protocol.sockets,
    "sockets and raw ones": lambda of: (*of.Protocol.sockets, *vocab.RAW_SOCKETS),
    "properties": lambda of: [*(key.name for unit in units(of.Protocol) for item in unit.fields for key in item.keys),
                              "nothing"],
    "siblings": siblings,
    "sent fields": lambda of: layouts(of) and [item.name for unit in layouts(of).values() for item in unit.fields],
    "forms": lambda of: layouts(of) and [*layouts(of), *of.Detect.replay],
    "forms or next": lambda of: layouts(of) and ["next", *layouts(of), *of.Detect.replay],
    "streams": lambda of: [unit.id for unit in of.Protocol.layouts.values() if unit.form == "stream"],
    "rules": rules,
    "commands": commands,
    "commands and signals": lambda of: [*commands(of), *SIGNALS],
    "events": lambda of: of.Machine.events,
    "states": lambda of: [state.name for state in of.Machine.states],
    "ends and states": lambda of: [*(state.name for state in of.Machine.states), of.Machine.accept, of.Machine.reject],
}
# Class, attribute -> the word that the name stands behind, what it has to be, and those there are, or the list of them.
REFERENCES = {
    ("Field", "length"): ("length", "integer", LENGTHS),
    ("Field", "quirks"): ("quirk {}", "quirk", "quirks"),
    ("Field", "counts"): ("counts", "field", "siblings"),
    ("Field", "reserved_quirk"): ("reserved quirk", "quirk", "quirks"),
    ("Field", "among"): ("among", "table", ("mechanisms", "statuses")),
    ("Field", "mechanism"): ("for", "mechanism", "mechanisms"),
    ("Bit", "quirk"): ("quirk", "quirk", "quirks"),
    ("Bit", "excludes"): ("excludes", "bit", "siblings"),
    ("Key", "quirk"): ("quirk", "quirk", "quirks"),
    ("Stage", "fields"): ("send {}", "field", "sent fields"),
    ("Branch", "fields"): ("send {}", "field", "sent fields"),
    ("Branch", "target"): ("target", "form", "forms or next"),
    ("Branch", "frames"): ("frames", "stream", "streams"),
    ("Detect", "identity"): ("identity {}", "form", "forms"),
    ("Refusal", "forms"): ("refuse {}", "form", "forms"),
    ("Refusal", "unless"): ("unless", "mechanism", "mechanisms"),
    ("Refusal", "condition"): ("if", "condition", ("zap_domain",)),
    ("SecurityKey", "owner"): ("owner", "role", ROLES),
    ("SecurityKey", "known"): ("known {}", "role", ROLES),
    ("Command", "mechanism"): ("of", "mechanism", "mechanisms"),
    ("Command", "senders"): ("from {}", "role", ROLES),
    ("Command", "before_senders"): ("before from {}", "socket type", "sockets"),
    ("Quirk", "on"): ("on", "rule", "rules"),
    ("Socket", "peers"): ("peers {}", "socket type", "sockets"),
    ("Socket", "sends"): ("sends {}", "property", "properties"),
    ("Socket", "mute"): ("mute", "policy", ("block", "drop")),
    ("Socket", "only"): ("only", "direction", ("send", "receive")),
    ("Option", "types"): ("of {}", "socket type", "sockets and raw ones"),
    ("Option", "only"): ("only", "access", ("set", "get")),
    ("Option", "binds"): ("when", "time", ("any", "later")),
    ("Machine", "mechanism"): ("mechanism", "mechanism", "mechanisms"),
    ("Machine", "start"): ("start", "state", "states"),
    ("Machine", "events"): ("events {}", "event", "commands and signals"),
    ("Machine", "require"): ("require {}", "event", "events"),
    ("State", "asks"): ("asks", "authority", ("zap",)),
    ("State", "sends"): ("sends", "command of {0.Machine.mechanism}", "commands"),
    ("Answer", "target"): ("target", "state", "ends and states"),
    ("Answer", "else_target"): ("else", "state", "ends and states"),
}


def references(protocol):
    """(name, where, what it should be, the known ones, rule) of everything that refers to something else."""
    for of in Owners(protocol).inner():
        kind = type(of.item).__name__
        for attribute, value in vars(of.item).items():
            word, what, known = REFERENCES.get((kind, attribute), ("", "", ()))
            names = value if isinstance(value, tuple) else (value,) if value else ()
            known = LISTS[known](of) if isinstance(known, str) and names else known
            for name in names if word and known is not None else ():
                yield name, place(of.item, word.format(name)), what.format(of), known, of.rule
        if kind in SPECIAL:
            yield from SPECIAL[kind](of)


def of_detect(of):
    if not layouts(of) and not any(word.startswith(of.item.id + ".") for word in of.Protocol.refused):
        known = [name.rpartition(".")[0] for name in of.Protocol.layouts if "." in name]
        yield of.item.id, of.item.where, "layout of several versions", known, of.rule


def of_mechanism(of):
    known = [command.name for command in of.Protocol.commands.values() if command.mechanism in ("", of.item.name)]
    for name, where in of.item.commands:
        yield name, where, "command", known, of.rule


def of_option(of):
    for name in of.item.excepted[1] if of.item.excepted else ():
        yield name, place(of.item, f"except {name}"), "socket type", LISTS["sockets and raw ones"](of), of.rule


def of_field(of):
    """A frame returns the one of its name in another message."""
    if hasattr(of, "Message") and of.item.echo:
        yield of.item.echo, place(of.item, "echo"), "message", of.Protocol.messages, of.rule
        if of.item.echo in of.Protocol.messages:
            known = [item.name for item in of.Protocol.messages[of.item.echo].fields]
            yield of.item.name, of.item.where, f"frame of {of.item.echo}", known, of.rule


SPECIAL = {"Detect": of_detect, "Mechanism": of_mechanism, "Option": of_option, "Field": of_field}


def check(protocol, problems):
    for word, where, what, known, rule in references(protocol):
        if word not in known and word not in protocol.refused:
            problems.add(where, "unknown-name", f"no {what} is called '{word}'" + nearest(word, known), rule)
