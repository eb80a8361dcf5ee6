"""Ragel over a rendered machine: text in, C out, the same on every machine."""

import functools
import re
import subprocess
import tempfile
from pathlib import Path

LINE_COMMENT = re.compile(r'^(?:#line.*|/\* #line .*\*/)\n', re.MULTILINE)
PARENTHESISED = re.compile(r"\( *([\w>-]+)\)(?= (?:=|\)))")    # Ragel's ( decoder->state)


@functools.cache
def compile_machine(name, text):
    """text of NAME.rl -> C. Runs with a fixed relative name, since Ragel repeats it in its output."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.rl").write_text(text, encoding="utf-8")
        run = subprocess.run(["ragel", "-G2", "-L", "-C", "-o", f"{name}.c", f"{name}.rl"], cwd=folder,
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise SystemExit(f"gen: ragel refused {name}.rl, which is a bug in its template:\n{run.stderr}")
        out = (Path(folder) / f"{name}.c").read_text(encoding="utf-8")
    out = out.replace("\nst0:\n", "\ndefault:\nst0:\n")     # no state of the machine's is an error, too
    return PARENTHESISED.sub(r"\1", LINE_COMMENT.sub("", out).expandtabs(4))
