"""The table of a campaign, for eyes and for machines."""

import os
import sys
import time

from fuzz.campaign import edges, rules, stats, targets, triage

COLUMNS = "{:<12} {:>4}  {:>8}  {:>9}  {:>6}  {:>7}  {:>7}  {:>5}  {:>4}  {:>10}  {}"
TITLES = ("TARGET", "INST", "EXECS", "EXEC/S", "CORPUS", "EDGES", "RULES", "CRASH", "HANG", "LAST FIND", "STATE")
REFRESH_S = 2


def clock(seconds):
    seconds = int(seconds)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def ago(seconds):
    return f"{int(seconds) // 3600} h {int(seconds) // 60 % 60:02} m"


def many(count):
    for unit, size in (("G", 10 ** 10), ("M", 10 ** 7), ("K", 10 ** 5)):
        if count >= size:
            return f"{count // (size // (10 if unit != 'K' else 100))} {unit}"
    return str(count)


def collect(campaign):
    """Everything that status tells, as plain data."""
    builds = targets.Builds(campaign.builds)
    known, book = targets.load(builds), rules.Book.of(builds)
    rows = []
    for name in campaign.targets:
        summary = stats.summarise(campaign, name)
        touched, own, reached = set(), set(), None
        if name in known:
            touched, own = rules.of_campaign(campaign, known[name], book)
            reached = edges.of_campaign(campaign, known[name], builds)
        percent = edges.percent(reached) if reached else summary.edges
        rows.append({
            "target": name, "instances": len(summary.instances), "execs": summary.execs,
            "execs_per_second": round(summary.execs_s, 1), "corpus": summary.corpus,
            "edges_percent": round(percent, 1), "edges_of": "parsers" if reached else "program",
            "parsers": reached or {},
            "rules_touched": len(touched), "rules": len(own), "rules_missing": sorted(own - touched),
            "crashes": summary.crashes, "hangs": summary.hangs,
            "last_find_seconds": max(0, round(campaign.now() - summary.last_find)) if summary.last_find else None,
            "stability_percent": summary.stability, "run_seconds": round(summary.run_s), "state": summary.state,
            "running": sorted(part.name for part in summary.instances if part.is_alive), "dead": summary.dead,
            "parts": [{"name": part.name, "execs": part.execs, "execs_per_second": round(part.execs_s, 1),
                       "corpus": part.corpus, "stability_percent": part.stability, "crashes": len(part.crashes),
                       "hangs": len(part.hangs), "run_seconds": round(part.run_s), "alive": part.is_alive}
                      for part in summary.instances]})
    left = campaign.left()
    return {"campaign": campaign.name, "state": campaign.word(), "jobs": campaign.jobs,
            "elapsed_seconds": round(campaign.elapsed()), "left_seconds": None if left is None else round(left),
            "notes": campaign.notes, "targets": rows, "bugs": triage.read_bugs(campaign)}


def table(data):
    left = "no end" if data["left_seconds"] is None else clock(data["left_seconds"]) + " left"
    cores = min(data["jobs"], len(os.sched_getaffinity(0)))
    lines = [f"campaign {data['campaign']} - {plural(data['jobs'], 'instance')} on {plural(cores, 'core')} - "
             f"{clock(data['elapsed_seconds'])} elapsed, {left}"
             f"{'' if data['state'] == 'running' else ' - ' + data['state']}",
             COLUMNS.format(*TITLES)]
    for row in data["targets"]:
        last = row["last_find_seconds"]
        lines.append(COLUMNS.format(
            row["target"], row["instances"], many(row["execs"]), f"{row['execs_per_second']:,.0f}", row["corpus"],
            f"{row['edges_percent']:.1f} %", f"{row['rules_touched']}/{row['rules']}" if row["rules"] else "-",
            row["crashes"], row["hangs"], "-" if last is None else ago(last), row["state"]))
    return "\n".join([*lines, bug_line(data)])


def plural(count, what):
    return f"{count} {what}{'' if count == 1 else 's'}"


def bug_line(data):
    raw = sum(row["crashes"] + row["hangs"] for row in data["targets"])
    if data["bugs"]:
        said = "; ".join(f"{bug['target']}: {bug['title']}, {bug['size']}-byte input" for bug in data["bugs"][:3])
        return f"bugs: {len(data['bugs'])} ({said})  ./dev fuzz triage"
    if raw:
        names = ", ".join(row["target"] for row in data["targets"] if row["crashes"] + row["hangs"])
        return f"bugs: {plural(raw, 'input')} to look at ({names})  ./dev fuzz triage"
    return "bugs: none"


def watch(campaign):
    """Until it is over or interrupted; redrawn in place on a terminal, one table after the other elsewhere."""
    is_screen = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    while True:
        campaign.load()
        text = table(collect(campaign))
        sys.stdout.write(f"\x1b[H\x1b[J{text}\n" if is_screen else f"{text}\n\n")
        sys.stdout.flush()
        if not campaign.is_running():
            return
        time.sleep(REFRESH_S if is_screen else 10 * REFRESH_S)
