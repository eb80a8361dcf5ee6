"""Tables: versions, socket types, quirks, profiles' defaults; and that every unit has a source."""

from types import SimpleNamespace

from gen.lint.bounds import show
from gen.lint.names import about, settled
from gen.model import place


def check(protocol, problems):
    sources(protocol, problems)
    versions(protocol, problems)
    for _ in settled(socket_unit(protocol), problems):
        sockets(protocol, problems)
    for quirk in settled(protocol.quirks.values(), problems):
        if quirk.default not in ("strict", "compat"):
            problems.add(place(quirk, "default"), "default-out-of-range",
                         f"'{quirk.default}' is no reading of this quirk; the default is strict or compat", quirk.id)
    for limit in protocol.limits.values():
        defaults(limit, problems)


def sources(protocol, problems):
    for table in (protocol.layouts, protocol.structs, protocol.commands, protocol.mechanisms, protocol.machines,
                  protocol.detects, protocol.messages, protocol.alphabets):
        for unit in settled(table.values(), problems):
            if not unit.source:
                problems.add(unit.where, "no-source", f"'{unit.id}' does not say where the protocol says so; "
                             "add 'source \"RFC ...\"'", unit.id)
    for unit in settled(socket_unit(protocol), problems):
        if not protocol.socket_source:
            problems.add(unit.where, "no-source",
                         "the socket types do not say where the protocol says so; add 'source \"RFC ...\"'", "sockets")


def socket_unit(protocol):
    """The table as the one unit it is in the file, where there is one."""
    if "sockets" in protocol.at:
        yield SimpleNamespace(where=protocol.at["sockets"], at={"end": protocol.at["sockets end"]})


def number(version):
    return tuple(int(part) for part in version.split("."))


def versions(protocol, problems):
    ordered = protocol.versions
    for before, after in zip(ordered, ordered[1:]):
        if number(after) <= number(before):
            problems.add(protocol.at[f"versions {after}"], "bad-version",
                         f"{after} does not come after {before}; list the versions oldest first, each once", "versions")
    first = {}
    for command in settled(protocol.commands.values(), problems):
        if command.before_octet is None:
            continue
        rule = about(command.id, command)
        if ordered and command.since == ordered[0]:
            problems.add(place(command, "before"), "bad-version",
                         f"no peer is older than {command.since}, since when '{command.name}' exists; take it out",
                         rule)
        rival = first.setdefault(command.before_octet, command)
        if rival is not command:
            problems.add(place(command, "before"), "code-taken",
                         f"messages that begin with {command.before_octet:#04x} are already {rival.name}, at "
                         f"{place(rival, 'before')}; choose another octet", rule)


def sockets(protocol, problems):
    first = {}
    for socket in protocol.sockets.values():
        if socket.code < 0:
            problems.add(socket.where, "unknown-word", f"'{socket.name}' needs 'code NUMBER'", socket.id)
            continue
        if socket.code > 255:
            problems.add(place(socket, "code"), "overflow",
                         f"code {socket.code} does not fit the octet ZMTP 2.0 has for it (at most 255)", socket.id)
        if socket.since and socket.since not in protocol.versions:
            problems.add(place(socket, "since"), "bad-version", f"{socket.since} is not among the versions "
                         f"{', '.join(protocol.versions)}; take one of them, or add it there", socket.id)
        rival = first.setdefault(socket.code, socket)
        if rival is not socket:
            problems.add(place(socket, "code"), "code-taken",
                         f"code {socket.code} is {rival.name}'s, at {rival.where}; choose another", socket.id)
        for name in filter(protocol.sockets.get, socket.peers):     # others are refused already
            peer = protocol.sockets[name]
            if socket.name not in peer.peers:
                problems.add(place(socket, f"peers {name}"), "one-sided-peer",
                             f"{socket.name} talks to {name}, but {name} does not talk to {socket.name}; "
                             f"name {socket.name} at {peer.where} too, or take {name} out here", socket.id)
    senders(protocol, problems)


def senders(protocol, problems):
    """Who sends a property stands at the property and at the socket type; both must say the same."""
    for command in settled(protocol.commands.values(), problems):
        for key in (key for item in command.fields for key in item.keys if not key.among_sockets):
            for socket in protocol.sockets.values():
                if (key.name in socket.sends) != (socket.name in key.senders):
                    here, there = (socket, key) if key.name in socket.sends else (key, socket)
                    word = f"sends {key.name}" if here is socket else f"send {socket.name}"
                    problems.add(place(here, word), "one-sided-send",
                                 f"{socket.name} sends {key.name} by this line, but not by {there.where}; "
                                 "name it in both, or in neither", socket.id)


def defaults(limit, problems):
    for profile, value in (("native", limit.native), ("compat", limit.compat)):
        if not 0 < value <= limit.value and limit.value > 0:
            problems.add(place(limit, profile), "default-out-of-range",
                         f"the {profile} default {value} is not within 1..{show(limit.value)}; choose one that is, or "
                         "raise the ceiling", limit.id)
