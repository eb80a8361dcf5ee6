"""Text of a .spec file -> statements with positions. Knows the notation and no ZMTP.

    file      = { statement }
    statement = word { word } [ "{" { statement } "}" ] ( newline | ";" )     newlines inside ( ) and [ ] do not count,
                                                                              and ( ) mean nothing else
    word      = name | number | "text" | -> .. = : , ( ) [ ]
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+)
  | (?P<doc>///[^\n]*)
  | (?P<comment>\#[^\n]*)
  | (?P<newline>\n)
  | (?P<text>"[^"\n]*")
  | (?P<number>0x[0-9a-fA-F]+|\d+\^\d+(?:-\d+)?|\d+\.\d+(?!\w)|-?\d+)(?!\w)
  | (?P<name>[A-Za-z_][\w'-]*(?:\.\w[\w-]*)*)
  | (?P<punct>->|\.\.|[=:,;(){}\[\]])
""", re.VERBOSE)
UNREADABLE = re.compile(r'"[^\n]*|[^\s;{}()\[\]]+|.')    # for one refusal: a text without end, a word, a character
BROKEN = "\ufffd"                                         # what an octet that is no UTF-8 is read as
PAIRS = {"]": "[", ")": "("}
DEPTH = 20                                                # of blocks in blocks; the spec has 3
NUMBER_BITS = 64                                          # no field, limit or option is wider


@dataclass(frozen=True)
class Where:
    """A place in a spec file: line and column count from 1, width in columns."""
    file: str
    line: int
    column: int
    width: int = 1

    def __str__(self):
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Word:
    """kind: name, number, version, text or punct. value: str, int for numbers."""
    kind: str
    text: str
    value: object
    where: Where


def cover(words):
    """The place of several words that follow each other; those on later lines do not count."""
    first = words[0].where
    last = [word.where for word in words if word.where.line == first.line][-1]
    return Where(first.file, first.line, first.column, last.column + last.width - first.column)


@dataclass
class Statement:
    words: list
    doc: str = ""
    children: list = None        # None: no block
    end: Where = None

    @property
    def where(self):
        return self.words[0].where


@dataclass(frozen=True)
class Problem:
    """One refusal: where, the lint's stable id, what is wrong with the way out, and the rule it concerns."""
    where: Where
    lint: str
    message: str
    rule: str = ""


@dataclass
class Problems:
    """Collects refusals; nothing is written while it holds any."""
    items: list = field(default_factory=list)
    known: set = field(default_factory=set)

    def add(self, where, lint, message, rule=""):
        problem = Problem(where, lint, message, rule)
        if problem not in self.known:
            self.known.add(problem)
            self.items.append(problem)

    def __bool__(self):
        return bool(self.items)


def number_value(text):
    """12, -1, 0x7f, 2^63, 2^63-1 -> int; 3.1 stays text, since it is a version."""
    if text.startswith("0x"):
        return int(text, 16)
    if max(map(len, re.split(r"\D", text))) > NUMBER_BITS:
        return 2 ** NUMBER_BITS      # Python itself refuses thousands of digits
    if "^" in text:
        power, _, less = text.partition("-")
        base, exponent = power.split("^")
        # an exponent beyond any field is cut: 2^9999999999 would keep Python busy for hours
        return int(base) ** min(int(exponent), NUMBER_BITS + 1) - int(less or 0)
    return text if "." in text else int(text)


class Reader:
    def __init__(self, file, text, problems):
        self.file = file
        self.problems = problems
        self.tokens = self._shallow(list(self._scan(text)))
        self.at = 0

    def _scan(self, text):
        """Yields words, newlines and docs; what is unreadable is reported and skipped."""
        pos, line, line_start, self.open = 0, 1, 0, []
        while pos < len(text):
            match = TOKEN.match(text, pos) or UNREADABLE.match(text, pos)
            kind, token = match.lastgroup, match.group()
            where = Where(self.file, line, pos - line_start + 1, len(token))
            pos = match.end()
            if BROKEN in token:
                self.problems.add(where, "unreadable", "an octet here is not UTF-8; save the file as UTF-8")
            elif kind is None:
                self._unreadable(where, token)
            elif kind == "newline":
                line, line_start = line + 1, pos
                if not self.open:
                    yield Word("newline", "\n", None, where)
            elif kind == "doc":
                yield Word("doc", token, token[3:].strip(), where)
            elif kind == "text":
                yield Word("text", token, token[1:-1], where)
            elif kind == "number":
                value = number_value(token)
                if not isinstance(value, str) and value >= 2 ** NUMBER_BITS:
                    self.problems.add(where, "overflow", f"{token} is more than any field holds (at most 2^64-1)")
                yield Word("version" if isinstance(value, str) else "number", token, value, where)
            elif kind in ("name", "punct"):
                word = Word(kind, token, token, where)
                self._brackets(word)
                yield word
        self._close_brackets()

    def _shallow(self, tokens):
        """Nothing is read of blocks so deep that Python's stack would end before they do."""
        depth = 0
        for token in tokens:
            depth += (token.text == "{") - (token.text == "}")
            if depth > DEPTH:
                self.problems.add(token.where, "unclosed", f"blocks stand {depth} deep here; close some of them")
                return []
        return tokens

    def _unreadable(self, where, token):
        if token.startswith('"'):
            self.problems.add(where, "unreadable", "this text has no closing quote; a text ends on its line")
        else:
            self.problems.add(where, "unreadable", f"'{token}' has no meaning here; quote it if it is text")

    def _brackets(self, word):
        """Newlines inside ( ) and [ ] do not count, so one left open would swallow the rest of the file."""
        if word.text in ("(", "["):
            self.open.append(word)
        elif word.text in PAIRS and (not self.open or self.open.pop().text != PAIRS[word.text]):
            self.problems.add(word.where, "unclosed", f"this '{word.text}' closes nothing; take it out")
            self.open = []
        elif word.text in ("{", "}", ";"):
            self._close_brackets()

    def _close_brackets(self):
        if self.open:
            opener = self.open[0]
            closing = "]" if opener.text == "[" else ")"
            self.problems.add(opener.where, "unclosed", f"this '{opener.text}' has no '{closing}'; close it")
        self.open = []

    def _peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _next(self):
        token = self._peek()
        self.at += 1
        return token

    def read(self):
        return self._block(None)

    def _block(self, opener):
        """Statements up to the closing brace, or the file's end when opener is None."""
        statements, doc = [], []
        while True:
            token = self._peek()
            if doc and (token is None or token.text == "}"):
                self.problems.add(doc[0].where, "unreadable", "no statement follows this '///'; use '#' for a comment")
                doc = []
            if token is None:
                if opener is not None:
                    self.problems.add(opener.where, "unclosed", "this '{' has no '}'; close it, or take it out")
                return statements
            if token.kind == "doc":
                doc.append(self._next())
            elif token.kind == "newline" or token.text == ";":
                self._next()
            elif token.text == "}":
                if opener is not None:
                    return statements
                self.problems.add(token.where, "unclosed", "this '}' closes nothing; take it out")
                self._next()
            elif token.text == "{":
                self.problems.add(token.where, "unreadable", "a block needs a statement in front of its '{'")
                self._next()
                self._block(token)
                self._next()
            else:
                statements.append(self._statement("\n".join(word.value for word in doc)))
                doc = []

    def _statement(self, doc):
        words = []
        while (token := self._peek()) is not None:
            if token.kind == "newline" or token.text in (";", "}"):
                break
            if token.text == "{":
                opener = self._next()
                children = self._block(opener)
                closer = self._next()
                return Statement(words, doc, children, closer.where if closer else opener.where)
            if token.kind == "doc":
                self.problems.add(token.where, "unreadable", "'///' documents the next statement; use '#' after one")
            else:
                words.append(token)
            self._next()
        return Statement(words, doc)


def read(file, text, problems):
    """One file's statements; problems collects what cannot be read."""
    return Reader(file, text, problems).read()


def show(problem, lines):
    """A refusal as a person reads it: place, what is wrong, the line with the place marked, the rule."""
    where = problem.where
    text = lines[where.line - 1] if where.line <= len(lines) else ""
    out = [f"{where}: error: {problem.message}"]
    out.append(f"{where.line:5} | {text}")
    indent = "".join("\t" if c == "\t" else " " for c in text[:where.column - 1])
    out.append(f"      | {indent}^{'~' * (min(where.width, len(text) - where.column + 1) - 1)}")
    about = f"rule: {problem.rule}   " if problem.rule else ""
    out.append(f"  {about}lint: {problem.lint}")
    return "\n".join(out)
