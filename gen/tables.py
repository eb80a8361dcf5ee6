"""Tables: options, messages of frames, alphabets: from statements to the model, and what templates print of them."""

from dataclasses import dataclass

from gen import model as m
from gen import vocab
from gen.match import texts

TYPE_RANGES = {"i32": (-2 ** 31, 2 ** 31 - 1), "i64": (-2 ** 63, 2 ** 63 - 1), "u64": (0, 2 ** 64 - 1)}


def digits(alphabet, number, groups):
    """So many groups of octets, written as one number, in the alphabet's characters."""
    size = 8 * alphabet.octets
    return "".join(group_digits(alphabet, number >> size * i & 2 ** size - 1) for i in reversed(range(groups)))


def group_digits(alphabet, value):
    """One group of characters; its value may be more than the octets hold."""
    base = len(alphabet.characters)
    return "".join(alphabet.characters[value // base ** i % base] for i in reversed(range(alphabet.letters)))


def example_octets(alphabet):
    size = len(alphabet.example[0]) // alphabet.letters * alphabet.octets
    return alphabet.example[1].to_bytes(size, "big")


class Tables:
    """The builder's part for tables; a mixin of gen.build.Builder."""

    def unit_option(self, found):
        name, scope = found.fixed[0], found.first.text
        rule = f"{scope}.{name.text}"
        for need in ("id", "type"):
            if need not in found:
                self.refuse(name.where, "unknown-word", f"'{name.text}' needs the word '{need}' and its value", rule)
                return
        kind, size = found["type"]
        if kind.text not in vocab.OPTION_TYPES:
            self.unknown(kind, "type of options", vocab.OPTION_TYPES, rule)
            return
        compat, but = found.value("default"), found.get("except")
        self.put(self.options, m.Option(
            scope, name.text, found["id"].value, kind.text, self.span(size, None), self.span(found.get("in"), None),
            compat, found.value("native", compat), but and (but[0].value, texts(but[1])),
            *map(found.text, ("when", "unit", "only")), found.texts("of"), found.text("since"), found.texts("alias"),
            *(word in found for word in ("draft", "unguarded", "deprecated", "there")),
            found.doc, where=name.where, at=found.at), rule, scope)

    unit_context = unit_option

    def fault(self, found):
        return (found["fault"][0].text, found["fault"][1].value) if "fault" in found else None

    def unit_message(self, found):
        name = found.fixed[0]
        fields = self.fields(found.statement.children, "message", name.text)
        self.put(self.messages, m.Message(name.text, fields, self.fault(found), **self.told(found, name)), name.text,
                 "message")

    def unit_alphabet(self, found):
        name = found.fixed[0]
        lines = {row.key: child for row, child in self.rows(found.statement.children, "alphabet")}
        if missing := [word for word in ("characters", "group", "example") if word not in lines]:
            if not self.refused.intersection(missing):
                self.refuse(name.where, "unknown-word", f"alphabet '{name.text}' needs a line '{missing[0]} ...'")
            return
        characters = "".join(chr(c) for low, high, _ in lines["characters"].fixed[0] for c in range(low, high + 1))
        group, example = lines["group"].fixed, lines["example"].fixed
        told = self.told(found, name)
        told["at"] = {**found.at, **{word: line.at[word] for word, line in lines.items() if word in line.at}}
        self.put(self.alphabets, m.Alphabet(name.text, characters, group[0].value, group[1].value,
                                            (example[0].value, example[1].value), **told), name.text, "alphabet")


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


@dataclass(frozen=True)
class Frame:
    """A frame of a message: octets as they come, records checked as metadata."""
    field: object
    message: object
    ceiling: int             # of records

    @property
    def name(self):
        return self.field.name

    @property
    def is_records(self):
        return self.field.type not in ("bytes", "text")

    @property
    def low(self):
        return 0 if self.is_records else self.field.size[0]

    @property
    def high(self):
        return self.ceiling if self.is_records else self.field.size[1]

    @property
    def is_member(self):
        """Does it say anything? A delimiter and a constant do not."""
        return self.field.text is None and self.high > 0

    @property
    def fault(self):
        return (self.field.fault or self.message.fault)[0].upper()


class Exchange:
    """The messages whose ids begin with the same word."""

    def __init__(self, protocol, name):
        self.name, self.protocol = name, protocol
        self.messages = [message for message in protocol.messages.values() if message.id.startswith(name + ".")]
        self.faults = sorted({item.fault for message in self.messages for item in (message, *message.fields)
                              if item.fault}, key=lambda fault: fault[1])

    def faulty(self, name):
        """Messages with this fault when their count is wrong, and frames that have it."""
        return [item for message in self.messages for item in (message, *message.fields)
                if item.fault and item.fault[0] == name]

    def frames(self, message):
        ceiling = self.protocol.limits["max_command_bytes"].value
        return [Frame(item, message, ceiling) for item in message.fields]

    def counts(self, message):
        """Mechanism -> how many frames its message has; of a message that names none, '' alone."""
        named = [item.mechanism for item in message.fields]
        every = list(self.protocol.mechanisms) if any(i.among == "mechanisms" for i in message.fields) else [""]
        return {name: sum(one in ("", name) for one in named) for name in every}

    def echo(self, message):
        """The frame that comes back from another message, or None."""
        return next((item for item in message.fields if item.echo), None)

    def about(self, message):
        alone = [f"Of {name} alone: {', '.join(i.name for i in message.fields if i.mechanism == name)}."
                 for name in self.counts(message) if any(i.mechanism == name != "" for i in message.fields)]
        return " ".join([message.doc.replace("\n", " "), *alone, f"Source: {message.source}."])

    def params(self, message):
        """Of the decoder."""
        own, echo = message.id.split(".")[1], self.echo(message)
        return ["const struct mcq_bytes *frames", "size_t count", *([f"struct mcq_bytes {echo.name}"] if echo else []),
                "uint32_t quirks", f"struct mcq_{self.name}_{own} *{own}", "enum mcq_rule *rule"]

    def good(self, message, mechanism):
        """[(frame, octets)] of a message that is as it must be; property holds one record."""
        prop = b"\x01a\x00\x00\x00\x01b"
        among = {"mechanisms": mechanism.encode(), "statuses": str(next(iter(self.protocol.statuses), "")).encode()}
        return [(f, f.field.text.encode() if f.field.text is not None else among[f.field.among] if f.field.among else
                 prop if f.is_records else b"x" * max(f.low, min(f.high, 2)))
                for f in self.frames(message) if f.field.mechanism in ("", mechanism)]

    def cases(self, message):
        """(name, frames, quirks, fault, rule) of messages at their bounds and beyond, worked out apart from the C."""
        for mechanism in self.counts(message):
            good = self.good(message, mechanism)
            octets = [value for _, value in good]
            said = f"{mechanism} " if mechanism else ""
            yield f"{said}good", octets, (), "NONE", ""
            counts = ((len(octets) - 1, "a frame too few"), (0, "no frame"), (len(octets) + 1, "one too many"))
            for count, name in counts:
                yield said + name, [*octets, b""][:count], (), message.fault[0].upper(), message.id
            for index, (frame, value) in enumerate(good):
                field, head, tail = frame.field, octets[:index], octets[index + 1:]
                lift = field.quirks if not frame.is_records else ()
                over = () if frame.is_records else (b"x" * (frame.high + 1),)
                wrong = (b"\x05abc",) if frame.is_records else \
                    (b"?" * len(value),) if field.text is not None or field.among or field.echo else ()
                under = (b"x" * (frame.low - 1),) if frame.low else ()
                for bad in (*over, *wrong, *under):
                    yield f"{said}{field.name} of {len(bad)}", [*head, bad, *tail], (), frame.fault, field.id
                    if lift:
                        yield f"{said}{field.name} of {len(bad)}, let in", [*head, bad, *tail], lift, "NONE", ""
                if not (field.text is not None or field.among or field.echo or frame.is_records):
                    for size in (frame.low, frame.high):
                        yield f"{said}{field.name} at {size}", [*head, b"x" * size, *tail], (), "NONE", ""
