"""Keys: who seals a box can, who gets it can open it by then, no nonce counts twice, nothing secret is in clear."""

from gen.lint.names import about, settled
from gen.match import nearest
from gen.model import place, units
from gen.security import least, varies

ROLES = {"client": "server", "server": "client"}


def check(protocol, problems):
    for command in settled(protocol.commands.values(), problems):
        exact_size(command, problems)
        if not command.mechanism:
            Keys(None, protocol, problems).fields(command, command.fields, "client", True)
    for mechanism in settled(protocol.mechanisms.values(), problems):
        Keys(mechanism, protocol, problems).check()


def exact_size(command, problems):
    total = 1 + len(command.name) + sum(least(item) for item in command.fields)
    changing = [item.name for item in command.fields if varies(item)]
    if command.size is not None and (changing or total != command.size):
        said = f"'{changing[0]}' is not always of one size" if changing else \
            f"the name and the fields have {total} octets together, not {command.size}"
        problems.add(place(command, "size"), "size", f"{said}; write what they have, or take 'size' out",
                     about(command.id, command))


class Keys:
    """One mechanism's keys: its commands in their order, and what either side has learnt by each."""

    def __init__(self, mechanism, protocol, problems):
        self.mechanism, self.protocol, self.problems, self.nonces = mechanism, protocol, problems, {}
        self.keys = {key.name: key for key in mechanism.keys} if mechanism else {}
        self.known = {role: {(half, key.name) for key in self.keys.values() for half in ("public", "private")
                             if role == key.owner or half == "public" and role in key.known} for role in ROLES}

    def refuse(self, where, lint, message, item):
        self.problems.add(where, lint, message, about(item.id, self.unit))

    def check(self):
        mechanism = self.unit = self.mechanism
        own = [command for name, _ in mechanism.commands
               if (command := self.protocol.commands.get(f"{mechanism.id}.{name}"))]
        for command in own:
            for sender in [role for role in command.senders or ROLES if role in ROLES]:
                self.fields(command, command.fields, sender, True)
        traffic = [command for command in own if command.phase == "traffic"]
        if self.keys and not traffic:
            self.refuse(mechanism.where, "clear-after-accept", f"{mechanism.id} has keys, and yet its messages would "
                        "travel in clear; give it a command in traffic with a box", mechanism)
        for self.unit in settled(traffic, self.problems):
            nonces = [item.box.nonce for item in self.unit.fields if item.box]
            for item in self.unit.fields:
                if not item.box and item.name not in nonces:
                    self.refuse(place(item, "type"), "clear-after-accept", f"'{item.name}' of {self.unit.id} travels "
                                "in clear; put it into the box", item)

    def fields(self, unit, fields, sender, opens, echoed=False):
        """opens: the receiver can read them; echoed: the sender returns them as they came, and need not."""
        for index, item in enumerate(fields):
            self.unit, box = unit, item.box
            if item.echo:
                self.echo(item)
            uses = ([("from", box.sender), ("to", box.receiver)] if box.receiver else [("with", box.sender)]) \
                if box else [item.key] if item.key else []
            strange = [(word, name) for word, name in uses if name not in self.keys]
            for word, name in strange:
                self.refuse(place(item, word), "unknown-key", f"no key of this mechanism is called '{name}'"
                            + nearest(name, self.keys), item)
            if box and not strange:
                self.nonce(item, {field.name: field for field in fields[:index]})
                self.fields(unit, box.fields, sender, self.box(item, sender, opens), bool(item.echo))
            elif uses and not strange:
                self.carried(item, sender, opens, echoed)

    def echo(self, item):
        origin = f"{self.unit.mechanism}.{item.echo}"
        fields = {field.name: field.size for unit in units(self.protocol) for field in unit.fields
                  if f"{unit.id}.".startswith(f"{origin}.")}
        if fields.get(item.name) != item.size:
            self.refuse(place(item, "echo"), "unknown-name", f"{item.echo} has no field '{item.name}' of the same size"
                        + nearest(item.name, fields), item)

    def need(self, item, word, role, needs, what):
        lacking = [need for need in needs if need not in self.known[role]]
        for half, name in lacking[:1]:
            self.refuse(place(item, word), "key-not-learnt", f"the {role} cannot {what} '{item.name}': it has not got "
                        f"the {half} half of {name} by then; send that first, or seal with another key", item)
        return not lacking

    def carried(self, item, sender, opens, echoed):
        """A key's octets: after them the receiver has it, too."""
        octets = self.mechanism.box[2] if self.mechanism.box else least(item)
        if item.size != (octets, octets):
            self.refuse(place(item, "size"), "size", f"a key has {octets} octets here; write bytes[{octets}]", item)
        if item.key[0] == "private" and not item.secret:
            self.refuse(place(item, "private"), "secret-unmarked", f"'{item.name}' is a private key; add 'secret', so "
                        "that its octets are wiped", item)
        if (echoed or self.need(item, item.key[0], sender, [item.key], "send")) and opens:
            self.known[ROLES[sender]].add(item.key)

    def box(self, item, sender, opens):
        """Can the receiver open it?"""
        one, other = item.box.sender, item.box.receiver
        if item.box.back and self.keys[one].owner != sender:
            one, other = other, one
        if not item.echo:
            self.need(item, "type", sender, [("private", one)] + [("public", other)] * bool(other), "seal")
        if not other and self.keys[one].owner == sender:
            return False                             # what one seals for oneself
        return opens and self.need(item, "type", ROLES[sender], [("private", other), ("public", one)] if other else
                                   [("private", one)], "open")

    def nonce(self, item, before):
        box, where = item.box, place(item, "nonce")
        if box.nonce not in before:
            self.refuse(where, "unknown-name", f"no field '{box.nonce}' was read before '{item.name}'"
                        + nearest(box.nonce, before), item)
            return
        for prefix in filter(None, (box.prefix, box.back)):
            total = len(prefix) + least(before[box.nonce])
            if self.mechanism.box and total != self.mechanism.box[1]:
                self.refuse(where, "nonce-size", f"\"{prefix}\" and '{box.nonce}' have {total} octets together, a "
                            f"nonce has {self.mechanism.box[1]}; mend one of them", item)
            rival = self.nonces.setdefault((frozenset((box.sender, box.receiver)), prefix), item)
            if rival.id != item.id and not item.echo:
                self.refuse(where, "nonce-reuse", f"'{rival.id}' has the same keys and \"{prefix}\", at {rival.where}; "
                            "two boxes could have one nonce, so choose another text", item)
