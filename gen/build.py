"""Statements -> model. Names are resolved here; what is consistent and what is not is the lints' business."""

from gen import match as matching
from gen import model as m
from gen import vocab
from gen.detect import Detection
from gen.match import nearest
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

    def source(self, statements, parent):
        for child in statements or ():
            if child.words[0].text == "source" and len(child.words) == 2:
                return child.words[1].value
        return ""

    # --- units --------------------------------------------------------------------------------

    def file(self, statements):
        """First the names that others refer to, then the units."""
        found = list(self.rows(statements, "file"))
        order = {"versions": 0, "limits": 0, "charset": 0, "struct": 1, "sockets": 1}
        self.documents += 1
        return sorted(found, key=lambda pair: order.get(pair[0].key, 2))

    def unit(self, row, found):
        self.origin = self.source(found.statement.children, row.key)
        getattr(self, "unit_" + row.key)(found)

    def unit_versions(self, found):
        if self.versions:
            self.refuse(found.statement.where, "duplicate", "the versions are already listed; one list holds all")
        self.versions = tuple(word.text for word in found.fixed[0])
        self.at.update(found.at)

    def unit_limits(self, found):
        for _, child in self.rows(found.statement.children, "limits"):
            name = child.statement.words[0]
            value = child.fixed[0].value
            limit = m.Limit(name.text, value, child["native"].value if "native" in child else value,
                            child["compat"].value if "compat" in child else value, child.statement.doc, name.where,
                            {**child.at, "ceiling": child.fixed[0].where})
            self.put(self.limits, limit, name.text, "limit")

    def unit_charset(self, found):
        name, chars = found.fixed
        octets = frozenset(o for low, high, _ in chars for o in range(low, high + 1))
        self.put(self.charsets, m.Charset(name.text, octets, found.statement.doc, name.where, found.at), name.text,
                 "charset")

    def unit_layout(self, found):
        name = found.fixed[0]
        form = found["size"].value if "size" in found else "stream"
        fields = self.fields(found.statement.children, "layout", name.text)
        layout = m.Layout(name.text, form, fields, self.source(found.statement.children, "layout"),
                          found.statement.doc, name.where, found.at)
        self.put(self.layouts, layout, name.text, "layout")

    def unit_struct(self, found):
        name = found.fixed[0]
        fields = self.fields(found.statement.children, "struct", name.text)
        struct = m.Struct(name.text, fields, self.source(found.statement.children, "struct"),
                          found.statement.doc, name.where, found.at)
        self.put(self.structs, struct, name.text, "struct")

    def unit_command(self, found):
        name, mechanism = found.fixed[0], found["of"].text if "of" in found else ""
        command_id = f"{mechanism}.{name.text}" if mechanism else name.text
        fields = self.fields(found.statement.children, "command", command_id, mechanism)
        old_form = next((child for row, child in self.rows(found.statement.children, "command")
                         if row.key == "before"), None)
        before = None if old_form is None else old_form.fixed[0]
        phase = found.get("in")
        since = found["since"].text if "since" in found else (self.versions[0] if self.versions else "")
        if "since" in found and since not in self.versions:
            self.refuse(found["since"].where, "bad-version",
                        f"{since} is not among the versions {', '.join(self.versions)}; take one of them, or add "
                        "it there", name.text)
        if not (phase is None and mechanism) and (phase is None or phase.text not in PHASES):
            self.refuse((phase or name).where, "unknown-name",
                        f"when may '{name.text}' come? Say 'in handshake' or 'in traffic'", name.text)
        at = {**found.at, "before": before.where} if before else found.at
        command = m.Command(command_id, name.text, phase.text if phase else "handshake" if mechanism else "", since,
                            fields, before.value if before else None,
                            self.source(found.statement.children, "command"), found.statement.doc, name.where, at,
                            mechanism, tuple(word.text for word in found.get("from", ())),
                            found["size"].value if "size" in found else None,
                            before_senders=tuple(word.text for word in old_form.get("from", ())) if before else (),
                            before_at=old_form.at if before else {})
        self.put(self.commands, command, command_id, "command")

    def fields(self, statements, parent, unit, mechanism=""):
        found = [child for row, child in self.rows(statements, parent) if row.key == "NAME"]
        names = {child.statement.words[0].text for child in found}
        fields = [self.field(child, unit, names, mechanism) for child in found]
        return tuple(item for item in fields if item is not None)

    def field(self, found, unit, siblings, mechanism):
        """siblings: the names of the unit's fields, one of which may count the octets of this one."""
        name = found.statement.words[0]
        type_word, size = found.fixed[0]
        rule = f"{unit}.{name.text}"
        if type_word.text not in (*vocab.TYPES, *vocab.BOXES) and type_word.text not in self.structs:
            self.unknown(type_word, "type", [*vocab.TYPES, *vocab.BOXES, *self.structs], rule)
            self.refused.add(name.text)
            return None
        send = found.get("send")
        condition = found.get("if") or found.get("unless")
        mask = found.get("mask")
        unit_words = found.get("unit")
        is_box = type_word.text in vocab.BOXES
        box = self.box(found, rule, type_word.text, mechanism) if is_box else None
        if is_box and box is None:
            self.refused.add(name.text)
            return None
        bits, reserved, must = ((), "", None) if box else self.bits(found)
        key = next(((word, found[word].text) for word in ("public", "private") if word in found), None)
        found.at["type"] = type_word.where
        if size is not None:
            found.at["size"] = cover(size)
            found.at.update({f"size {word.text}": word.where for word in size})
        size_from = self.size_from(size, siblings)
        return m.Field(
            id=rule, name=name.text, type="bytes" if box else type_word.text,
            size=self.box_size(box, mechanism) if box else (0, None) if size_from else self.span(size, None),
            value=found["="].value if "=" in found else None,
            range=self.span(found.get("in"), None), mask=(mask[0].value, mask[1].value) if mask else None,
            send=send.value if send is not None else None, chars=self.reference(found.get("chars"), self.charsets,
                                                                                 "charset", rule),
            pad=found["pad"].value if "pad" in found else None,
            length=found["length"].text if "length" in found else "",
            limit=self.reference(found.get("limit"), self.limits, "limit", rule), rest="rest" in found,
            stream="stream" in found, condition=(condition.value, "if" in found) if condition is not None else None,
            unit=(unit_words[0].value, unit_words[1].text) if unit_words else None, nocase="nocase" in found,
            quirks=tuple(word.text for word in found.get("quirk", ())), bits=bits, reserved_quirk=reserved,
            keys=() if box else self.keys(found.statement.children, rule), doc=found.statement.doc, where=name.where,
            at=found.at, size_from=size_from, reserved_must=must, secret="secret" in found, key=key,
            echo=found["echo"].text if "echo" in found else "", box=box,
            counts=found["counts"].text if "counts" in found else "", text=found["is"].value if "is" in found else None,
            among=found["among"].text if "among" in found else "", fault=self.fault(found),
            mechanism=found["for"].text if "for" in found else "")

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
            quirk = found["quirk"][0].text if "quirk" in found else ""
            if row.key == "reserved":
                reserved, must = quirk, found.get("must")
                parent.at.update({f"reserved {word}": where for word, where in found.at.items()})
                continue
            number, name = found.fixed
            excludes = found["excludes"].text if "excludes" in found else ""
            at = {**found.at, "name": name.where}
            bits.append(m.Bit(number.value, name.text, excludes, quirk, found.statement.doc, number.where, at))
        return tuple(bits), reserved, must and must.value

    def keys(self, statements, rule):
        keys = []
        for _, found in self.rows([s for s in statements or () if s.words[0].text not in ("bit", "reserved")], "field"):
            name = found.fixed[0]
            senders = found.get("send", ())
            for word in senders:
                if word.text not in self.sockets:
                    self.unknown(word, "socket type", self.sockets, rule, "sockets")
            if "in" in found and found["in"].text != "sockets":
                self.unknown(found["in"], "table", ["sockets"], rule)
            keys.append(m.Key(name.text, "required" in found, "in" in found, tuple(w.text for w in senders),
                              self.span(found.get("bytes"), None),
                              found["forbid"].value if "forbid" in found else None,
                              found["quirk"][0].text if "quirk" in found else "", name.where,
                              {**found.at, **({"forbid": found["forbid"].where} if "forbid" in found else {})}))
        return tuple(keys)

    def unit_machine(self, found):
        mechanism, role = found.fixed
        children = found.statement.children
        one = {row.key: child
               for row, child in self.rows([c for c in children if c.words[0].text != "state"], "machine")}
        states = {}
        for row, child in self.rows([c for c in children if c.words[0].text == "state"], "machine"):
            name = child.fixed[0]
            state = m.State(name.text, child["sends"].text if "sends" in child else "",
                            tuple(self.answers(child.statement.children)), name.where, child.at,
                            child["asks"].text if "asks" in child else "", "always" in child)
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
        at = {**found.at, "role": role.where}
        for child in one.values():
            at.update(child.at)
        machine = m.Machine(rule, mechanism.text, role.text, one["start"].fixed[0].text,
                            tuple(w.text for w in one["events"].fixed[0]), tuple(states.values()),
                            accept.text, one["reject"].fixed[0].text,
                            tuple(w.text for w in one["require"].fixed[1]) if "require" in one else (),
                            self.source(children, "machine"), found.statement.doc, mechanism.where, at)
        self.put(self.machines, machine, rule, "machine")

    def answers(self, statements):
        for _, found in self.rows(statements, "state"):
            name = found.statement.words[0]
            yield m.Answer(name.text, found.fixed[0].text, found["if"].text if "if" in found else "",
                           found["else"].text if "else" in found else "", found["do"].text if "do" in found else "",
                           found["because"].text if "because" in found else "", name.where,
                           {**found.at, "target": found.fixed[0].where})

    def unit_sockets(self, found):
        self.socket_source = self.source(found.statement.children, "sockets")
        if "sockets" in self.at:
            self.refuse(found.statement.where, "duplicate",
                        f"the socket types are already listed at {self.at['sockets']}; one table holds all")
        self.at.update({"sockets": found.statement.where, "sockets end": found.at["end"]})
        for row, child in self.rows(found.statement.children, "sockets"):
            if row.key == "source":
                continue
            name = child.statement.words[0]
            socket = m.Socket(name.text, child["code"].value if "code" in child else -1,
                              tuple(w.text for w in child.get("peers", ())),
                              tuple(w.text for w in child.get("sends", ()) if w.text != "nothing"),
                              child["mute"].text if "mute" in child else "", "draft" in child,
                              child.statement.doc, name.where, child.at,
                              *(child[word].text if word in child else "" for word in ("since", "only")),
                              "thread_safe" in child, "there" in child)
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
        doc = " ".join(c.doc for c in found.statement.children if c.doc) or found.statement.doc
        self.put(self.quirks, m.Quirk(name.text, on.text, values["accept"], values["strict"], values["compat"],
                                      values["default"], doc, name.where, at), name.text, "quirk")

    def protocol(self):
        return m.Protocol(self.versions, self.limits, self.charsets, self.layouts, self.structs, self.detects,
                          self.commands, self.mechanisms, self.machines, self.sockets, self.socket_source, self.quirks,
                          self.documents, self.at, frozenset(self.refused), self.statuses,
                          self.options, self.messages, self.alphabets)


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
