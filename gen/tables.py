"""Tables: options, messages of frames, alphabets: from statements to the model, and what templates print of them."""

from dataclasses import dataclass

from gen import model as m
from gen import vocab

TYPE_RANGES = {"i32": (-2 ** 31, 2 ** 31 - 1), "i64": (-2 ** 63, 2 ** 63 - 1), "u64": (0, 2 ** 64 - 1)}


def digits(alphabet, number, groups):
    """So many groups of octets, written as one number, in the alphabet's characters."""
    text, base = "", len(alphabet.characters)
    for group in range(groups):
        value = number >> 8 * alphabet.octets * (groups - 1 - group) & 256 ** alphabet.octets - 1
        text += "".join(alphabet.characters[value // base ** i % base] for i in reversed(range(alphabet.letters)))
    return text


class Tables:
    """The builder's part for tables; a mixin of gen.build.Builder."""

    def unit_option(self, found):
        name, scope = found.fixed[0], found.statement.words[0].text
        rule = f"{scope}.{name.text}"
        for need in ("id", "type"):
            if need not in found:
                self.refuse(name.where, "unknown-word", f"'{name.text}' needs the word '{need}' and its value", rule)
                return
        kind, size = found["type"]
        if kind.text not in vocab.OPTION_TYPES:
            self.unknown(kind, "type of options", vocab.OPTION_TYPES, rule)
            return
        compat = found["default"].value if "default" in found else None
        but = found.get("except")
        self.put(self.options, m.Option(
            scope, name.text, found["id"].value, kind.text, self.span(size, None), self.span(found.get("in"), None),
            compat, found["native"].value if "native" in found else compat,
            but and (but[0].value, tuple(word.text for word in but[1])),
            *(found[word].text if word in found else "" for word in ("when", "unit", "only")),
            tuple(word.text for word in found.get("of", ())), found["since"].text if "since" in found else "",
            tuple(word.text for word in found.get("alias", ())),
            *(word in found for word in ("draft", "unguarded", "deprecated", "there")),
            found.statement.doc, name.where, found.at), rule, scope)

    unit_context = unit_option

    def fault(self, found):
        return (found["fault"][0].text, found["fault"][1].value) if "fault" in found else None

    def unit_message(self, found):
        name = found.fixed[0]
        fields = self.fields(found.statement.children, "message", name.text)
        self.put(self.messages, m.Message(name.text, fields, self.fault(found), self.origin, found.statement.doc,
                                          name.where, found.at), name.text, "message")

    def unit_alphabet(self, found):
        name = found.fixed[0]
        lines = {row.key: child for row, child in self.rows(found.statement.children, "alphabet")}
        if missing := [word for word in ("characters", "group", "example") if word not in lines]:
            if not self.refused.intersection(missing):
                self.refuse(name.where, "unknown-word", f"alphabet '{name.text}' needs a line '{missing[0]} ...'")
            return
        characters = "".join(chr(c) for low, high, _ in lines["characters"].fixed[0] for c in range(low, high + 1))
        group, example = lines["group"].fixed, lines["example"].fixed
        at = {**found.at, **{word: line.at[word] for word, line in lines.items() if word in line.at}}
        self.put(self.alphabets, m.Alphabet(name.text, characters, group[0].value, group[1].value,
                                            (example[0].value, example[1].value), self.origin, found.statement.doc,
                                            name.where, at), name.text, "alphabet")


# --- what templates print --------------------------------------------------------------------------


NAMED = {2 ** 31 - 1: "INT32_MAX", -2 ** 31: "INT32_MIN", 2 ** 63 - 1: "INT64_MAX", 2 ** 64 - 1: "UINT64_MAX"}


def c_number(value):
    return NAMED.get(value, str(value))


@dataclass(frozen=True)
class Row:
    """An option as C and the page have it. Ranges of octets are of their count."""
    option: object
    sockets: tuple           # of types that speak ZMTP
    key: int                 # octets of a key

    @property
    def scope(self):
        return "CONTEXT" if self.option.scope == "context" else "SOCKET"

    @property
    def enum(self):
        return f"MCQ_{'CONTEXT' if self.option.scope == 'context' else 'OPTION'}_{self.option.name}"

    @property
    def public(self):
        return f"MCQ_{'CTX' if self.option.scope == 'context' else 'OPT'}_{self.option.name}"

    @property
    def is_number(self):
        return self.option.type in TYPE_RANGES

    @property
    def span(self):
        return self.option.range or self.option.size or TYPE_RANGES.get(self.option.type) or (self.key, self.key)

    @property
    def types(self):
        return [name for name in self.option.types if name in self.sockets]

    @property
    def uses(self):
        return {"set": "MCQ_OPTION_SET", "get": "MCQ_OPTION_GET", "": "MCQ_OPTION_BOTH"}[self.option.only]


def option_rows(protocol):
    """By scope, number, and what can only be asked for first."""
    key = max((mechanism.box[2] for mechanism in protocol.mechanisms.values() if mechanism.box), default=0)
    rows = [Row(option, tuple(protocol.sockets), key) for option in protocol.options.values()]
    return sorted(rows, key=lambda row: (row.scope != "SOCKET", row.option.number, row.option.only))


def option_names(rows):
    """(scope, name, index of the row) of each name, the old ones too, in the order of their octets."""
    return sorted(((row.scope, name, index) for index, row in enumerate(rows)
                   for name in (row.option.name, *row.option.aliases)), key=lambda n: (n[0] != "SOCKET", n[1]))
