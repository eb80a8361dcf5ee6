"""Machines -> models for spin: who may take part in a run, how a greeting decides, what each state hears."""

from dataclasses import dataclass

from gen.detect import Detected, paths
from gen.lint.machine import PEERS
from gen.lint.references import SIGNALS
from gen.lower import field_octets
from gen.model import ZAP, Answer

LOCAL = (*ZAP, "sent", "timer")          # every other event is what the peer sent


def rows(protocol):
    """render.BUILD's rows of the models: one for each mechanism that has a machine."""
    names = dict.fromkeys(machine.mechanism for machine in protocol.machines.values())
    return {f"model/{name}.pml": ("model/handshake.pml.j2", "spec/") for name in names}


def number(version):
    return int(version.replace(".", ""))


def proves_nothing(machine):
    """Where both roles are the same nobody is asked for a proof: such a mechanism older peers may lack."""
    return machine.role == "peer"


@dataclass(frozen=True)
class Way:
    """How a peer of one version greets: in which form, and with which octets where the decision looks."""
    number: int
    version: int             # 31 is 3.1
    name: str
    form: str
    octets: dict


@dataclass(frozen=True)
class Side:
    """How one end is configured; asks: ZAP decides about the peer."""
    number: int
    machine: object
    way: Way
    asks: bool

    @property
    def by_domain(self):
        """A mechanism without proofs asks ZAP only where a domain is set."""
        return self.asks and proves_nothing(self.machine)

    @property
    def title(self):
        return f"{self.machine.id} {self.way.name}" + " with ZAP" * self.by_domain


@dataclass(frozen=True)
class Turn:
    """What one event does in one state."""
    event: str
    seen: int                # its bit among those that 'require' names, or 0
    content: bool            # may be well-formed and yet wrong: metadata, or a box that does not open
    named: bool              # answered by name, not by 'else'
    answer: Answer


class Greeting:
    """The decision on versions. What a side sends is reduced to the octets that decide, and a mechanism's first."""

    def __init__(self, protocol):
        self.detect = protocol.detects["greeting"]
        self.detected = Detected(protocol, self.detect)
        self.forms, self.rows = self.detected.forms, self.detected.decisions
        self.sends, self.secure = {}, []                 # octet -> what our newest greeting has there
        for form, layout in sorted(self.detected.layouts.items()):
            sends = [field.send if field.value is None else field.value
                     for field in layout.fields for _ in range(field_octets(field))]
            self.sends.update(enumerate(sends))
            self.secure += [form] if "mechanism" in sends else []
        decide = {row.octet for row in self.rows}
        self.mechanism = next((octet for octet, sent in self.sends.items()
                               if sent == "mechanism" and octet not in decide), 0)
        self.octets = sorted({*decide, self.mechanism})
        found = {}
        # Of several ways to say a version the last counts: one that ends as ours does, else the shortest.
        lines = [{octet: self.witness(branch) for octet, branch in steps} for steps, _ in paths(self.detect)]
        ends = [steps[-1][1] for steps, _ in paths(self.detect)]
        for last, octets in sorted(zip(ends, lines), key=lambda way: self.sends[max(way[1])] == way[1][max(way[1])]):
            found[number(last.speaks), last.target] = octets
        versions = [version for version, _ in found]
        self.ways = [Way(i, version, str(version / 10) + f" as {form}" * (versions.count(version) > 1), form,
                         found[version, form]) for i, (version, form) in enumerate(sorted(found))]

    def witness(self, branch):
        """An octet that leads there: ours, if that does."""
        row = next(row for row in self.rows if row.branch is branch)
        ours = self.sends[row.octet]
        return ours if ours in row.octets else min(row.octets - {0} or row.octets)

    def count(self, due):
        """How many of the octets that count are among the first `due`."""
        return sum(octet < due for octet in self.octets)

    def length(self, form):
        return self.count(self.detected.layouts[form].form) if form in self.detected.layouts else 1

    def decisions(self, octet):
        """(condition, form's number or 0 for 'next', version, octets that may leave) in the order of the spec."""
        return [(f"(value & {row.branch.mask}) == {row.branch.value}" if row.branch.mask else "else",
                 self.forms.index(row.branch.target) + 1 if row.branch.speaks else 0,
                 number(row.branch.speaks or "0"), self.count(row.due)) for row in self.rows if row.octet == octet]

    def odd(self):
        """What an attacker may say: one octet for each branch."""
        return sorted({self.witness(row.branch) for row in self.rows})


class Models:
    """What the template needs of a protocol; the models differ only in whom the runs begin with."""

    def __init__(self, protocol):
        self.protocol, self.greeting = protocol, Greeting(protocol)
        self.peers, self.zap, self.signals = PEERS, ZAP, SIGNALS
        self.machines = list(protocol.machines.values())
        self.mechanisms = {name: number for number, name in enumerate(protocol.mechanisms, 1)}
        self.open = next((self.mechanisms[m.mechanism] for m in self.machines if proves_nothing(m)), 0)
        spoken = (name for m in self.machines for name in (*m.events, *(state.sends for state in m.states)))
        self.commands = list(dict.fromkeys(name for name in spoken if name and name not in SIGNALS))

    def sides(self):
        """Everyone who may take part, the attacker apart. Older versions have neither mechanism nor ZAP."""
        found = []
        for machine in self.machines:
            asks = any(state.asks for state in machine.states)
            for way in self.greeting.ways:
                for zap in (False, True) if asks and proves_nothing(machine) else (asks,):
                    if way.form in self.greeting.secure or proves_nothing(machine) and not zap:
                        found.append(Side(len(found), machine, way, zap))
        return found

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
