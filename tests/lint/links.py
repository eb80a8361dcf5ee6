"""Dead links between the pages of the project: a missing file, or a heading that is not there."""

import os
import re
import sys

import tree

LINK = re.compile(r"(?<!!)!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*?)\s*#*$", re.MULTILINE)


def prose(text):
    """Markdown without its code, which may hold anything."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """The names that headings get: lower case, blanks to dashes, punctuation gone."""
    text = FENCE.sub("", text)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in words}


def check(root):
    """Every dead link below root as 'path:line: sentence'."""
    for path in tree.files(root):
        if path.suffix != ".md":
            continue
        text = prose(tree.read(root / path))
        for found in LINK.finditer(text):
            target, _, anchor = found[1].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            line = text.count("\n", 0, found.start()) + 1
            page = os.path.normpath(path.parent / target) if target else str(path)
            if page.startswith("..") or not (root / page).exists():
                yield f"{path}:{line}: there is no {page}"
            elif anchor and page.endswith(".md") and anchor not in anchors(tree.read(root / page)):
                yield f"{path}:{line}: {page} has no heading '#{anchor}'"


if __name__ == "__main__":
    sys.exit(tree.report(check(tree.ROOT)))
