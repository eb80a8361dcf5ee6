"""The reference codec against the known answers and the C decoders, and mistakes planted in these, each found."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import diff
import inputs

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = diff.default_build()
CODEC = diff.load_codec(BUILD / diff.CODEC)
SEED, COUNT = 1, 40_000

# What is planted: file, pattern, replacement. The first hit of the pattern is replaced.
PLANTED = {
    "straight-line code takes a flags octet that is refused":
        ("wire/frame.h", r"UINT32_C\((0x[0-9a-f]+)\) >>", lambda hit: f"(UINT32_C({hit[1]}) | 0x20) >>"),
    "a frame of the largest size is refused":
        ("wire/frame.c", r"decoder->size > \(command", "decoder->size >= (command"),
    "the machine lets a size's top bit pass": ("wire/frame.h", r"at\[1\] > 0x7f", "at[1] > 0xff"),
    "the largest short size is sent long": ("wire/encode.h", r"if \(size <= ", "if (size < "),
    "a property too many": ("wire/metadata.c", r"count > decoder->max_count", "count > decoder->max_count + 1"),
    "no case of a property's name matters": ("wire/metadata.c", r"quirks & MCQ_QUIRK_PROPERTY_CASE_MATTERS", "false"),
    "a charset holds one octet more": ("wire/charset.h", r"(_property = \{\s*\{\w+, 0x0)7", r"\g<1>f"),
    "the wrong rule is blamed":
        ("wire/greeting.c", r"rule = MCQ_RULE_GREETING_V3_MAJOR", "rule = MCQ_RULE_GREETING_V3_MINOR"),
    "our greeting leaves early": ("wire/greeting.c", r"due = 11;", "due = 12;"),
    "a peer of 3.0 is taken for a newer one": ("wire/greeting.c", r"MCQ_ZMTP_3_0", "MCQ_ZMTP_3_1"),
    "a size of 0 leaves no room for the flags": ("wire/frame.h", r"counted < 1", "counted < 0"),
    "a message may lack its last frame": ("wire/zap.c", r"count < row->least", "count + 1 < row->least"),
    "the wrong fault": ("wire/zap.c", r"FAULT_BAD_VERSION,", "FAULT_MALFORMED,"),
    "a reply to another question passes": ("wire/zap.c", r"part->is_echo &&", "false &&"),
    "a group of a text is not bounded": ("wire/z85.c", r"if \(group >> 8 \* MCQ_Z85_OCTETS != 0\)", "if (false)"),
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
            return CODEC.decode_greeting(inputs.DETECT, octets, quirks)
        if case["unit"] in CODEC.STREAMS:
            return CODEC.decode_stream(case["unit"], octets, quirks)
        if case["unit"] == "command":
            return CODEC.decode_command(case["scope"], octets, quirks)
        return CODEC.decode_records(inputs.RECORD, octets, CODEC.CEILINGS["max_properties"], "max_properties", quirks)

    def test_known_answers(self):
        cases = json.loads((ROOT / "tests/vectors/known.json").read_text(encoding="utf-8"))["cases"]
        for case in cases:
            octets, tail = (bytes.fromhex(case[part]) for part in ("head", "tail"))
            octets += bytes.fromhex(case["unit_octets"]) * case["count"] + tail
            verdict = self.verdict(case, octets)
            wanted = case["verdict"]
            if case["unit"] in CODEC.STREAMS and wanted == "OK":       # a stream may always go on
                self.assertNotIn("open", verdict.records[-1])
                wanted = "AGAIN"
            with self.subTest(case["name"]):
                self.assertEqual((verdict.err, verdict.at), (wanted, case["accepted"]))
                if "form" in case:
                    said = verdict.records[0]
                    self.assertEqual((said["form"], said["speaks"]), (case["form"], case["version"]))
                if case["rule"] == "unknown":
                    self.assertIsNone(verdict.records[0]["id"])
                else:
                    self.assertEqual(verdict.rule, case["rule"])
        self.assertGreater(len(cases), 100)

    def test_encode_refuses_what_no_peer_may_send(self):
        self.assertRaises(ValueError, CODEC.encode_command, "ERROR", {"reason": b"\x07"})
        self.assertRaises(ValueError, CODEC.encode_command, "PING", {"ttl": 0, "context": bytes(17)})


class Messages(unittest.TestCase):
    """By hand, what the comparison takes from the codec alone."""

    def test_zap(self):
        values = {"delimiter": b"", "request_id": b"7", "domain": b"", "address": b"::1", "identity": b"me",
                  "mechanism": b"PLAIN", "username": b"u", "password": b"p"}
        frames = CODEC.encode_message("zap.request", values)
        self.assertEqual(CODEC.decode_message("zap.request", frames).err, "OK")
        self.assertEqual(CODEC.decode_message("zap.request", frames[:-1]).rule, "zap.request")
        self.assertEqual(CODEC.decode_message("zap.request", [b"x", *frames[1:], b"", b""]).rule, "zap.request")
        values = {"delimiter": b"", "request_id": b"7", "status": b"200", "text": b"", "user_id": b"", "metadata": b""}
        reply = CODEC.encode_message("zap.reply", values)
        for change, rule in (({}, ""), ({"status": b"201"}, "zap.reply.status"),
                             ({"version": b"2.0"}, "zap.reply.version")):
            frames = CODEC.encode_message("zap.reply", {**values, **change})
            self.assertEqual(CODEC.decode_message("zap.reply", frames, echoed=b"7").rule, rule)
        self.assertEqual(CODEC.decode_message("zap.reply", reply, echoed=b"8").rule, "zap.reply.request_id")

    def test_z85(self):
        text, number = CODEC.ALPHABETS["Z85"]["example"]
        octets = number.to_bytes(len(text) // 5 * 4, "big")
        self.assertEqual(CODEC.encode_text("Z85", octets), text)
        self.assertEqual(CODEC.decode_text("Z85", text).records, [{"octets": octets}])
        for wrong, at in ("#####", 0), ("0000", 0), ("00000 0000", 5):
            self.assertEqual(CODEC.decode_text("Z85", wrong)[:3], ("PROTO", "alphabet.Z85", at))


class ShortRun(unittest.TestCase):
    def compare(self, seed, count):
        """The rules that no input broke; no input may differ."""
        result = diff.compare(seed, count, 2, BUILD / diff.DRIVER, BUILD / diff.CODEC)
        self.assertFalse(result.differences, "\n".join([*result.differences[:3], diff.summary(result, CODEC, seed)]))
        return diff.unbroken(result, CODEC)

    def test_no_input_differs_and_every_rule_is_broken(self):
        missed = self.compare(SEED, COUNT)
        if missed:                                   # rare ones may take more inputs
            missed &= self.compare(SEED + 1, 5 * COUNT)
        self.assertFalse(missed)

    def test_the_same_seed_makes_the_same_inputs(self):
        def made(seed):
            maker = inputs.Maker(CODEC, seed)
            return [maker.input() for _ in range(50)]

        self.assertEqual(made("1:0"), made("1:0"))
        self.assertNotEqual(made("1:0"), made("1:1"))


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Unpacked here: not every build has the fuzz targets."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.seeds = pathlib.Path(folder.name) / "seeds"
        subprocess.run([sys.executable, ROOT / "fuzz/unpack.py", BUILD / "generated/fuzz/seeds.txt", cls.seeds],
                       check=True, timeout=60)

    def compare(self, paths, driver=BUILD / diff.DRIVER, face=None):
        return diff.compare_corpus(paths, 1, driver, BUILD / diff.CODEC, face)

    def test_the_seeds(self):
        result, files, strangers = self.compare([self.seeds])
        self.assertEqual((result.differences, strangers), ([], []))
        self.assertEqual(files, sum(path.is_file() for path in self.seeds.rglob("*")))
        self.assertGreater(result.count, files)

    def test_a_folder_of_afl(self):
        """Its own files are no inputs, and what it keeps beside queue, crashes and hangs is none."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "out/fuzz_z85/main"
            for path in ("queue/id:000000,orig:a", "queue/.state/auto_extras/x", "queue/README.txt", "fuzzer_stats",
                         "crashes/README.txt", "crashes/id:000000,sig:06"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(bytes(2) + b"HelloWorld")
            result, files, strangers = self.compare([name])
            self.assertEqual((files, strangers, result.count), (2, [], 2))
            queue = pathlib.Path(name) / "queue"
            shutil.copytree(folder / "queue", queue)
            self.assertEqual(self.compare([queue])[1:], (0, [queue.resolve() / "id:000000,orig:a"]))
            self.assertEqual(self.compare([queue], face="greeting")[1:], (1, []))

    def test_a_planted_mistake_is_found_in_the_seeds(self):
        with tempfile.TemporaryDirectory() as folder:
            driver = planted_driver(pathlib.Path(folder), *PLANTED["a reply to another question passes"])
            self.assertTrue(self.compare([self.seeds / "zap"], driver)[0].differences)


class Planted(unittest.TestCase):
    def test_each_planted_mistake_is_found(self):
        for what, mistake in PLANTED.items():
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                driver = planted_driver(pathlib.Path(folder), *mistake)
                self.assertTrue(diff.is_found(SEED, COUNT, driver, BUILD / diff.CODEC), "it was not found")


if __name__ == "__main__":
    unittest.main()
