"""zmtp.json is the whole model, and the committed schema says what is in it; a change of either is seen."""

import copy
import json
import pathlib
import tempfile
import unittest

import tree

from gen import load

try:
    import jsonschema
except ImportError:
    jsonschema = None


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            run = tree.generate(tree.ROOT, "--out", folder)
            assert run.returncode == 0, run.stderr
            cls.model = json.loads((pathlib.Path(folder) / "zmtp.json").read_text())
        cls.schema = json.loads((tree.ROOT / "docs/reference/zmtp.schema.json").read_text())
        cls.protocol = load.load(tree.ROOT)[0]

    def test_each_table_is_there_with_all_of_its_items(self):
        for name in ("limits", "charsets", "layouts", "structs", "detects", "commands", "mechanisms", "machines",
                     "sockets", "quirks", "options", "messages", "alphabets", "statuses"):
            with self.subTest(name):
                self.assertEqual(list(self.model[name]), [str(key) for key in getattr(self.protocol, name)])

    def test_values_are_those_of_the_spec(self):
        self.assertEqual(self.model["versions"], list(self.protocol.versions))
        self.assertEqual(self.model["options"]["option.SNDHWM"]["number"], 23)
        self.assertEqual(self.model["options"]["option.HANDSHAKE_IVL"]["native"], 5000)
        self.assertEqual(self.model["charsets"]["PRINTABLE"]["octets"], [[0x20, 0x7e]])
        self.assertEqual(self.model["sockets"]["REQ"]["peers"], ["REP", "ROUTER"])
        self.assertEqual([field["name"] for field in self.model["messages"]["zap.reply"]["fields"]][:4],
                         ["delimiter", "version", "request_id", "status"])
        self.assertIn("frame.v3.size", [rule["id"] for rule in self.model["rules"]])

    def test_no_place_in_a_file_is_in_it(self):
        self.assertNotIn(".spec", json.dumps(self.model))

    @unittest.skipIf(jsonschema is None, "python3-jsonschema is not installed")
    def test_the_schema_takes_it(self):
        validator = jsonschema.Draft202012Validator
        validator.check_schema(self.schema)
        told = [f"{list(e.absolute_path)}: {e.message}" for e in validator(self.schema).iter_errors(self.model)]
        self.assertEqual(told, [])

    @unittest.skipIf(jsonschema is None, "python3-jsonschema is not installed")
    def test_the_schema_refuses_what_is_not_so(self):
        spoilt = {
            "an attribute that nobody knows": lambda d: d["limits"]["max_properties"].update(colour="red"),
            "one that is gone": lambda d: d["sockets"]["REQ"].pop("peers"),
            "a table that is gone": lambda d: d.pop("options"),
            "a number that is a text": lambda d: d["sockets"]["REQ"].update(code="3"),
            "a policy that there is not": lambda d: d["sockets"]["REQ"].update(mute="shout"),
            "a field that is none": lambda d: d["layouts"]["frame.v3"]["fields"].append("size"),
            "a type that there is not": lambda d: d["options"]["option.SNDHWM"].update(type="i16"),
        }
        for name, spoil in spoilt.items():
            with self.subTest(name):
                model = copy.deepcopy(self.model)
                spoil(model)
                self.assertFalse(jsonschema.Draft202012Validator(self.schema).is_valid(model))


if __name__ == "__main__":
    unittest.main()
