"""Which statement may stand where, with which words. The table is vocab.toml, which says what its parts mean."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

TYPES = ("u8", "u16be", "u32be", "u64be", "bytes", "text", "bits8")
BOXES = ("box", "secretbox")                         # for a key pair's other half, and with one key
OPTION_TYPES = ("i32", "i64", "u64", "bytes", "text", "key")
RAW_SOCKETS = ("DGRAM",)                             # libzmq's types that speak no ZMTP


@dataclass(frozen=True)
class Row:
    key: str                 # the statement's first word; 'NAME' when the speaker chooses it
    parents: tuple
    fixed: tuple
    options: tuple           # each a tuple of parts, the first one the option's own word
    block: str               # 'no', 'may', 'must'
    doc: str


def _rows():
    """vocab.toml's; what a row says of neither fixed parts, options nor a block, it has not."""
    for row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["row"]:
        yield Row(row["key"], tuple(row["in"].split()), tuple(row.get("fixed", "").split()),
                  tuple(tuple(option.split()) for option in row.get("options", ())), row.get("block", "no"), row["doc"])


ROWS = tuple(_rows())


@functools.cache
def rows_of(parent):
    return [row for row in ROWS if parent in row.parents]


def parents():
    """All statements with a block, in the order in which rows name them."""
    return list(dict.fromkeys(parent for row in ROWS for parent in row.parents))


def statements():
    """The words that statements begin with."""
    return sorted({row.key for row in ROWS} - {"NAME"})


def options():
    """All other words that have a meaning, without the signs between them."""
    found = {part for row in ROWS for parts in (row.fixed, *row.options) for part in parts}
    return sorted(part for part in found - set(statements()) if part.isidentifier() and part.islower())
