"""The seeds of fuzz/seeds.txt as files, FACE/NAME below a folder that holds nothing else:

    unpack.py SEEDS.TXT FOLDER"""

import sys
from pathlib import Path


def unpack(text, folder):
    """Writes what differs and removes what is no longer there. Returns the number of seeds."""
    wanted = {folder / name: bytes.fromhex(octets) for name, octets in
              (line.split(" ") for line in text.splitlines() if line and not line.startswith("#"))}
    for path in [path for path in folder.glob("*/*") if path not in wanted]:
        path.unlink()
    for path, octets in wanted.items():
        if not path.exists() or path.read_bytes() != octets:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
    return len(wanted)


print(unpack(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])), "seeds")
