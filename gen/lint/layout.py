"""Layouts: the octets can be read in one way only, and what we send is what we would accept."""

from gen.lint.names import about, settled
from gen.model import place, units

NUMBERS = ("u8", "u16be", "u32be", "u64be")
SIZED = ("bytes", "text")
# Which words mean something for which types; 'struct' stands for all structs.
WORDS = {"=": NUMBERS, "in": NUMBERS, "any": (*NUMBERS, *SIZED), "mask": NUMBERS, "send": (*NUMBERS, *SIZED),
         "chars": SIZED, "pad": ("text",), "nocase": ("text",), "unit": NUMBERS, "length": (*SIZED, "struct"),
         "rest": (*SIZED, "struct", "box"), "stream": ("bytes",), "size": (*SIZED, "struct"), "block bits": ("bits8",),
         "block keys": ("struct",), "from": ("box",), "to": ("box",), "back": ("box",), "with": ("secretbox",),
         "counts": NUMBERS, "nonce": ("box", "secretbox"), "public": ("bytes",), "private": ("bytes",), "secret": SIZED,
         "echo": ("bytes", "box", "secretbox")}


def check(protocol, problems):
    clear = settled(units(protocol), problems)
    for unit in clear:
        for index, item in enumerate(unit.fields):
            rule = about(item.id, unit)
            words(item, rule, problems)
            if unit.id not in protocol.messages:        # a frame ends where it ends
                extent(item, unit, rule, problems)
            conditions(item, unit.fields[:index], rule, problems)
            bits(item, rule, problems)
            sent(item, protocol, rule, problems)


def words(item, rule, problems):
    """Refuses what means nothing for the type, rather than pass over it in silence."""
    kind = item.type if item.type in (*NUMBERS, *SIZED, "bits8") else "struct"
    if item.box:
        kind = "box" if item.box.receiver else "secretbox"
    used = {**item.at, **({"block bits": item.bits[0].where} if item.bits else {}),
            **({"block keys": item.keys[0].where} if item.keys else {})}
    for word, types in WORDS.items():
        if word in used and kind not in types:
            problems.add(used[word], "unknown-word", f"'{word.split()[-1]}' means nothing for {item.type}, only for "
                         f"{', '.join(types)}; take it out", rule)
    if kind == "bits8" and not item.bits:
        problems.add(place(item, "type"), "unknown-word", "bits8 needs a block that names its bits", rule)


def extent(item, unit, rule, problems):
    """Where does the field end? Exactly one thing says so."""
    low, high = item.size or (0, 0)
    tells = [word for word in ("length", "rest") if word in item.at] + ["size"] * bool(item.size_from)
    if item.size and low != high and not tells:
        what = "octets" if item.type in SIZED else "items"
        problems.add(place(item, "size"), "no-length", f"'{item.name}' has {low}..{high} {what} and nothing says how "
                     "many; add 'length u8', or 'rest' if it is the last field", rule)
    if len(tells) > 1:
        problems.add(place(item, tells[1]), "ambiguous", f"'{tells[0]}' and '{tells[1]}' both say where '{item.name}' "
                     "ends; keep one", rule)
    for word in ("rest", "stream"):
        if word in item.at and item is not unit.fields[-1]:
            problems.add(place(item, word), "ambiguous",
                         f"'{item.name}' takes all that is left, so nothing can follow; make it the last field, or "
                         "give it a length", rule)


def conditions(item, before, rule, problems):
    """A flag decides only after it was read; so does a size."""
    if item.condition and isinstance(item.condition[0], int):
        marker(item, before, rule, problems)
    elif item.condition:
        flag = item.condition[0]
        if flag not in [bit.name for field in before for bit in field.bits]:
            word = "if" if item.condition[1] else "unless"
            problems.add(place(item, word), "bad-condition", f"no flag '{flag}' was read before '{item.name}'; name a "
                         "bit of an earlier bits8 field", rule)
    counters = [field for field in before if field.name == item.size_from and field.type in NUMBERS]
    if item.size_from and not counters:
        problems.add(place(item, "size"), "bad-condition", f"no number '{item.size_from}' was read before "
                     f"'{item.name}'; put it in front", rule)
    elif len(counters) == 1 and counters[0].condition not in (None, item.condition):
        flag, wanted = counters[0].condition
        problems.add(place(item, "size"), "bad-condition", f"'{item.size_from}' is read only "
                     f"{'if' if wanted else 'unless'} {flag}, but '{item.name}' always needs it; add the other form",
                     rule)


def marker(item, before, rule, problems):
    """An octet that is no value of the short form announces the long one."""
    octet, long = item.condition
    short = next((field for field in before if field.name == item.name and field.condition == (octet, False)), None)
    if long and short is None:
        problems.add(place(item, "if"), "bad-condition", f"no u8 '{item.name}' was read before that stands back for "
                     f"{octet:#04x}; give '{item.name}' that form first", rule)
    if not long and (item.type != "u8" or not item.range or item.range[0] <= octet <= item.range[1]):
        problems.add(place(item, "unless"), "bad-condition", f"{octet:#04x} is a value of '{item.name}' as well; take "
                     "it out with 'in', and read a u8", rule)


def bits(item, rule, problems):
    first = {}
    for bit in item.bits:
        rival = first.setdefault(bit.number, bit)
        if rival is not bit:
            problems.add(bit.where, "ambiguous", f"bit {bit.number} is already '{rival.name}', at "
                         f"{rival.where}; choose another", rule)
        if bit.excludes == bit.name:
            problems.add(place(bit, "excludes"), "ambiguous", f"'{bit.name}' excludes itself; name another bit", rule)
    named = sum(1 << number for number in first if number in range(8))
    if item.reserved_must is not None and item.reserved_must & named:
        problems.add(place(item, "reserved must"), "ambiguous",
                     f"{item.reserved_must:#04x} has bits with names; only the others are reserved", rule)


def sent(item, protocol, rule, problems):
    """A value that our own reader would refuse. A name is a parameter, known only when it runs."""
    value = item.send if isinstance(item.send, int) else None
    octets = protocol.charsets[item.chars].octets if item.chars else None
    if octets is not None and item.pad in octets:
        problems.add(place(item, "pad"), "ambiguous", f"the padding {item.pad:#04x} is a character of {item.chars}, so "
                     "the text has no end; pad with another octet", rule)
    if value is None:
        return
    said = ""
    if item.value is not None and value != item.value:
        said = f"{item.value:#04x}"
    elif item.range and not item.range[0] <= value <= item.range[1]:
        said = f"{item.range[0]}..{item.range[1]}"
    elif item.mask and value & item.mask[0] != item.mask[1]:
        said = f"mask {item.mask[0]:#04x} = {item.mask[1]:#04x}"
    elif octets is not None and value not in octets and value != item.pad:
        said = f"chars {item.chars}"
    if said:
        problems.add(place(item, "send"), "send-not-accepted", f"we send {value:#04x}, but accept {said}; a peer that "
                     "reads as we do refuses us, so make the two agree", rule)
