"""One campaign: its folder build/fuzz/NAME, and the record in it that outlives every process.

    campaign.json      what was asked for, how long it ran, who runs it; replaced as a whole, never written in place
    in/TARGET/         what the target began with
    out/TARGET/KIND/   an instance's own folder, as afl-fuzz keeps it
    bugs/              what triage found
    cache/             what is worked out once for each input
"""

import json
import os
import pathlib
import re
import shutil
import time

from fuzz.campaign import targets

HOME = targets.ROOT / "build/fuzz"
DEFAULT = "default"
QUEUES = ("queue", "_resume")            # afl-fuzz moves the one to the other, and back, when it goes on
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Wrong(Exception):
    """What the user is told, instead of a traceback."""


def write_whole(path, text):
    """Either the old file or the new one is there, even if the machine stops in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def born(pid):
    """When a process was started, in ticks; None: there is none. A pid is given out again, the pair is not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_alive(process):
    """process: [pid, born], as the record has it."""
    return bool(process) and born(process[0]) == process[1]


class Campaign:
    """The record as attributes; save() writes it."""

    DEFAULTS = {"created": 0.0, "targets": [], "jobs": 1, "for_s": None, "elapsed_s": 0.0, "beat": 0.0,
                "state": "stopped", "supervisor": None, "running": {}, "turns": {}, "owed": {}, "notes": [],
                "builds": {}, "failures": {}, "counted": {}}

    def __init__(self, name, home=HOME):
        if not NAME.fullmatch(name):
            raise Wrong(f"'{name}' is no name for a campaign: letters, digits, '.', '_' and '-'")
        self.name, self.folder = name, pathlib.Path(home) / name
        self.__dict__.update(json.loads(json.dumps(self.DEFAULTS)))

    @property
    def record(self):
        return self.folder / "campaign.json"

    def exists(self):
        return self.record.exists()

    def load(self):
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Wrong(f"there is no campaign '{self.name}'; ./dev fuzz start --name {self.name}") from None
        self.__dict__.update({key: found.get(key, getattr(self, key)) for key in self.DEFAULTS})
        return self

    def save(self):
        kept = {key: getattr(self, key) for key in self.DEFAULTS}
        write_whole(self.record, json.dumps(kept, indent=1, sort_keys=True) + "\n")

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def input_folder(self, target):
        return self.folder / "in" / target

    def output(self, target):
        return self.folder / "out" / target

    def log(self, target, instance):
        return self.folder / "log" / f"{target}.{instance}.log"

    def instance_folders(self, target):
        """Whoever ever ran, dead or alive, and those of other machines."""
        return sorted(path for path in self.output(target).glob("*")
                      if any((path / name).is_dir() for name in QUEUES))

    def corpus(self, target):
        """Every input that was kept, each instance's own; what began it all where there is none yet."""
        found = targets.inputs(folder / name for folder in self.instance_folders(target) for name in QUEUES)
        return found or targets.inputs([self.input_folder(target)])

    def is_running(self):
        return self.state == "running" and is_alive(self.supervisor)

    def now(self):
        """The time that 'how long ago' counts from: a campaign that stands still does not age."""
        return time.time() if self.is_running() else self.beat or time.time()

    def elapsed(self):
        return self.elapsed_s + (max(0.0, time.time() - self.beat) if self.is_running() else 0.0)

    def left(self):
        return None if self.for_s is None else max(0.0, self.for_s - self.elapsed())

    def word(self):
        """What it does, seen from outside: a killed supervisor leaves 'running' in the record."""
        return "died" if self.state == "running" and not self.is_running() else self.state


def all_campaigns(home=HOME):
    """The one that was alive last comes first."""
    found = [Campaign(path.parent.name, home).load() for path in pathlib.Path(home).glob("*/campaign.json")]
    return sorted(found, key=lambda campaign: -campaign.beat)


def find(name, home=HOME):
    """The campaign of that name; without one, the latest."""
    if name:
        return Campaign(name, home).load()
    found = all_campaigns(home)
    if not found:
        raise Wrong("there is no campaign yet; ./dev fuzz start")
    return found[0]
