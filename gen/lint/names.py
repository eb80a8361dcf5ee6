"""Names: each one used is defined, each one defined is used, no two look alike."""

from gen.lint import references
from gen.lint.references import SIGNALS
from gen.model import place, units

HOLDS_BACK = {"unreadable", "unclosed", "unknown-word", "unknown-name", "duplicate", "ambiguous"}


def about(item_id, unit):
    """The rule a refusal concerns, with where the protocol says so."""
    return f"{item_id} ({unit.source})" if unit.source else item_id


def settled(items, problems):
    """The items whose words and names are understood: about the others, more refusals would be echoes."""
    doubts = [p.where for p in problems.items if p.lint in HOLDS_BACK]
    return [item for item in items if not any(
        doubt.file == item.where.file and item.where.line <= doubt.line <= item.at["end"].line for doubt in doubts)]


def check(protocol, problems):
    for unit in units(protocol):
        fields(unit, problems)
    for machine in protocol.machines.values():
        twice(machine.events, machine, "events", "event", about(machine.id, machine), problems)
    for table in (protocol.charsets, protocol.limits, protocol.structs, protocol.commands):
        look_alikes(table, problems)
    references.check(protocol, problems)
    if not problems:
        unused(protocol, problems)


def fields(unit, problems):
    """Two fields of a name are one field in two forms, if a flag decides between them."""
    first = {}
    for item in unit.fields:
        rival = first.setdefault(item.name.lower(), item)
        if rival is not item and not opposite(rival, item):
            same = rival.name == item.name and not (rival.condition and item.condition)
            problems.add(item.where, "duplicate" if same else "ambiguous",
                         f"field '{item.name}' is already defined at {rival.where}; rename one of them"
                         + ("" if same else " or give them opposite conditions"), about(item.id, unit))
        names(item.bits, "bit", about(item.id, unit), problems)
        names(item.keys, "key", about(item.id, unit), problems)


def opposite(one, other):
    return (one.name == other.name and one.condition and other.condition
            and one.condition[0] == other.condition[0] and one.condition[1] != other.condition[1])


def names(items, what, rule, problems):
    first = {}
    for item in items:
        rival = first.setdefault(item.name.lower(), item)
        if rival is not item:
            lint = "duplicate" if rival.name == item.name else "ambiguous"
            problems.add(place(item, "name"), lint,
                         f"{what} '{item.name}' is already defined at {place(rival, 'name')}; rename one of them", rule)


def look_alikes(table, problems):
    """What is generated writes names in capitals or small: two that differ by case alone would be one there."""
    first = {}
    for name, item in table.items():
        rival = first.setdefault(name.lower(), item)
        if rival is not item:
            problems.add(item.where, "ambiguous",
                         f"'{name}' differs from the name at {rival.where} by case alone; rename one of them", name)


def twice(words, item, option, what, rule, problems):
    for index, word in enumerate(words):
        if word in words[:index]:
            problems.add(place(item, f"{option} {word}"), "duplicate",
                         f"{what} '{word}' stands twice in this line; keep one", rule)


def unused(protocol, problems):
    """What nothing refers to is a mistake or a leftover. A limit with defaults of its own is read by the profiles, and
    a struct that goes on to the end, as a datagram, is in nothing else."""
    every = [item for unit in units(protocol) for item in unit.fields]
    named = {word.split()[-1] for item in every for part in (item, *item.keys) for word in part.at if " " in word}
    tables = (("charset", protocol.charsets, {item.chars for item in every}),
              ("struct", {name: struct for name, struct in protocol.structs.items()
                          if not any(item.rest for item in struct.fields)}, {item.type for item in every}),
              ("limit", {name: limit for name, limit in protocol.limits.items()
                         if not {"native", "compat"} & limit.at.keys()}, named))
    for what, table, uses in tables:
        for name in table:
            if name not in uses:
                problems.add(table[name].where, "unused", f"no field refers to {what} '{name}'; use it, or take it out",
                             name)
    for machine in protocol.machines.values():
        answered = {answer.event for state in machine.states for answer in state.answers}
        for event in machine.events:
            if event not in answered and event not in SIGNALS:
                problems.add(place(machine, f"events {event}"), "unused",
                             f"no state answers '{event}' by name; answer it, or leave it to 'other'",
                             about(machine.id, machine))
