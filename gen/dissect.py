"""What the Wireshark dissector prints its tables from: filter fields, rows of octets, and the commands that end a
side's handshake. The template adds the machinery that walks them."""

import json
import re

from gen import lower, words


def lua(value):
    """A value as a literal of Lua; what says nothing is left out of a table."""
    if isinstance(value, dict):
        said = [(k, v) for k, v in value.items() if v not in (None, "", ()) and v is not False]
        return "{ " + ", ".join(f'{k if re.fullmatch("[a-z_]+", k) else f"[{json.dumps(k)}]"} = {lua(v)}'
                                for k, v in said) + " }"
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(map(lua, value)) + " }"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value < 2 ** 53 else f'UInt64.fromhex("{value:016x}")'    # Lua's numbers are doubles
    return json.dumps(value, ensure_ascii=False)


def filter_name(rule):
    """frame.v3.size -> zmtp.frame.size: one name for all versions, so that one filter finds them."""
    return "zmtp." + re.sub(r"[^a-z0-9_.]", "_", re.sub(r"\.v\d+(?=\.|$)", "", rule).lower())


def row(field, protocol):
    """One field as the dissector walks it: where its octets end, which of them are right, what hangs on them."""
    number = field.type in lower.WIDTHS
    fixed = number or field.size and field.size[0] == field.size[1] and not field.rest
    low, high = field.range or (0, 2 ** (8 * lower.WIDTHS[field.type]) - 1) if number \
        else (None, None) if fixed or not field.size else field.size
    if field.value is not None:
        low = high = field.value
    quirk = protocol.quirks[field.quirks[0]] if field.quirks else None
    bits = {b.name: {"number": b.number, "excludes": b.excludes, "quirk": b.quirk} for b in field.bits}
    return {
        "id": field.id, "name": field.name, "filter": filter_name(field.id), "number": number,
        "records": field.type if field.type in protocol.structs else "",
        "octets": lower.field_octets(field) if fixed else None, "low": low, "high": high,
        "mask": field.mask or (), "want": words.accepted_words(field).replace("`", ""), "pad": field.pad,
        "chars": lower.ranges(protocol.charsets[field.chars].octets) if field.chars else (),
        "counted": lower.WIDTHS[field.length] if field.length else None, "counted_by": field.size_from,
        "counts": field.counts, "rest": field.rest, "stream": field.stream, "flag": field.condition or (),
        "unit": field.unit or (), "sent": field.send if isinstance(field.send, int) else None,
        "param": field.send if isinstance(field.send, str) else "", "quirk": quirk and quirk.name,
        "lets_in": quirk and quirk.accept, "bits": bits or None, "reserved_must": field.reserved_must,
        "reserved_mask": 255 - sum(1 << b.number for b in field.bits), "reserved_quirk": field.reserved_quirk,
        "keys": {k.name: {"required": k.required, "socket": k.among_sockets, "size": k.size or (), "quirk": k.quirk,
                          "forbid_first": k.forbid_first} for k in field.keys} or None,
    }


def filters(protocol):
    """filter name -> (octets of a number, type, label, description, mask); versions that share one get the widest."""
    found = {}
    for unit in [*protocol.layouts.values(), *protocol.structs.values(), *protocol.commands.values()]:
        if unit.id in protocol.structs:
            found[filter_name(unit.id)] = (0, "none", unit.id, unit.doc, None)
        for field in unit.fields:
            octets, name, doc = lower.WIDTHS.get(field.type, 0), filter_name(field.id), field.doc.replace("\n", " ")
            kind = f"uint{8 * octets}" if octets else "string" if field.type == "text" else "bytes"
            found[name] = max(found.get(name, (0, "")), (octets, kind, field.name, doc, None))
            found |= {f"{name}.{b.name}": (0, "bool", b.name, b.doc, 1 << b.number) for b in field.bits}
            if field.length:
                kind = f"uint{8 * lower.WIDTHS[field.length]}"
                found[name + ".length"] = (0, kind, f"length of {field.name}", "", None)
    return found


def closing(machine):
    """The commands of this role that nothing of its handshake follows."""
    ahead = {s.name: {t for a in s.answers for t in (a.target, a.else_target)} for s in machine.states}
    near = {machine.accept}
    for _ in ahead:                                  # silent states from which 'accept' is next
        near |= {s.name for s in machine.states if not s.sends and ahead[s.name] & near}
    return sorted({s.sends for s in machine.states if s.sends and ahead[s.name] & near})
