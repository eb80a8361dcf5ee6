"""No octet, bound or word of the wire is typed by hand in src/: the spec has it, and generated code has a name for it.

What counts comes from the checked model, so a new command, bound or property is looked for from its first day. Powers
of two are what pools and batches are made of: they count only where octets of peers are handled, in OCTETS. Layers
below those know nothing of the wire, so only words count there.
"""

import re
import sys

import tree

sys.path.insert(0, str(tree.ROOT))

from gen import load  # noqa: E402
from gen.lower import c_enum  # noqa: E402
from gen.model import units  # noqa: E402

OCTETS = ("security", "session")
BELOW = ("base", "arena", "reactor", "transport", "tool")
SMALL = 8                # up to here numbers are too common to mean anything, unless written as octets: 0x01
NUMBER = re.compile(r"(?<![\w.])(?<!<< )(?<!>> )(0[xX][0-9a-fA-F]+|\d+)[uUlL]*(?![\w.])")
FIRST = re.compile(r"(\w+(?:(?:\.|->)\w+)*\[0\]) *(?:[=!]=|[<>]=?) *(0x[0-9a-fA-F]+|\d+)")
TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"((?:\\.|[^"\\\n])*)"', re.DOTALL)

# What merely looks alike: path, the word or what the number is called, and what it is instead.
ALLOWED = {
    ("src/hub/router.h", "MCQ_ROUTER_ID_MAX"): "asserted in src/socket/router.c: hubs know nothing of the wire",
    ("src/hub/request.h", "MCQ_REP_FRAMES_MAX"): "how long an envelope we keep",
    ("src/hub/router.c", "id.data[0]"): "the first octet of names that we give out ourselves",
    ("src/runtime/endpoint.c", "ACCEPT_PAUSE_NS"): "a pause of ours",
}


def words(protocol):
    """Word -> the generated name to use."""
    shared_last = sorted(protocol.commands.values(), key=lambda c: c.mechanism == "")
    found = {c.name: f"MCQ_COMMAND_{c_enum(c.id)}" for c in shared_last}
    found.update({name: "mcq_machine_*.mechanism" for name in protocol.mechanisms})
    found.update({name: f"MCQ_SOCKET_TYPE_{name} and mcq_socket_type_name()" for name in protocol.sockets})
    for unit in units(protocol):
        found.update({key.name: f"MCQ_PROPERTY_{c_enum(key.name)}" for field in unit.fields for key in field.keys})
    return found


def numbers(protocol):
    """Value -> the generated names to use, or the rules that own it."""
    found = {}

    def add(value, name):
        if value is not None and value > SMALL:
            found.setdefault(value, []).append(name)

    for limit in protocol.limits.values():
        for suffix, value in (("", limit.value), ("_NATIVE", limit.native), ("_COMPAT", limit.compat)):
            add(value, f"MCQ_{limit.name.upper()}{suffix}")
    for layout in protocol.layouts.values():
        add(layout.form if layout.form != "stream" else None, f"the size of {layout.id}")
    for unit in units(protocol):
        for field in unit.fields:
            add(field.value, field.id)
            add(field.send if isinstance(field.send, int) else None, f"what {field.id} sends")
            add(field.size[1] if field.size and field.type in ("bytes", "text") else None, f"the most of {field.id}")
            add(field.unit[0] if field.unit else None, f"the unit of {field.id}")
            for key in field.keys:
                add(key.size[1] if key.size else None, f"MCQ_PROPERTY_{c_enum(key.name)}_BYTES_MAX")
    return found


def octets(protocol):
    """Flag bits and other octets that are looked for where they are written as octets."""
    return {1 << bit.number: f"MCQ_FRAME_{bit.name.upper()}" for layout in protocol.layouts.values()
            for field in layout.fields for bit in field.bits}


def firsts(protocol):
    """What a first octet is compared with: the old message forms of commands, and what no property may begin with."""
    found = {}
    for command in protocol.commands.values():
        found.setdefault(command.before_octet, []).append("mcq_command_of_message()")
    for key in (key for unit in units(protocol) for field in unit.fields for key in field.keys):
        found.setdefault(key.forbid_first, []).append(f"MCQ_PROPERTY_{c_enum(key.name)}_NOT_FIRST")
    return found


def check_text(path, text, protocol):
    """(line, sentence) of every offence."""
    known, layer = words(protocol), path.split("/")[1]
    for found in TEXT.finditer(text):
        if found[1] in known and (path, f'"{found[1]}"') not in ALLOWED:
            yield text.count("\n", 0, found.start()) + 1, f'"{found[1]}" is a word of the wire: use {known[found[1]]}'
    values, bits, code, begins = numbers(protocol), octets(protocol), tree.code_only(text), firsts(protocol)
    for found in FIRST.finditer(code) if layer not in BELOW else ():
        if int(found[2], 0) in begins and (path, found[1]) not in ALLOWED:
            yield (code.count("\n", 0, found.start()) + 1,
                   f"{found[1]} is compared with {found[2]}, an octet of the wire: use "
                   f"{' or '.join(begins[int(found[2], 0)])}")
    for found in NUMBER.finditer(code):
        value = int(found[1], 8 if re.match(r"0\d", found[1]) else 0)
        names = values.get(value, [bits[value]] if re.fullmatch("0x..", found[1]) and value in bits else [])
        if layer in BELOW or layer not in OCTETS and value & value - 1 == 0 and value not in bits:
            continue
        line = code[code.rfind("\n", 0, found.start()) + 1:found.start()]
        owner = re.search(r"#\s*define (\w+)|(\w+)\s*=\s*$", line)
        what = (owner[1] or owner[2]) if owner else found[1]
        if names and (path, found[1]) not in ALLOWED and (path, what) not in ALLOWED:
            yield (code.count("\n", 0, found.start()) + 1,
                   f"{what} is {value}, a number of the wire: use {' or '.join(names[:4])}")


def check(root, protocol=None):
    """Every offence below root/src as 'path:line: sentence'."""
    protocol = protocol or load.load(tree.ROOT)[0]
    for path in tree.files(root):
        if str(path).startswith("src/") and path.suffix in (".c", ".h"):
            for line, sentence in check_text(str(path), tree.read(root / path), protocol):
                yield f"{path}:{line}: {sentence}"


if __name__ == "__main__":
    sys.exit(tree.report(check(tree.ROOT)))
