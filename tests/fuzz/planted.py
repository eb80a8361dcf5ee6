"""A target with known bugs, built as a campaign needs it, in a folder of its own."""

import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", ROOT / "build/dev"))
ASAN = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
NEEDED = ("afl-fuzz", "afl-clang-fast", "afl-cmin", "afl-tmin")
SEED = bytes(2) + b"\x04PING" + bytes(2) + b"abcd"
LOUD, QUIET = (SEED.replace(b"abcd", mark + b"bcd") for mark in (b"!", b"?"))


def missing():
    """The first tool that is not there, as a reason to skip."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return f"{absent[0]} is not installed" if absent else ""


def compile_target(compiler, flags, program):
    subprocess.run(
        [compiler, "-std=gnu11", "-w", "-g", "-O1", *flags, "-DMCQ_PLANTED_BUG", f"-I{ROOT}",
         f"-I{BUILD / 'generated'}", f"-I{ROOT / 'src'}", f"-I{ROOT / 'include'}", ROOT / "tests/fuzz/planted.c",
         BUILD / "generated/wire/command.c", BUILD / "src/libmonocoque_core.a", "-o", program],
        check=True, timeout=200, stdout=subprocess.DEVNULL, env={**os.environ, "AFL_QUIET": "1"})


def make(folder):
    """-> the folders of Builds: fuzzed plainly, replayed under the sanitizers."""
    plain, replay = folder / "plain/fuzz", folder / "replay/fuzz"
    for path in (plain, replay):
        path.mkdir(parents=True)
    compile_target("afl-clang-fast", (), plain / "fuzz_planted")
    compile_target(os.environ.get("CC", "cc"), ASAN, replay / "fuzz_planted")
    (folder / "plain/generated").symlink_to(BUILD / "generated")
    (plain / "targets.json").write_text(json.dumps([
        {"name": "planted", "program": "fuzz_planted", "seeds": "seeds/planted", "units": ["command"], "mutator": None,
         "reads": "command"}]), encoding="utf-8")
    seeds = plain / "seeds/planted"
    seeds.mkdir(parents=True)
    (seeds / "PING").write_bytes(SEED)
    return {"plain": str(plain), "replay": str(replay), "asan": str(folder / "none"), "cmplog": str(folder / "none"),
            "coverage": str(folder / "none")}
