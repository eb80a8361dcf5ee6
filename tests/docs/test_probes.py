"""The trace points of the library are those of docs/howto/trace.md, and each tells as much as is said there."""

import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"], "src/libmonocoque.so.0")
NOTE = re.compile(r"Provider: monocoque\n\s*Name: (\w+)\n.*\n\s*Arguments: (.*)$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \|", re.MULTILINE)


class Probes(unittest.TestCase):
    def test_the_page_has_those_of_the_library(self):
        notes = subprocess.run(["readelf", "--notes", "--wide", LIBRARY], capture_output=True, text=True, check=True,
                               timeout=60).stdout
        found = {name: len(arguments.split()) for name, arguments in NOTE.findall(notes)}
        page = (ROOT / "docs/howto/trace.md").read_text(encoding="utf-8")
        told = {name: len(re.sub(r"\([^)]*\)", "", words).split(",")) for name, words in ROW.findall(page)}
        self.assertGreater(len(found), 3, notes[:2000])
        self.assertEqual(found, told)


if __name__ == "__main__":
    unittest.main()
