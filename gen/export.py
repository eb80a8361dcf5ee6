"""The checked model as JSON, for tools outside of this tree, and the schema of it."""

import dataclasses
import json
import typing

from gen import VERSION, lower, vocab
from gen import model as m
from gen.reader import Where

ONE_OF = {"Option.type": vocab.OPTION_TYPES,
          "Option.scope": ("option", "context"), "Option.binds": ("", "any", "later"),
          "Option.only": ("", "get", "set"), "Socket.only": ("", "send", "receive"), "Socket.mute": ("block", "drop"),
          "Quirk.default": ("strict", "compat"), "Command.phase": ("handshake", "traffic"),
          "SecurityKey.lifetime": ("long", "connection")}
WORD = {"type": ["integer", "string", "boolean", "null"]}
TYPES = {str: "string", int: "integer", bool: "boolean", tuple: ["array", "null"], dict: "object", frozenset: "array"}


def attributes(owner):
    """What counts of a class or item: all but places in the spec's files."""
    return [f for f in dataclasses.fields(owner) if f.compare and f.name not in ("where", "documents", "refused")]


def plain(value):
    """A model item as JSON has it: without places, octet sets as ranges, each item with its id."""
    if dataclasses.is_dataclass(value):
        named = {"id": value.id} if isinstance(getattr(type(value), "id", None), property) else {}
        return {**named, **{f.name: plain(getattr(value, f.name)) for f in attributes(value)}}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return [list(pair) for pair in lower.ranges(value)]
    if isinstance(value, tuple):
        if any(isinstance(item, Where) for item in value):      # (name, where): the name
            return plain(value[0])
        return [plain(item) for item in value]
    return value


def model(protocol):
    rules = [{"id": rule.id, "source": rule.source, "doc": rule.doc} for rule in lower.rules(protocol)]
    return json.dumps({"generator": VERSION, **plain(protocol), "rules": rules}, indent=1, ensure_ascii=False)


def held(field):
    """The name of the class of which a tuple or table holds items; "" where it holds numbers and words."""
    of = [word for word in typing.get_args(field.type) if word not in (..., str, int)]
    return getattr(of[0], "__name__", of[0]) if of else ""


def attribute(owner, field):
    """The schema of one attribute."""
    name = f"{owner.__name__}.{field.name}"
    if name in ONE_OF:
        return {"enum": list(ONE_OF[name])}
    if dataclasses.is_dataclass(field.type):
        return {"anyOf": [{"$ref": f"#/$defs/{field.type.__name__}"}, {"type": "null"}]}
    kind = typing.get_origin(field.type) or field.type
    item = {"$ref": f"#/$defs/{held(field)}"} if held(field) else {"anyOf": [WORD, {"type": "array"}]}
    found = {"type": TYPES[kind]} if kind in TYPES else {}
    if kind in (tuple, frozenset):
        return {**found, "items": item}
    return {**found, "additionalProperties": item} if kind is dict else found or {**WORD}


def thing(owner):
    """The schema of a class: every attribute, and no other."""
    found = {f.name: attribute(owner, f) for f in attributes(owner)}
    if isinstance(getattr(owner, "id", None), property):
        found = {"id": {"type": "string"}, **found}
    said = owner.__doc__ if owner.__doc__ and not owner.__doc__.startswith(owner.__name__ + "(") else ""
    return {**({"description": " ".join(said.split())} if said else {}), "type": "object", "properties": found,
            "required": list(found), "additionalProperties": False}


def schema():
    classes = {kind.__name__: kind for kind in m.Placed.__subclasses__()}
    whole, rule = thing(m.Protocol), {"type": "string"}
    whole["properties"].update(generator={"type": "string"}, rules={"type": "array", "items": {
        "type": "object", "properties": {"id": rule, "source": rule, "doc": rule}, "required": ["id", "source", "doc"],
        "additionalProperties": False}})
    whole["required"] += ["generator", "rules"]
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "zmtp.json", **whole,
                       "$defs": {name: thing(kind) for name, kind in sorted(classes.items())}}, indent=1)
