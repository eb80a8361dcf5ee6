"""One statement against its row of the vocabulary -> its words by name, or refusals with the way out."""

import difflib

from gen import vocab
from gen.reader import cover


def nearest(word, known):
    """'; did you mean X?' when something is near, else the list of what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known) or 'nothing'}"


class Refused(Exception):
    """The statement cannot be used; the refusal is in the problems."""


class Words:
    """The words of a statement behind its key, taken from left to right."""

    def __init__(self, statement, row, words, problems):
        self.statement, self.row, self.words, self.problems = statement, row, words, problems
        self.at = 0

    def refuse(self, where, message, lint="unknown-word"):
        self.problems.add(where, lint, message)
        raise Refused

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else None

    def take(self, kinds, what):
        word = self.peek()
        if word is None:
            last = self.statement.words[-1]
            self.refuse(last.where, f"'{self.statement.words[0].text}' needs {what} after '{last.text}'")
        if word.kind not in kinds:
            self.refuse(word.where, f"{what} is needed here, not '{word.text}'")
        self.at += 1
        return word

    def take_sign(self, sign):
        word = self.peek()
        if word is None or word.text != sign:
            instead = f", not '{word.text}'" if word is not None else ""
            self.refuse((word or self.statement.words[-1]).where, f"'{sign}' is needed here{instead}")
        self.at += 1
        return word

    def bound(self):
        """A number, or a limit's name."""
        return self.take(("number", "name"), "a number or the name of a limit")

    def size(self):
        """[n] or [a..b] -> (low, high) words."""
        self.take_sign("[")
        low = high = self.bound()
        if (word := self.peek()) is not None and word.text == "..":
            self.at += 1
            high = self.bound()
        self.take_sign("]")
        return low, high

    def names(self, stop):
        """One name or more, up to a word of `stop` or the end. Commas are allowed between them."""
        found = [self.take(("name",), "a name")]
        while (word := self.peek()) is not None and word.text not in stop:
            if word.text == ",":
                self.at += 1
                continue
            found.append(self.take(("name",), "a name"))
        return found

    def chars(self):
        """Texts, numbers and ranges of them -> list of (low, high, where)."""
        found = []
        while not found or self.peek() is not None:
            low = high = self.octet()
            if (word := self.peek()) is not None and word.text == "..":
                self.at += 1
                high = self.octet()
            if high[0] < low[0]:
                self.refuse(low[1], f"the range {low[0]:#x}..{high[0]:#x} holds nothing; swap its ends", "empty-range")
            found.append((low[0], high[0], low[1]))
        return found

    def octet(self):
        word = self.take(("text", "number"), "a character in quotes or an octet's number")
        if word.kind == "text" and len(word.value) != 1:
            self.refuse(word.where, f"{word.text} has {len(word.value)} characters; write each in a text of its own")
        value = ord(word.value) if word.kind == "text" else word.value
        if not 0 <= value <= 255:
            self.refuse(word.where, f"{value} is not an octet (0..255)", "overflow")
        return value, word.where


def _part(words, part, stop):
    """Reads one part of a pattern; None for plain signs and words."""
    one = {"NAME": (("name",), "a name"), "NUMBER": (("number",), "a number"), "TEXT": (("text",), "a text in quotes"),
           "VERSION": (("version",), "a version like 3.1"),
           "VALUE": (("number", "text"), "a number or a text in quotes"),
           "ATOM": (("name", "number"), "a name or a number")}
    if part in one:
        return words.take(*one[part])
    if part == "NAMES":
        return words.names(stop)
    if part == "VERSIONS":
        found = [words.take(("version",), "a version like 3.1")]
        while words.peek() is not None:
            found.append(words.take(("version",), "a version like 3.1"))
        return found
    if part == "CHARS":
        return words.chars()
    if part == "SIZE":
        return words.size()
    if part == "RANGE":
        low = words.bound()
        words.take_sign("..")
        return low, words.bound()
    if part == "TYPE":
        word = words.take(("name",), "a type")
        following = words.peek()
        return word, words.size() if following is not None and following.text == "[" else None
    words.take_sign(part)
    return None


def texts(words):
    return tuple(word.text for word in words)


class Matched(dict):
    """fixed: the fixed parts' values in order; options by their first word; a list where 'quirk' repeats.
    at: the place of each option's value, and of each name in it as 'option name', for refusals."""

    def __init__(self, statement):
        super().__init__()
        self.statement, self.fixed, self.at = statement, [], {"end": statement.end or statement.where}

    @property
    def first(self):
        """The statement's first word, which names it where the speaker chooses it."""
        return self.statement.words[0]

    @property
    def doc(self):
        return self.statement.doc

    def text(self, option):
        return self[option].text if option in self else ""

    def value(self, option, default=None):
        return self[option].value if option in self else default

    def texts(self, option):
        return texts(self.get(option, ()))

    def place(self, option, words):
        self.at[option] = cover(words)
        self.at.update({f"{option} {word.text}": word.where for word in words})


def match(statement, row, problems):
    """Returns a Matched, or None after a refusal."""
    words = Words(statement, row, [word for word in statement.words[1:] if word.text not in ("(", ")")], problems)
    option_words = {option[0] for option in row.options}
    found = Matched(statement)
    try:
        found.fixed = [value for part in row.fixed if (value := _part(words, part, option_words)) is not None]
        if words.at:
            found.place(row.key, words.words[:words.at])
        while (word := words.peek()) is not None:
            option = next((o for o in row.options if o[0] == word.text), None)
            if option is None:
                words.refuse(word.where, f"'{word.text}' has no meaning here" + nearest(word.text, option_words))
            words.at += 1
            start = words.at
            values = [v for part in option[1:] if (v := _part(words, part, option_words)) is not None]
            value = values[0] if len(values) == 1 else (tuple(values) or word)
            if option[0] not in found or option[0] == "quirk":
                found.place(option[0], words.words[start:words.at] or [word])
            if option[0] == "quirk":
                found.setdefault("quirk", []).append(value)
            elif option[0] in found:
                words.refuse(word.where, f"'{word.text}' stands twice in this statement; keep one", "duplicate")
            else:
                found[option[0]] = value
    except Refused:
        return None
    if row.block == "must" and statement.children is None:
        problems.add(statement.where, "unknown-word", f"'{statement.words[0].text}' needs a block {{ ... }}")
        return None
    if row.block == "no" and statement.children is not None:
        problems.add(statement.where, "unknown-word", f"'{statement.words[0].text}' has no block; take it out")
        return None
    return found


def row_of(statement, parent, problems):
    """The vocabulary's row for a statement under a parent, or None after a refusal."""
    first = statement.words[0]
    rows = vocab.rows_of(parent)
    row = next((r for r in rows if r.key == first.text), None)
    if row is None:
        row = next((r for r in rows if r.key == "NAME"), None) if first.kind == "name" else None
    if row is None:
        known = [r.key for r in rows if r.key != "NAME"]
        problems.add(first.where, "unknown-word", f"'{first.text}' has no meaning here" + nearest(first.text, known))
    return row
