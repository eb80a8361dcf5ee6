"""Mechanisms: their keys and boxes from statements to the model, and what templates print of them."""

from gen import model as m
from gen.lower import WIDTHS


def least(field):
    """The fewest octets of a field, its length included; records may all be missing."""
    if field.type in WIDTHS:
        return WIDTHS[field.type]
    return WIDTHS.get(field.length, 0) + (field.size[0] if field.type in ("bytes", "text") else 0)


def varies(field):
    return bool(field.rest or field.length or field.size and field.size[0] != field.size[1])


class Mechanisms:
    """The builder's part for mechanisms; a mixin of gen.build.Builder."""

    def unit_mechanism(self, found):
        name = found.fixed[0]
        children = [(row.key, child) for row, child in self.rows(found.statement.children, "mechanism")]
        commands = next((child.fixed[0] for key, child in children if key == "commands"), ())
        box = next((child for key, child in children if key == "boxes"), None)
        keys = tuple(self.security_key(child) for key, child in children if key == "key")
        mechanism = m.Mechanism(name.text, name.text, tuple((w.text, w.where) for w in commands),
                                self.source(found.statement.children, "mechanism"), found.statement.doc, name.where,
                                found.at, keys, box and tuple(box[word].value if word in box else 0
                                                              for word in ("overhead", "nonce", "key")))
        self.put(self.mechanisms, mechanism, name.text, "mechanism")

    def security_key(self, found):
        name, owner = found.fixed
        return m.SecurityKey(name.text, owner.text, "connection" if "connection" in found else "long",
                             "symmetric" in found, tuple(word.text for word in found.get("known", ())),
                             found.statement.doc, name.where, {**found.at, "owner": owner.where})

    def box(self, found, rule, kind, mechanism):
        """The inside of a field that is a box, or None after a refusal."""
        words = ("with",) if kind == "secretbox" else ("from", "to")
        for need in (*words, "nonce"):
            if need not in found:
                self.refuse(found.statement.where, "unknown-word", f"'{found.statement.words[0].text}' needs the word "
                            f"'{need}' behind '{kind}'", rule)
                return None
        prefix, nonce = found["nonce"]
        return m.Box(rule, found[words[0]].text, found["to"].text if "to" in found else "", prefix.value,
                     found["back"].value if "back" in found else "", nonce.text,
                     self.fields(found.statement.children, "command", rule, mechanism), self.origin,
                     found.statement.where, found.at)

    def box_size(self, box, mechanism):
        """(least, most) octets on the wire; most is None where what is inside varies."""
        form = self.mechanisms[mechanism].box if mechanism in self.mechanisms else None
        low = sum(least(field) for field in box.fields) + (form[0] if form else 0)
        return low, None if any(varies(field) for field in box.fields) else low
