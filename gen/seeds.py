"""What a fuzzer begins with: a dictionary, and as seeds every known case and whole conversations of a peer."""

import re

from gen import cases, detect, lower, security

LARGEST = 4096            # octets of a seed: a fuzzer mutates small ones better


def tokens(protocol):
    """(rule id, octets) of the dictionary: what a peer has to say exactly, and the edges of every length."""
    edges = {(width, value % 256 ** width) for width in (1, 2, 4, 8) for value in (-1, 0, 1, 2 ** (8 * width - 1))}
    found = [(mechanism.id, mechanism.name.encode()) for mechanism in protocol.mechanisms.values()]
    for item in [*protocol.commands.values(), *protocol.sockets.values(),
                 *(key for command in protocol.commands.values() for field in command.fields for key in field.keys)]:
        name, rule = item.name.encode(), getattr(item, "id", f"property.{item.name}")
        found += [(rule, name), (f"{rule}.counted", bytes([len(name)]) + name)]
    found += [(f"{command.id}.message", bytes([command.before_octet])) for command in protocol.commands.values()
              if command.before_octet is not None]
    for layout in protocol.layouts.values():
        for field in layout.fields:
            found += [(field.id, bytes([octet])) for octet in (field.value, field.send) if isinstance(octet, int)]
            found += [(f"{field.id}.{bit.name}", bytes([1 << bit.number])) for bit in field.bits]
            edges |= {(lower.WIDTHS[field.type], edge) for edge in field.range or () if field.type in lower.WIDTHS}
    for item in [*protocol.commands.values(), *protocol.structs.values()]:
        for element in lower.elements(item, protocol):
            bounds = (element.low, element.high, element.high and element.high + 1)
            found += [(f"{element.field.id}.{edge}", edge.to_bytes(element.width, "big"))
                      for edge in bounds if edge is not None and element.width and edge < 256 ** element.width]
    found += [(f"edge.{8 * width}.{value}", value.to_bytes(width, "big")) for width, value in sorted(edges)]
    first = {octets: name for name, octets in reversed(found)}
    return [(lower.c_name(name), octets) for name, octets in found if first[octets] == name]


def framed(framing, body, flags=0):
    """A frame of any framing."""
    size, long = len(body) + framing.counted, len(body) > framing.short_most
    octets = size.to_bytes(8 if long else 1, "big")
    if framing.marker is not None:
        return bytes([framing.marker] * long) + octets + bytes([flags | framing.reserved]) + body
    return bytes([flags | framing.reserved | long * bit(framing, framing.long.condition[0])]) + octets + body


def bit(framing, name):
    return sum(1 << b.number for b in framing.flags.bits if b.name == name)


def ways(machine):
    """(state, commands sent on the shortest way there) of the states that end a handshake, well or not."""
    at = {machine.start: ()}
    for name in (queue := [machine.start]):
        for state in [state for state in machine.states if state.name == name]:
            sent = at[name] + ((state.sends,) if state.sends else ())
            targets = [target for a in state.answers for target in (a.target, a.else_target) if target]
            if set(targets) == {machine.reject}:
                yield name, sent
            for target in targets:
                if target not in (*at, machine.reject):
                    at[target] = sent
                    queue.append(target)
    yield machine.accept, at[machine.accept]


class Seeds(cases.Cases):
    """Seeds by face; those of a case are the octets that it must answer."""

    def said(self, name, kind):
        """A handshake's command at its least, with the socket type in its metadata."""
        command = next(c for c in lower.commands(self.p) if c.command.id == name)
        key = next(key for c in self.p.commands.values() for f in c.fields for key in f.keys if key.among_sockets)
        takes = any(e.is_records and e.kind == "rest" for e in command.elements)
        typed = self.property(key.name.encode(), kind.encode()) * takes
        return self._head(command) + self.body(command.elements) + typed

    def traffic(self, framing):
        commands = [self.said(c.command.id, "") for c in security.scopes(self.p)[0].commands]
        mine = [framed(framing, body, bit(framing, "command")) for body in commands] if bit(framing, "command") else []
        return b"".join([*mine, framed(framing, b"part", bit(framing, "more")), framed(framing, b"\x01" * 300)])

    def frame(self):
        for framing in [lower.Framing(layout) for layout in self.p.layouts.values() if layout.form == "stream"]:
            name = framing.layout.id
            for size in (0, 1, framing.short_most, framing.short_most + 1):
                yield f"{name} of {size}", framed(framing, b"Z" * size) * 2
            for form in framing.forms:
                for octet in (min(form.octets), max(form.octets)):
                    yield f"{name} {form.name} {octet:02x}", framed(framing, b"", octet) + b"\0" * 8
            yield f"{name} traffic", self.traffic(framing)
        yield from ((case.name, case.octets) for case in self.frames())

    def session(self):
        decision, socket = self.p.detects["greeting"], next(iter(self.p.sockets.values()))
        layouts = detect.family(self.p, decision)
        for number, (branches, _) in enumerate(detect.paths(decision)):
            last, stages = branches[-1][1], {stage.octet: stage for stage in decision.stages}
            framing = lower.Framing(self.p.layouts[last.frames])
            octets = bytearray(self.greeting_octets() if last.target in layouts else b"")
            octets[:] = octets[:layouts[last.target].form] if last.target in layouts else octets
            for at, branch in branches if octets else ():
                taken = dict(zip(stages[at].branches, detect.taken(stages[at].branches)))[branch]
                octets[at] = octets[at] if octets[at] in taken else min(taken)
            name = f"{number} {last.speaks}"
            if last.target in decision.identity:
                yield name, bytes(octets) + framed(framing, b"") + self.traffic(framing)
                continue
            for machine in self.p.machines.values():
                mechanism = next(row for row in lower.fixed_fields(layouts[last.target], self.p)
                                 if row.field.send == "mechanism")
                octets[mechanism.offset:mechanism.offset + mechanism.octets] = machine.mechanism.encode().ljust(
                    mechanism.octets, b"\0")
                for state, commands in ways(machine):
                    for kind in self.p.sockets.values() if state == machine.accept else [socket]:
                        said = [self.said(self.p.command_of(machine.mechanism, c).id, kind.name) for c in commands]
                        yield (f"{name} {machine.id} {state} {kind.name}", bytes(octets) + b"".join(
                            framed(framing, body, bit(framing, "command")) for body in said) + self.traffic(framing))

    def files(self):
        """name -> octets of every seed, none of them twice in a face."""
        metadata = self.metadata() + self.ready()[1]
        faces = {face: [(case.name, case.octets) for case in known] for face, known in
                 (("greeting", self.greeting()), ("command", self.command()), ("metadata", metadata))}
        found = {}
        for face, known in {**faces, "frame": self.frame(), "session": self.session()}.items():
            first = {octets: name for name, octets in reversed([*known])}
            for octets, name in first.items():
                path = f"fuzz/seeds/{face}/{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}"
                path += "_again" * (path in found)
                if 0 < len(octets) <= LARGEST and path not in found:
                    found[path] = octets
        return found
