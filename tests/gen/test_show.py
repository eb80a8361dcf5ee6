"""--explain, --graph and --list: each rule and each machine can be shown, and names that are none get the nearest."""

import json
import re
import unittest
import xml.etree.ElementTree as xml

import tree

from gen import load, lower, render, show, vocab

SVG = "{http://www.w3.org/2000/svg}"


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.protocol = load.load(tree.ROOT)[0]
        cls.renderer = render.Renderer(tree.ROOT, cls.protocol)
        made = cls.renderer.render({**render.BUILD, **render.COMMITTED})
        cls.renderer.render = lambda table: made       # once is enough for all rules

    def explained(self, rule):
        return show.explained(self.protocol, rule, self.renderer)

    def test_every_rule_has_a_source_a_place_and_its_name_in_c(self):
        for rule in lower.rules(self.protocol):
            with self.subTest(rule.id):
                text, found = self.explained(rule.id)
                self.assertTrue(found)
                self.assertIn(rule.enum, text)
                self.assertRegex(text, r"declared  spec/\w+\.spec:\d+:\d+")

    def test_a_field_is_marked_in_an_example_with_its_function_cases_and_quirks(self):
        text, _ = self.explained("PING.context")
        for part in ("source    RFC 37, Heartbeats", "example   04 50 49 4e 47 00 00 [61 ",
                     "span_table in wire/command.c", "PING.context at 17: PROTO",
                     "quirks    long_context_cut: strict: refused;",
                     "tests/test_command.c"):
            self.assertIn(part, text)
        text, _ = self.explained("greeting.v3.major")
        self.assertRegex(text, r"example   ff( [0-9a-f]{2}){9} \[03\]( [0-9a-f]{2}){53}\n")
        self.assertIn("major_2_is_v3", text)

    def test_a_state_shows_its_answers_and_a_limit_its_profiles(self):
        self.assertIn("READY -> ready if metadata_ok, else failed: bad_metadata",
                      self.explained("NULL.peer.wait_ready")[0])
        limit = self.protocol.limits["max_properties"]
        self.assertIn(f"ceiling {limit.value}, native {limit.native}", self.explained(limit.id)[0])

    def test_a_lint_is_explained_as_before_and_unknown_names_get_the_nearest(self):
        self.assertIn("mended:", self.explained("overflow")[0])
        text, found = self.explained("PING.contxt")
        self.assertFalse(found)
        self.assertIn("did you mean 'PING.context'?", text)
        text, found = show.graph(self.protocol, "NUL.peer", self.renderer)
        self.assertFalse(found)
        self.assertIn("did you mean 'NULL.peer'?", text)


class Graph(unittest.TestCase):
    def test_every_machine_is_a_picture_with_all_its_states_and_answers(self):
        protocol = load.load(tree.ROOT)[0]
        renderer = render.Renderer(tree.ROOT, protocol)
        for machine in protocol.machines.values():
            with self.subTest(machine.id):
                text, found = show.graph(protocol, machine.id, renderer)
                self.assertTrue(found)
                picture = xml.fromstring(text)
                texts = [node.text for node in picture.iter(f"{SVG}text")]
                for name in lower.all_states(machine):
                    self.assertTrue(any(re.match(rf"{name}( \(start\))?$", t) for t in texts), name)
                for state in machine.states:
                    for answer in state.answers:
                        self.assertTrue(any(answer.event in t for t in texts), answer)
                size = int(picture.get("width")), int(picture.get("height"))
                boxes = [tuple(int(r.get(k)) for k in ("x", "y", "width", "height"))
                         for r in picture.iter(f"{SVG}rect") if r.get("x")]
                self.assertEqual(len(boxes), len(set(boxes)))
                for x, y, width, height in boxes:
                    self.assertTrue(x >= 0 and y >= 0 and x + width <= size[0] and y + height <= size[1])


class Editor(unittest.TestCase):
    def test_grammars_know_every_word_of_the_notation(self):
        vim = (tree.ROOT / "docs/reference/spec.vim").read_text()
        grammar = json.loads((tree.ROOT / "docs/reference/spec.tmLanguage.json").read_text())
        for pattern in grammar["patterns"]:
            re.compile(pattern["match"])
        known = {word for pattern in grammar["patterns"] for word in re.findall(r"\w+", pattern["match"])}
        used = set()
        for row in vocab.ROWS:
            used.update(word for option in row.options for word in option[:1] if word.isidentifier())
            used.update({row.key} - {"NAME"})
        self.assertGreater(len(used), 50)
        self.assertEqual(set(), used - known)
        self.assertEqual(set(), used - set(re.findall(r"\w+", vim)))


class List(unittest.TestCase):
    def test_every_artefact_with_its_template(self):
        lines = tree.generate(tree.ROOT, "--list").stdout.splitlines()
        made = [*render.build(load.load(tree.ROOT)[0]), *render.COMMITTED]
        self.assertEqual(sorted(made), sorted(line.split()[0] for line in lines))
        for line in lines:
            self.assertTrue((tree.ROOT / line.split()[1]).is_file(), line)


if __name__ == "__main__":
    unittest.main()
