"""Machines: every state answers every event once, leads somewhere, waits with a clock, and none skips a proof."""

from collections import deque

from gen.lint.names import about, settled
from gen.model import place

PEERS = {"peer": "peer", "client": "server", "server": "client"}


def check(protocol, problems):
    clear = settled(protocol.machines.values(), problems)
    for machine in clear:
        Machine(machine, problems).check()
    for machine in clear:
        unheard(machine, clear, protocol, problems)


class Machine:
    """The checks of one machine, whose names all resolve."""

    def __init__(self, machine, problems):
        self.machine, self.problems = machine, problems
        self.states = {state.name: state for state in machine.states}
        self.edges = {state.name: list(self.moves(state)) for state in machine.states}

    def refuse(self, where, lint, message, state=None):
        self.problems.add(where, lint, message,
                          about(f"{self.machine.id}.{state.name}" if state else self.machine.id, self.machine))

    def moves(self, state):
        """(event, target) of all a state may do, with 'else' spelt out."""
        named = {answer.event for answer in state.answers}
        for answer in state.answers:
            events = [answer.event]
            if answer.event == "else":
                events = [event for event in self.machine.events if event not in named]
            for event in events:
                yield event, answer.target
                if answer.else_target:
                    yield event, answer.else_target

    def check(self):
        if "timer" not in self.machine.events:
            self.refuse(place(self.machine, "events"), "no-timer", f"'{self.machine.id}' waits without end for a "
                        "silent peer; add 'timer' to the events")
        for state in self.machine.states:
            self.answers(state)
            self.timer(state)
            for answer in state.answers:
                self.guard(answer, state)
                self.reason(answer, state)
        self.reachable()
        self.trapped()
        for event in self.machine.require:
            self.bypass(event)

    def answers(self, state):
        events, first = self.machine.events, {}
        for answer in state.answers:
            rival = first.setdefault(answer.event, answer)
            if rival is not answer:
                self.refuse(answer.where, "nondeterminism", f"'{answer.event}' is already answered at {rival.where}; "
                            "keep one answer", state)
            elif answer.event != "else" and answer.event not in events:
                self.refuse(answer.where, "dead-rule", f"'{answer.event}' is no event of {self.machine.id}; add it to "
                            "'events', or take the answer out", state)
            elif answer.event == "sent" and not state.sends:
                self.refuse(answer.where, "dead-rule", f"'{state.name}' sends nothing, so 'sent' never comes; take the "
                            "answer out", state)
        if "else" in first and all(event in first for event in events):
            self.refuse(first["else"].where, "dead-rule", "every event has an answer of its own, so this 'else' "
                        "answers nothing; take it out", state)
        missing = [event for event in events if event not in first and event != "timer"]
        if missing and "else" not in first:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            self.refuse(state.where, "unanswered", f"'{state.name}' does not answer '{missing[0]}'{more}; add "
                        f"'{missing[0]} -> ...', or an 'else'", state)

    def timer(self, state):
        named = {answer.event for answer in state.answers}
        if "timer" in self.machine.events and not named & {"timer", "else"}:
            self.refuse(state.where, "no-timer", f"'{state.name}' waits without end for a silent peer; add "
                        "'timer -> ...'", state)

    def guard(self, answer, state):
        if answer.guard and not answer.else_target:
            self.refuse(place(answer, "if"), "unanswered", f"what if not '{answer.guard}'? Add 'else STATE'", state)
        if answer.else_target and not answer.guard:
            self.refuse(place(answer, "else"), "dead-rule", "without 'if GUARD' this 'else' never counts; take it out",
                        state)

    def reason(self, answer, state):
        targets = (answer.target, answer.else_target if answer.guard else "")
        if self.machine.reject in targets and not answer.reason:
            word = "target" if answer.target == self.machine.reject else "else"
            self.refuse(place(answer, word), "no-reason", f"nobody will know why '{answer.event}' ended the "
                        "connection; add 'because REASON'", state)

    def path(self, start, goals, without=()):
        """The shortest way as [(event, state)], or None; events in `without` are never taken."""
        seen, queue = {start}, deque([(start, [])])
        while queue:
            name, steps = queue.popleft()
            if name in goals:
                return steps
            for event, target in self.edges.get(name, ()):
                if event not in without and target not in seen:
                    seen.add(target)
                    queue.append((target, [*steps, (event, target)]))
        return None

    def reachable(self):
        for state in self.machine.states:
            if self.path(self.machine.start, {state.name}) is None:
                self.refuse(state.where, "unreachable", f"no answer leads to '{state.name}'; lead there, or take "
                            "it out", state)
        if self.path(self.machine.start, {self.machine.accept}) is None:
            self.refuse(place(self.machine, "accept"), "unreachable", f"no path leads to '{self.machine.accept}', so "
                        "no handshake succeeds; add an answer that does")

    def trapped(self):
        ends = {self.machine.accept, self.machine.reject}
        for state in self.machine.states:
            if self.path(state.name, ends) is None:
                self.refuse(state.where, "trap", f"'{state.name}' leads neither to '{self.machine.accept}' nor to "
                            f"'{self.machine.reject}'; add an answer that does", state)

    def bypass(self, event):
        steps = self.path(self.machine.start, {self.machine.accept}, {event})
        if steps is not None:
            way = self.machine.start + "".join(f" --{taken}--> {target}" for taken, target in steps)
            self.refuse(place(self.machine, f"require {event}"), "bypass",
                        f"'{self.machine.accept}' can be reached without '{event}': {way}")


def unheard(machine, machines, protocol, problems):
    """Both ends exist, each sends what is its own, and nobody answers by 'else' alone what the other end sends."""
    def refuse(where, lint, message):
        problems.add(where, lint, message, about(machine.id, machine))

    peer = PEERS.get(machine.role, "")
    other = next((m for m in machines if m.mechanism == machine.mechanism and m.role == peer), None)
    if not any(m.mechanism == machine.mechanism and m.role == peer for m in protocol.machines.values()):
        refuse(place(machine, "role"), "wrong-role", f"there is no machine {machine.mechanism} {peer or ''}; "
               "write both ends, client and server, or one that is a peer to itself")
    answers = [answer for state in other.states for answer in state.answers] if other else ()
    for state in machine.states:
        command = protocol.command_of(machine.mechanism, state.sends)
        if command and command.senders and machine.role not in command.senders:
            refuse(place(state, "sends"), "wrong-role", f"{state.sends} comes from the {command.senders[0]} "
                   "alone; let that side send it")
        elif other and state.sends and state.sends not in [answer.event for answer in answers]:
            refuse(place(state, "sends"), "sends-unheard", f"no state of {other.id} answers '{state.sends}' by name; "
                   "answer it there, or do not send it")
