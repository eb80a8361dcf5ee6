"""Two checked models -> what a peer notices, in words; witnesses in octets; what moves in the generated files.

Models are compared, not text: a comment or a moved line changes nothing. An attribute that no table below knows is
taken for the worst, so that a new word of the notation never makes a change look smaller than it is."""

import dataclasses
import difflib
import io
import json
import re
import subprocess
import tarfile
import tempfile
import types

import jinja2

from gen import load, lower, render, words
from gen.reader import Where

MORE, LESS, SENDS, DOC = "accepts more", "accepts less", "sends differently", "only documentation"
OPPOSITE = {MORE: LESS, LESS: MORE, SENDS: SENDS, DOC: DOC}
GROUPS = {"charsets": "layouts", "structs": "layouts", "detects": "layouts", "mechanisms": "machines"}
UNKNOWN = "unknown"
SKIPPED = {"where", "at", "documents", "refused"}
# What a changed attribute means to a peer: 'set' and 'need' by comparison, the rest always.
MEANING = {name: meaning for meaning, names in {
    DOC: "doc source socket_source strict reason draft mute unit name thread_safe there aliases unguarded "
         "deprecated example",
    SENDS: "send pad sends senders before_octet code action phase stages value",
    "set": "octets accepted size range peers events commands quirks versions native compat ceiling",
    "need": "required forbid_first require excludes condition",
}.items() for name in names.split()}
# What an item that comes means; gone is the opposite. The rest (a field, a stage) moves other octets.
COMES = {**dict.fromkeys(("Command", "Mechanism", "Machine", "State", "Socket", "Option", "Quirk", "Bit", "Layout",
                          "Message", "Alphabet"), MORE),
         **dict.fromkeys(("Limit", "Charset", "Struct"), DOC)}


@dataclasses.dataclass(frozen=True)
class Change:
    group: str
    id: str
    text: str
    effects: frozenset


def spec_at(root, revision):
    """The model of a git revision's spec -> (protocol, ""), or (None, why not)."""
    run = subprocess.run(["git", "-C", root, "archive", "--format=tar", revision, "spec"], capture_output=True,
                         check=False)
    if run.returncode:
        return None, f"git has no spec/ at '{revision}': {run.stderr.decode().strip()}"
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(run.stdout)) as tar:
        tar.extractall(folder)
        protocol, problems, sources = load.load(folder)
    if problems:
        return None, (f"{load.report(problems, sources)}\ngen: that is the spec of {revision}, which the present "
                      "notation does not read; compare with a later one")
    return protocol, ""


# --- what changed, in words ------------------------------------------------------------------------


def is_span(value):
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value)


def without_places(value):
    return tuple(without_places(v) for v in value if not isinstance(v, Where)) if isinstance(value, tuple) else value


def said(value):
    if isinstance(value, frozenset):
        return words.octet_words(value).replace("`", "") or "nothing"
    if isinstance(value, tuple):
        return f"{value[0]}..{value[1]}" if is_span(value) else " ".join(map(said, value)) or "nothing"
    return {None: "nothing", "": "nothing", True: "yes", False: "no"}.get(value, str(value)) \
        if not isinstance(value, int) or isinstance(value, bool) else str(value)


def relation(old, new):
    """What a wider or narrower set, span or number means; None is no bound."""
    if old is None or new is None:
        return {MORE} if new is None else {LESS}
    if isinstance(old, int):
        return {MORE} if new > old else {LESS}
    if is_span(old) and is_span(new):
        wider, narrower = new[0] < old[0] or new[1] > old[1], new[0] > old[0] or new[1] < old[1]
    else:
        wider, narrower = set(new) - set(old), set(old) - set(new)
    return ({MORE} if wider else set()) | ({LESS} if narrower else set()) or {SENDS}


def effects(owner, attribute, old, new):
    meaning = MEANING.get(attribute)
    if owner == "Quirk" and attribute in ("compat", "default"):
        return {DOC} if attribute == "compat" else {MORE if new == "compat" else LESS}
    if owner in ("Option", "Socket") and attribute in ("since", "native", "compat"):
        return {DOC if attribute == "since" else SENDS}
    if meaning == "set":
        return relation(old, new)
    if meaning == "need":
        return {LESS} if not old else {MORE} if not new else {LESS, MORE}
    return {meaning} if meaning else {LESS, SENDS}


def table(value):
    """A table's items by a name that survives an insertion; None: the value is no table of items."""
    if isinstance(value, dict):
        return value
    if not (isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0])):
        return None
    found = {}
    for index, item in enumerate(value):
        named = (getattr(item, k) for k in ("name", "id", "event", "octet", "number") if hasattr(item, k))
        key = str(next(named, index))
        found[key if key not in found else f"{key} ({getattr(item, 'type', len(found))})"] = item
    return found


def attributes(item, protocol):
    """Name -> value of what counts. What octets a field takes is one set, however it is written."""
    found = {f.name: without_places(getattr(item, f.name)) for f in dataclasses.fields(item) if f.name not in SKIPPED}
    kind = type(item).__name__
    if kind == "Field" and item.type in ("u8", "text", "bytes"):
        found = {k: v for k, v in found.items() if k not in ("mask", "chars", "range")}
        found["accepted"] = lower.accepted_octets(item, protocol)
    if kind == "Limit":
        found["ceiling"] = found.pop("value")
    if kind == "State":     # one answer for each event: an 'else' is short for them
        machine = next(m for m in protocol.machines.values() if item in m.states)
        found["answers"] = tuple(lower.steps(machine, item))
    return found


def step_words(step):
    return (step.target + (f" if {step.guard} else {step.otherwise}" if step.guard else "")
            + (f" because {step.reason}" if step.reason else ""))


class Comparison:
    """changes: every difference of two models, in the order of the model's tables."""

    def __init__(self, old, new):
        self.old, self.new, self.changes = old, new, []
        self.rejects = {m.reject for p in (old, new) for m in p.machines.values()}
        self.item("", old, new)

    def add(self, rule, text, found):
        self.changes.append(Change(self.group, rule, text, frozenset(found)))

    def item(self, rule, old, new):
        one, other = attributes(old, self.old), attributes(new, self.new)
        for name in dict.fromkeys([*one, *other]):
            if not rule:
                self.group = GROUPS.get(name, name)
            self.value(type(new).__name__, rule, name, one.get(name), other.get(name))

    def value(self, owner, rule, name, old, new):
        one, other = table(old), table(new)
        if one is None and other is None:
            if dataclasses.is_dataclass(old) and dataclasses.is_dataclass(new):
                self.item(new.id, old, new)
            elif old != new and said(old) != said(new):
                text = "its text" if name == "doc" else f"{name if rule else ''} {said(old)} -> {said(new)}".lstrip()
                self.add(rule or name, text, effects(owner, name, old, new))
            return
        one, other = one or {}, other or {}
        for key in dict.fromkeys([*one, *other]):
            item = other[key] if key in other else one[key]
            where = getattr(item, "id", f"{rule}.{key}".lstrip("."))
            if isinstance(item, lower.Step):
                self.step(f"{rule} on {key}", one.get(key), other.get(key))
            elif key in one and key in other:
                if dataclasses.is_dataclass(item):
                    self.item(where, one[key], other[key])
                else:
                    self.value(owner, f"{name}.{key}", name, one[key], other[key])
            else:
                self.comes(where, item, key in other)

    def comes(self, where, item, new):
        kind = type(item).__name__
        found = COMES.get(kind)
        if kind == "Key":
            found = LESS if item.required or item.size or item.forbid_first is not None else MORE
        self.add(where, f"new {kind.lower()}" if new else f"{kind.lower()} gone",
                 {found if new else OPPOSITE[found]} if found else {LESS, SENDS})

    def step(self, where, old, new):
        """An event's answer: what no longer ends the connection takes more."""
        if old is None or new is None or old == new:
            return               # an event that came or went is told with the machine's events
        refused = [sum(target in self.rejects for target in (s.target, s.otherwise)) for s in (old, new)]
        same = dataclasses.replace(old, reason="") == dataclasses.replace(new, reason="")
        found = DOC if same else MORE if refused[0] > refused[1] else LESS if refused[0] < refused[1] else SENDS
        self.add(where, f"{step_words(old)} -> {step_words(new)}", {found})


def level(found):
    return "major" if found & {LESS, SENDS} else "minor" if MORE in found else "patch"


# --- witnesses, sizes, headers ---------------------------------------------------------------------


class Codec:
    """The reference codec of a model, as its template prints it: the judge of what a spec takes."""

    def __init__(self, files):
        names = {"__name__": "zmtp_codec"}
        exec(compile(files["python/zmtp_codec.py"], "zmtp_codec.py", "exec"), names)
        self.codec = types.SimpleNamespace(**names)

    def judge(self, case):
        """A known answer's octets -> the codec's verdict. What this spec has no name for is refused as UNKNOWN."""
        codec, unit, unknown = self.codec, case["unit"], self.codec.Verdict("PROTO", UNKNOWN, 0, [])
        octets = bytes.fromhex(case["head"] + case["unit_octets"] * case["count"] + case["tail"])
        quirks = frozenset(case["quirks"]) & codec.COMPAT
        if unit == "command":
            found = codec.decode_command(case["scope"], octets, quirks) if case["scope"] in codec.SCOPES else unknown
            return found if found.err != "OK" or found.records[0]["id"] else unknown
        if unit == "metadata":
            return codec.decode_records("property", octets, codec.CEILINGS["max_properties"], "max_properties", quirks)
        if unit in codec.DETECTS:
            return codec.decode_greeting(unit, octets, quirks)
        return codec.decode_stream(unit, octets, quirks) if unit in codec.STREAMS else unknown


def witnesses(codecs, known):
    """The shortest octets, by direction and rule, that one codec takes and the other refuses: rows of (direction, rule,
    length, case). known: the known answers of both; every flags octet is tried."""
    cases = [case for text in known for case in json.loads(text)["cases"]]
    streams = dict.fromkeys(name for judge in codecs for name in judge.codec.STREAMS)
    cases += [{"unit": name, "head": f"{octet:02x}", "unit_octets": "00", "count": size, "tail": "", "quirks": []}
              for name in streams for octet in range(256) for size in (1, 8)]
    best = {}
    for case in cases:
        before, after = (codec.judge(case) for codec in codecs)
        taken = [verdict.err in ("OK", "AGAIN") for verdict in (before, after)]
        size = len(case["head"] + case["tail"]) // 2 + len(case["unit_octets"]) // 2 * case["count"]
        refused, other = (before, after) if taken[1] else (after, before)
        unit = (other.records or [{}])[0].get("id") or case["unit"]
        rule = unit if refused.rule == UNKNOWN else refused.rule
        key = (MORE if taken[1] else LESS, rule)
        if taken[0] and taken[1] and case["unit"] in codecs[1].codec.DETECTS and before.records[0] != after.records[0]:
            key = ("reads differently", f"{case['unit']}: {after.records[0]['speaks']}")
        elif taken[0] == taken[1]:
            continue
        if size < best.get(key, (size + 1,))[0]:
            best[key] = size, case
    return [(*key, *row) for key, row in sorted(best.items())]


def case_words(case):
    """The unit that is read, and the input in hex; long runs are said by their length."""
    run = f" {case['unit_octets']} x {case['count']} " if case["count"] > 8 else case["unit_octets"] * case["count"]
    octets = re.sub(r"(00){9,}", lambda z: f" 00 x {len(z[0]) // 2} ", case["head"] + run + case["tail"]).strip()
    return case["unit"] + (f" of {case['scope']}" if "scope" in case else "") + f": {octets}"


def octets(field, ceiling):
    """The least and the most octets of a field, its length included; records are bounded by their command."""
    if field.type in lower.WIDTHS:
        return lower.WIDTHS[field.type], lower.WIDTHS[field.type]
    low, high = field.size if field.box or field.type in ("bytes", "text") else (0, None)
    width = lower.WIDTHS.get(field.length, 0)
    return width + low, ceiling if high is None else width + high


def sizes(protocol):
    """What is read at least and at most: unit -> octets of a layout, record or command, states of a machine."""
    found = {f"layout {u.id}": f"{u.form} octets" for u in protocol.layouts.values() if u.form != "stream"}
    ceiling = protocol.limits["max_command_bytes"].value
    for unit in [*protocol.structs.values(), *protocol.commands.values()]:
        head = 1 + len(unit.name) if hasattr(unit, "phase") else 0
        low, high = (head + sum(octets(field, ceiling)[i] for field in unit.fields) for i in (0, 1))
        found[f"{'command' if head else 'struct'} {unit.id}"] = f"{low}..{min(high, ceiling) if head else high} octets"
    found.update({f"machine {m.id}": f"{len(m.states)} states x {len(m.events)} events"
                  for m in protocol.machines.values()})
    return found


def numbers(files):
    """What the generated headers fix: name -> an enumerator's or macro's value, or a struct's fields."""
    found = {}
    for text in (text for name, text in files.items() if name.endswith(".h")):
        for body in re.findall(r"^enum \w+ \{\n(.*?)^\};", text, re.M | re.S):
            value = -1
            for name, given in re.findall(r"^ +(\w+)(?: = (-?\w+))?,?", body, re.M):
                found[name] = value = found[given] if given in found else int(given, 0) if given else value + 1
        found.update(re.findall(r"^#define (\w+) +(.+)$", text, re.M))
        found.update((f"struct {n}", b) for n, b in re.findall(r"^struct (\w+) \{\n(.*?)^\}", text, re.M | re.S))
    return found


def artefacts(old, new):
    """(name, lines added, lines removed, unified diff) of each file that differs."""
    for name in dict.fromkeys([*old, *new]):
        lines = list(difflib.unified_diff(old.get(name, "").splitlines(), new.get(name, "").splitlines(),
                                          f"a/{name}", f"b/{name}", lineterm="", n=2))
        if lines:
            yield name, sum(x[0] == "+" for x in lines[2:]), sum(x[0] == "-" for x in lines[2:]), lines


# --- the report ------------------------------------------------------------------------------------


def section(title, rows):
    """Rows of words in columns, under a title; nothing when there are none."""
    rows = [[str(cell) for cell in row] for row in rows]
    wide = [max(len(cell) for cell in column) for column in zip(*rows)]
    told = ("  " + "  ".join(c.ljust(w) for c, w in zip(row, wide)).rstrip() for row in rows)
    return ["", title, *told] if rows else []


def report(old, new, files, revision, full):
    """files: name -> text of all artefacts of both models, or None when the templates cannot print the old one."""
    changes = Comparison(old, new).changes
    found = set().union(*(change.effects for change in changes))
    known = [made["tests/vectors/known.json"] for made in files] if files else []
    seen = witnesses([Codec(made) for made in files], known) if files else []
    lines = [f"{revision} -> working tree: changes {len(changes)}, level {level(found | {w[0] for w in seen})}"
             + (f" ({', '.join(e for e in (LESS, SENDS, MORE, DOC) if e in found)})" if found else "")]
    for group in dict.fromkeys(change.group for change in changes):
        lines += section(group, [(c.id, ", ".join(sorted(c.effects)), c.text) for c in changes if c.group == group])
    sized = sizes(old), sizes(new)
    lines += section("sizes", [(name, f"{sized[0].get(name, 'nothing')} -> {sized[1].get(name, 'nothing')}")
                               for name in {**sized[0], **sized[1]} if sized[0].get(name) != sized[1].get(name)])
    lines += section("witnesses, the shortest input that one takes and the other refuses",
                     [(found, rule, f"{size} octets", case_words(case)) for found, rule, size, case in seen])
    if not files:
        return "\n".join([*lines, "", f"The present templates cannot print the spec of {revision}: no files compared."])
    one, other = numbers(files[0]), numbers(files[1])
    both = [(n, "other fields" if n.startswith("struct") else f"{one[n]} -> {other[n]}")
            for n in one if n in other and one[n] != other[n]]
    lines += section(f"generated headers: {len(both)} values move, {len(set(other) - set(one))} come, "
                     f"{len(set(one) - set(other))} go", both if full else both[:12])
    moved = list(artefacts(*files))
    lines += section(f"artefacts: {len(moved)} of {len(files[1])} differ",
                     [(name, f"+{come}", f"-{go}") for name, come, go, _ in moved])
    limit = None if full else 24
    for *_, text in moved:
        more = [f"... {len(text) - limit} lines more: --diff --full"] if not full and len(text) > limit else []
        lines += ["", *text[:limit], *more]
    return "\n".join(lines)


def against(revision, root, new, full):
    """The report on the working tree's model and a revision's -> (text, found)."""
    old, why = spec_at(root, revision)
    if old is None:
        return f"gen: {why}", False
    try:
        files = [render.Renderer(root, protocol).render({**render.build(protocol), **render.COMMITTED})
                 for protocol in (old, new)]
    except (KeyError, StopIteration, AttributeError, jinja2.UndefinedError):
        files = None    # the templates need a unit that the old spec does not have
    return report(old, new, files, revision, full), True
