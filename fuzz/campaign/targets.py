"""What there is to fuzz: the build's list of targets, and the inputs that each begins with."""

import dataclasses
import hashlib
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "fuzz/corpus"              # inputs that do not come from the spec
FIXED = ROOT / "tests/regress"           # inputs of bugs that were fixed
PRESETS = {"plain": "afl", "cmplog": "afl-cmplog", "asan": "afl-asan", "replay": "asan",
           "coverage": "coverage"}


@dataclasses.dataclass(frozen=True)
class Target:
    """One row of targets.json; paths are relative to the build that they are looked up in."""

    name: str
    program: str
    seeds: str
    units: tuple
    mutator: str | None
    reads: str                           # the target whose inputs look like its own

    def start_folders(self, builds):
        return [builds.folder("plain") / self.seeds, KEPT / self.name, FIXED / self.name]

    def start_inputs(self, builds):
        """What a campaign begins with, each content once."""
        return list(distinct(inputs(self.start_folders(builds))).values())


class Builds:
    """Where each kind of build lies: build/PRESET/fuzz, or what a test puts in its place."""

    def __init__(self, folders=None):
        self.folders = {kind: pathlib.Path(path) for kind, path in (folders or {}).items()}

    def folder(self, kind):
        return self.folders.get(kind) or ROOT / "build" / PRESETS[kind] / "fuzz"

    def program(self, kind, target):
        return self.folder(kind) / target.program

    def has(self, kind, target):
        return self.program(kind, target).exists()

    def mutator(self, target):
        return self.folder("plain") / target.mutator if target.mutator else None

    def generated(self, name):
        """A file of the generated folder, which lies beside the targets."""
        return self.folder("plain").parent / "generated" / name

    def record(self):
        return {kind: str(path) for kind, path in self.folders.items()}


def inputs(folders):
    """The files of these folders that are inputs; afl-fuzz keeps notes beside them, and moves folders at any time."""
    found = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        except OSError:
            continue
        found += [folder / name for name in names if not name.startswith((".", "README"))]
    return found


def shown(path):
    """As one would type it in the root of the tree."""
    path = pathlib.Path(path)
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def digest(octets):
    return hashlib.sha256(octets).hexdigest()[:16]


def distinct(paths):
    """Content's digest -> the first file that has it."""
    found = {}
    for path in paths:
        try:
            found.setdefault(digest(path.read_bytes()), path)
        except OSError:                      # moved while we looked
            continue
    return found


def load(builds):
    """Name -> target."""
    rows = json.loads((builds.folder("plain") / "targets.json").read_text(encoding="utf-8"))
    return {row["name"]: Target(row["name"], row["program"], row["seeds"], tuple(row["units"]), row["mutator"],
                                row.get("reads", row["name"]))
            for row in rows}
