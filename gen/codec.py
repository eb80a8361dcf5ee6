"""The model as plain Python data, for the reference codec: what the spec says, and nothing computed from it.

The codec has to find the generator's own mistakes, so it must not inherit them: gen.lower has no part in it."""

import dataclasses
import pprint

from gen.reader import Where

UNSAID = ("doc", "source", "where", "at")            # said to people, not to a decoder
TABLES = ("limits", "charsets", "alphabets", "quirks", "layouts", "structs", "detects", "commands", "mechanisms",
          "messages", "statuses", "sockets")


def plain(item):
    """Dataclasses as dicts without what is empty; places in the spec are left out."""
    if dataclasses.is_dataclass(item):
        named = ((field.name, getattr(item, field.name)) for field in dataclasses.fields(item)
                 if field.name not in UNSAID)
        return {name: plain(value) for name, value in named
                if value is not None and value is not False and value not in ("", ())}
    if isinstance(item, frozenset):
        return bytes(sorted(item))
    if isinstance(item, dict):
        return {name: plain(value) for name, value in item.items()}
    if isinstance(item, tuple):
        return tuple(plain(value) for value in item if not isinstance(value, Where))
    return item


def tables(protocol):
    """(NAME, its text as Python) of each table of the protocol, in the order of the spec."""
    return [(name.upper(), pprint.pformat(plain(getattr(protocol, name)), width=120, sort_dicts=False, compact=True))
            for name in TABLES]
