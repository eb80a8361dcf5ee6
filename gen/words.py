"""Model items in words, for the reference pages."""

from gen import lower


def octet_words(octets):
    return " ".join(f"`{low:02x}`" if low == high else f"`{low:02x}..{high:02x}`" for low, high in lower.ranges(octets))


def accepted_words(field):
    if field.value is not None:
        return f"`{field.value:02x}`"
    if field.mask:
        return f"octet & `{field.mask[0]:02x}` = `{field.mask[1]:02x}`"
    if field.range:
        return f"{field.range[0]}..{field.range[1]}"
    if field.chars:
        return f"{field.chars} characters, then `{field.pad:02x}`" if field.pad is not None else field.chars
    return "any"


def sent_words(field):
    if field.value is not None:
        return f"`{field.value:02x}`"
    return f"`{field.send:02x}`" if isinstance(field.send, int) else f"{field.send}"


def element_words(element):
    chars = f", {element.field.chars} characters" if element.field.chars else ""
    unit = f", unit {element.field.unit[0]} {element.field.unit[1]}" if element.field.unit else ""
    if element.kind == "number":
        constant = f", always {element.constant}" if element.constant is not None else ""
        return f"{element.width}{unit}{constant}"
    if element.kind == "fixed":
        return f"{element.low}{chars}"
    if element.is_records:
        low, high = element.field.size
        return f"{low} to {high} times `{element.field.type}`, to the body's end"
    if element.kind == "rest":
        return f"{element.low} to {element.high}{chars}, to the body's end"
    return f"{element.width} for the length, then {element.low} to {element.high}{chars}"


def framing_words(field, framing):
    """What a frame's field takes, and when."""
    width = lower.WIDTHS.get(field.type)
    if width is None:
        return f"as many as `{field.size_from}` says"
    if not field.condition:
        return str(width)
    flag, wanted = field.condition
    where = f"bit `{flag}`" if framing.marker is None else f"a first octet `{flag:02x}`"
    low, high = field.range or (0, 256 ** width - 1)
    counts = f", counting the {field.counts} too" if field.counts else ""
    return f"{width} {'with' if wanted else 'without'} {where}: {low} to {high}{counts}"


def branch_words(branch):
    if branch.mask in (0, 0xff):
        return f"`{branch.value:02x}`" if branch.mask else "anything else"
    return f"octet & `{branch.mask:02x}` = `{branch.value:02x}`"


def field_words(field):
    """What a mechanism's field carries, besides its octets."""
    half = [f"the {field.key[0]} half of `{field.key[1]}`"] if field.key else []
    said = "; ".join(half + ["sealed"] * bool(field.box) + [f"as it came in {field.echo}"] * bool(field.echo)
                     + ["secret"] * field.secret)
    return " " * bool(field.doc) + said[:1].upper() + said[1:] + "." if said else ""


def box_words(inside):
    """Who seals it and what its nonce is."""
    box = inside.unit
    keys = f"from `{box.sender}` to `{box.receiver}`" if box.receiver else f"with the key `{box.sender}`"
    back = f" (`{box.back}` the other way)" if box.back else ""
    return f"{keys}, its nonce `{box.prefix}`{back} and the octets of `{box.nonce}`"


def signature(head, params):
    """A C function's head, its parameters aligned behind the bracket where they need more than one line."""
    lines = [head + "("]
    for index, param in enumerate(params or ["void"]):
        word = param + ("," if index + 1 < len(params) else ")")
        if len(lines[-1]) + len(word) + 1 > 100:
            lines.append(" " * (len(head) + 1) + word)
        else:
            lines[-1] += (" " if index else "") + word
    return "\n".join(lines)


# --- pictures --------------------------------------------------------------------------------------


def arrows(machine):
    """(state, next state) -> the events that lead there."""
    events = {}
    for state in machine.states:
        for answer in state.answers:
            guard = f" if {answer.guard}" if answer.guard else ""
            events.setdefault((state.name, answer.target), []).append(answer.event + guard)
            if guard:
                events.setdefault((state.name, answer.else_target), []).append(f"{answer.event} otherwise")
    return events


def cells(unit, long=False):
    """A unit as boxes (first octet, last octet, label), with the longer one of two sizes if asked for. Parts without a
    fixed size get as many octets as a label needs, and no box then has a number."""
    parts = [("size", 1), (unit.name, len(unit.name))] if hasattr(unit, "phase") else []
    for field in unit.fields:
        flag, wanted = field.condition or ("", long)
        if wanted != long:
            continue
        parts += [(f"{flag:02x}", 1)] if wanted and isinstance(flag, int) else []
        parts += [("size", lower.WIDTHS[field.length])] if field.length else []
        low, high = field.size or (None, None)
        fixed = field.type in lower.WIDTHS or low == high and low is not None and not field.rest
        parts.append((field.name, lower.field_octets(field) if fixed else 0))
    ends = [sum(octets or 8 for _, octets in parts[:index + 1]) for index in range(len(parts))]
    return {"exact": all(octets for _, octets in parts),
            "boxes": [(end - (octets or 8), end - 1, label if octets else f"{label} ...")
                      for (label, octets), end in zip(parts, ends)]}
