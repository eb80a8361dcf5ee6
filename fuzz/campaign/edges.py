"""How much of the generated parsers a corpus reaches: gcov's branches, each way one edge.

afl-fuzz counts the edges of whole programs, much of which no input can reach; nobody could say when a target is done.
Here the parsers of a target's units count, less what docs/explanation/coverage.md explains. The targets of the preset
coverage read what is new in a corpus; their counts add up in the campaign's cache.
"""

import functools
import importlib.util
import json
import os
import shutil
import subprocess

from fuzz.campaign import state, targets

PARSERS = {"machine": "security/steps.c"}        # of a unit; of all others wire/UNIT.c
BATCH = 500
READ_MOST_S = 60


@functools.cache
def gcov_tool():
    """What ./dev coverage is made of."""
    spec = importlib.util.spec_from_file_location("coverage_of_generated", targets.ROOT / ".ci/coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def explained():
    return tuple(gcov_tool().explained(targets.ROOT / "docs/explanation/coverage.md"))


def parsers(target):
    return [PARSERS.get(unit, f"wire/{unit}.c") for unit in target.units]


def run(program, files, prefix):
    """Reads these inputs; where one of them ends the program, which then counts nothing, the others still count."""
    if not files:
        return
    environment = {**os.environ, "GCOV_PREFIX": str(prefix)}
    try:
        status = subprocess.run([program, *files], env=environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, timeout=READ_MOST_S, check=False).returncode
    except subprocess.TimeoutExpired:
        status = 1
    if status and len(files) > 1:
        half = len(files) // 2
        run(program, files[:half], prefix)
        run(program, files[half:], prefix)


def count(target, build, prefix):
    """File -> [ways taken, ways there are] of the target's parsers, by the counts below prefix."""
    tool, generated = gcov_tool(), (build / "generated").resolve()
    notes = list(build.rglob("generated/**/*.gcno"))
    for note in notes:
        there = prefix / str(note.resolve()).lstrip("/")
        if there.with_suffix(".gcda").exists() and not there.exists():
            shutil.copyfile(note, there)        # gcov looks for counts beside it
    files = tool.measure(tool.gcov(prefix), generated)
    found = {}
    for name in parsers(target):
        if name not in files:
            continue
        lines, branches = files[name]
        text = (generated / name).read_text(encoding="utf-8").splitlines()
        taken = total = 0
        for number, ways in branches.items():
            done = sum(map(bool, ways))
            is_explained = done < len(ways) and any(reason.covers(name, text[number - 1].strip())
                                                    for reason in explained())
            taken, total = taken + done, total + (done if is_explained else len(ways))
        found[name] = [taken, total]
    return found


def of_campaign(campaign, target, builds):
    """File -> [taken, all]; None: the build that counts is not there, or the target reads nothing generated."""
    program = builds.program("coverage", target)
    if not parsers(target) or not program.exists():
        return None
    build = builds.folder("coverage").parent.resolve()
    prefix = campaign.folder / "cache/gcov" / target.name
    cache = campaign.folder / "cache" / f"edges.{target.name}.json"
    mark = f"{program.stat().st_mtime_ns}"
    known = {}
    if cache.exists():
        known = json.loads(cache.read_text(encoding="utf-8"))
    if known.get("mark") != mark:
        shutil.rmtree(prefix, ignore_errors=True)
        known = {"mark": mark, "seen": [], "files": {}}
    seen = set(known["seen"])
    fresh = {f"{path.parent.parent.name}/{path.name}": path for path in campaign.corpus(target.name)}
    fresh = {key: path for key, path in fresh.items() if key not in seen}
    if not fresh:
        return known["files"]
    prefix.mkdir(parents=True, exist_ok=True)
    paths = list(fresh.values())
    for at in range(0, len(paths), BATCH):
        run(program, paths[at:at + BATCH], prefix.resolve())
    known["files"] = count(target, build, prefix.resolve())
    known["seen"] = sorted(seen | set(fresh))
    state.write_whole(cache, json.dumps(known))
    return known["files"]


def percent(files):
    taken, total = (sum(pair[place] for pair in files.values()) for place in (0, 1))
    return 100 * taken / total if total else 0.0


def together(parts):
    """File -> the most that one target takes of it, over several targets."""
    found = {}
    for files in parts:
        for name, pair in files.items():
            found[name] = max(found.get(name, [0, pair[1]]), pair)
    return found
