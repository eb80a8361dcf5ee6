"""One rule or one machine, shown to a person: ./dev gen --explain RULE, --graph MACHINE, --list."""

import json
import re

from gen import diff, lower, render, words
from gen.lint import explain
from gen.match import nearest
from gen.model import units

BOX, ROW, COLUMN = (150, 40), 110, 300      # a state's box and the grid it stands on, in pixels


def places(codec, unit, record):
    """(rule, from, to) of the fields of a record that the codec read from a case."""
    head = 0
    if unit == "command":
        fields = codec.COMMANDS[record["id"]].get("fields", ())
        head = 1 + len(codec.COMMANDS[record["id"]]["name"])
    else:
        fields = codec.STRUCTS["property"]["fields"] if unit == "metadata" else codec.LAYOUTS[unit]["fields"]
    found = [(record["id"], 0, head)] if head else []
    if "body" in record:        # of the forms that a frame's size has, the shortest is the example
        size = len(codec.encode_frame_head(unit, record["flags"], record["size"])) - 1
        fields = {field["name"]: field for field in fields}.values()
        lengths = [{"flags": 1, "size": size, "body": record["size"]}[field["name"]] for field in fields]
    else:
        lengths = [len(codec.encode_fields([field], record, False)) for field in fields]
    for field, length in zip(fields, lengths):
        found.append((field["id"], head, head + length))
        head += length
    return found


def example(rule, files):
    """The shortest known answer whose octets the rule takes a part in, with that part in brackets."""
    codec, best = diff.Codec(files), None
    for case in json.loads(files["tests/vectors/known.json"])["cases"]:
        records, unit = codec.judge(case).records, case["unit"]
        octets = bytes.fromhex(case["head"] + case["unit_octets"] * case["count"] + case["tail"])
        if unit in codec.codec.DETECTS:
            unit, records = f"{unit}.{records[0]['form']}" if records else "", records[1:]
        for _, start, end in [p for p in places(codec.codec, unit, records[0]) if p[0] == rule] if records else ():
            if end <= len(octets) and (best is None or (start == end, len(octets)) < best[0]):
                best = (start == end, len(octets)), case["name"], octets, start, end
    if best is None:
        return []
    _, name, octets, start, end = best
    parts = octets[:start].hex(" "), octets[start:end].hex(" "), octets[end:].hex(" ")
    return [f"{parts[0]} [{parts[1]}] {parts[2]}".strip(), f"{end - start} at octet {start} of {len(octets)}: {name}"
            if end > start else f"empty, at octet {start} of {len(octets)}: {name}"]


def enforced(rule, files):
    """Where generated C refuses for the rule: 'function() in file', or the table that holds it."""
    enum, found = re.compile(rf"\b{lower.rule_enum(rule)}\b"), []
    for name, text in files.items():
        if not name.endswith((".c", ".h")) or name.startswith("tests/") or name.startswith("wire/ids"):
            continue
        holder = ""
        for line in text.split("\n"):
            if begins := re.match(r"[a-z].*?(\w+)(\(|(?:\[\w*\])+ = )", line):
                holder = begins[1] + ("()" if begins[2] == "(" else "")
            if enum.search(line) and f"{holder} in {name}" not in found:
                found.append(f"{holder} in {name}")
    return found


def owner(protocol, rule):
    """What the rule's id names: a limit, unit, field, key or state, with what the model says about it."""
    for limit in protocol.limits.values():
        if limit.id == rule:
            return limit, [f"ceiling {limit.value}, native {limit.native}, compat {limit.compat}"]
    for unit in units(protocol):
        if unit.id == rule:
            return unit, ["fields: " + (", ".join(dict.fromkeys(f.name for f in unit.fields)) or "none")]
        for field in unit.fields:
            if field.id == rule:
                least, most = diff.octets(field, protocol.limits["max_command_bytes"].value)
                return field, [f"{field.type}, octets {least}" + (f" to {most}" if most != least else "")
                               + f", accepted: {words.accepted_words(field)}"]
            if (key := next((k for k in field.keys if f"{field.id}.{k.name}" == rule), None)) is not None:
                return key, ["required" if key.required else "may be missing",
                             *(["sent by " + ", ".join(key.senders)] if key.senders else [])]
    for machine in protocol.machines.values():
        for state in machine.states:
            if f"{machine.id}.{state.name}" == rule:
                return state, [f"{s.event} -> {s.target}" + (f" if {s.guard}, else {s.otherwise}" if s.guard else "")
                               + (f": {s.reason}" if s.reason else "") for s in lower.steps(machine, state)]
    return next((d for d in protocol.detects.values() if rule.startswith(f"{d.id}.")), None), []


def explained(protocol, name, renderer):
    """A lint's or a rule's explanation -> (text, found)."""
    if (text := explain.text(name)) is not None:
        return text, True
    known = {rule.id: rule for rule in lower.rules(protocol)}
    if name not in known:
        return f"gen: no rule or lint is called '{name}'{nearest(name, [*known, *explain.LINTS])}", False
    files = renderer.render({**render.build(protocol), **render.COMMITTED})
    rule, (item, facts) = known[name], owner(protocol, name)
    cases = [case for case in json.loads(files["tests/vectors/known.json"])["cases"]
             if case["rule"] == name or case["name"].startswith(name)]
    tests = [file for file, text in files.items() if file.startswith("tests/test_") and rule.enum in text]
    quirks = [q for q in protocol.quirks.values()
              if q.on == name or q.name in (*getattr(item, "quirks", ()), getattr(item, "quirk", None))]
    rows = [("says", [rule.doc.replace("\n", " ")] if rule.doc else []),
            ("source", [rule.source] if rule.source else []),
            ("declared", [str(item.where)] if item else []), ("model", facts),
            ("example", example(name, files)),
            ("in C", [f"{rule.enum}", *enforced(name, files)]),
            ("tests", [f"build/generated/{file}" for file in tests]),
            ("cases", [f"{case['name']}: {case['verdict']}" for case in cases]),
            ("quirks", [f"{q.name}: strict: {q.strict}; compat: {q.compat}; native takes {q.default}" for q in quirks])]
    lines = [name]
    for title, texts in rows:
        lines += [f"  {title if not i else '':9} {text}" for i, text in enumerate(texts)]
    return "\n".join(lines), True


def listed(table):
    """Every artefact with its template and what it comes from."""
    return "\n".join(f"{name:28} templates/{template:28} {sources}" for name, (template, sources) in table.items())


# --- a machine as a picture ------------------------------------------------------------------------


def ranks(machine):
    """State -> row: how many answers after the start it can first be reached; what ends the handshake comes last."""
    rows, front = {machine.start: 0}, [machine.start]
    for name in front:
        for state in (s for s in machine.states if s.name == name):
            targets = [t for step in lower.steps(machine, state) for t in (step.target, step.otherwise)]
            front += [t for t in dict.fromkeys(targets) if t not in rows]
            rows.update({t: rows[name] + 1 for t in targets if t not in rows})
    last = max(r for s, r in rows.items() if s not in (machine.accept, machine.reject)) + 1
    return {**rows, machine.accept: last, machine.reject: last}


def picture(machine):
    """What templates/docs/machine.svg.j2 draws: boxes, top down, and one arrow for all events between two states. The
    rejecting state stands at the right, where every arrow that ends the handshake goes."""
    rows, boxes = ranks(machine), {}
    sends = {state.name: state.sends for state in machine.states}
    right = max(list(rows.values()).count(row) for row in rows.values())
    for name in lower.all_states(machine):
        column = right if name == machine.reject else sum(box["row"] == rows[name] for box in boxes.values())
        boxes[name] = {"name": name, "row": rows[name], "sends": sends.get(name, ""), "x": 30 + COLUMN * column,
                       "y": 30 + ROW * rows[name],
                       "kind": {machine.accept: "accept", machine.reject: "reject"}.get(name, "state")}
    arrows = []
    for (source, target), labels in words.arrows(machine).items():
        (x, y), (to_x, to_y) = ((boxes[name]["x"], boxes[name]["y"]) for name in (source, target))
        if target == machine.reject:
            at, end = (x + BOX[0] - 12, y + BOX[1] + 16), to_x + BOX[0] - 14 * rows[source] - 10
            text = at[0] + 6, at[1] - 4
            path = f"M {at[0]} {y + BOX[1]} V {at[1]} H {end - 8} Q {end} {at[1]} {end} {at[1] + 8} V {to_y}"
        elif to_y <= y:     # back, or the state itself: around the left
            text = (x + 10, y + BOX[1] + 12)
            path = f"M {x} {y + 30} C {x - 28} {y + 30} {to_x - 28} {to_y + 10} {to_x} {to_y + 10}"
        else:
            at, end = (x + BOX[0] // 2, y + BOX[1]), (to_x + BOX[0] // 2, to_y)
            text = ((at[0] + end[0]) // 2 + 6, (at[1] + end[1]) // 2)
            path = f"M {at[0]} {at[1]} C {at[0]} {at[1] + 40} {end[0]} {end[1] - 40} {end[0]} {end[1]}"
        arrows.append({"path": path, "kind": boxes[target]["kind"], "x": text[0], "y": text[1],
                       "label": ", ".join(labels)})
    return {"machine": machine, "boxes": list(boxes.values()), "arrows": arrows, "box": BOX,
            "width": 30 + COLUMN * (right + 1), "height": 30 + ROW * (max(rows.values()) + 1)}


def graph(protocol, name, renderer):
    """A machine as SVG -> (text, found); without a name, the machines there are."""
    if name not in protocol.machines:
        why = f"gen: no machine is called '{name}'{nearest(name, protocol.machines)}"
        return (why, False) if name else (", ".join(protocol.machines), True)
    template = renderer.env.get_template("docs/machine.svg.j2")
    return template.render(picture(protocol.machines[name])).rstrip("\n"), True
