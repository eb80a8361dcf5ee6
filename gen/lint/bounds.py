"""Bounds: whatever a peer may make long has an end, and every number fits where it is kept."""

from gen.lint.names import about, settled
from gen.model import place, units

WIDTHS = {"u8": 1, "u16be": 2, "u32be": 4, "u64be": 8, "bits8": 1}
WHOLE = 2 ** 63 - 1                                  # options and C's signed sizes end here


def most(type_name):
    """The greatest value of an integer type."""
    return 256 ** WIDTHS[type_name] - 1


def show(number):
    """Great powers of two as the spec writes them."""
    for less in (0, 1):
        if number + less >= 2 ** 20 and (number + less).bit_count() == 1:
            return f"2^{(number + less).bit_length() - 1}" + ("-1" if less else "")
    return str(number)


def check(protocol, problems):
    for limit in protocol.limits.values():
        if not 0 < limit.value <= WHOLE:
            problems.add(place(limit, "ceiling"), "overflow",
                         f"the ceiling {show(limit.value)} is not within 1..2^63-1, what an option can hold", limit.id)
    for unit in settled(units(protocol), problems):
        for item in unit.fields:
            Field(item, unit, protocol, problems).check()
        if isinstance(getattr(unit, "form", None), int):
            fixed_size(unit, problems)
    for command in settled(protocol.commands.values(), problems):
        command_size(command, protocol, problems)


class Field:
    """The checks of one field."""

    def __init__(self, item, unit, protocol, problems):
        self.item, self.unit, self.protocol, self.problems = item, unit, protocol, problems

    def refuse(self, word, lint, message, item=None):
        self.problems.add(place(item or self.item, word), lint, message, about(self.item.id, self.unit))

    def check(self):
        item = self.item
        top = most(item.type) if item.type in WIDTHS else 255          # of bytes and text: each octet's
        for word, numbers in (("=", [item.value]), ("in", item.range or ()), ("mask", item.mask or ()),
                              ("send", [item.send]), ("pad", [item.pad])):
            self.fits(word, numbers, top)
        self.fits("reserved must", [item.reserved_must], 255)
        for bit in item.bits:
            if not 0 <= bit.number <= 7:
                self.refuse("number", "overflow", f"bits8 has the bits 0..7, not {bit.number}", bit)
        for key in item.keys:
            self.not_empty("bytes", key.size, key)
            if key.forbid_first is not None and not 0 <= key.forbid_first <= 255:
                self.refuse("forbid", "overflow", f"{key.forbid_first} is not an octet (0..255)", key)
        self.not_empty("in", item.range)
        if item.mask and item.mask[1] & ~item.mask[0]:
            self.refuse("mask", "empty-range", f"no octet masked by {item.mask[0]:#04x} is {item.mask[1]:#04x}; "
                        "ask only for bits of the mask")
        self.product()
        if item.type not in WIDTHS:
            self.size()
        self.limit()

    def fits(self, word, numbers, top):
        for number in numbers:
            if isinstance(number, int) and not 0 <= number <= top:
                kind = self.item.type if top > 255 or self.item.type in WIDTHS else "an octet"
                self.refuse(word, "overflow", f"{show(number)} does not fit {kind} (0..{show(top)})")

    def not_empty(self, word, pair, item=None):
        if pair and pair[1] is not None and pair[1] < pair[0]:
            self.refuse(word, "empty-range", f"the range {show(pair[0])}..{show(pair[1])} holds nothing; swap its ends",
                        item)

    def product(self):
        """C keeps the product in 32 bits for u8 and u16be, in 64 for the wider ones."""
        item = self.item
        if item.unit is None:
            return
        bits = 32 if WIDTHS.get(item.type, 8) <= 2 else 64
        value = item.range[1] if item.range else most(item.type)
        if value * item.unit[0] >= 2 ** bits:
            self.refuse("unit", "overflow", f"{show(value)} times {show(item.unit[0])} does not fit {bits} bits; "
                        "bound the field with 'in', or choose a coarser unit")

    def size(self):
        item = self.item
        if item.size is None:
            self.refuse("type", "unbounded", f"'{item.name}' has no bound; say {item.type}[n] or {item.type}[a..b]")
            return
        self.not_empty("size", item.size)
        low, high = item.size
        if low < 0:
            self.refuse("size", "overflow", f"a size cannot be {low}; begin with 0")
        counts = "octets" if item.type in ("bytes", "text") else "items"
        if item.length and high is not None and high > most(item.length):
            self.refuse("length", "overflow", f"'{item.name}' may have {show(high)} {counts}, which {item.length} "
                        f"cannot count (at most {show(most(item.length))})")
        for counter in self.unit.fields if item.size_from else ():
            if counter.name == item.size_from and WIDTHS.get(counter.type, 1) > 2 and not counter.limit:
                top = counter.range[1] if counter.range else most(counter.type)
                self.refuse("type", "unbounded", f"'{counter.name}' may announce {show(top)} octets of '{item.name}'; "
                            "bound it with 'limit NAME'", counter)

    def limit(self):
        item = self.item
        if not item.limit:
            return
        if item.type in WIDTHS:
            top = item.range[1] if item.range else most(item.type)
        else:
            top = item.size[1] if item.size else None
        value = self.protocol.limits[item.limit].value
        if top is not None and value > top:
            self.refuse("limit", "limit-over-format", f"{item.limit} is {show(value)}, more than '{item.name}' can say "
                        f"(at most {show(top)}); it bounds nothing here, take it out")


def fixed_octets(item):
    """How many octets the field always has, or None when that differs from peer to peer."""
    if item.condition or item.length or item.rest or item.size_from:
        return None
    if item.type in WIDTHS:
        return WIDTHS[item.type]
    return item.size[0] if item.size and item.size[0] == item.size[1] and item.type in ("bytes", "text") else None


def fixed_size(layout, problems):
    total = 0
    for item in layout.fields:
        octets = fixed_octets(item)
        if octets is None:
            word = "size" if "size" in item.at else "type"
            problems.add(place(item, word), "size", f"'{item.name}' is not always of one size, but {layout.id} is; "
                         "write [n], or make the layout a stream", about(item.id, layout))
            return
        total += octets
    if total != layout.form:
        problems.add(place(layout, "size"), "size", f"the fields of {layout.id} have {total} octets together, not "
                     f"{layout.form}; write 'size {total}', or mend a field", about(layout.id, layout))


def greatest(item, protocol):
    """The most octets a field may take, its length included."""
    width = WIDTHS.get(item.type)
    if width:
        return width
    octets = item.size[1] or 0
    if item.type in protocol.structs:
        octets *= sum(greatest(part, protocol) for part in protocol.structs[item.type].fields)
    elif item.limit:
        octets = min(octets, protocol.limits[item.limit].value)
    return octets + WIDTHS.get(item.length, 0)


def command_size(command, protocol, problems):
    """The name's length, the name, the fields. What is 'rest' up to the limit itself shrinks by what precedes it."""
    if len(command.name) > 255:
        problems.add(command.where, "overflow", f"the name has {len(command.name)} octets, which u8 cannot count "
                     "(at most 255)", about(command.id, command))
    if "max_command_bytes" not in protocol.limits or any(item.type not in WIDTHS and item.size is None
                                                         for item in command.fields):
        return
    ceiling = protocol.limits["max_command_bytes"].value
    total = 1 + len(command.name)
    for item in command.fields:
        shrinks = item.rest and (item.type in protocol.structs or item.size[1] == ceiling
                                 or item.limit == "max_command_bytes")
        total += 0 if shrinks else greatest(item, protocol)
        if total > ceiling:
            word = "size" if "size" in item.at else "type"
            problems.add(place(item, word), "command-too-big", f"{command.name} may have {show(total)} octets with its "
                         f"name and '{item.name}', more than max_command_bytes ({show(ceiling)}); narrow a field",
                         about(item.id, command))
            return
