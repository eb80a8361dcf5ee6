"""A copy of what the generator reads, and runs of the generator in it."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def copy(folder):
    """gen/, templates/ and spec/ in a folder of their own."""
    for name in ("gen", "templates", "spec"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, pathlib.Path(folder) / name, ignore=ignored)
    return pathlib.Path(folder)


def generate(root, *arguments, hash_seed="0"):
    """python3 -m gen in a tree; the result has .returncode, .stdout and .stderr."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [sys.executable, "-m", "gen", *arguments],
        cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )


def files(folder):
    """Name -> bytes of every file below a folder."""
    folder = pathlib.Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
