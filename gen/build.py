"""Statements -> model. Names are resolved here; what is consistent and what is not is the lints' business."""

import dataclasses

from gen import match as matching
from gen import model as m
from gen import vocab
from gen.detect import Detection
from gen.match import nearest, texts
from gen.reader import cover
from gen.security import Mechanisms
from gen.tables import Tables


# A second one would silently win over the first. Fields may be called like one of them.
ONCE = {"source", "start", "events", "accept", "reject", "require", "commands", "before", "strict", "compat", "default",
        "characters", "group", "example"}
PHASES = ("handshake", "traffic")


def names_in(statement):
    """What a refused statement and its block may have defined."""
    found = {word.text for word in statement.words[:2]}
    return found.union(*(names_in(child) for child in statement.children or ()))


class Builder(Detection, Mechanisms, Tables):
    def __init__(self, problems):
        self.problems = problems
        self.refused = set()     # words of refused statements: what refers to one of them is no second mistake
        self.origin = ""         # the source of the unit in work
        self.at = {}
        self.versions = ()
        self.limits, self.charsets, self.layouts, self.structs = {}, {}, {}, {}
        self.detects, self.commands, self.mechanisms, self.machines = {}, {}, {}, {}
        self.sockets, self.quirks = {}, {}
        self.socket_source, self.statuses = "", {}
        self.options, self.messages, self.alphabets = {}, {}, {}
        self.documents = 0

    # --- helpers ------------------------------------------------------------------------------

    def put(self, table, item, name, what):
        if name in table:
            self.refuse(item.where, "duplicate",
                        f"{what} '{name}' is already defined at {table[name].where}; rename one of them", name)
        else:
            table[name] = item

    def rows(self, statements, parent):
        """(row, matched) of each usable child statement."""
        first, usable = {}, []
        for child in statements or ():
            row = matching.row_of(child, parent, self.problems)
            found = matching.match(child, row, self.problems) if row is not None else None
            if found is None:
                self.refused.update(names_in(child))
                continue
            before = first.setdefault(row.key, child)
            if before is not child and row.key in ONCE:
                self.refuse_second(child, before)
                continue
            usable.append((row, found))
        return usable

    def refuse(self, where, lint, message, rule=""):
        """Names with the rule where the protocol says so, as the lints do."""
        self.problems.add(where, lint, message, f"{rule} ({self.origin})" if rule and self.origin else rule)

    def refuse_second(self, child, before):
        self.refuse(child.where, "duplicate",
                    f"'{child.words[0].text}' already stands at {before.where}; keep one of them")

    def unknown(self, word, what, known, rule="", table=""):
        """Refuses a name that nothing has, unless the statement that would define it was refused itself."""
        if word.text in self.refused or table in self.refused:
            return
        self.refuse(word.where, "unknown-name", f"no {what} is called '{word.text}'" + nearest(word.text, known),
                    rule)

    def number(self, word):
        """A number, or the ceiling of a limit by name; None after a refusal."""
        if word.kind == "number":
            return word.value
        if word.text in self.limits:
            return self.limits[word.text].value
        self.unknown(word, "limit", self.limits, table="limits")
        return None

    def span(self, pair, default):
        if pair is None:
            return default
        low, high = self.number(pair[0]), self.number(pair[1])
        # an end that was refused is taken for the other one: no second refusal of the same word
        return (high or 0 if low is None else low, low or 0 if high is None else high)

    def told(self, found, name):
        """What every unit says of itself."""
        return {"source": self.origin, "doc": found.doc, "where": name.where, "at": found.at}

    # --- units --------------------------------------------------------------------------------

    def file(self, statements):
        """First the names that others refer to, then the units."""
        found = list(self.rows(statements, "file"))
        order = {"versions": 0, "limits": 0, "charset": 0, "struct": 1, "sockets": 1}
        self.documents += 1
        return sorted(found, key=lambda pair: order.get(pair[0].key, 2))

    def unit(self, row, found):
        """The unit's source counts for all that is in it."""
        said = [child.words for child in found.statement.children or () if child.words[0].text == "source"]
        self.origin = next((words[1].value for words in said if len(words) == 2), "")
        getattr(self, "unit_" + row.key)(found)

    def unit_versions(self, found):
        if self.versions:
            self.refuse(found.statement.where, "duplicate", "the versions are already listed; one list holds all")
        self.versions = texts(found.fixed[0])
        self.at.update(found.at)

    def unit_limits(self, found):
        for _, child in self.rows(found.statement.children, "limits"):
            name, ceiling = child.first, child.fixed[0]
            limit = m.Limit(name.text, ceiling.value, child.value("native", ceiling.value),
                            child.value("compat", ceiling.value), child.doc, where=name.where,
                            at={**child.at, "ceiling": ceiling.where})
            self.put(self.limits, limit, name.text, "limit")

    def unit_charset(self, found):
        name, chars = found.fixed
        octets = frozenset(o for low, high, _ in chars for o in range(low, high + 1))
        self.put(self.charsets, m.Charset(name.text, octets, found.doc, where=name.where, at=found.at), name.text,
                 "charset")

    def unit_layout(self, found):
        name = found.fixed[0]
        fields = self.fields(found.statement.children, "layout", name.text)
        self.put(self.layouts, m.Layout(name.text, found.value("size", "stream"), fields, **self.told(found, name)),
                 name.text, "layout")

    def unit_struct(self, found):
        name = found.fixed[0]
        fields = self.fields(found.statement.children, "struct", name.text)
        self.put(self.structs, m.Struct(name.text, fields, **self.told(found, name)), name.text, "struct")

    def unit_command(self, found):
        name, mechanism, phase = found.fixed[0], found.text("of"), found.text("in")
        command_id = f"{mechanism}.{name.text}" if mechanism else name.text
        fields = self.fields(found.statement.children, "command", command_id, mechanism)
        old_form = next((child for row, child in self.rows(found.statement.children, "command")
                         if row.key == "before"), None)
        since = found.text("since") or "".join(self.versions[:1])
        if "since" in found:
            self.check_version(found["since"], name.text)
        if phase not in PHASES and not (mechanism and not phase):
            self.refuse(found["in"].where if phase else name.where, "unknown-name",
                        f"when may '{name.text}' come? Say 'in handshake' or 'in traffic'", name.text)
        told = self.told(found, name)
        old = {}
        if old_form is not None:
            told["at"] = {**found.at, "before": old_form.fixed[0].where,
                          **{f"before {word}": where for word, where in old_form.at.items()}}
            old = {"before_senders": old_form.texts("from")}
        command = m.Command(command_id, name.text, phase or ("handshake" if mechanism else ""), since, fields,
                            old_form.fixed[0].value if old else None, mechanism=mechanism,
                            senders=found.texts("from"), size=found.value("size"), **old, **told)
        self.put(self.commands, command, command_id, "command")

    def check_version(self, word, rule=""):
        if word.text not in self.versions:
            self.refuse(word.where, "bad-version", f"{word.text} is not among the versions "
                        f"{', '.join(self.versions)}; take one of them, or add it there", rule)

    def fields(self, statements, parent, unit, mechanism=""):
        found = [child for row, child in self.rows(statements, parent) if row.key == "NAME"]
        names = {child.first.text for child in found}
        fields = [self.field(child, unit, names, mechanism) for child in found]
        return tuple(item for item in fields if item is not None)

    def field(self, found, unit, siblings, mechanism):
        """siblings: the names of the unit's fields, one of which may count the octets of this one."""
        name = found.first
        type_word, size = found.fixed[0]
        rule = f"{unit}.{name.text}"
        if type_word.text not in (*vocab.TYPES, *vocab.BOXES) and type_word.text not in self.structs:
            self.unknown(type_word, "type", [*vocab.TYPES, *vocab.BOXES, *self.structs], rule)
            self.refused.add(name.text)
            return None
        box = None
        if type_word.text in vocab.BOXES and (box := self.box(found, rule, type_word.text, mechanism)) is None:
            self.refused.add(name.text)
            return None
        bits, reserved, must = ((), "", None) if box else self.bits(found)
        found.at["type"] = type_word.where
        if size is not None:
            found.at["size"] = cover(size)
            found.at.update({f"size {word.text}": word.where for word in size})
        size_from = self.size_from(size, siblings)
        condition, mask, unit_words = found.get("if") or found.get("unless"), found.get("mask"), found.get("unit")
        return m.Field(
            id=rule, name=name.text, type="bytes" if box else type_word.text,
            size=self.box_size(box, mechanism) if box else (0, None) if size_from else self.span(size, None),
            value=found.value("="), range=self.span(found.get("in"), None),
            mask=(mask[0].value, mask[1].value) if mask else None, send=found.value("send"),
            chars=self.reference(found.get("chars"), self.charsets, "charset", rule), pad=found.value("pad"),
            length=found.text("length"), limit=self.reference(found.get("limit"), self.limits, "limit", rule),
            condition=(condition.value, "if" in found) if condition is not None else None,
            unit=(unit_words[0].value, unit_words[1].text) if unit_words else None,
            quirks=found.texts("quirk"), bits=bits, reserved_quirk=reserved, reserved_must=must,
            keys=() if box else self.keys(found.statement.children, rule), size_from=size_from, box=box,
            key=next(((word, found[word].text) for word in ("public", "private") if word in found), None),
            text=found.value("is"), fault=self.fault(found), mechanism=found.text("for"),
            **{word: word in found for word in ("rest", "stream", "nocase", "secret")},
            **{word: found.text(word) for word in ("echo", "counts", "among")},
            doc=found.doc, where=name.where, at=found.at)

    def size_from(self, size, siblings):
        """The field that holds this one's size: bytes[size] is read from the wire, bytes[a_limit] is not."""
        if size is None or size[0] is not size[1] or size[0].text not in siblings:
            return ""
        return size[0].text

    def reference(self, word, table, what, rule):
        if word is None:
            return ""
        if word.text not in table:
            self.unknown(word, what, table, rule, "limits" if what == "limit" else "")
            return ""
        return word.text

    def bits(self, parent):
        statements = parent.statement.children
        bits, reserved, must = [], "", None
        for row, found in self.rows([s for s in statements or () if s.words[0].text in ("bit", "reserved")], "field"):
            quirk = next(iter(found.texts("quirk")), "")
            if row.key == "reserved":
                reserved, must = quirk, found.value("must")
                parent.at.update({f"reserved {word}": where for word, where in found.at.items()})
                continue
            number, name = found.fixed
            bits.append(m.Bit(number.value, name.text, found.text("excludes"), quirk, found.doc, where=number.where,
                              at={**found.at, "name": name.where}))
        return tuple(bits), reserved, must

    def keys(self, statements, rule):
        keys = []
        for _, found in self.rows([s for s in statements or () if s.words[0].text not in ("bit", "reserved")], "field"):
            name = found.fixed[0]
            for word in found.get("send", ()):
                if word.text not in self.sockets:
                    self.unknown(word, "socket type", self.sockets, rule, "sockets")
            if "in" in found and found["in"].text != "sockets":
                self.unknown(found["in"], "table", ["sockets"], rule)
            at = {**found.at, "forbid": found["forbid"].where} if "forbid" in found else found.at
            keys.append(m.Key(name.text, "required" in found, "in" in found, found.texts("send"),
                              self.span(found.get("bytes"), None), found.value("forbid"),
                              next(iter(found.texts("quirk")), ""), where=name.where, at=at))
        return tuple(keys)

    def unit_machine(self, found):
        mechanism, role = found.fixed
        children = found.statement.children
        one = {row.key: child
               for row, child in self.rows([c for c in children if c.words[0].text != "state"], "machine")}
        states = {}
        for row, child in self.rows([c for c in children if c.words[0].text == "state"], "machine"):
            name = child.fixed[0]
            state = m.State(name.text, child.text("sends"), tuple(self.answers(child.statement.children)),
                            child.text("asks"), "always" in child, where=name.where, at=child.at)
            self.put(states, state, name.text, "state")
        rule = f"{mechanism.text}.{role.text}"
        for need in ("start", "events", "accept", "reject"):
            if need not in one:
                if need not in self.refused:
                    self.refuse(mechanism.where, "unknown-word", f"machine {rule} needs a line '{need} ...'",
                                rule)
                return
        accept = one["accept"].fixed[0]
        if "require" in one and one["require"].fixed[0].text != accept.text:
            self.unknown(one["require"].fixed[0], "accepting state", [accept.text], rule)
        told = self.told(found, mechanism)
        told["at"] = {**found.at, "role": role.where}
        for child in one.values():
            told["at"].update(child.at)
        machine = m.Machine(rule, mechanism.text, role.text, one["start"].fixed[0].text, texts(one["events"].fixed[0]),
                            tuple(states.values()), accept.text, one["reject"].fixed[0].text,
                            texts(one["require"].fixed[1]) if "require" in one else (), **told)
        self.put(self.machines, machine, rule, "machine")

    def answers(self, statements):
        for _, found in self.rows(statements, "state"):
            target = found.fixed[0]
            yield m.Answer(found.first.text, target.text, *map(found.text, ("if", "else", "do", "because")),
                           where=found.first.where, at={**found.at, "target": target.where})

    def unit_sockets(self, found):
        self.socket_source = self.origin
        if "sockets" in self.at:
            self.refuse(found.statement.where, "duplicate",
                        f"the socket types are already listed at {self.at['sockets']}; one table holds all")
        self.at.update({"sockets": found.statement.where, "sockets end": found.at["end"]})
        for row, child in self.rows(found.statement.children, "sockets"):
            if row.key == "source":
                continue
            name = child.first
            socket = m.Socket(name.text, child.value("code", -1), child.texts("peers"),
                              tuple(word for word in child.texts("sends") if word != "nothing"), child.text("mute"),
                              "draft" in child, child.doc, *map(child.text, ("since", "only")),
                              "thread_safe" in child, "there" in child, where=name.where, at=child.at)
            self.put(self.sockets, socket, name.text, "socket type")

    def unit_quirk(self, found):
        name, on = found.fixed
        values = {"accept": None, "strict": "", "compat": "", "default": ""}
        at = {**found.at, "on": on.where}
        for row, child in self.rows(found.statement.children, "quirk"):
            values[row.key] = child.fixed[0].value
            at[row.key] = child.fixed[0].where
        for need in ("strict", "compat", "default"):
            if need not in at and need not in self.refused:
                self.refuse(name.where, "unknown-word", f"quirk '{name.text}' needs a line '{need} ...'", name.text)
        doc = " ".join(c.doc for c in found.statement.children if c.doc) or found.doc
        self.put(self.quirks, m.Quirk(name.text, on.text, **values, doc=doc, where=name.where, at=at), name.text,
                 "quirk")

    def protocol(self):
        return m.Protocol(**{field.name: getattr(self, field.name) for field in dataclasses.fields(m.Protocol)})


def build(files, problems):
    """files: list of statement lists, in file-name order -> Protocol.

    Text that could not be read leaves an empty one: what an open brace swallowed would be refused word for word."""
    builder = Builder(problems)
    if problems:
        return builder.protocol()
    units = [pair for statements in files for pair in builder.file(statements)]
    order = {"versions": 0, "limits": 1, "charset": 1, "sockets": 2, "struct": 3, "mechanism": 3}
    for row, found in sorted(units, key=lambda pair: order.get(pair[0].key, 4)):
        builder.unit(row, found)
    return builder.protocol()
