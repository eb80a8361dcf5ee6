"""The manual pages: mcq's has its verbs and options and no others, and all of them are pages."""

import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
MCQ = BUILD / "mcq"


def said(*words):
    return subprocess.run([MCQ, *words], capture_output=True, text=True, check=True, timeout=60).stdout


class Manual(unittest.TestCase):
    def setUp(self):
        self.page = (ROOT / "docs/man/mcq.1.scd").read_text(encoding="utf-8")
        self.verbs = re.findall(r"^  (\w+) ", said("--help"), re.MULTILINE)

    def section(self, title):
        return re.search(rf"^# {title}\n(.*?)^# ", self.page, re.MULTILINE | re.DOTALL)[1]

    def entries(self, title):
        """The words that begin the entries of a section."""
        heads = re.findall(r"^(\*.*)\n\t", self.section(title), re.MULTILINE)
        return set(re.findall(r"\*(\S+)\*", " ".join(heads)))

    def test_verbs_are_those_of_the_program(self):
        self.assertGreater(len(self.verbs), 15)
        self.assertEqual(self.entries("DESCRIPTION") - {"--bind", "--connect"}, set(self.verbs))

    def test_options_are_those_of_the_verbs(self):
        known = {option for verb in self.verbs for option in said("completion", "--options", verb).split()}
        self.assertIn("--timeout", known)
        self.assertEqual({word for word in self.entries("OPTIONS") if word.startswith("--")}, known)

    def test_all_are_made(self):
        made = {path.name: path.read_text(encoding="utf-8") for path in (BUILD / "docs").glob("*.[1-9]")}
        self.assertEqual(set(made), {"mcq.1", "monocoque.7", "monocoque_options.7"})
        for name, page in made.items():
            self.assertIn(f'.TH "{name[:-2]}" "{name[-1]}"', page)
        self.assertIn("RECONNECT_IVL_MAX", made["monocoque_options.7"])


if __name__ == "__main__":
    unittest.main()
