"""Options, messages of frames and alphabets: one number, one thing; defaults that may be set; examples that are so."""

from gen.lint.bounds import show
from gen.lint.names import about, settled
from gen.model import place
from gen.tables import TYPE_RANGES, digits


def check(protocol, problems):
    first, names = {}, {}
    for option in settled(protocol.options.values(), problems):
        taken(option, first, names, problems)
        values(option, problems)
    faults = {}
    for message in settled(protocol.messages.values(), problems):
        frames(message, faults, problems)
    for alphabet in settled(protocol.alphabets.values(), problems):
        digits_of(alphabet, problems)


def taken(option, first, names, problems):
    """A number is one option's; two share it if one can only be set and the other only be asked for."""
    for access in [option.only] if option.only else ["set", "get"]:
        rival = first.setdefault((option.scope, option.number, access), option)
        if rival is not option:
            problems.add(place(option, "id"), "id-taken", f"id {option.number} is {rival.name}'s, at {rival.where}; "
                         "choose another", option.id)
            break
    for name in (option.name, *option.aliases):
        rival = names.setdefault((option.scope, name.upper()), option)
        if rival is not option:
            problems.add(place(option, f"alias {name}"), "duplicate", f"'{name}' is {rival.name}, at {rival.where}; "
                         "choose another", option.id)
    if not option.binds and option.only != "get":
        problems.add(option.where, "unknown-word", f"'{option.name}' needs the word 'when': does it hold at 'any' "
                     "time, or for what comes 'later'?", option.id)


def values(option, problems):
    """What it may be, and that the defaults are among that."""
    def refuse(word, lint, message):
        problems.add(place(option, word), lint, message, option.id)

    number = TYPE_RANGES.get(option.type)
    if not number and option.range or option.size and option.type not in ("bytes", "text"):
        refuse("in" if option.range else "type", "unknown-word", f"this means nothing for {option.type}; 'in' is for "
               "numbers, [a..b] for bytes and text")
        return
    if option.type in ("bytes", "text") and not option.size:
        refuse("type", "unbounded", f"'{option.name}' has no bound; say {option.type}[a..b]")
        return
    low, high = option.range or number or option.size or (0, 0)
    if high < low:
        refuse("in" if option.range else "type", "empty-range", f"the range {show(low)}..{show(high)} holds nothing; "
               "swap its ends")
        return
    if number and not number[0] <= low <= high <= number[1]:
        refuse("in", "overflow", f"{show(low)}..{show(high)} does not fit {option.type} ({show(number[0])}.."
               f"{show(number[1])})")
    for word, value in (("default", option.compat), ("native", option.native),
                        ("except", option.excepted and option.excepted[0])):
        size = len(value) if isinstance(value, str) and not number else value
        if word in option.at and (not isinstance(size, int) or not low <= size <= high):
            refuse(word, "default-out-of-range", f"the default {value!r} is not within {show(low)}..{show(high)}; "
                   "choose one that is, or widen the range")


def frames(message, faults, problems):
    """What a fault is called by; what a frame must be can be so; frames of one mechanism follow its name."""
    if not message.fault:
        problems.add(message.where, "unknown-word", f"'{message.id}' needs the word 'fault': what is it when its "
                     "frames are too many or too few?", about(message.id, message))
    named = False
    for item in (message, *message.fields):
        rule = about(item.id, message)
        if item.fault:
            for key in item.fault:
                rival = faults.setdefault(key, item)
                if rival.fault != item.fault:
                    problems.add(place(item, "fault"), "code-taken", f"{rival.fault[0]} is {rival.fault[1]:#x} at "
                                 f"{place(rival, 'fault')}; one name, one number", rule)
                    break
        named = named or getattr(item, "among", "") == "mechanisms"
        if getattr(item, "mechanism", "") and not named:
            problems.add(place(item, "for"), "bad-condition", f"the mechanism was not read before '{item.name}'; put "
                         "the frame 'among mechanisms' in front", rule)
        text = getattr(item, "text", None)
        if text is not None and item.size and not item.size[0] <= len(text) <= item.size[1]:
            problems.add(place(item, "is"), "size", f"\"{text}\" has {len(text)} octets, '{item.name}' has "
                         f"{item.size[0]}..{item.size[1]}; mend one of them", rule)


def digits_of(alphabet, problems):
    """Every group of octets has its characters, and only one group has them."""
    rule, base = about(alphabet.id, alphabet), len(alphabet.characters)
    twice = sorted({c for c in alphabet.characters if alphabet.characters.count(c) > 1})
    if twice:
        problems.add(place(alphabet, "characters"), "ambiguous", f"'{twice[0]}' stands twice, so its digit is two "
                     "numbers; take one out", rule)
        return
    is_small = alphabet.octets in range(1, 8) and alphabet.letters in range(1, 64)     # what powers there are of
    if not (is_small and 256 ** alphabet.octets <= base ** alphabet.letters < 2 ** 64):
        problems.add(place(alphabet, "group"), "overflow", f"{alphabet.letters} of {base} characters do not hold "
                     f"{alphabet.octets} octets within 64 bits; change the group", rule)
        return
    text, number = alphabet.example
    if digits(alphabet, number, len(text) // alphabet.letters) != text:
        problems.add(place(alphabet, "example"), "wrong-example", f"these octets are not \"{text}\" but "
                     f"\"{digits(alphabet, number, len(text) // alphabet.letters)}\"; mend one of them", rule)
