"""The reference codec against the known answers and the C decoders, and mistakes planted in these, each found."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import diff

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = diff.default_build()
CODEC = diff.load_codec(BUILD / diff.CODEC)
SEED, COUNT = 1, 40_000

# What is planted: file, pattern, replacement. The first hit of the pattern is replaced.
PLANTED = {
    "straight-line code takes a flags octet that is refused":
        ("wire/frame.c", r"run_v3, UINT32_C\((0x[0-9a-f]+)\)", lambda hit: f"run_v3, UINT32_C({hit[1]}) | 0x20"),
    "a frame of the largest size is refused":
        ("wire/frame.c", r"decoder->size > \(command", "decoder->size >= (command"),
    "the machine lets a size's top bit pass": ("wire/frame.h", r"at\[1\] > 0x7f", "at[1] > 0xff"),
    "the size of 255 octets is sent long": ("wire/encode.h", r"size <= 255", "size < 255"),
    "a property too many": ("wire/metadata.c", r"count > decoder->max_count", "count > decoder->max_count + 1"),
    "no case of a property's name matters": ("wire/metadata.c", r"quirks & MCQ_QUIRK_PROPERTY_CASE_MATTERS", "false"),
    "a charset holds one octet more": ("wire/charset.h", r"(_property = \{\s*\{0x)0", r"\g<1>1"),
    "the wrong rule is blamed": ("wire/greeting.c", r"= MCQ_RULE_GREETING_V3_MAJOR", "= MCQ_RULE_GREETING_V3_MINOR"),
    "our greeting leaves early": ("wire/greeting.c", r"\{9, 0x01, 0x01, 11,", "{9, 0x01, 0x01, 12,"),
    "a field is not kept": ("wire/command.c", r"numbers\[0\] = decoder->number", "numbers[0] = 0"),
}


def planted_driver(folder, name, pattern, change):
    """A driver whose generated code has one mistake."""
    shutil.copytree(BUILD / "generated/wire", folder / "wire", dirs_exist_ok=True)
    path = folder / name
    text, hits = re.subn(pattern, change, path.read_text(encoding="utf-8"), count=1)
    if not hits:
        raise AssertionError(f"{name} has nothing like '{pattern}' any more: plant another mistake")
    path.write_text(text, encoding="utf-8")
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu11", "-w", "-I", folder, "-I", BUILD / "generated", "-I", ROOT / "src",
         "-I", ROOT / "include", HERE / "codec_driver.c", *sorted((folder / "wire").glob("*.c")),
         BUILD / "src/libmonocoque_core.a", "-o", folder / "driver"],
        check=True, timeout=60)
    return folder / "driver"


class KnownAnswers(unittest.TestCase):
    """The codec gives what gen/cases.py worked out by other means."""

    def verdict(self, case, octets):
        quirks = frozenset(case["quirks"])
        if case["unit"] == "greeting":
            item = diff.Input("greeting", "", quirks, 0, 0, 0, octets)
            verdict, branch, _ = diff.Oracle(CODEC).greeting(item)
            self.assertEqual(branch and (branch["target"], branch["speaks"]),
                             (case["form"], case["version"]) if "form" in case else None)
            return verdict
        if case["unit"].startswith("frame"):
            return CODEC.decode_stream(case["unit"], octets, quirks)
        if case["unit"] == "command":
            return CODEC.decode_command(case["scope"], octets, quirks)
        return CODEC.decode_records(diff.RECORD, octets, CODEC.CEILINGS["max_properties"], "max_properties", quirks)

    def test_known_answers(self):
        cases = json.loads((ROOT / "tests/vectors/known.json").read_text(encoding="utf-8"))["cases"]
        for case in cases:
            octets, tail = (bytes.fromhex(case[part]) for part in ("head", "tail"))
            octets += bytes.fromhex(case["unit_octets"]) * case["count"] + tail
            verdict = self.verdict(case, octets)
            wanted = case["verdict"]
            if case["unit"].startswith("frame") and wanted == "OK":       # a stream may always go on
                self.assertNotIn("open", verdict.records[-1])
                wanted = "AGAIN"
            with self.subTest(case["name"]):
                self.assertEqual((verdict.err, verdict.at), (wanted, case["accepted"]))
                if case["rule"] == "unknown":
                    self.assertIsNone(verdict.records[0]["id"])
                else:
                    self.assertEqual(verdict.rule, case["rule"])
        self.assertGreater(len(cases), 100)

    def test_encode_refuses_what_no_peer_may_send(self):
        self.assertRaises(ValueError, CODEC.encode_command, "ERROR", {"reason": b"\x07"})
        self.assertRaises(ValueError, CODEC.encode_command, "PING", {"ttl": 0, "context": bytes(17)})


class ShortRun(unittest.TestCase):
    def test_no_input_differs_and_every_rule_is_broken(self):
        result = diff.compare(SEED, COUNT, 2, BUILD / diff.DRIVER, BUILD / diff.CODEC)
        line = diff.summary(result, CODEC, SEED)
        self.assertFalse(result.differences, "\n".join([*result.differences[:3], line]))
        self.assertNotIn("never broken", line)

    def test_the_same_seed_makes_the_same_inputs(self):
        def inputs(seed):
            maker = diff.Maker(CODEC, seed)
            return [maker.input() for _ in range(50)]

        self.assertEqual(inputs("1:0"), inputs("1:0"))
        self.assertNotEqual(inputs("1:0"), inputs("1:1"))


class Planted(unittest.TestCase):
    def test_each_planted_mistake_is_found(self):
        for what, mistake in PLANTED.items():
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                driver = planted_driver(pathlib.Path(folder), *mistake)
                self.assertTrue(diff.is_found(SEED, COUNT, driver, BUILD / diff.CODEC), "it was not found")


if __name__ == "__main__":
    unittest.main()
