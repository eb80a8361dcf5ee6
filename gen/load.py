"""spec/*.spec on disk -> a checked Protocol, or refusals with their excerpts."""

from pathlib import Path

from gen import build, lint, reader


def load(root, folder="spec", check=lint.check):
    """Returns (protocol, problems, sources); sources holds each file's lines for the excerpts. Tests that want to know
    what comes behind the lints bring a `check` of their own."""
    problems = reader.Problems()
    files, sources = [], {}
    for path in sorted((Path(root) / folder).glob("*.spec")):
        name = f"{folder}/{path.name}"
        text = path.read_text(encoding="utf-8")
        sources[name] = text.split("\n")
        files.append(reader.read(name, text, problems))
    protocol = build.build(files, problems)
    check(protocol, problems)
    return protocol, problems, sources


def report(problems, sources):
    """All refusals in the order of the files, with the closing line."""
    ordered = sorted(problems.items, key=lambda p: (p.where.file, p.where.line, p.where.column))
    lines = [reader.show(problem, sources.get(problem.where.file, [])) for problem in ordered]
    count = len(ordered)
    lines.append(f"gen: {count} error{'s' if count != 1 else ''}, nothing written")
    return "\n".join(lines)
