"""spec/*.spec on disk -> a checked Protocol, or refusals with their excerpts."""

import functools
from pathlib import Path

from gen import build, lint, reader


def load(root, folder="spec", check=lint.check):
    """Returns (protocol, problems, sources); sources holds each file's lines for the excerpts. Tests that want to know
    what comes behind the lints bring a `check` of their own."""
    paths = sorted((Path(root) / folder).glob("*.spec"))
    return load_texts({f"{folder}/{path.name}": path.read_text("utf-8", "replace") for path in paths}, check)


def load_texts(texts, check=lint.check):
    """The same from name -> text, in the order of the names."""
    problems, files = reader.Problems(), []
    for name, text in sorted(texts.items()):
        statements, refused = read(name, text)
        files.append(statements)
        problems.items += refused
    protocol = build.build(files, problems)
    check(protocol, problems)
    return protocol, problems, {name: text.split("\n") for name, text in texts.items()}


@functools.cache
def read(name, text):
    """A file's statements and what is refused of them. Two specs that are compared have most files in common."""
    problems = reader.Problems()
    return reader.read(name, text, problems), tuple(problems.items)


def report(problems, sources):
    """All refusals in the order of the files, with the closing line."""
    ordered = sorted(problems.items, key=lambda p: (p.where.file, p.where.line, p.where.column))
    lines = [reader.show(problem, sources.get(problem.where.file, [])) for problem in ordered]
    count = len(ordered)
    lines.append(f"gen: {count} error{'s' if count != 1 else ''}, nothing written")
    return "\n".join(lines)
