"""README.md shows what ./dev demo says of the spec as it is now."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"\d+ documents, \d+ rules -> \d+ files, 0 changed  digest \w+")


class Demo(unittest.TestCase):
    def test_readme_has_the_line_of_the_generator(self):
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):                   # the second time nothing has changed
                said = subprocess.run([sys.executable, "-m", "gen", "--out", folder], cwd=ROOT, capture_output=True,
                                      text=True, timeout=200, check=True).stdout
        shown = LINE.search((ROOT / "README.md").read_text(encoding="utf-8"))
        self.assertEqual(shown and shown[0], said.strip())


if __name__ == "__main__":
    unittest.main()
