"""What the pages for users call by name is in the public header."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"\b(?:mcq|MCQ)_\w+\*?")
IN_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
OTHERS = {"MCQ_PASSWORD"}        # of the environment
INSIDE = {"change-the-spec.md", "contribute.md", "first-conversation.md", "fuzz.md", "fuzz-inputs.md"}


class Names(unittest.TestCase):
    def test_pages_name_what_there_is(self):
        known = set(NAME.findall((ROOT / "include/monocoque.h").read_text(encoding="utf-8"))) | OTHERS
        self.assertGreater(len(known), 300)
        pages = [ROOT / "README.md", *(ROOT / "docs/howto").glob("*.md"), *(ROOT / "docs/tutorial").glob("*.md")]
        self.assertGreater(len(pages), 15)
        for page in (page for page in pages if page.name not in INSIDE):
            code = " ".join(IN_CODE.findall(page.read_text(encoding="utf-8")))
            for name in sorted(set(NAME.findall(code))):
                with self.subTest(page=page.name, name=name):
                    self.assertTrue(name in known or name[-1] == "*" and any(
                        word.startswith(name[:-1]) for word in known), f"{page}: {name}")


if __name__ == "__main__":
    unittest.main()
