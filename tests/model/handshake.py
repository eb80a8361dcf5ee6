"""The models that gen makes of spec/: every configuration, and the mistakes planted in copies of the spec."""

import pathlib
import re
import shutil
import sys
import tempfile
import threading
from dataclasses import replace

import mistakes
import spin

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from gen import load, promela, render  # noqa: E402   the generator stands beside tests/

SIDE = re.compile(r"^ \*   side (\d+)  (\S.*)$", re.MULTILINE)
ATTACKER = "an attacker"
SMALL = ("-m10000", "-w18")      # depth and hash table: to clear larger ones would take longer than the search
# What a finding of spin means here, where no assertion names it.
MEANING = {"invalid end state": "deadlock", "acceptance cycle": "ends"}


class Model:
    """One generated model: its text, its configurations, and its searches, each compiled once."""

    def __init__(self, name, text, folder):
        self.name, self.text = name, text
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        self.sides = [title for _, title in SIDE.findall(text)] + [ATTACKER]
        self.built, self.lock = {}, threading.Lock()

    def runs(self):
        """Every pair once: a side of this mechanism with each side behind it, and with an attacker."""
        own = [i for i, title in enumerate(self.sides) if title.startswith(f"{self.name}.")]
        return [(i, j) for i in own for j in range(len(self.sides)) if j >= i or j not in own and j > own[-1]]

    def pan(self, how):
        with self.lock:
            key = tuple(how[1])
            if key not in self.built:
                folder = self.folder / f"search{len(self.built)}"
                folder.mkdir()
                (folder / "model.pml").write_text(self.text, encoding="utf-8")
                # Hundreds of short searches: compiling is most of the time.
                spin.build(folder, folder / "model.pml", how, optimise="-O0")
                self.built[key] = folder
            return self.built[key]

    def title(self, one, other):
        return f"{self.sides[one]} and {self.sides[other]}"

    def search(self, one, other):
        """(states, depth, property violated or None) of all searches of one configuration."""
        states, depth = 0, 0
        for how in spin.searches(self.text):
            found = spin.search(self.pan(how), how, SMALL, SIDE0=str(one), SIDE1=str(other))
            states, depth = states + found.states, max(depth, found.depth)
            if found.finding:
                return states, depth, found.flag or MEANING[found.finding]
        return states, depth, None


def generate(root, folder, check=None, machines=None):
    """The models of a tree's spec. `check` replaces the lints, `machines` names those that take part."""
    protocol, problems, sources = load.load(root, **({"check": check} if check else {}))
    if problems:
        raise spin.Broken(load.report(problems, sources))
    if machines:
        protocol = replace(protocol, machines={name: protocol.machines[name] for name in machines})
    renderer = render.Renderer(root, protocol)
    return {pathlib.Path(name).stem: Model(pathlib.Path(name).stem, text, folder)
            for name, text in renderer.render(promela.rows(protocol)).items()}


def judge(model, one, other):
    """(passed, line) of one configuration."""
    title = model.title(one, other)
    try:
        states, depth, violated = model.search(one, other)
    except spin.Broken as problem:
        return False, f"{title:52} {problem}"
    verdict = f"1 violation: {violated}" if violated else "0 violations"
    return not violated, f"{title:52} {states:>9,} states  depth {depth:>6,}  {verdict}"


def judge_mistake(mistake):
    """(passed, line) of one mistake: do the lints find what they should, and spin what it should?"""
    title = f"{mistake.machine} with {mistake.name}"
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "tree"
        shutil.copytree(ROOT / "spec", tree / "spec")
        (tree / "templates").symlink_to(ROOT / "templates")
        try:
            if mistake.unit != "model":
                mistakes.plant(tree / "spec", mistake)
            _, problems, _ = load.load(tree)
            lints = sorted({problem.lint for problem in problems.items})
            if lints != sorted(mistake.lints):
                return False, f"{title:52} lints say {lints}, not {sorted(mistake.lints)}"
            machines = dict.fromkeys([mistake.machine, *mistake.peer.split()[:1]])    # others only take time
            model = generate(tree, folder, lambda *_: None, machines)[mistake.machine.split(".")[0]]
            if mistake.unit == "model":
                model.text = mistakes.edited(model.text, mistake.edits, "the model")
            one = model.sides.index(f"{mistake.machine} {mistake.version}")
            other = model.sides.index(mistake.peer or ATTACKER)
            states, depth, violated = model.search(one, other)
        except (spin.Broken, mistakes.Misplaced) as problem:
            return False, f"{title:52} {problem}"
    verdict = f"caught: {violated}" if violated else "NOT CAUGHT"
    if violated and violated != mistake.violates:
        verdict += f", not {mistake.violates}"
    if lints:
        verdict += f" (lint: {', '.join(lints)})"
    return violated == mistake.violates, f"{title:52} {states:>9,} states  depth {depth:>6,}  {verdict}"
