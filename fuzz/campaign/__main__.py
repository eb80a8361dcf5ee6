"""./dev fuzz VERB ...: what a person types."""

import argparse
import json
import os
import re
import sys
import time

from fuzz.campaign import (dashboard, instances, minimise, oracles, report, rules, share, state, stats, supervisor,
                           targets, triage)

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text):
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: 90s, 10m, 8h, 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def builds_of(args):
    """The tree's own builds; a test has others."""
    return targets.Builds(json.loads(args.builds) if args.builds else None)


# --- verbs ----------------------------------------------------------------------------------------------------


def verb_list(args):
    builds = builds_of(args)
    known, book = targets.load(builds), rules.Book.of(builds)
    campaigns = state.all_campaigns(args.home)
    rows, covered = [], set()
    for target in known.values():
        start, own = rules.of_start(builds, target, book, args.home)
        ran = [campaign for campaign in campaigns if target.name in campaign.targets and campaign.beat]
        touched = set(start).union(*(rules.of_campaign(campaign, target, book)[0] for campaign in ran))
        covered |= touched
        corpus = max([len(target.start_inputs(builds)),
                      *(stats.summarise(campaign, target.name).corpus for campaign in ran)])
        last = max((campaign.beat for campaign in ran), default=0)
        rows.append({"target": target.name, "units": list(target.units), "rules_touched": len(touched),
                     "rules": len(own), "corpus": corpus, "last_run": last, "missing": sorted(own - touched)})
    missing = sorted(book.all_rules() - covered)
    if args.json:
        print(json.dumps({"targets": rows, "rules": len(book.all_rules()), "rules_missing": missing}, indent=1))
        return 0
    print(f"{'TARGET':<12} {'RULES':>9}  {'CORPUS':>6}  {'LAST RUN':<16}  READS")
    for row in rows:
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["last_run"])) if row["last_run"] else "never"
        share = f"{row['rules_touched']}/{row['rules']}" if row["rules"] else "-"
        print(f"{row['target']:<12} {share:>9}  {row['corpus']:>6}  {last:<16}  {' '.join(row['units']) or '-'}")
    count = len(book.all_rules())
    print(f"{count - len(missing)} of {count} rules of the spec are touched by some target")
    for rule in missing:
        print(f"  none touches {rule}")
    return 0


def verb_start(args):
    builds = builds_of(args)
    known = targets.load(builds)
    campaign = state.Campaign(args.name or state.DEFAULT, args.home)
    unknown = [name for name in args.targets if name not in known]
    if unknown:
        raise state.Wrong(f"there is no target '{unknown[0]}'; there are {', '.join(known)}")
    if campaign.exists() and campaign.load().is_running():
        raise state.Wrong(f"campaign {campaign.name} runs already; ./dev fuzz watch {campaign.name}")
    if args.fresh:
        campaign.remove()
        campaign = state.Campaign(campaign.name, args.home)
    resumed = campaign.exists()
    if not resumed:
        campaign.created = time.time()
    campaign.targets = args.targets or campaign.targets or list(known)
    campaign.jobs = args.jobs or (campaign.jobs if resumed else len(os.sched_getaffinity(0)))
    if args.time is not None:
        campaign.for_s = campaign.elapsed_s + args.time
    elif campaign.left() == 0:
        campaign.for_s = None
    campaign.builds = builds.record()
    return go(campaign, known, args)


def verb_resume(args):
    campaign = state.find(args.campaign, args.home)
    if campaign.is_running():
        raise state.Wrong(f"campaign {campaign.name} runs already; ./dev fuzz watch {campaign.name}")
    if campaign.left() == 0 and args.time is None:
        raise state.Wrong(f"campaign {campaign.name} has had its time; --for 1h gives it more")
    if args.time is not None:
        campaign.for_s = campaign.elapsed_s + args.time
    return go(campaign, targets.load(targets.Builds(campaign.builds)), args)


def go(campaign, known, args):
    """Inputs where they are missing, the record, and the process in the background."""
    builds = targets.Builds(campaign.builds)
    campaign.targets = [name for name in campaign.targets if name in known] or list(known)
    before = campaign.elapsed_s
    _, campaign.notes = instances.machine()
    for name in campaign.targets:
        fill(campaign.input_folder(name), known[name].start_inputs(builds))
    campaign.state = "stopped"
    campaign.save()
    pid = supervisor.launch(campaign, args.turn)
    for note in campaign.notes:
        print(note)
    core = instances.cores(campaign.jobs)
    print("bound to core " + ", ".join(str(number) for number in core) if None not in core else
          f"{campaign.jobs} instances on fewer cores: none is bound to one")
    print(f"campaign {campaign.name} {'goes on after ' + dashboard.clock(before) if before else 'began'}: "
          f"{', '.join(campaign.targets)}; process {pid}")
    print(f"./dev fuzz watch {campaign.name} | ./dev fuzz stop {campaign.name}")
    return 0


def fill(folder, paths):
    """afl-fuzz wants at least one input, and no two that are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {targets.digest(path.read_bytes()) for path in targets.inputs([folder])}
    for key, path in targets.distinct(paths).items():
        if key not in known and path.stat().st_size:
            (folder / key).write_bytes(path.read_bytes())
    if not targets.inputs([folder]):
        (folder / "empty").write_bytes(bytes(rules.HEAD + 1))


def verb_stop(args):
    campaign = state.find(args.campaign, args.home)
    if supervisor.stop(campaign):
        print(f"campaign {campaign.name} stopped after {dashboard.clock(campaign.elapsed_s)}; "
              f"./dev fuzz resume {campaign.name}")
    else:
        print(f"campaign {campaign.name} does not run ({campaign.word()})")
        instances.end_orphans(campaign)
    return 0


def verb_status(args):
    data = dashboard.collect(state.find(args.campaign, args.home))
    print(json.dumps(data, indent=1) if args.json else dashboard.table(data))
    return 0


def verb_watch(args):
    try:
        dashboard.watch(state.find(args.campaign, args.home))
    except KeyboardInterrupt:
        print()
    return 0


def verb_triage(args):
    campaign = state.find(args.campaign, args.home)
    builds = targets.Builds(campaign.builds)
    bugs = triage.Triage(campaign, builds).run()
    is_good = oracles.run(campaign, builds)
    return 1 if bugs or not is_good else 0


def verb_min(args):
    campaign = state.find(args.campaign, args.home)
    minimise.run(campaign, targets.Builds(campaign.builds), args.edges or args.keep, args.keep)
    return 0


def verb_report(args):
    campaign = state.find(args.campaign, args.home)
    print(targets.shown(report.write(campaign, targets.Builds(campaign.builds))))
    return 0


def verb_export(args):
    campaign = state.find(args.name, args.home)
    print(f"{share.write_file(campaign, args.file)} files of campaign {campaign.name} in {args.file}")
    return 0


def verb_import(args):
    campaign = state.Campaign(args.name or state.DEFAULT, args.home)
    if campaign.exists():
        campaign.load()
    else:
        campaign.created, campaign.builds = time.time(), builds_of(args).record()
        campaign.jobs = len(os.sched_getaffinity(0))
    if campaign.is_running():
        raise state.Wrong(f"campaign {campaign.name} runs, and would write over the record; stop it first")
    new = share.read_file(args.file, campaign)
    campaign.beat = campaign.beat or time.time()
    campaign.save()
    print(f"{new} new inputs in campaign {campaign.name}; ./dev fuzz resume {campaign.name}")
    return 0


def verb_sync(args):
    campaign = state.find(args.name, args.home)
    sent, new = share.exchange(campaign, args.place)
    print(f"campaign {campaign.name}: {sent} files left at {args.place}, {new} new inputs taken from other machines")
    return 0


def verb_supervise(args):
    supervisor.main(args.folder, args.turn_s)
    return 0


def parser():
    top = argparse.ArgumentParser(prog="./dev fuzz", description="Fuzz campaigns over the targets of fuzz/.")
    top.add_argument("--home", default=state.HOME, help=argparse.SUPPRESS)
    top.add_argument("--builds", help=argparse.SUPPRESS)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, text, campaign=True):
        one = verbs.add_parser(name, help=text, description=text)
        if campaign:
            one.add_argument("campaign", nargs="?", help="its name (default: the latest)")
        return one

    def turns(one):
        one.add_argument("--for", dest="time", type=seconds, metavar="TIME", help="how long: 90s, 10m, 8h")
        one.add_argument("--turn", type=seconds, default=supervisor.TURN_S, help=argparse.SUPPRESS)

    one = verb("list", "targets, the rules of the spec they touch, corpus size, last run", False)
    one.add_argument("--json", action="store_true")
    one = verb("start", "begins a campaign, or goes on with the one of that name", False)
    one.add_argument("targets", nargs="*", metavar="TARGET", help="default: all")
    one.add_argument("--jobs", type=int, help="instances at once (default: one a core)")
    one.add_argument("--name", help=f"default: {state.DEFAULT}")
    one.add_argument("--fresh", action="store_true", help="throws away what was there")
    turns(one)
    turns(verb("resume", "goes on with a campaign that was stopped or killed"))
    verb("stop", "ends a campaign's processes; resume goes on")
    verb("watch", "the dashboard, until it ends")
    verb("status", "the dashboard, once").add_argument("--json", action="store_true")
    verb("triage", "replays crashes and hangs, one folder for each bug; asks slow oracles; exit status 1: not all well")
    one = verb("min", "afl-tmin on bugs, afl-cmin on corpora")
    one.add_argument("--edges", action="store_true", help="one input for each edge, whatever its counts: far fewer")
    one.add_argument("--keep", action="store_true", help="puts them into fuzz/corpus/TARGET; implies --edges")
    verb("report", "report.html: growth, speed, stability, parsers, bugs, rules of the spec")
    for name, what, text in (("export", "file", "corpora and bugs into FILE, a .tar.gz"),
                             ("import", "file", "takes them from FILE, into a new campaign or an old one"),
                             ("sync", "place", "leaves them at HOST:DIR, takes other machines' from there")):
        one = verb(name, text, False)
        one.add_argument(what, metavar="FILE" if what == "file" else "HOST:DIR")
        one.add_argument("--name", help="the campaign (default: the latest)")
    one = verbs.add_parser("supervise")
    one.add_argument("folder")
    one.add_argument("turn_s", type=float)
    return top


def main():
    args = parser().parse_args()
    try:
        return globals()["verb_" + args.verb](args)
    except state.Wrong as wrong:
        print(f"dev: fuzz: {wrong}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(0)
