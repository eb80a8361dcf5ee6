"""The files that the lints read.

    tree.py NAME|.SUFFIX...   prints the files of the project with one of these paths or suffixes
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", "generated", "__pycache__", ".cache"}


def files(root=ROOT):
    """Paths below root, sorted, relative to it. Git knows what is ours; a tarball has no git."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False) if (root / ".git").exists() else None
    if listed and listed.returncode == 0:
        found = [pathlib.PurePath(name) for name in listed.stdout.split("\0") if name]
        return sorted(path for path in found if (root / path).is_file())
    return sorted(
        path.relative_to(root) for path in root.rglob("*")
        if path.is_file() and not SKIPPED & set(path.relative_to(root).parts))


def generated(root=ROOT):
    """Generated C of whichever preset was built first, as (path to read, path it stands for)."""
    for folder in sorted(root.glob("build/*/generated")) + [root / "generated"]:
        if folder.is_dir():
            return [(path, path.relative_to(folder)) for path in sorted(folder.rglob("*.[ch]"))]
    return []


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


C_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_only(text):
    """C text with comments and the insides of literals blanked out, line for line."""
    def blank(token):
        if token[0][0] in "\"'":
            return token[0][0] * 2
        return re.sub(r"[^\n]", " ", token[0])
    return C_TOKEN.sub(blank, text)


def report(lines):
    """Prints what a lint found; the exit status it stands for."""
    status = 0
    for line in lines:
        print(line)
        status = 1
    return status


if __name__ == "__main__":
    wanted = set(sys.argv[1:])
    print("\n".join(str(path) for path in files() if str(path) in wanted or path.suffix in wanted))
