"""What the instances' own files say: fuzzer_stats, plot_data, the folders. Whether anybody is alive matters not."""

import collections
import dataclasses
import re

from fuzz.campaign import state, targets

FINDING_S = 600                  # a find as young as that: it still finds
SATURATED_S = 1800               # of running without one: it has found what it finds

FOUND = re.compile(r",time:(\d+),execs:(\d+)")     # in the names of what an instance kept


@dataclasses.dataclass
class Instance:
    """One folder below out/TARGET."""

    name: str
    execs: int = 0
    run_s: float = 0.0
    execs_s: float = 0.0
    corpus: int = 0
    edges: int = 0
    edges_all: int = 0
    stability: float = 0.0
    last_find: float = 0.0
    since_find_s: float = 0.0            # of its own running
    is_alive: bool = False
    crashes: tuple = ()                  # files
    hangs: tuple = ()


def read_stats(path):
    """fuzzer_stats as a dict; {} where it is not there, or was being written when the machine stopped."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def number(text, otherwise=0.0):
    try:
        return float(str(text).rstrip("%"))
    except ValueError:
        return otherwise


def read_plot(path):
    """Rows of plot_data as dicts by column. It is written far more often than fuzzer_stats. A cut line is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    names = []
    rows = []
    for line in lines:
        if line.startswith("#"):
            names = [name.strip() for name in line.lstrip("# ").split(",")]
        elif names and line.count(",") >= len(names) - 1:
            rows.append({name: number(value) for name, value in zip(names, line.split(","))})
    return rows


def found(folder, what):
    """Files of crashes/ or hangs/, and of the folders that afl-fuzz moves them to when it goes on."""
    return tuple(targets.inputs(sorted(folder.glob(what + "*"))))


def age_mark(path):
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def read_instance(folder, running=None, counted=None):
    """counted: what the campaign's record has of it, which a killed afl-fuzz had no time to write."""
    said = read_stats(folder / "fuzzer_stats")
    rows = read_plot(folder / "plot_data")
    last = rows[-1] if rows else {}
    run_s = max(number(said.get("run_time")), last.get("relative_time", 0.0))
    execs = int(max(number(said.get("execs_done")), last.get("total_execs", 0.0)))
    last_find = number(said.get("last_find"))
    queue = {path.name: path for path in targets.inputs(folder / name for name in state.QUEUES)}.values()
    if own := [(int(hit[2]), int(hit[1]), path) for path in queue if (hit := FOUND.search(path.name))]:
        newest = max(own)                            # fuzzer_stats is a minute old at times; a file's name is not
        last_find = max(last_find, age_mark(newest[2]))
        if newest[0] > execs:
            execs, run_s = newest[0], max(run_s, newest[1] / 1000)
    if counted and counted[0] > execs:
        execs, run_s = int(counted[0]), counted[1]
    return Instance(
        name=folder.name, execs=execs, run_s=run_s,
        execs_s=last.get("execs_per_sec") or number(said.get("execs_per_sec")) or (execs / run_s if run_s else 0.0),
        corpus=len(queue), edges=int(max(number(said.get("edges_found")), last.get("edges_found", 0.0))),
        edges_all=int(number(said.get("total_edges"))), stability=number(said.get("stability")), last_find=last_find,
        since_find_s=max(0.0, number(said.get("time_wo_finds"))),
        is_alive=state.is_alive((running or {}).get(folder.name)),
        crashes=found(folder, "crashes"), hangs=found(folder, "hangs"))


def of_target(campaign, target):
    running = {key.partition("/")[2]: process for key, process in campaign.running.items()
               if key.partition("/")[0] == target}
    counted = {key.partition("/")[2]: pair for key, pair in campaign.counted.items()
               if key.partition("/")[0] == target}
    return [read_instance(folder, running, counted.get(folder.name)) for folder in campaign.instance_folders(target)]


@dataclasses.dataclass
class Summary:
    """A target, all its instances taken together."""

    target: str
    instances: list
    execs: int
    execs_s: float                       # on one core, over all that ran
    corpus: int
    edges: float                         # percent of all that the program has, by afl-fuzz's count
    crashes: int
    hangs: int
    stability: float
    last_find: float
    state: str
    run_s: float
    dead: list = dataclasses.field(default_factory=list)


def contents(paths):
    """How many different ones: an instance that goes on finds the same again."""
    return len(targets.distinct(paths))


def mean(pairs):
    """Of (value, weight)."""
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else 0.0


def word(campaign, target, parts):
    failing = [key for key, count in campaign.failures.items() if key.startswith(target + "/") and count > 0]
    if not parts:
        return "failing" if failing else "waiting" if campaign.is_running() else "not run"
    if failing:
        return "failing: " + ", ".join(key.partition("/")[2] for key in sorted(failing))
    dead = dead_instances(campaign, target)
    if dead:
        return "dead: " + ", ".join(dead)
    run_s = sum(part.run_s for part in parts)
    last = max(part.last_find for part in parts)
    if last and campaign.now() - last < FINDING_S:
        return "finding"
    return "saturated" if run_s >= SATURATED_S else "searching"


def dead_instances(campaign, target):
    """Those that the record has as running, and that are not."""
    return sorted(key.partition("/")[2] for key, process in campaign.running.items()
                  if key.partition("/")[0] == target and not state.is_alive(process))


def summarise(campaign, target):
    parts = of_target(campaign, target)
    fast = [part for part in parts if part.run_s > 0]
    return Summary(
        target=target, instances=parts, execs=sum(part.execs for part in parts),
        execs_s=mean([(part.execs / part.run_s, part.run_s) for part in fast]),
        corpus=max((part.corpus for part in parts), default=len(campaign.corpus(target))),
        edges=max((100 * part.edges / part.edges_all for part in parts if part.edges_all and part.name != "asan"),
                  default=0.0),
        crashes=contents([path for part in parts for path in part.crashes]),
        hangs=contents([path for part in parts for path in part.hangs]),
        stability=min((part.stability for part in parts if part.stability), default=0.0),
        last_find=max((part.last_find for part in parts), default=0.0), state=word(campaign, target, parts),
        run_s=sum(part.run_s for part in parts), dead=dead_instances(campaign, target))


def growth(campaign, target):
    """(seconds that an instance ran, the most edges that one of them had by then)."""
    steps = collections.defaultdict(float)
    for folder in campaign.instance_folders(target):
        for row in read_plot(folder / "plot_data"):
            at = row.get("relative_time", 0.0)
            steps[at] = max(steps[at], row.get("edges_found", 0.0))
    line, best = [], 0.0
    for at in sorted(steps):
        best = max(best, steps[at])
        line.append((at, best))
    return line
