"""Where the time of a message goes: perf over both sides, by layer and by function."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from bench.suite import rows
from bench.suite.lanes import LANES

POINTS = ("throughput tcp 64 B", "throughput tcp 64 KiB")
FUNCTIONS_SHOWN = 15
SECONDS = 3
DEFINITION = re.compile(r"^(?!typedef|#)[a-z][^;=\n]*?\b(\w+)\([^;]*?\)\n\{", re.MULTILINE)
CLONE = re.compile(r"\.(lto_priv|constprop|isra|part|cold)(\.\d+)*")


def layers(folders):
    """Function -> the folder of src/, or of what is generated, that defines it; by the source, for the compiler leaves
    no trace of a static function in an object. A name that several folders have is nobody's."""
    found = {}
    for top in folders:
        for path in sorted(pathlib.Path(top).glob("*/**/*.[ch]")):
            layer = path.relative_to(top).parts[0]
            for name in DEFINITION.findall(path.read_text(encoding="utf-8")):
                found.setdefault(name, set()).add(layer)
    return {name: owners.pop() for name, owners in found.items() if len(owners) == 1}


def samples(path):
    """-> (part of all, object, function), from perf's own report."""
    shown = subprocess.run(
        ["perf", "report", "--stdio", "--no-children", "--sort=dso,symbol", "--field-separator=|", "-i", path],
        capture_output=True, text=True, check=False).stdout
    for line in shown.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 3 and fields[0].endswith("%"):
            yield float(fields[0].rstrip("%")), fields[1], CLONE.sub("", fields[2].split(" ", 1)[-1].strip())


def layer_of(where, function, known):
    if where.startswith("[") or function.startswith("0xffff"):
        return "kernel"
    if where.startswith("driver-"):
        return known.get(function, "the driver")
    return where


def show(point, found, known):
    by_layer, by_function = collections.Counter(), collections.Counter()
    for part, where, function in found:
        layer = layer_of(where, function, known)
        by_layer[layer] += part
        by_function[layer, function] += part
    print(f"\n{point.key}: parts of all processor time, both sides")
    for layer, part in by_layer.most_common():
        if part >= 0.5:
            print(f"  {part:5.1f} %  {layer}")
    print("  functions")
    for (layer, function), part in by_function.most_common(FUNCTIONS_SHOWN):
        print(f"  {part:5.1f} %  {layer:<12} {function[:70]}")


def main(drivers, seconds=SECONDS):
    if not shutil.which("perf"):
        print("dev: bench: profile: perf is not installed: ./dev setup --with profile", file=sys.stderr)
        return 1
    build = os.path.dirname(os.path.dirname(drivers.folder))
    known = layers(("src", os.path.join(build, "generated")))
    for point in rows.points(["throughput"]):
        if point.key not in POINTS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "perf.data")
            done = subprocess.run(
                ["perf", "record", "--quiet", "-o", path, "--",
                 *drivers.command(LANES["monocoque"], point.row, (f"--seconds={seconds}", *point.options))],
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(f"dev: bench: profile: perf: {done.stderr.strip()}", file=sys.stderr)
                return 1
            show(point, list(samples(path)), known)
    return 0
