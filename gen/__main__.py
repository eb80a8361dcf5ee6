"""The command line: python3 -m gen, from the root of the tree. Nothing is written unless everything checks."""

import argparse
import hashlib
import sys
from pathlib import Path

from gen import diff, load, render, show


def arguments():
    parser = argparse.ArgumentParser(prog="gen", description="Generates the protocol code from spec/.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", metavar="DIR", help="write everything that is built from into DIR")
    what.add_argument("--names", action="store_true", help="name the files that --out writes")
    what.add_argument("--list", action="store_true", help="every artefact with its template and what it comes from")
    what.add_argument("--check", action="store_true", help="are the committed pages and vectors fresh?")
    what.add_argument("--write", action="store_true", help="refresh the committed pages and vectors")
    what.add_argument("--diff", nargs="?", const="HEAD", metavar="REV", help="what changed since REV")
    what.add_argument("--graph", nargs="?", const="", metavar="MACHINE", help="a handshake's states as SVG")
    what.add_argument("--explain", metavar="RULE", help="a rule, or a refusal's lint with a mended example")
    parser.add_argument("--full", action="store_true", help="with --diff: every line of every artefact")
    parser.add_argument("--root", default=".", help="the tree that holds spec/ and templates/ (default: here)")
    return parser.parse_args()


def write(folder, files):
    """Writes what changed, so that a build redoes no more than it must. Returns how many files that were."""
    changed = 0
    for name, text in files.items():
        path = Path(folder) / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        changed += 1
    return changed


def manifest(files):
    """One hash a file: what a difference between two machines is looked up in."""
    return "".join(f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files))


def stale(root, files):
    """Names of the committed files that differ from what the spec says."""
    paths = {name: Path(root) / name for name in files}
    return [name for name, path in paths.items()
            if not path.exists() or path.read_text(encoding="utf-8") != files[name]]


def main():
    args = arguments()
    protocol, problems, sources = load.load(args.root)
    table = render.BUILD if problems else render.build(protocol)
    if args.names:
        print("\n".join([*table, "manifest"]))
        return 0
    if args.list:
        print(show.listed({**table, **render.COMMITTED}))
        return 0
    if problems:
        print(load.report(problems, sources), file=sys.stderr)
        return 1
    renderer = render.Renderer(args.root, protocol)
    if args.diff:
        text, found = diff.against(args.diff, args.root, protocol, args.full)
    if args.graph is not None:
        text, found = show.graph(protocol, args.graph, renderer)
    if args.explain:
        text, found = show.explained(protocol, args.explain, renderer)
    if args.diff or args.graph is not None or args.explain:
        print(text, file=sys.stdout if found else sys.stderr)
        return 0 if found else 2
    if args.out:
        files = renderer.render(render.build(protocol))
        digest = hashlib.sha256(manifest(files).encode()).hexdigest()[:8]
        changed = write(args.out, {**files, "manifest": manifest(files)})
        rules = len(render.lower.rules(protocol))
        print(f"{protocol.documents} documents, {rules} rules -> {len(files)} files, {changed} changed  "
              f"digest {digest}")
        return 0
    files = renderer.render(render.COMMITTED)
    if args.write:
        print(f"{len(files)} committed files, {write(args.root, files)} changed")
        return 0
    old = stale(args.root, files)
    for name in old:
        print(f"gen: {name} is stale; mend with: ./dev gen", file=sys.stderr)
    return 1 if old else 0


sys.exit(main())
