"""A release's tarball: what is committed, and what is generated from it, the same octets on every machine.

Names are sorted; owners, times of files and the machine's umask are left out, and the time of each is the commit's. It
is not compressed: compressors differ from version to version, and whoever publishes it says by which it goes."""

import argparse
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

EXECUTABLE = 0o100


def git(root, *words):
    return subprocess.run(["git", "-C", root, *words], check=True, capture_output=True).stdout


def committed(root, revision):
    """Name -> (octets, whether it is a program) of each file of a revision."""
    with tarfile.open(fileobj=io.BytesIO(git(root, "archive", "--format=tar", revision))) as archive:
        return {member.name: (archive.extractfile(member).read(), bool(member.mode & EXECUTABLE))
                for member in archive if member.isfile()}


def generated(files):
    """The same of what the generator makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder, "tree"), Path(folder, "out")
        for name, (octets, _) in files.items():
            if name.startswith(("gen/", "spec/", "templates/")) or "/" not in name:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(octets)
        subprocess.run([sys.executable, "-m", "gen", "--out", out], cwd=root, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        return {f"generated/{path.relative_to(out)}": (path.read_bytes(), False)
                for path in out.rglob("*") if path.is_file()}


def pack(files, top, time):
    """The tarball's octets, in the plainest form there is: names are short, and nothing is known of users."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (octets, is_program) in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mtime, member.mode = len(octets), time, 0o755 if is_program else 0o644
            archive.addfile(member, io.BytesIO(octets))
    return room.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder that it goes to")
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--revision", default="HEAD")
    arguments = parser.parse_args()
    files = committed(arguments.root, arguments.revision)
    version = re.search(r"project\(monocoque VERSION ([\d.]+)", files["CMakeLists.txt"][0].decode())[1]
    top = f"monocoque-{version}"
    time = int(git(arguments.root, "log", "-1", "--format=%ct", arguments.revision))
    octets = pack({**files, **generated(files)}, top, time)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"{top}.tar"
    path.write_bytes(octets)
    print(f"{path}: {len(octets) / 2**20:.1f} MiB, sha256 {hashlib.sha256(octets).hexdigest()}")


if __name__ == "__main__":
    main()
