"""The slow oracles over a sample of a campaign's corpora: the reference codec, and a live libzmq.

They are too slow for a fuzzer, which asks after each input. Here they get some hundreds of each target that they know;
the same sample is not asked twice.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile

from fuzz.campaign import state, targets

SAMPLE = 400                     # inputs of a target
LIMIT_S = 300
SHOWN = 4000                     # characters of what an oracle says
CODEC, VERDICT = "reference codec", "libzmq"
TOOLS = {CODEC: ("tests/diff/diff.py", "--corpus"), VERDICT: ("fuzz/libzmq_verdict.py",)}
DRIVERS = {CODEC: "tests/diff/codec_driver", VERDICT: "tests/vectors/session_driver"}      # within a build


@functools.cache
def faces():
    """The targets whose inputs the reference codec can read."""
    script = targets.ROOT / TOOLS[CODEC][0]                  # run, not imported: its modules' names are its own
    return subprocess.run([sys.executable, script, "--faces"], capture_output=True, text=True, check=True,
                          timeout=LIMIT_S).stdout.split()


def sample(campaign, name):
    """Digest -> file; the digests choose, so that the choice is spread evenly and stays the same."""
    found = targets.distinct(campaign.corpus(name))
    return {key: found[key] for key in sorted(found)[:SAMPLE]}


def ask(oracle, build, picked):
    """-> (what it said in a line, all of it, whether all is well); picked: target -> its sample."""
    script, *options = TOOLS[oracle]
    with tempfile.TemporaryDirectory() as folder:
        for name, files in picked.items():
            os.mkdir(os.path.join(folder, name))
            for key, path in files.items():
                with open(os.path.join(folder, name, key), "wb") as file:
                    file.write(path.read_bytes())
        line = [sys.executable, str(targets.ROOT / script), *options, "--build", str(build),
                *(os.path.join(folder, name) for name in picked)]
        try:
            done = subprocess.run(line, cwd=targets.ROOT, capture_output=True, text=True, errors="replace",
                                  timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"no answer within {LIMIT_S} s", "", False
    text = done.stdout + done.stderr
    lines = text.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1], text[-SHOWN:], done.returncode != 1           # 2: it could not ask


def run(campaign, builds, say=print):
    """-> whether the oracles found nothing; an oracle that is not built, or has nothing to be asked, finds nothing."""
    build, known = builds.folder("replay").parent, read(campaign)
    for oracle, driver in DRIVERS.items():
        names = [name for name in campaign.targets if name in (faces() if oracle == CODEC else ("session",))]
        if not names or not (build / driver).exists():
            continue
        picked = {name: sample(campaign, name) for name in names}
        mark = targets.digest(json.dumps({name: list(files) for name, files in picked.items()}).encode()
                              + str((build / driver).stat().st_mtime_ns).encode())
        if known.get(oracle, {}).get("mark") != mark:
            line, text, is_good = ask(oracle, build, picked)
            known[oracle] = {"mark": mark, "said": line, "text": text, "is_good": is_good,
                             "inputs": {name: len(files) for name, files in picked.items()}}
        say(f"{oracle}, {sum(known[oracle]['inputs'].values())} inputs: {known[oracle]['said']}")
    state.write_whole(record(campaign), json.dumps(known, indent=1) + "\n")
    return all(row["is_good"] for row in known.values())


def record(campaign):
    return campaign.folder / "oracles.json"


def read(campaign):
    """Oracle -> what it said last."""
    try:
        return json.loads(record(campaign).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
