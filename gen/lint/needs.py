"""What templates are written for: units that every spec has, and frames of one shape. Runs when all else is right."""

from gen.lint.names import about
from gen.reader import Where

UNITS = {"limits": ("max_frame_bytes", "max_command_bytes", "max_properties"), "structs": ("property",),
         "detects": ("greeting",), "commands": ("READY",), "alphabets": ("Z85",), "machines": ("NULL.peer",)}


def check(protocol, problems):
    missing = [(table, name) for table, names in UNITS.items() for name in names
               if name not in getattr(protocol, table)]
    for table, name in missing[:1]:
        where = next(iter(protocol.at.values()), Where("spec/zmtp.spec", 1, 1))
        problems.add(where, "unknown-name", f"the spec has no '{name}' among its {table}; what is generated needs it")
    ready = protocol.commands.get("READY")
    keys = [key for field in ready.fields for key in field.keys] if ready else ()
    if ready and not (any(key.among_sockets for key in keys) and any(key.size for key in keys)):
        problems.add(ready.where, "unknown-key", "READY needs a key 'in sockets' and one with 'bytes'; what is "
                     "generated is tried with them", ready.id)
    for layout in protocol.layouts.values():
        forms = [field.condition[1] for field in layout.fields if field.condition]
        flags = [field for field in layout.fields if field.type == "bits8"]
        if layout.form == "stream" and (len(flags), sorted(forms)) != (1, [False, True]):
            problems.add(layout.where, "no-length", "frames need a bits8 and a size in two forms, 'unless' and 'if'; "
                         "or give the layout a size", about(layout.id, layout))
