"""Includes between the layers of src/, as docs/layers.txt allows them. objects.py proves its sans-IO part."""

import pathlib
import re
import sys

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


class Layers:
    """docs/layers.txt: columns are separated by two spaces or more."""

    def __init__(self, text):
        self.allowed, self.sans_io, self.headers, self.calls = {}, set(), set(), set()
        for line in text.splitlines():
            columns = re.split(r"\s{2,}", line.strip())
            if not line.strip() or line.startswith("#") or columns[0] == "layer":
                continue
            name, words = columns[0], columns[1].split()
            if name == "sans-io":
                self.sans_io = set(words)
            elif name == "headers":
                self.headers = set(words)
            elif name == "calls":
                self.calls = set(words)
            else:
                self.allowed[name] = self.expand(words) | {name}

    def expand(self, words):
        """'all above', 'all above but X', 'all above and X', or names; '-' is none."""
        if words[:2] == ["all", "above"]:
            rest = set(words[3:])
            above = set(self.allowed)
            return above - rest if words[2:3] == ["but"] else above | rest
        return set(words) - {"-"}

    def check(self, path, layer, text, public):
        """The offences of one file, as (line number, sentence)."""
        if layer not in self.allowed:
            yield 1, f"src/{layer} has no row in docs/layers.txt"
            return
        for found in INCLUDE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            quote, target = found.groups()
            ours = self.layer_of(target, public)
            if ours and ours not in self.allowed[layer]:
                may = " ".join(sorted(self.allowed[layer] - {layer})) or "nothing of ours"
                yield line, f"{layer} includes {target}, but may include only: {may}"
            elif quote == '"' and not ours and "/" in target:
                yield line, f"{target} is in no layer of docs/layers.txt"
            elif quote == "<" and not ours and layer in self.sans_io and target not in self.headers:
                yield line, f"{layer} is sans-IO: <{target}> is not in the headers of its row"

    def layer_of(self, target, public):
        if target in public:
            return "public"
        folder = target.split("/")[0]
        return folder if "/" in target and folder in self.allowed else None


def check(root):
    """Every offence below root as 'path:line: sentence'."""
    layers = Layers(tree.read(root / "docs/layers.txt"))
    public = {str(path.relative_to(root / "include")) for path in (root / "include").rglob("*.h")}
    sources = [(root / path, path) for path in tree.files(root) if path.parts[0] == "src"]
    sources += [(real, pathlib.PurePath("src") / path) for real, path in tree.generated(root)
                if path.parts[0] in layers.allowed]
    for real, path in sources:
        if path.suffix in (".c", ".h"):
            for line, sentence in layers.check(path, path.parts[1], tree.read(real), public):
                yield f"{real.relative_to(root)}:{line}: {sentence}"


if __name__ == "__main__":
    sys.exit(tree.report(check(tree.ROOT)))
