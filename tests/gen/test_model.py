"""The models for spin take a decision on any octet of a greeting, be it the first of a field or within one."""

import re
import unittest

import tree

from gen import load, render

DECISION = """\
detect greeting {{
    source "RFC 37, Version Negotiation"
    start     send lead padding tail
    octet 0   {{ is 0xff -> next ; else -> v1 frames frame.v1 speaks 1.0 }}
    octet 9   {{ mask 0x01 = 0x01 -> next send major ; else -> v1 frames frame.v1 speaks 1.0 }}
    octet 10  {{ is 0 -> v2 frames frame.v1 speaks 1.0 send socket_type
                is 1 -> v2 frames frame.v2 speaks 2.0 send socket_type
                else -> next send minor mechanism as_server filler }}
    octet {0} {{ is 0x2a -> v3 frames frame.v3 speaks 3.0 ; else -> v3 frames frame.v3 speaks 3.1 }}
    replay    v1
    identity  v1 v2
    refuse    v1 v2 unless NULL
    refuse    v1 v2 if zap_domain
}}
"""


class Decisions(unittest.TestCase):
    def model(self, octet):
        """The model of NULL whose last decision is on this octet."""
        texts = {f"spec/{path.name}": path.read_text() for path in (tree.ROOT / "spec").glob("*.spec")}
        name, written = "spec/greeting.spec", r"(?ms)^detect greeting \{.*?^\}\n"
        texts[name], count = re.subn(written, DECISION.format(octet), texts[name])
        self.assertEqual(count, 1)
        protocol, problems, sources = load.load_texts(texts)
        self.assertFalse(problems, load.report(problems, sources))
        renderer = render.Renderer(tree.ROOT, protocol)
        name = "model/NULL.pml"
        return renderer.render({name: render.build(protocol)[name]})[name]

    def test_each_kind_of_octet(self):
        for octet, what in ((11, "a field"), (12, "the mechanism's first"), (13, "its second"), (40, "within a field"),
                            (63, "the last")):
            with self.subTest(what):
                text = self.model(octet)
                self.assertIn("(value & 255) == 42 ->", text)
                tracked = [int(word) for word in re.search(r"the mechanism: ([\d, ]+)\.", text)[1].split(", ")]
                mechanism = 13 if octet == 12 else 12
                self.assertEqual(sorted({0, 9, 10, octet, mechanism}), tracked)
                place = tracked.index(mechanism)
                self.assertIn(f"sent == {place} -> wire[me] ! OCTET, mechanism[me]", text)


if __name__ == "__main__":
    unittest.main()
