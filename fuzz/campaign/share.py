"""A campaign to a file and back, and with another machine: corpora and bugs, nothing that only holds here.

A file or a machine's part arrives as instances of its own, so the running ones take from it what is new to them, as
they take from each other: afl-fuzz looks at every folder beside its own.
"""

import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile

from fuzz.campaign import state, targets

FOLDERS = ("queue", "crashes", "hangs")
MEMBER = re.compile(r"(out/[\w-]+/[\w.-]+/(queue|crashes|hangs)/[^/]+|bugs/.+|campaign\.json)")


def machine_name():
    return re.sub(r"[^A-Za-z0-9]+", "-", os.uname().nodename) or "other"


def gather(campaign):
    """(name in the file, path): one instance for each target, each content once, called by this machine."""
    for name in campaign.targets:
        taken = set()
        for what in FOLDERS:
            folders = [path for part in campaign.instance_folders(name) for path in sorted(part.glob(what + "*"))]
            number = 0
            for key, path in targets.distinct(targets.inputs(folders)).items():
                if (what, key) not in taken:
                    taken.add((what, key))
                    yield f"out/{name}/{machine_name()}/{what}/id:{number:06},src:{key}", path
                    number += 1
    for path in sorted((campaign.folder / "bugs").rglob("*")):
        if path.is_file():
            yield f"bugs/{path.relative_to(campaign.folder / 'bugs')}", path


def write_file(campaign, path):
    """-> files in it."""
    count = 0
    with tempfile.NamedTemporaryFile(dir=pathlib.Path(path).resolve().parent, delete=False) as file:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            about = json.dumps({"name": campaign.name, "targets": campaign.targets, "elapsed_s": campaign.elapsed()})
            add(tar, "campaign.json", about.encode())
            for name, source in gather(campaign):
                try:
                    add(tar, name, source.read_bytes())
                except OSError:                  # moved while we looked; it is in the next one
                    continue
                count += 1
    os.replace(file.name, path)
    return count


def add(tar, name, octets):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(octets), 0o644
    tar.addfile(info, io.BytesIO(octets))


def read_file(path, campaign):
    """Takes a file's finds into a campaign, which begins with it if there is none -> inputs that were new."""
    with tarfile.open(path, "r:*") as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        for member in members:
            if not MEMBER.fullmatch(member.name) or ".." in member.name.split("/"):
                raise state.Wrong(f"{path} is no campaign: it holds '{member.name}'")
        about = json.loads(tar.extractfile("campaign.json").read())
        for name in about["targets"]:
            if not state.NAME.fullmatch(name):
                raise state.Wrong(f"{path} is no campaign: '{name}' is no target")
            if name not in campaign.targets:
                campaign.targets.append(name)
        known = {}
        return sum(take(campaign, member.name, tar.extractfile(member).read(), known)
                   for member in members if member.name != "campaign.json")


def take(campaign, name, octets, known):
    """One file of another machine's -> whether it was new. known: folder -> contents that are there."""
    path = campaign.folder / name
    if name.startswith("out/"):
        _, target, origin, what, file = name.split("/")
        folder = campaign.output(target) / f"from-{origin}" / what
        if folder not in known:
            for each in FOLDERS:
                (folder.parent / each).mkdir(parents=True, exist_ok=True)
            known[folder] = set(targets.distinct(targets.inputs([folder])))
        key = targets.digest(octets)
        if key in known[folder]:
            return False
        path = folder / f"id:{len(known[folder]):06},{file.partition(',')[2]}"
        known[folder].add(key)
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return True


# --- another machine ------------------------------------------------------------------------------------------

def exchange(campaign, place):
    """Leaves this machine's part at HOST:DIR or in a folder, and takes those of the others -> (sent, new inputs)."""
    own = f"{campaign.name}.{machine_name()}.tar.gz"
    with tempfile.TemporaryDirectory(dir=campaign.folder) as folder:
        sent = write_file(campaign, os.path.join(folder, own))
        remote = re.fullmatch(r"([^/:]+):(.+)", place)
        if remote:
            host, there = remote[1], remote[2]
            call("ssh", host, "mkdir", "-p", shlex.quote(there))
            call("scp", "-q", "-p", os.path.join(folder, own), f"{host}:{there}/{own}")
            others = call("ssh", host, "ls", shlex.quote(there)).split()
        else:
            pathlib.Path(place).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(os.path.join(folder, own), os.path.join(place, own))
            others = os.listdir(place)
        new = 0
        for name in sorted(others):
            if name == own or not re.fullmatch(re.escape(campaign.name) + r"\.[A-Za-z0-9-]+\.tar\.gz", name):
                continue
            into = os.path.join(folder, name)
            if remote:
                call("scp", "-q", f"{remote[1]}:{remote[2]}/{name}", into)
            else:
                shutil.copyfile(os.path.join(place, name), into)
            new += read_file(into, campaign)
    return sent, new


def call(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise state.Wrong(f"{' '.join(command)}: {said.strip()}") from None
