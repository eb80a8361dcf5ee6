"""The process in the background: gives targets and kinds of instances their turns on the cores.

    start --fork--> supervisor --per core--> afl-fuzz, for one turn --> the next one

A turn belongs to whatever owes least for what it had; a target that found something lately pays less. All
that it knows is in the campaign's record, so that another one goes on after it was killed.
"""

import os
import signal
import subprocess
import sys
import time

from fuzz.campaign import instances, state, stats, targets

TURN_S = 60
BEAT_S = 1                       # that much of the elapsed time is lost if the machine stops
COUNT_S = 10
TICK_S = 0.25
END_S = 10                       # for afl-fuzz to write its files; then it is killed
FRESH_S = 600                    # a find as young as that makes a target more promising
FRESH_WEIGHT = 3
FAILURES_MOST = 3                # turns in a row that ended at once, until a kind is left out
PAUSE_S = 2                      # after such a turn: what stood in its way, an orphan's lock, may go meanwhile


class Slot:
    """One core, and what runs on it."""

    def __init__(self, core):
        self.core, self.process, self.turn, self.until, self.since = core, None, None, 0.0, 0.0
        self.paused_until = 0.0


class Supervisor:
    def __init__(self, campaign, turn_s=TURN_S):
        self.campaign, self.turn_s = campaign, turn_s
        self.builds = targets.Builds(campaign.builds)
        known = targets.load(self.builds)
        self.targets = [known[name] for name in campaign.targets if name in known]
        self.slots = [Slot(core) for core in instances.cores(campaign.jobs)]
        self.environment, _ = instances.machine()
        self.stopping = False

    # --- who is next ---

    def names(self, target):
        """Instances of a target, as many as there are jobs at most."""
        found = [kind for kind in instances.KINDS if instances.can_run(kind, target, self.builds)]
        spare = len(self.slots) - len(found) * len(self.targets)
        return found + [f"rare{number}" for number in range(2, 2 + max(0, spare))]

    def spent(self, target, name):
        return self.campaign.turns.get(target.name, {}).get(name, 0.0)

    def weight(self, target):
        found_at = max((found.last_find for found in stats.of_target(self.campaign, target.name)), default=0)
        return FRESH_WEIGHT if time.time() - found_at < FRESH_S else 1

    def charge(self, target, name, seconds):
        """Time that was had. What a target owes grows the slower the more it finds."""
        turns, owed = self.campaign.turns.setdefault(target.name, {}), self.campaign.owed
        turns[name] = turns.get(name, 0.0) + seconds
        owed[target.name] = owed.get(target.name, 0.0) + seconds / self.weight(target)

    def usable(self, target):
        running = {slot.turn[1] for slot in self.slots if slot.turn and slot.turn[0] is target}
        return [name for name in self.names(target) if name not in running and
                self.campaign.failures.get(f"{target.name}/{name}", 0) < FAILURES_MOST]

    def next_turn(self):
        """(target, instance's name), or None: every one of them runs or fails."""
        def need(target):
            running = sum(1 for slot in self.slots if slot.turn and slot.turn[0] is target)
            return self.campaign.owed.get(target.name, 0.0) + running * self.turn_s

        open_targets = [target for target in self.targets if self.usable(target)]
        if not open_targets:
            return None
        target = min(open_targets, key=need)
        return target, min(self.usable(target),
                           key=lambda name: self.spent(target, name) / instances.kind_of(name).share)

    # --- turns ---

    def begin(self, slot, now):
        turn = self.next_turn()
        if turn is None:
            return
        slot.process = instances.start(self.campaign, *turn, self.builds, self.environment, slot.core)
        slot.turn, slot.since, slot.until = turn, now, now + self.turn_s
        self.campaign.running["/".join((turn[0].name, turn[1]))] = [slot.process.pid, state.born(slot.process.pid)]

    def close(self, slot, now, asked):
        """Enters a turn that is over. One that ended by itself, at once, is a failure."""
        target, name = slot.turn
        key = f"{target.name}/{name}"
        self.campaign.running.pop(key, None)
        instances.end_orphans(self.campaign, key)
        if asked:
            self.campaign.failures.pop(key, None)
        else:
            self.campaign.failures[key] = self.campaign.failures.get(key, 0) + 1
            slot.paused_until = now + PAUSE_S
        # One that failed at once is charged some more, or it would be the next one again.
        self.charge(target, name, now - slot.since + (0 if asked else self.turn_s / 10))
        slot.process = slot.turn = None

    def is_alone(self, slot):
        """There is nothing else that could have the turn, so it goes on."""
        target = slot.turn[0]
        return len(self.targets) == 1 and not self.usable(target)

    def tick(self, now):
        for slot in self.slots:
            if slot.process is None:
                if now >= slot.paused_until:
                    self.begin(slot, now)
            elif slot.process.poll() is not None:
                self.close(slot, now, False)
            elif now >= slot.until:
                if self.is_alone(slot):
                    slot.until = now + self.turn_s
                    continue
                self.end(slot)
                self.close(slot, now, True)
                self.begin(slot, now)

    @staticmethod
    def end(slot):
        slot.process.send_signal(signal.SIGINT)      # afl-fuzz ends its target and writes its files
        try:
            slot.process.wait(END_S)
        except subprocess.TimeoutExpired:
            slot.process.kill()
            slot.process.wait()

    # --- the whole ---

    def count(self):
        """What the running ones did so far; afl-fuzz itself writes it down once a minute."""
        for slot in self.slots:
            if slot.turn:
                target, name = slot.turn
                key = f"{target.name}/{name}"
                found = stats.read_instance(self.campaign.output(target.name) / name)
                self.campaign.counted[key] = max(self.campaign.counted.get(key, [0, 0]), [found.execs, found.run_s])

    def beat(self, started, before):
        self.campaign.elapsed_s = before + time.monotonic() - started
        self.campaign.beat = time.time()
        self.campaign.save()

    def run(self):
        campaign = self.campaign
        started, before, beat_at, count_at = time.monotonic(), campaign.elapsed_s, 0.0, 0.0
        campaign.state, campaign.supervisor = "running", [os.getpid(), state.born(os.getpid())]
        campaign.running, campaign.failures = {}, {}
        instances.end_orphans(campaign)
        while not self.stopping:
            now = time.monotonic()
            self.tick(now)
            if now >= beat_at:
                if now >= count_at:
                    self.count()
                    count_at = now + COUNT_S
                self.beat(started, before)
                beat_at = now + BEAT_S
            if campaign.for_s is not None and campaign.elapsed_s >= campaign.for_s:
                break
            time.sleep(TICK_S)
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.send_signal(signal.SIGINT)
        for slot in self.slots:
            if slot.process is not None:
                self.end(slot)
                self.close(slot, time.monotonic(), True)
        campaign.state = "stopped" if self.stopping else "finished"
        campaign.supervisor = None
        self.beat(started, before)


def main(folder, turn_s):
    campaign = state.Campaign(os.path.basename(folder), os.path.dirname(folder)).load()
    supervisor = Supervisor(campaign, turn_s)

    def stop(*_):
        supervisor.stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    supervisor.run()


def launch(campaign, turn_s):
    """Starts one in a session of its own -> its process id, once it has taken over the record."""
    campaign.folder.mkdir(parents=True, exist_ok=True)
    with open(campaign.folder / "supervisor.log", "a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.campaign", "supervise", str(campaign.folder), str(turn_s)],
            cwd=targets.ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while process.poll() is None:
        if campaign.load().is_running() and campaign.supervisor[0] == process.pid:
            return process.pid
        time.sleep(0.05)
    raise state.Wrong(f"the supervisor ended at once: see {campaign.folder / 'supervisor.log'}")


def stop(campaign):
    """Ends it by its process id and waits until it has written down that it is over."""
    process = campaign.supervisor
    if not campaign.is_running():
        return False
    os.kill(process[0], signal.SIGTERM)
    while state.is_alive(process):
        time.sleep(0.05)
    campaign.load()
    return True
