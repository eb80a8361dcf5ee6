"""A live ROUTER serves fifty honest peers while strangers do their worst: what is left of the honest traffic.

    attack.py PROGRAMS [--rounds N] [--seconds S] [--only KIND,...] [--mechanism null,curve] [--tap]

PROGRAMS is the folder of attack_target, attack_honest and attack_strangers. Every program is a process of its own, all
on this machine and on its loopback addresses.

A round is a quiet phase and one under attack; the ratio of a round is its rate under attack over the mean of the quiet
rates before and after it, and what counts is the median of the rounds. Two rates are taken:

    a second            answers that honest peers got
    a processor second  the same for each second of processor time of target and honest peers together: on a machine
                        with no idle time left the strangers take processor time that a network would not

The first one decides as long as the machine had idle time under attack, the better of the two where it had not. An
attack that seems not to be stood gets more rounds, up to three times as many. "engine" is what the attack costs the
target's engine thread, as a share of one processor.

Where others use the machine as well, even quiet rates go up and down. If those a processor second scatter by more than
a quarter, no rate is believed, and the verdict is that of "engine": what it leaves of one processor. --tap judges
nothing that a busy machine could spoil: that nothing is lost, nobody is thrown out, and memory holds.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

BUDGET = 64 << 20
RAMP = 0.5              # seconds of an attack before it counts
AFTER = 1.0             # and after: a newcomer comes
SETTLE = 0.3
SAMPLE = 0.1
IDLE_LEAST = 0.1        # below this share the machine is full
ROUNDED_UP = 1.5        # what a process grows by for each octet of the budget: the heap rounds up, queues double
STEADY = 0.25           # quiet rates that scatter by more say nothing of an attack
KEPT, KEPT_UNDER_FLOODS = 0.9, 0.5


@dataclass
class Attack:
    kind: str
    least: float
    mechanisms: tuple
    what: str


ATTACKS = [
    Attack("slow", KEPT, ("null", "curve"), "10,000 handshakes, an octet in 200 ms"),
    Attack("mute", KEPT, ("null", "curve"), "10,000 that say nothing"),
    Attack("garbage", KEPT, ("null", "curve"), "HTTP, TLS, SSH, random octets"),
    Attack("frames", KEPT, ("null", "curve"), "messages and commands in the place of a READY"),
    Attack("claims", KEPT, ("null", "curve"), "sizes of 2^31 to 2^63 in handshakes"),
    Attack("claims-inside", KEPT, ("null",), "200 peers that begin 64 MiB and stop"),
    Attack("hello", KEPT, ("curve",), "10,000 good HELLOs and then nothing"),
    Attack("hello-forged", KEPT, ("curve",), "HELLOs whose box does not open"),
    Attack("connects", KEPT_UNDER_FLOODS, ("null", "curve"), "connect and reset, as fast as it goes"),
    Attack("hello-again", KEPT_UNDER_FLOODS, ("curve",), "good HELLOs and resets, as fast as it goes"),
    Attack("commands", KEPT, ("null",), "10 peers: PING and unknown ones without end, unread"),
    Attack("unknown", KEPT, ("null",), "10 peers: commands that nobody knows, without end"),
    Attack("pings", KEPT, ("null",), "10 peers: PING without end, answers read"),
    Attack("messages", KEPT_UNDER_FLOODS, ("null",), "10 peers: messages without end, answers unread"),
]


class Program:
    """One of ours, asked by lines and answering by lines."""

    def __init__(self, programs, name, *words):
        path = programs / f"attack_{name}"
        self.process = subprocess.Popen([path, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[0].name} has ended: {self.process.wait()}")
        return line.split()

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return {name: float(value) for name, value in (figure.split("=") for figure in self.hear())}

    def end(self):
        self.process.stdin.close()
        return self.process.wait(timeout=60)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def processor_ticks():
    """Idle ticks of the machine, and all of them."""
    ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


@dataclass
class Rates:
    second: float
    processor: float
    idle: float
    used: float
    resident: float     # KiB, the most that was seen
    engine: float       # processors that the target's engine takes


@dataclass
class Outcome:
    attack: Attack
    quiet: list = field(default_factory=list)
    under: list = field(default_factory=list)
    strangers: list = field(default_factory=list)
    joins: list = field(default_factory=list)
    lost: float = 0
    resident_before: float = 0

    def ratio(self, name):
        rates = []
        for before, under, after in zip(self.quiet, self.under, self.quiet[1:]):
            rates.append(2 * getattr(under, name) / (getattr(before, name) + getattr(after, name)))
        return statistics.median(rates)

    def is_full(self):
        return statistics.median(under.idle for under in self.under) < IDLE_LEAST

    def is_steady(self):
        rates = sorted(quiet.processor for quiet in self.quiet)
        return rates[-1] - rates[0] <= 2 * STEADY * statistics.median(rates)

    def kept(self):
        if not self.is_full():
            return self.ratio("second")
        return max(self.ratio("second"), self.ratio("processor"), 0 if self.is_steady() else 1 - self.engine())

    def engine(self):
        return statistics.median(u.engine for u in self.under) - statistics.median(q.engine for q in self.quiet)

    def used(self):
        return max(under.used for under in self.under)

    def grown(self):
        return max(under.resident for under in self.under) - self.resident_before

    def holds_memory(self):
        return self.used() <= BUDGET and self.grown() * 1024 <= BUDGET * ROUNDED_UP

    def faults(self, judges_rates):
        if self.lost:
            yield f"{self.lost:.0f} messages or peers lost"
        if not self.holds_memory():
            yield f"{self.used() / 2**20:.1f} MiB of the budget used, {self.grown() / 1024:.1f} MiB grown"
        if judges_rates and self.kept() < self.attack.least:
            yield f"{self.kept():.0%} kept, {self.attack.least:.0%} wanted"

    def praise(self):
        rates = max(self.ratio("second"), self.ratio("processor"))
        if rates >= self.attack.least or not self.is_full():
            return "holds"
        return "holds, by the engine: the machine is unsteady"


class Stage:
    """A target and its honest peers, and who attacks them."""

    def __init__(self, programs, mechanism):
        self.programs = programs
        is_curve = mechanism == "curve"
        self.target = Program(programs, "target", "--budget", BUDGET, *(["--curve", 1] if is_curve else []))
        endpoint, key = self.target.hear()
        self.port = endpoint.rsplit(":", 1)[1]
        self.key = ["--key", key] if is_curve else []
        self.honest = Program(programs, "honest", endpoint, *self.key)
        if self.honest.hear() != ["ready"]:
            raise RuntimeError("the honest peers are not ready")

    def measure(self, seconds):
        """What honest peers get for so long, and the most that the target takes meanwhile."""
        honest, target, ticks = self.honest.ask("look"), self.target.ask("look"), processor_ticks()
        began, used, resident = time.monotonic(), 0, 0
        while time.monotonic() - began < seconds:
            time.sleep(SAMPLE)
            sample = self.target.ask("look")
            used, resident = max(used, sample["used"]), max(resident, sample["resident_kib"])
        later, sample, ticks_later = self.honest.ask("look"), self.target.ask("look"), processor_ticks()
        answers = later["answered"] - honest["answered"]
        processor = later["cpu_us"] - honest["cpu_us"] + sample["cpu_us"] - target["cpu_us"]
        engine = sample["cpu_us"] - sample["own_us"] - target["cpu_us"] + target["own_us"]
        passed = time.monotonic() - began
        return Rates(answers / passed, answers / processor * 1e6,
                     (ticks_later[0] - ticks[0]) / max(1, ticks_later[1] - ticks[1]), used, resident,
                     engine / passed / 1e6)

    def under(self, attack, seconds, outcome):
        strangers = Program(self.programs, "strangers", self.port, attack.kind,
                            "--ms", round((RAMP + seconds + AFTER) * 1000), *self.key)
        try:
            time.sleep(RAMP)
            outcome.under.append(self.measure(seconds))
            outcome.joins.append(self.honest.ask("join")["join_ms"])
            outcome.strangers.append({n: float(v) for n, v in (f.split("=") for f in strangers.hear())})
            strangers.end()
        finally:
            strangers.kill()

    def run(self, attack, rounds, seconds, rounds_most):
        outcome = Outcome(attack, resident_before=self.target.ask("look")["resident_kib"])
        before = self.honest.ask("look")
        outcome.quiet.append(self.measure(seconds))
        while len(outcome.under) < rounds or (outcome.kept() < attack.least and len(outcome.under) < rounds_most):
            self.under(attack, seconds, outcome)
            time.sleep(SETTLE)
            outcome.quiet.append(self.measure(seconds))
        after = self.honest.ask("look")
        outcome.lost = sum(after[name] - before[name] for name in ("wrong", "down"))
        return outcome

    def stop(self):
        """How many questions were never answered."""
        figures = self.honest.ask("stop")
        unanswered = figures["asked"] - figures["answered"]
        status = self.honest.end() or self.target.end()
        if status:
            raise RuntimeError(f"a program ended with {status}")
        return unanswered

    def kill(self):
        self.honest.kill()
        self.target.kill()


HEAD = (f"{'':5} {'attack':14} {'begun':>6} {'closed':>6} {'quiet/s':>8} {'under/s':>8} {'kept':>5} {'of cpu':>6}"
        f" {'idle':>5} {'engine':>6} {'budget':>7} {'grown':>6} {'joins':>7} {'lost':>4}  verdict")


def row(mechanism, outcome, faults):
    def mean(name):
        return statistics.mean(strangers[name] for strangers in outcome.strangers)
    return (f"{mechanism:5} {outcome.attack.kind:14} {mean('begun'):6.0f} {mean('closed'):6.0f}"
            f" {statistics.median(q.second for q in outcome.quiet):8.0f}"
            f" {statistics.median(u.second for u in outcome.under):8.0f}"
            f" {outcome.ratio('second'):5.0%} {outcome.ratio('processor'):6.0%}"
            f" {statistics.median(u.idle for u in outcome.under):5.0%} {outcome.engine():6.0%}"
            f" {outcome.used() / 2**20:5.1f} M {outcome.grown() / 1024:4.1f} M"
            f" {statistics.median(outcome.joins):4.0f} ms {outcome.lost:4.0f}"
            f"  {'; '.join(faults) if faults else outcome.praise()}")


def play(mechanism, options, number):
    """All attacks on one target; whether it has stood them."""
    stage = Stage(options.programs, mechanism)
    failed = 0
    try:
        for attack in ATTACKS:
            if mechanism not in attack.mechanisms or (options.only and attack.kind not in options.only):
                continue
            outcome = stage.run(attack, options.rounds, options.seconds, options.rounds * (1 if options.tap else 3))
            faults = list(outcome.faults(judges_rates=not options.tap))
            failed += bool(faults)
            line = row(mechanism, outcome, faults)
            if options.tap:
                number += 1
                print(f"{'not ok' if faults else 'ok'} {number} - {mechanism} {attack.kind}\n# {line}")
            else:
                print(line)
            sys.stdout.flush()
        unanswered = stage.stop()
    finally:
        stage.kill()
    if options.tap:
        number += 1
        print(f"{'not ok' if unanswered else 'ok'} {number} - {mechanism} every question was answered")
    else:
        print(f"{mechanism:5} {unanswered:.0f} honest messages without an answer at the end")
    return failed + bool(unanswered), number


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--mechanism", type=lambda text: text.split(","), default=["null", "curve"])
    parser.add_argument("--tap", action="store_true")
    options = parser.parse_args()
    failed, number = 0, 0
    if not options.tap:
        print(f"target: a ROUTER, budget {BUDGET >> 20} MiB; honest: 50 DEALERs, 8 questions of 64 octets each;"
              f" {options.rounds} rounds of {options.seconds:g} s\n")
        print(HEAD)
    for mechanism in options.mechanism:
        more, number = play(mechanism, options, number)
        failed += more
    if options.tap:
        print(f"1..{number}")
    else:
        print("\nall hold" if not failed else f"\n{failed} do not hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
