"""Smaller corpora by afl-cmin, smaller inputs of bugs by afl-tmin; what there was before, and what is left."""

import os
import re
import shutil
import subprocess
import tempfile

from fuzz.campaign import instances, targets, triage

OURS = re.compile(r"[0-9a-f]{12,16}")     # inputs that have no name but their digest
KEEP_MOST = 4096                 # octets of an input that is kept in the repository
LIMIT_S = 900


def afl(campaign, target, builds):
    """Environment of AFL++'s tools: the campaign's, without its mutator."""
    found = instances.environment(campaign, target, "min", builds, {})
    found.pop("AFL_CUSTOM_MUTATOR_LIBRARY", None)
    return {**found, "AFL_QUIET": "1", "AFL_MAP_SIZE": str(1 << 16), "AFL_ALLOW_TMP": "1"}


def corpus(campaign, target, builds, only_edges):
    """The campaign's corpus of a target, minimised -> (before, after), each (files, octets)."""
    into = campaign.folder / "min" / target.name
    with tempfile.TemporaryDirectory(dir=campaign.folder) as folder:
        source, out = os.path.join(folder, "in"), os.path.join(folder, "out")
        os.mkdir(source)
        for key, path in targets.distinct(campaign.corpus(target.name)).items():
            shutil.copyfile(path, os.path.join(source, key))
        subprocess.run(["afl-cmin", *(["-e"] if only_edges else []), "-m", "none", "-t", str(instances.TIMEOUT_MS),
                        "-i", source, "-o", out, "--", str(builds.program("plain", target))],
                       env=afl(campaign, target, builds), check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        before = weigh(source)
        shutil.rmtree(into, ignore_errors=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(out, into)
    return before, weigh(into)


def weigh(folder):
    paths = [entry for entry in os.scandir(folder) if entry.is_file()]
    return len(paths), sum(entry.stat().st_size for entry in paths)


def keep(campaign, target, builds):
    """The minimised inputs that the spec does not give anyway go into fuzz/corpus/TARGET -> how many."""
    folder = targets.KEPT / target.name
    seeds = set(targets.distinct(targets.inputs([builds.folder("plain") / target.seeds])))
    found = {key: path for key, path in targets.distinct(
        targets.inputs([campaign.folder / "min" / target.name])).items()
        if key not in seeds and path.stat().st_size <= KEEP_MOST}
    for path in targets.inputs([folder]):
        if OURS.fullmatch(path.name):                # what has a name was put there by somebody
            path.unlink()
    if found:
        folder.mkdir(parents=True, exist_ok=True)
    for key, path in found.items():
        shutil.copyfile(path, folder / key)
    return len(found)


def bug(campaign, target, builds, found):
    """A bug's input by afl-tmin, as long as it stays the same bug -> (octets before, after)."""
    path = os.path.join(found["folder"], "input")
    before = os.path.getsize(path)
    with tempfile.TemporaryDirectory(dir=campaign.folder) as folder:
        small = os.path.join(folder, "small")
        for build in ("plain", "asan"):
            if not builds.has(build, target):
                continue
            status = subprocess.run(
                ["afl-tmin", "-m", "none", "-t", str(instances.TIMEOUT_MS), "-i", path, "-o", small, "--",
                 str(builds.program(build, target))], env=afl(campaign, target, builds), check=False,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S).returncode
            ended = triage.replay(builds.program("replay", target), small) if status == 0 else None
            if ended and triage.signature(ended) == found["signature"] and os.path.getsize(small) < before:
                with open(small, "rb") as file:
                    triage.write_bug(campaign, builds, target, found["name"], file.read(), found["inputs"])
                break
    return before, os.path.getsize(path)


def run(campaign, builds, only_edges, keeps, say=print):
    known = targets.load(builds)
    for found in triage.read_bugs(campaign):
        before, after = bug(campaign, known[found["target"]], builds, found)
        say(f"{found['name']}: {before} octets, now {after}")
    for name in campaign.targets:
        if name not in known:
            continue
        before, after = corpus(campaign, known[name], builds, only_edges)
        kept = f"; {keep(campaign, known[name], builds)} of them in fuzz/corpus/{name}" if keeps else ""
        say(f"{name}: {before[0]} inputs, {before[1]} octets; now {after[0]} inputs, {after[1]} octets{kept}")
    say(f"in {targets.shown(campaign.folder / 'min')}")
