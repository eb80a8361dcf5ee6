"""Names: each one used is defined, each one defined is used, no two look alike."""

from gen.match import nearest
from gen.model import ZAP, place, units

LENGTHS = ("u8", "u16be", "u32be", "u64be")
SIGNALS = ("other", "malformed", "sent", "timer", *ZAP)    # what a machine sees besides its mechanism's commands
EVERY_COMMAND = ("command.flags",)                   # a rule of no layout: the frame's flags as a command reads them
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
    resolve(references(protocol), protocol, problems)
    if not problems:
        unused(protocol, problems)


def resolve(found, protocol, problems):
    for word, where, what, known, rule in found:
        if word not in known and word not in protocol.refused:
            problems.add(where, "unknown-name", f"no {what} is called '{word}'" + nearest(word, known), rule)


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


def references(protocol):
    """(name, where, what it should be, the known ones, rule) of everything that refers to something else."""
    for unit in units(protocol):
        for item in unit.fields:
            rule = about(item.id, unit)
            if item.length:
                yield item.length, place(item, "length"), "integer", LENGTHS, rule
            for quirk in item.quirks:
                yield quirk, place(item, f"quirk {quirk}"), "quirk", protocol.quirks, rule
            if item.counts:
                yield item.counts, place(item, "counts"), "field", [other.name for other in unit.fields], rule
            if item.reserved_quirk:
                yield item.reserved_quirk, place(item, "reserved quirk"), "quirk", protocol.quirks, rule
            for part in (*item.bits, *item.keys):
                if part.quirk:
                    yield part.quirk, place(part, "quirk"), "quirk", protocol.quirks, rule
            for bit in item.bits:
                if bit.excludes:
                    yield bit.excludes, place(bit, "excludes"), "bit", [b.name for b in item.bits], rule
    known = rules(protocol)
    for quirk in protocol.quirks.values():
        if not protocol.refused.intersection(quirk.on.split(".")):
            yield quirk.on, place(quirk, "on"), "rule", known, quirk.id
    for detect in protocol.detects.values():
        family = [unit for unit in protocol.layouts.values() if unit.id.startswith(detect.id + ".")]
        if not family and not any(word.startswith(detect.id + ".") for word in protocol.refused):
            known = [name.rpartition(".")[0] for name in protocol.layouts if "." in name]
            yield detect.id, detect.where, "layout of several versions", known, about(detect.id, detect)
        if family:
            yield from detection(detect, family, protocol)
    for mechanism in protocol.mechanisms.values():
        known = [command.name for command in protocol.commands.values() if command.mechanism in ("", mechanism.name)]
        for name, where in mechanism.commands:
            yield name, where, "command", known, about(mechanism.id, mechanism)
        for key in mechanism.keys:
            for role, word in ((key.owner, "owner"), *((role, f"known {role}") for role in key.known)):
                yield role, place(key, word), "role", ("client", "server"), about(mechanism.id, mechanism)
    for command in protocol.commands.values():
        if command.mechanism:
            yield command.mechanism, place(command, "of"), "mechanism", protocol.mechanisms, about(command.id, command)
        for role in command.senders:
            yield role, place(command, f"from {role}"), "role", ("client", "server"), about(command.id, command)
    for command in protocol.commands.values():
        for name in command.before_senders:
            yield (name, command.before_at.get(f"from {name}", command.where), "socket type", protocol.sockets,
                   about(command.id, command))
    keys = [key.name for unit in units(protocol) for item in unit.fields for key in item.keys]
    for socket in protocol.sockets.values():
        for peer in socket.peers:
            yield peer, place(socket, f"peers {peer}"), "socket type", protocol.sockets, socket.id
        for key in socket.sends:
            yield key, place(socket, f"sends {key}"), "property", [*keys, "nothing"], socket.id
        if socket.mute:
            yield socket.mute, place(socket, "mute"), "policy", ["block", "drop"], socket.id
    for machine in protocol.machines.values():
        yield from machine_references(machine, protocol)


def detection(detect, layouts, protocol):
    rule = about(detect.id, detect)
    forms = [*(unit.id.partition(".")[2] for unit in layouts), *detect.replay]
    streams = [unit.id for unit in protocol.layouts.values() if unit.form == "stream"]
    mine = [item.name for unit in layouts for item in unit.fields]
    for part in (*detect.stages, *(branch for stage in detect.stages for branch in stage.branches)):
        for name in part.fields:
            yield name, place(part, f"send {name}"), "field", mine, rule
    for branch in (branch for stage in detect.stages for branch in stage.branches):
        yield branch.target, place(branch, "target"), "form", ["next", *forms], rule
        if branch.frames:
            yield branch.frames, place(branch, "frames"), "stream", streams, rule
    for name in detect.identity:
        yield name, place(detect, f"identity {name}"), "form", forms, rule
    for refusal in detect.refusals:
        for name in refusal.forms:
            yield name, place(refusal, f"refuse {name}"), "form", forms, rule
        if refusal.unless:
            yield refusal.unless, place(refusal, "unless"), "mechanism", protocol.mechanisms, rule
        if refusal.condition:
            yield refusal.condition, place(refusal, "if"), "condition", ["zap_domain"], rule


def machine_references(machine, protocol):
    rule = about(machine.id, machine)
    yield machine.mechanism, machine.where, "mechanism", protocol.mechanisms, rule
    mechanism = protocol.mechanisms.get(machine.mechanism)
    commands = [name for name, _ in mechanism.commands] if mechanism else [*machine.events]
    states = [state.name for state in machine.states]
    targets = [*states, machine.accept, machine.reject]
    yield machine.start, place(machine, "start"), "state", states, rule
    for event in machine.events:
        yield event, place(machine, f"events {event}"), "event", [*commands, *SIGNALS], rule
    for event in machine.require:
        yield event, place(machine, f"require {event}"), "event", machine.events, rule
    for state in machine.states:
        if state.asks:
            yield state.asks, place(state, "asks"), "authority", ["zap"], rule
        if state.sends:
            yield state.sends, place(state, "sends"), f"command of {machine.mechanism}", commands, rule
        for answer in state.answers:
            yield answer.target, place(answer, "target"), "state", targets, rule
            if answer.else_target:
                yield answer.else_target, place(answer, "else"), "state", targets, rule


def rules(protocol):
    """All that a quirk may be about."""
    found = list(EVERY_COMMAND)
    for unit in units(protocol):
        found.append(unit.id)
        found += [item.id for item in unit.fields]
        found += [f"{item.id}.{key.name}" for item in unit.fields for key in item.keys]
    found += [f"{mechanism.id}.{name}" for mechanism in protocol.mechanisms.values() for name, _ in mechanism.commands]
    for machine in protocol.machines.values():
        found += [machine.id, *(f"{machine.id}.{state.name}" for state in machine.states)]
    return found


def unused(protocol, problems):
    """What nothing refers to is a mistake or a leftover. A limit with defaults of its own is read by the profiles."""
    every = [item for unit in units(protocol) for item in unit.fields]
    named = {word.split()[-1] for item in every for part in (item, *item.keys) for word in part.at if " " in word}
    tables = (("charset", protocol.charsets, {item.chars for item in every}),
              ("struct", protocol.structs, {item.type for item in every}),
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
