"""Templates -> text of every artefact. No clock, no host, no absolute path; the same spec gives the same octets."""

import functools
import re
import sys
import tomllib
from pathlib import Path

import jinja2

from gen import (VERSION, cases, codec, detect, dissect, export, lower, promela, ragel, security, seeds, tables, vocab,
                 words)
from gen.lint import bounds
from gen.model import ZAP

# Ragel's -G2 code falls through by design; nothing else is silenced.
EXEC = """\
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
        %% write exec;
#pragma GCC diagnostic pop"""

# What templates may call, by its own name: filters, and functions of several arguments.
FILTERS = (lower.quirk_bit, lower.rule_enum, lower.c_name, lower.octet_bits, lower.ragel_set, lower.all_states,
           lower.framing_enum, lower.zmtp_enum, cases.c_octets, words.octet_words, dissect.lua, tables.c_number,
           bounds.show)
FUNCTIONS = (lower.fixed_fields, lower.steps, lower.octet_pattern, security.command_enum, security.key_enum,
             words.accepted_words, words.signature, words.arrows, words.cells, tables.group_digits,
             tables.example_octets, seeds.entry, seeds.edges, cases.frame_head)

TABLES = tomllib.loads((Path(__file__).parents[1] / "templates/artefacts.toml").read_text(encoding="utf-8"))
BUILD, COMMITTED = TABLES["build"], TABLES["committed"]


def build(protocol):
    """BUILD, and what there is one of for each mechanism."""
    return {**BUILD, **promela.rows(protocol)}


def banner(name, sources):
    """The head of a generated file; a date, host or path has no place in it."""
    said = f"Generated from {sources} by gen {VERSION}."
    edit = "Do not edit: change the spec or the template, then run ./dev gen."
    if name.endswith((".py", ".dict", ".txt")):
        return f"# {said}\n# {edit}"
    if name.endswith((".lua", ".vim", ".scd")):
        mark = {"lua": "--", "vim": '"', "scd": ";"}[name[-3:]]
        return f"{mark} {said}\n{mark} {edit}"
    return f"<!-- {said} {edit} -->" if name.endswith(".md") else f"/* {said}\n * {edit} */"


@functools.cache
def environment(root):
    """The templates of a tree. Compiled ones are kept where Python is told to keep its own, and nowhere else."""
    cache = None
    if sys.pycache_prefix and not sys.dont_write_bytecode:
        Path(sys.pycache_prefix).mkdir(parents=True, exist_ok=True)
        cache = jinja2.FileSystemBytecodeCache(sys.pycache_prefix)
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(str(Path(root) / "templates")), bytecode_cache=cache,
                             undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                             keep_trailing_newline=True, autoescape=False)
    env.filters.update({f.__name__: f for f in FILTERS}, code="`{}`".format,
                       octet_string=lambda octets: " ".join("0x%02x" % o for o in octets))
    env.globals.update({f.__name__: f for f in FUNCTIONS})
    return env


class Renderer:
    def __init__(self, root, protocol):
        self.protocol, self.env = protocol, environment(root)
        self.context = self._context()

    def _context(self):
        p = self.protocol
        framings = [lower.Framing(layout) for layout in sorted(p.layouts.values(), key=lambda layout: layout.id)
                    if layout.form == "stream"]
        struct = p.structs["property"]
        elements = lower.elements(struct, p)
        commands = lower.commands(p)
        ready = p.commands["READY"]
        options = tables.option_rows(p)
        known = seeds.Seeds(p)       # seeds are known answers and more
        return {
            "protocol": p, "rules": lower.rules(p), "commands": commands,
            "reasons": sorted({name for _, name in lower.named_in_answers(p, "reason")}),
            "guards": lower.named_in_answers(p, "guard"), "actions": lower.named_in_answers(p, "action"),
            "profile_quirks": {name: lower.profile_quirks(p, name) for name in ("native", "compat")},
            "detection": detect.Detected(p, p.detects["greeting"]),
            "framings": framings, "frame_bits": framings[-1].flags.bits, "newest": framings[-1].name,
            "cases": known, "frame_cases": [(f.layout.id, known.frames(f)) for f in framings],
            "span_max": max(len(c.spans) for c in commands),
            "number_max": max(len(c.elements) - len(c.spans) for c in commands),
            "struct": struct, "elements": elements,
            "element_quirks": {e.name: " | ".join(lower.quirk_bit(q) for q in e.field.quirks
                                                  if q == "property_name_any") or "0" for e in elements},
            "metadata_head": max(c.fixed_octets for c in commands if any(e.is_records for e in c.elements)),
            "keys": [key for field in ready.fields for key in field.keys], "command": ready,
            "sockets": sorted(p.sockets.values(), key=lambda s: s.code),
            "options": options, "option_names": tables.option_names(options),
            "exchange": tables.Exchange(p, "zap"), "alphabet": p.alphabets["Z85"],
            "machines": list(p.machines.values()), "zap_signals": ZAP,
            "scopes": security.scopes(p), "insides": security.insides(p),
            "model_tables": codec.tables(p), "models": promela.Models(p), "seeds": known,
            "exec": EXEC, "widths": lower.WIDTHS, "dissect": dissect, "export": export, "vocab": vocab,
        }

    def _text(self, name, template, sources):
        text = self.env.get_template(template).render(self.context, banner=banner(name, sources),
                                                      stem=Path(name).stem)
        if template.endswith(".rl.j2"):
            text = ragel.compile_machine(Path(name).stem, text)
        text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
        gap = "\n\n\n" if name.endswith(".py") else "\n\n"
        return re.sub(r"\n{%d,}" % (len(gap) + 1), gap, text).rstrip("\n") + "\n"

    def render(self, table):
        """name -> text of every artefact of BUILD or COMMITTED, in the table's order."""
        return {name: self._text(name, *row) for name, row in table.items()}
