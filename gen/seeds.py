"""Inputs for the fuzz targets: a dictionary, and seeds for each face, from the model and the known answers.

An input is two octets that choose, then what a peer sends. By face, the first chooses the framing, the scope of names,
our socket type, or the machine of a session; the second the quirks, or in a session our socket type. fuzz/seeds.txt
holds them as lines, which fuzz/unpack.py turns into files."""

import re

from gen import detect, lower, security, tables
from gen.cases import Case, Cases, frame_head

SEED_MOST = 2048                 # octets; longer ones slow a fuzzer down, and its mutator makes them anyway
QUIRKS_NONE, QUIRKS_ALL = 0, 3   # of the targets' none, native, compat, all


def edges(low, high, width=8):
    """The values around both ends that so many octets can hold."""
    near = {low - 1, low, low + 1, high - 1, high, high + 1}
    return sorted(value for value in near if 0 <= value < 256 ** width)


class Seeds(Cases):
    """Inputs as (face, name, octets); names begin with the rule that an input breaks or holds."""

    def __init__(self, protocol):
        super().__init__(protocol)
        self.framings = [lower.Framing(layout) for layout in sorted(protocol.layouts.values(), key=lambda x: x.id)
                         if layout.form == "stream"]
        self.scopes = security.scopes(protocol)
        self.machines = list(protocol.machines.values())
        self.sockets = sorted(protocol.sockets.values(), key=lambda socket: socket.code)
        self.kind = next(key for field in protocol.commands["READY"].fields for key in field.keys if key.among_sockets)

    def all(self):
        """Every seed that is not too long, with a file name of its own."""
        found = {}
        for face, name, octets in (*self.plain(), *self.tables(), *self.sessions()):
            if len(octets) <= SEED_MOST:
                slug = re.sub(r"[^A-Za-z0-9.=-]+", "_", name).strip("_")
                found.setdefault(f"{face}/{slug}", octets)
        return sorted(found.items())

    def plain(self):
        """What decoders are tested with, each with the quirks it needs."""
        own, ready = self.ready()
        faces = [("greeting", 0, self.greeting()), ("metadata", 0, self.metadata()),
                 ("metadata", self.p.sockets[own].code, ready)]
        faces += [("frame", index, [*self.frames(framing), *self.flags(framing)])
                  for index, framing in enumerate(self.framings)]
        faces += [("command", index, [case for case in self.command() if case.scope == scope.enum])
                  for index, scope in enumerate(self.scopes)]
        for face, choice, cases in faces:
            for case in cases:
                unit = self.framings[choice].layout.id if face == "frame" else ""
                rule = case.rule if case.rule not in case.name and case.rule != "unknown" else ""
                head = bytes([choice, QUIRKS_ALL if case.quirks else QUIRKS_NONE])
                yield face, f"{rule or unit} {case.name}", head + case.octets

    def flags(self, framing):
        """A frame with each flags octet that needs another set of quirks."""
        firsts = {quirks: octet for octet, quirks in reversed(self.flag_octets(framing))}
        for quirks, octet in firsts.items():
            head = frame_head(framing, octet, 1, framing.marker is None and bool(octet & framing.long_lead))
            yield Case(f"{framing.flags.id} {octet:#04x}", head + b"a", quirks=quirks)

    def tables(self):
        """Messages of frames, whose choice is which of them; texts of each alphabet."""
        exchange = tables.Exchange(self.p, "zap")
        for index, message in enumerate(exchange.messages):
            for name, frames, quirks, _, rule in exchange.cases(message):
                octets = b"".join(frame_head(self.framings[-1], 0, len(frame)) + frame for frame in frames)
                yield exchange.name, f"{rule or message.id} {name}", bytes([index, QUIRKS_ALL * bool(quirks)]) + octets
        for alphabet in self.p.alphabets.values():
            text, edge = alphabet.example[0], 256 ** alphabet.octets
            texts = [text, text[1:], text + " " * alphabet.letters,
                     *(tables.group_digits(alphabet, value) for value in (0, edge - 1, edge))]
            for said in texts:
                yield lower.c_name(alphabet.name), f"{alphabet.name} {said.encode().hex()}", bytes(2) + said.encode()

    # --- conversations ------------------------------------------------------------------------

    def typed(self, socket):
        return self.property(self.kind.name.encode(), socket.encode())

    def sample(self, command):
        """A command as a peer that our first type talks to would send it."""
        return self.head(command) + b"".join(self.typed(self.sockets[0].peers[0]) if element.is_records
                                             else self.body([element]) for element in command.elements)

    def framed(self, framing, octets):
        return frame_head(framing, framing.command, len(octets)) + octets

    def traffic(self, framing, older):
        """Messages, then every command, or what stands for one."""
        out = frame_head(framing, 1, 0) + frame_head(framing, 0, 5) + b"hello"
        for command in self.scopes[0].commands:
            if not older:
                out += self.framed(framing, self.sample(command))
            elif command.command.before_octet is not None:
                out += frame_head(framing, 0, 2) + bytes([command.command.before_octet]) + b"t"
        return out

    def path(self, machine):
        """(state, event) pairs on the shortest way to acceptance."""
        states, front = {state.name: state for state in machine.states}, [(machine.start, ())]
        for name, way in front:
            if name == machine.accept:
                return way
            if name in states and len(way) < len(states) + 1:
                front += [(step.target, (*way, (name, step.event))) for step in lower.steps(machine, states[name])]
        return ()

    def sessions(self):
        """Each version's conversation; each machine's, and each state of it with every command it does not want and
        with each rule of its own broken; each frame and command of the traffic."""
        known, newest = self.command(), self.framings[-1]
        own = {command.mechanism for command in self.p.commands.values()}
        plainest = next(machine for machine in self.machines if machine.mechanism not in own)
        for index, machine in enumerate(self.machines):
            choice = bytes([index, self.sockets[0].code])
            start = choice + self.greeting_octets("v3", machine.mechanism)
            scope = next(s for s in self.scopes if s.name == lower.c_name(machine.mechanism))
            mine = {command.command.name: command for command in scope.commands}
            so_far = start
            for state, event in self.path(machine):
                if event not in mine:
                    continue
                rule, prefix = f"{machine.id}.{state}", so_far
                so_far += self.framed(newest, self.sample(mine[event]))
                for name, command in mine.items():
                    if name != event:
                        yield "session", f"{rule} {name}", prefix + self.framed(newest, self.sample(command))
                for case in known:
                    if case.scope == scope.enum and case.octets.startswith(self.head(mine[event])):
                        yield "session", f"{rule} {case.name}", prefix + self.framed(newest, case.octets)
            yield "session", machine.id, so_far + self.traffic(newest, False)
            if machine is not plainest:
                continue
            for case in self.frames(newest):
                yield "session", f"{newest.layout.id} {case.name}", so_far + case.octets
            for case in known:
                if case.scope == self.scopes[0].enum:
                    yield "session", case.name, so_far + self.framed(newest, case.octets)
            for taken, _ in detect.paths(self.detect):
                yield from self.version(taken, choice, so_far[len(start):])

    def version(self, taken, choice, handshake):
        """The conversation behind one way through the decision, and its first frame's rules broken."""
        last = taken[-1][1]
        framing = next(f for f in self.framings if f.layout.id == last.frames)
        older, greeting = last.target in self.detect.identity, bytearray(
            self.greeting_octets(last.target) if last.target in self.layouts else b"")
        for octet, branch in taken:
            fits = next(row.octets for row in self.decisions if row.branch is branch)
            if greeting and greeting[octet] not in fits:
                greeting[octet] = min(fits)
        if greeting and older:
            greeting[-1] = self.p.sockets[self.sockets[0].peers[0]].code
        firsts = [("", handshake)]
        if older:
            key = next(key for field in self.p.commands["READY"].fields for key in field.keys if key.size)
            firsts = [(what, frame_head(framing, more, len(said)) + said) for what, more, said in (
                ("", 0, b"me"), (" MORE", 1, b"me"), (f" {key.name} too long", 0, b"a" * (key.size[1] + 1)),
                (f" {key.name} begins", 0, bytes([key.forbid_first]) + b"me"))]
        for what, first in firsts:
            yield ("session", f"{self.detect.id}.{last.target} {last.speaks}{what}",
                   choice + bytes(greeting) + first + self.traffic(framing, older))


def entry(rule, octets):
    """A line of the dictionary, whose names are of letters, digits and underscores."""
    return f'{lower.c_name(rule)}="{"".join(f"{chr(92)}x{octet:02x}" for octet in octets)}"'
