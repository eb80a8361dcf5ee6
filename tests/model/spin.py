"""spin: a model -> a program that searches all of its states -> what it found."""

import os
import re
import subprocess
from dataclasses import dataclass

TIMEOUT_S = 60
MEMORY_MB = 1024
DEPTH = 1_000_000
RESULT = re.compile(r"depth reached (\d+).*errors: (\d+)\n\s*([\d.e+]+) states, stored", re.DOTALL)
FINDING = re.compile(r"pan:\d+: (assertion violated|invalid end state|acceptance cycle)(?: \W+(\w+))?")

# How a search is compiled and run. Fairness is weak: who can always go on does so at some time.
SAFETY = (["-DSAFETY", "-DNOCLAIM"], [])
LIVENESS = (["-DNFAIR=4"], ["-a", "-f"])


@dataclass
class Found:
    """states, depth: how far a search got. finding: what it met, or None. flag: the name x of a failed assert(!x)."""
    states: int
    depth: int
    finding: str = None
    flag: str = None


class Broken(Exception):
    """There was no search, or it did not reach its end: says why."""


def searches(text):
    return [SAFETY, LIVENESS] if re.search(r"^ltl\b", text, re.MULTILINE) else [SAFETY]


def run(folder, *step, **environment):
    try:
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
                              env={**os.environ, **environment})
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Broken(f"{step[0]}: {problem}") from problem
    if done.returncode != 0:
        raise Broken(f"{step[0]}: {(done.stdout + done.stderr).strip()[-300:]}")
    return done.stdout


def build(folder, model, how, optimise="-O1", mistake=""):
    """Makes ./pan in a folder of its own."""
    run(folder, "spin", *([f"-D{mistake}"] if mistake else []), "-a", str(model))
    run(folder, "cc", optimise, "-w", f"-DMEMLIM={MEMORY_MB}", *how[0], "-o", "pan", "pan.c")


def search(folder, how, size=(), **environment):
    """Runs ./pan; what it prints of a violation must agree with its count."""
    said = run(folder, "./pan", *(size or [f"-m{DEPTH}"]), *how[1], **environment)
    result, finding = RESULT.search(said), FINDING.search(said)
    incomplete = "Search not completed" in said and finding is None
    if result is None or incomplete or "max search depth too small" in said or bool(int(result[2])) != bool(finding):
        raise Broken("pan: the search did not reach its end")
    found = Found(int(float(result[3])), int(result[1]))
    if finding:
        found.finding, found.flag = finding[1], finding[2] if finding[1] == "assertion violated" else None
    return found
