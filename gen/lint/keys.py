"""Keys: who seals a box can, who gets it can open it by then, no nonce counts twice, nothing secret is in clear."""

from gen.lint.names import about, settled
from gen.match import nearest
from gen.model import place, units
from gen.security import least, varies

ROLES = {"client": "server", "server": "client"}


def check(protocol, problems):
    for command in settled(protocol.commands.values(), problems):
        if command.size is not None:
            exact_size(command, problems)
        if not command.mechanism:
            Keys(None, protocol, problems).fields(command, command.fields, "client", True)
    for mechanism in settled(protocol.mechanisms.values(), problems):
        Keys(mechanism, protocol, problems).check()


def exact_size(command, problems):
    total = 1 + len(command.name) + sum(least(item) for item in command.fields)
    changing = next((item for item in command.fields if varies(item)), None)
    if changing or total != command.size:
        said = f"'{changing.name}' is not always of one size" if changing else \
            f"the name and the fields have {total} octets together, not {command.size}"
        problems.add(place(command, "size"), "size", f"{said}; write what they have, or take 'size' out",
                     about(command.id, command))


class Keys:
    """One mechanism's keys: its commands in their order, and what either side has learnt by each."""

    def __init__(self, mechanism, protocol, problems):
        self.mechanism, self.protocol, self.problems = mechanism, protocol, problems
        self.keys = {key.name: key for key in mechanism.keys} if mechanism else {}
        self.nonces = {}
        self.known = {role: {(half, key.name) for key in self.keys.values() for half in ("public", "private")
                             if role == key.owner or half == "public" and role in key.known} for role in ROLES}

    def refuse(self, where, lint, message, item):
        self.problems.add(where, lint, message, about(item.id, self.unit))

    def check(self):
        own = [self.protocol.commands[f"{self.mechanism.id}.{name}"] for name, _ in self.mechanism.commands
               if f"{self.mechanism.id}.{name}" in self.protocol.commands]
        for command in own:
            for sender in command.senders or ROLES:
                self.fields(command, command.fields, sender, True)
        traffic = [command for command in own if command.phase == "traffic"]
        if self.keys and not traffic:
            self.problems.add(self.mechanism.where, "clear-after-accept", f"{self.mechanism.id} has keys, and yet "
                              "its messages would travel in clear; give it a command in traffic with a box",
                              about(self.mechanism.id, self.mechanism))
        for command in settled(traffic, self.problems):
            self.unit, nonces = command, [item.box.nonce for item in command.fields if item.box]
            for item in command.fields:
                if not item.box and item.name not in nonces:
                    self.refuse(place(item, "type"), "clear-after-accept", f"'{item.name}' of {command.id} travels in "
                                "clear; put it into the box", item)

    def fields(self, unit, fields, sender, opens, echoed=False):
        """opens: the receiver can read them; echoed: the sender returns them as they came, and need not."""
        for index, item in enumerate(fields):
            self.unit = unit
            if item.echo:
                self.echo(item)
            if item.box and self.all_known(item, [("with", item.box.sender)] if not item.box.receiver else
                                           [("from", item.box.sender), ("to", item.box.receiver)]):
                self.nonce(item, fields[:index])
                can_open = self.box(item, sender, opens)
                self.fields(unit, item.box.fields, sender, can_open, bool(item.echo))
            elif item.key and self.all_known(item, [item.key]):
                self.carried(item, sender, opens, echoed)

    def echo(self, item):
        origin = self.protocol.commands.get(f"{self.mechanism.id if self.mechanism else ''}.{item.echo}")
        fields = [field for unit in units(self.protocol) for field in unit.fields
                  if origin and unit.id.startswith(origin.id)]
        if (item.name, item.size) not in [(field.name, field.size) for field in fields]:
            self.refuse(place(item, "echo"), "unknown-name", f"{item.echo} has no field '{item.name}' of the same size"
                        + nearest(item.name, [field.name for field in fields]), item)

    def all_known(self, item, uses):
        strange = [(word, name) for word, name in uses if name not in self.keys]
        for word, name in strange:
            self.refuse(place(item, word), "unknown-key", f"no key of this mechanism is called '{name}'"
                        + nearest(name, self.keys), item)
        return not strange

    def need(self, item, word, role, needs, what):
        for half, name in needs:
            if (half, name) not in self.known[role]:
                self.refuse(place(item, word), "key-not-learnt", f"the {role} cannot {what} '{item.name}': it has not "
                            f"got the {half} half of {name} by then; send that first, or seal with another key", item)
                return False
        return True

    def carried(self, item, sender, opens, echoed):
        half, name = item.key
        if self.mechanism.box and item.size != (self.mechanism.box[2],) * 2:
            self.refuse(place(item, "size"), "size", f"a key has {self.mechanism.box[2]} octets here; write "
                        f"bytes[{self.mechanism.box[2]}]", item)
        if half == "private" and not item.secret:
            self.refuse(place(item, "private"), "secret-unmarked", f"'{item.name}' is a private key; add 'secret', so "
                        "that its octets are wiped", item)
        if (echoed or self.need(item, half, sender, [item.key], "send")) and opens:
            self.known[ROLES[sender]].add(item.key)

    def box(self, item, sender, opens):
        """Can the receiver open it?"""
        one, other = item.box.sender, item.box.receiver
        if item.box.back and self.keys[one].owner != sender:
            one, other = other, one
        symmetric = [("private", one)]
        if not item.echo:
            self.need(item, "type", sender, [("private", one), ("public", other)] if other else symmetric, "seal")
        if not other and self.keys[one].owner == sender:
            return False                             # what one seals for oneself
        return opens and self.need(item, "type", ROLES[sender],
                                   [("private", other), ("public", one)] if other else symmetric, "open")

    def nonce(self, item, before):
        box, form = item.box, self.mechanism.box
        carrier = next((field for field in before if field.name == box.nonce), None)
        if carrier is None:
            self.refuse(place(item, "nonce"), "unknown-name", f"no field '{box.nonce}' was read before '{item.name}'"
                        + nearest(box.nonce, [field.name for field in before]), item)
            return
        for prefix in filter(None, (box.prefix, box.back)):
            total = len(prefix) + least(carrier)
            if form and total != form[1]:
                self.refuse(place(item, "nonce"), "nonce-size", f"\"{prefix}\" and '{carrier.name}' have {total} "
                            f"octets together, a nonce has {form[1]}; mend one of them", item)
            rival = self.nonces.setdefault((frozenset((box.sender, box.receiver)), prefix), item)
            if rival.id != item.id and not item.echo:
                self.refuse(place(item, "nonce"), "nonce-reuse", f"'{rival.id}' has the same keys and \"{prefix}\", at "
                            f"{rival.where}; two boxes could have one nonce, so choose another text", item)
