"""Machines -> models for spin: who may take part in a run, what each state hears, how a greeting leaves."""

from dataclasses import dataclass

from gen.lint.machine import PEERS
from gen.lint.names import ZAP
from gen.lower import c_name, field_octets
from gen.model import Answer

LOCAL = (*ZAP, "sent", "timer")          # every other event is what the peer sent


def rows(protocol):
    """render.BUILD's rows of the models: one for each mechanism that has a machine."""
    names = dict.fromkeys(machine.mechanism for machine in protocol.machines.values())
    return {f"model/{name}.pml": ("model/handshake.pml.j2", "spec/") for name in names}


@dataclass(frozen=True)
class Side:
    """How one end is configured. version is 31 for 3.1; asks: ZAP decides about the peer."""
    number: int
    machine: object
    version: int
    asks: bool
    zap_matters: bool        # there is the same side without ZAP

    @property
    def title(self):
        return f"{self.machine.id} {self.version / 10}" + (" with ZAP" if self.asks and self.zap_matters else "")


@dataclass(frozen=True)
class Turn:
    """What one event does in one state."""
    event: str
    seen: int                # its bit among those that 'require' names, or 0
    content: bool            # may be well-formed and yet wrong: metadata, or a box that does not open
    named: bool              # answered by name, not by 'else'
    answer: Answer


@dataclass(frozen=True)
class Octet:
    """An octet of the greeting by which versions or mechanisms differ. Expressions of the model."""
    index: int
    name: str
    accepted: str            # of `value`
    own: str                 # what we send


def proves_nothing(machine):
    """Where both roles are the same nobody is asked for a proof: such a mechanism older peers may lack."""
    return machine.role == "peer"


class Models:
    """What the template needs of a protocol; the models differ only in whom the runs begin with."""

    def __init__(self, protocol):
        self.protocol, self.zap = protocol, ZAP
        self.machines = list(protocol.machines.values())
        self.mechanisms = {name: number for number, name in enumerate(protocol.mechanisms, 1)}
        self.open = next((self.mechanisms[m.mechanism] for m in self.machines if proves_nothing(m)), 0)
        self.commands = list(dict.fromkeys(event for machine in self.machines for event in machine.events
                                           if event not in (*LOCAL, "other", "malformed")))
        self.octets = list(self.decisive_octets())

    def sides(self):
        """Everyone who may take part, the attacker apart."""
        found = []
        for machine in self.machines:
            asks = any(state.asks for state in machine.states)
            for version in self.protocol.versions:
                for zap in (False, True) if asks and proves_nothing(machine) else (asks,):
                    found.append(Side(len(found), machine, int(version.replace(".", "")), zap,
                                      proves_nothing(machine)))
        return found

    # --- machines ---------------------------------------------------------------------------------

    def turns(self, machine, state):
        """One for each event that can come in a state. An event without an answer has none: it waits."""
        answers = {answer.event: answer for answer in state.answers}
        pending = state.name in self.pending(machine)
        for event in machine.events:
            answer, named = answers.get(event) or answers.get("else"), event in answers
            if answer and (event not in ZAP or pending) and (event != "sent" or state.sends):
                seen = 1 << machine.require.index(event) if named and event in machine.require else 0
                yield Turn(event, seen, self.content(machine, event), named, answer)

    def heard(self, machine, state):
        """What a state does with commands: those it names, then one turn for all others."""
        turns = [turn for turn in self.turns(machine, state) if turn.event not in LOCAL]
        return [turn for turn in turns if turn.named] + [turn for turn in turns if not turn.named][:1]

    def happens(self, machine, state, *events):
        return [turn for turn in self.turns(machine, state) if turn.event in events]

    @staticmethod
    def pending(machine):
        """The states in which ZAP may be about to answer."""
        states = {state.name: state for state in machine.states}
        found, queue = set(), [state.name for state in machine.states if state.asks]
        while queue:
            name = queue.pop()
            if name in states and name not in found:
                found.add(name)
                queue += [target for answer in states[name].answers if answer.event not in ZAP
                          for target in (answer.target, answer.else_target)]
        return found

    def content(self, machine, event):
        """May a well-formed command of that name be wrong all the same?"""
        command = self.protocol.command_of(machine.mechanism, event)
        return command is not None and any(f.type in self.protocol.structs or f.box for f in command.fields)

    def known(self, machine):
        """Is `name` a command with an event of its own?"""
        return " || ".join(f"name == {e.upper()}" for e in machine.events if e not in (*LOCAL, "other"))

    def pairs(self):
        """Which machines are made for each other, by `kind`."""
        return " || ".join(f"(kind[0] == {i} && kind[1] == {j})"
                           for i, one in enumerate(self.machines) for j, other in enumerate(self.machines)
                           if one.mechanism == other.mechanism and PEERS[one.role] == other.role)

    @staticmethod
    def label(machine, state):
        return "failed" if state == machine.reject else f"in_{c_name(machine.id)}_{state}"

    # --- greeting ---------------------------------------------------------------------------------

    def decisive_octets(self):
        """In the order of the wire; a mechanism's name counts as one."""
        sent = {"major": "version[me] / 10", "minor": "version[me] % 10", "mechanism": "mechanism[me]"}
        offset = 0
        for field in self.protocol.layouts["greeting.v3"].fields:
            accepted = "value == mechanism[me]" if field.name == "mechanism" else "true"
            own = sent.get(field.name, str(field.send))
            if field.value is not None:
                accepted, own = f"value == {field.value}", str(field.value)
            elif field.mask is not None:
                accepted = f"(value & {field.mask[0]}) == {field.mask[1]}"
            elif field.range is not None:
                accepted = f"value >= {field.range[0]} && value <= {field.range[1]}"
            if accepted != "true" or field.name in sent:
                yield Octet(offset, field.name, accepted, own)
            offset += field_octets(field)

    def may_send(self):
        """How many of our octets may leave, by how many of the peer's were accepted: `got`."""
        text, names = "", set()
        for stage in self.protocol.detects["greeting"].stages:
            names.update(stage.fields)
            need = sum(octet.index <= stage.octet for octet in self.octets)
            count = sum(octet.name in names for octet in self.octets)
            text = f"(got >= {need} -> {count} : {text})" if text else str(count)
        return text

    def odd_octets(self):
        """What an attacker puts in a greeting: all that makes a difference somewhere, and a little more."""
        bounds = {bound for f in self.protocol.layouts["greeting.v3"].fields if f.type == "u8"
                  for value in (f.value, f.send, *(f.range or ())) if isinstance(value, int)
                  for bound in (value - 1, value, value + 1)}
        return sorted({0, 255, *self.mechanisms.values(), *bounds} & set(range(256)))
