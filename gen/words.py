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
        return f"{element.width}{unit}"
    if element.is_records:
        low, high = element.field.size
        return f"{low} to {high} times `{element.field.type}`, to the body's end"
    if element.kind == "rest":
        return f"{element.low} to {element.high}{chars}, to the body's end"
    return f"{element.width} for the length, then {element.low} to {element.high}{chars}"
