"""Model items in words that pages and --explain share; those of pages alone are in templates/docs/words.j2."""

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
