"""How afl-fuzz is started: the kinds of instances, and what the machine lacks for it."""

import collections
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess

from fuzz.campaign import state, stats, targets

# share: of a target's time on one core. option: main or secondary. build: which one is run. more: further options.
Kind = collections.namedtuple("Kind", "share option build more")
KINDS = {
    "main": Kind(4, "-M", "plain", ()),
    "cmplog": Kind(2, "-S", "plain", ("-c",)),
    "asan": Kind(2, "-S", "asan", ()),
    "explore": Kind(1, "-S", "plain", ("-p", "explore")),
    "rare": Kind(1, "-S", "plain", ("-p", "rare")),
    "exploit": Kind(1, "-S", "plain", ("-p", "exploit")),
}
TIMEOUT_MS = 1000                # for one input; the slowest takes a hundredth on a machine that does nothing else
OCTETS_MOST = 20000              # of an input that afl-fuzz makes: enough for every bound, and fast
HANG_MS = 4000                   # what takes longer is a hang, even on a machine that does
PR_SET_PDEATHSIG = 1
MARK = "MONOCOQUE_FUZZ_CAMPAIGN" # in the environment of all that a campaign starts


def machine():
    """What afl-fuzz would ask about, and what is done instead -> (environment, sentences)."""
    environment, notes = {}, []
    pattern = read("/proc/sys/kernel/core_pattern")
    if pattern.startswith("|"):
        environment["AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES"] = "1"
        notes.append(f"core_pattern hands crashes to '{pattern[1:].split(' ')[0]}': left as it is, the fork server "
                     "sees them first; 'echo core >/proc/sys/kernel/core_pattern' saves some time for each")
    else:
        notes.append(f"core_pattern is '{pattern}': fine")
    governors = {read(path) for path in pathlib.Path("/sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_governor")}
    environment["AFL_SKIP_CPUFREQ"] = "1"
    if governors - {"performance"}:
        notes.append(f"CPU governor is {', '.join(sorted(governors))}: left as it is; 'performance' is faster")
    else:
        notes.append("CPU governor is performance: fine" if governors else "CPU governor: none to be seen here")
    return environment, notes


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def kind_of(name):
    """An instance is called as its kind; the second of one kind has a number."""
    return KINDS[name.rstrip("0123456789")]


def can_run(name, target, builds):
    kind = kind_of(name)
    wanted = [kind.build, *(["cmplog"] if "-c" in kind.more else [])]
    return all(builds.has(build, target) for build in wanted)


def rescue(campaign, target, name):
    """An instance that ended before it wrote its stats cannot go on: what it found begins the next one."""
    folder = campaign.output(target.name) / name
    known = {targets.digest(path.read_bytes()) for path in targets.inputs([campaign.input_folder(target.name)])}
    for key, path in targets.distinct(targets.inputs([folder / "queue", folder / "_resume"])).items():
        if key not in known:
            shutil.copyfile(path, campaign.input_folder(target.name) / f"rescued-{key}")


def heal(folder):
    """An afl-fuzz that was killed as it wrote its stats left them cut, and the next one would refuse the whole folder
    for it. Writes anew what that one asks for; the count of what it did is in the campaign's record."""
    path = folder / "fuzzer_stats"
    if path.exists() and not stats.number(stats.read_stats(path).get("last_update")):
        when = int(path.stat().st_mtime)
        state.write_whole(path, f"start_time        : {when}\nlast_update       : {when}\n")


def command(campaign, target, name, builds):
    """The whole line. An instance that ran before goes on where it was."""
    row, output = kind_of(name), campaign.output(target.name)
    is_known = (output / name / "fuzzer_stats").exists()
    line = ["afl-fuzz", "-i", "-" if is_known else str(campaign.input_folder(target.name)), "-o", str(output),
            row.option, name, "-t", str(TIMEOUT_MS), "-m", "none",
            "-G", str(OCTETS_MOST)]
    dictionary = builds.generated("fuzz/zmtp.dict")
    if dictionary.exists():
        line += ["-x", str(dictionary)]
    for option in row.more:
        line += [option, str(builds.program("cmplog", target))] if option == "-c" else [option]
    return [*line, "--", str(builds.program(row.build, target))]


def environment(campaign, target, name, builds, machine_environment):
    found = {name: value for name, value in os.environ.items() if not name.startswith("AFL_")}
    found.update(machine_environment, AFL_NO_UI="1", AFL_NO_AFFINITY="1", AFL_FORKSRV_INIT_TMOUT="60000",
                 AFL_HANG_TMOUT=str(HANG_MS), AFL_IMPORT_FIRST="1", AFL_CMPLOG_ONLY_NEW="1",
                 **{MARK: f"{campaign.folder}:{target.name}/{name}"})
    mutator = builds.mutator(target)
    if mutator and mutator.exists():
        found["AFL_CUSTOM_MUTATOR_LIBRARY"] = str(mutator)
    return found


def end_with_parent(core):
    """For the new process, before it becomes afl-fuzz: its core, and that it ends when the supervisor does."""
    prctl = ctypes.CDLL(None).prctl

    def prepare():
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if core is not None:
            os.sched_setaffinity(0, {core})

    return prepare


def end_orphans(campaign, turn=""):
    """A target outlives an afl-fuzz that was killed, and its CMPLOG twin any: they were stopped, and nobody is left to
    wake them up. Ends those of one turn, TARGET/KIND, or of all."""
    wanted, ended = f"{MARK}={campaign.folder}:{turn}".encode(), 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "environ").read_bytes().split(b"\0")
            if any(item == wanted or not turn and item.startswith(wanted) for item in said):
                os.kill(int(process.name), signal.SIGKILL)
                ended += 1
        except OSError:
            continue
    return ended


def start(campaign, target, name, builds, machine_environment, core):
    log = campaign.log(target.name, name)
    for folder in (log.parent, campaign.output(target.name)):
        folder.mkdir(parents=True, exist_ok=True)
    if not (campaign.output(target.name) / name / "fuzzer_stats").exists():
        rescue(campaign, target, name)
    heal(campaign.output(target.name) / name)
    with open(log, "w", encoding="utf-8") as output:
        return subprocess.Popen(command(campaign, target, name, builds), stdin=subprocess.DEVNULL, stdout=output,
                                stderr=output, env=environment(campaign, target, name, builds, machine_environment),
                                preexec_fn=end_with_parent(core))


def cores(jobs):
    """A core for each job, of those that we may use; none is bound where there are more jobs than cores."""
    free = sorted(os.sched_getaffinity(0))
    return free[:jobs] if jobs <= len(free) else [None] * jobs
