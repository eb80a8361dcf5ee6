"""The generator stays small: gen/ has at most BUDGET lines of Python that are code.

Blank lines, comments and docstrings are free: a budget must not be met by leaving out why. Texts and tables that people
read do not count either, for they are no Python: they are templates, or data beside the code."""

import ast
import io
import sys
import tokenize

import tree

BUDGET = 4000
UNCOUNTED = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def docstrings(text):
    """The numbers of the lines that documentation stands on."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            found.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return found


def code_lines(text):
    """How many lines hold code."""
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in UNCOUNTED:
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - docstrings(text))


def count(root):
    """Path -> lines of code, of every file of the generator."""
    return {path: code_lines(tree.read(root / path)) for path in tree.files(root)
            if path.parts[0] == "gen" and path.suffix == ".py"}


def check(root):
    """One sentence when the files together are beyond the budget."""
    counted = count(root)
    total = sum(counted.values())
    if total > BUDGET:
        largest = max(counted, key=lambda path: (counted[path], path))
        yield (f"gen/: {total} lines of code, at most {BUDGET}; texts belong in templates/ or data, and the largest "
               f"file is {largest} ({counted[largest]})")


if __name__ == "__main__":
    if "--count" in sys.argv:
        counted = count(tree.ROOT)
        print("\n".join(f"{lines:5} {path}" for path, lines in counted.items()))
    print(f"gen/ has {sum(count(tree.ROOT).values())} lines of code of {BUDGET}")
    sys.exit(tree.report(check(tree.ROOT)))
