"""Which version a peer speaks: from statements to the model, and what templates print of the decision."""

from dataclasses import dataclass

from gen import model as m
from gen.lower import field_octets, fixed_fields
from gen.match import texts


class Detection:
    """The builder's part for `detect`; a mixin of gen.build.Builder."""

    def unit_detect(self, found):
        name = found.fixed[0]
        stages, refusals, forms = [], [], {"replay": [], "identity": []}
        told = self.told(found, name)
        told["at"] = dict(found.at)
        for row, child in self.rows(found.statement.children, "detect"):
            where = child.statement.where
            if row.key == "start":
                names = child.fixed[-1]
                stages.append(m.Stage(-1, texts(names), (), where=where,
                                      at={f"send {word.text}": word.where for word in names}))
            elif row.key == "octet":
                branches = tuple(self.branch(key.key, one)
                                 for key, one in self.rows(child.statement.children, "octet"))
                stages.append(m.Stage(child.fixed[0].value, (), branches, where=where, at=child.at))
            elif row.key == "refuse":
                refusals.append(m.Refusal(texts(child.fixed[0]), child.text("unless"), child.text("if"), where=where,
                                          at=child.at))
            elif row.key in forms:
                forms[row.key] += texts(child.fixed[0])
                told["at"].update({f"{row.key} {word.text}": word.where for word in child.fixed[0]})
        self.put(self.detects, m.Detect(name.text, tuple(stages), tuple(forms["replay"]), tuple(forms["identity"]),
                                        tuple(refusals), **told), name.text, "detect")

    def branch(self, key, found):
        *test, target = found.fixed
        mask, value = {"is": (0xff, *test), "mask": test, "else": (0, 0)}[key]
        number = (lambda word: word if isinstance(word, int) else word.value)
        if "speaks" in found:
            self.check_version(found["speaks"])
        return m.Branch(number(mask), number(value), target.text, found.text("frames"), found.text("speaks"),
                        found.texts("send"), where=found.statement.where, at={**found.at, "target": target.where})


def family(protocol, detect):
    """The layouts that the decision is about, by form."""
    return {name.partition(".")[2]: layout for name, layout in protocol.layouts.items()
            if name.startswith(detect.id + ".")}


def taken(branches):
    """The octets that each of these branches answers, when the first that fits does."""
    left = set(range(256))
    for branch in branches:
        fits = {octet for octet in left if octet & branch.mask == branch.value}
        left -= fits
        yield frozenset(fits)


def paths(detect):
    """Every way through the decision: its branches, the last of which names a form, and the fields sent on it."""
    def walk(index, so_far, sent):
        stage = detect.stages[index] if index < len(detect.stages) else None
        for branch in stage.branches if stage else ():
            line = (*so_far, (stage.octet, branch)), (*sent, *((name, branch) for name in branch.fields))
            if branch.target == "next":
                yield from walk(index + 1, *line)
            else:
                yield line
    start = [stage for stage in detect.stages if stage.octet < 0]
    yield from walk(len(start), (), tuple((name, stage) for stage in start for name in stage.fields))


@dataclass(frozen=True)
class Decision:
    """One branch, with what templates print of it."""
    octet: int
    branch: object
    octets: frozenset        # those it answers
    due: int                 # octets of our greeting that may then have left
    field: object            # what the octet is of the form that it tells, if that has a layout

    @property
    def verdicts(self):
        """The octets that the field lets in, those that only its quirk does, and those that it refuses."""
        good = self.octets & self.field.accepted[0] if self.field else self.octets
        odd = frozenset(o for o in self.octets - good if f"0x{o:02x}" == self.field.quirk_pattern)
        return good, odd, self.octets - good - odd


class Detected:
    """A decision lowered: its rows, its forms, and what becomes of a peer of each."""

    def __init__(self, protocol, detect):
        self.detect, self.layouts = detect, family(protocol, detect)
        self.forms = sorted([*self.layouts, *detect.replay])
        sizes = {field.name: field_octets(field) for layout in self.layouts.values() for field in layout.fields}
        due = self.due_at_start = sum(sizes[name] for name in detect.stages[0].fields)
        self.decisions = []
        fields = {(name, octet): field for name, layout in self.layouts.items()
                  for field in fixed_fields(layout, protocol)
                  for octet in range(field.offset, field.offset + field.octets)}
        for stage in detect.stages[1:]:
            rows = [Decision(stage.octet, branch, octets, due + sum(sizes[name] for name in branch.fields),
                             fields.get((branch.target, stage.octet)))
                    for branch, octets in zip(stage.branches, taken(stage.branches))]
            due = max((row.due for row in rows if row.branch.target == "next"), default=due)
            self.decisions += rows
        self.params = {field.send: field for layout in self.layouts.values() for field in layout.fields
                       if isinstance(field.send, str)}

    def is_refused(self, form, mechanism, has_zap_domain):
        return any(form in refusal.forms and (mechanism != refusal.unless if refusal.unless else has_zap_domain)
                   for refusal in self.detect.refusals)
