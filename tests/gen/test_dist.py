"""The tarball of a release: the same octets wherever, whenever and by whomever it is made."""

import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

import tree


def git(root, *words):
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout


def is_repository():
    try:
        return git(tree.ROOT, "rev-parse", "--show-toplevel").strip() == str(tree.ROOT)
    except (OSError, subprocess.CalledProcessError):
        return False


def make(root, out, mask=0o022, **environment):
    """Makes it in a folder of its own -> its path."""
    subprocess.run([sys.executable, str(tree.ROOT / ".ci/dist.py"), str(out), "--root", str(root)], check=True,
                   capture_output=True, umask=mask, env={**os.environ, **environment})
    (path,) = out.iterdir()
    return path


@unittest.skipUnless(is_repository(), "this tree is no repository of git")
class Dist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        room = tempfile.TemporaryDirectory()
        cls.addClassCleanup(room.cleanup)
        cls.room = pathlib.Path(room.name)
        cls.copy = cls.room / "else where"
        git(cls.room, "clone", "--quiet", str(tree.ROOT), str(cls.copy))
        cls.first = make(tree.ROOT, cls.room / "first", PYTHONHASHSEED="1")

    def test_fault_h8__another_folder_user_day_and_hash_seed__change_no_octet(self):
        git(self.copy, "config", "tar.umask", "0077")
        (self.copy / "not committed").write_text("is not in it", encoding="utf-8")
        second = make(self.copy, self.room / "second", mask=0o077, PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C",
                      SOURCE_DATE_EPOCH="7")
        self.assertEqual(self.first.name, second.name)
        self.assertEqual(self.first.read_bytes(), second.read_bytes())

    def test_it_holds_what_is_committed_and_what_is_generated(self):
        listed = set(git(tree.ROOT, "ls-tree", "-r", "--name-only", "HEAD").split("\n")[:-1])
        made = {f"generated/{name}" for name in tree.generate(self.copy, "--names").stdout.split()}
        with tarfile.open(self.first) as archive:
            members = archive.getmembers()
        names = [member.name.split("/", 1)[1] for member in members]
        self.assertEqual(names, sorted(names))
        self.assertEqual(listed - set(names), set())
        self.assertEqual({name for name in names if name.startswith("generated/")} ^ made, set())
        self.assertEqual({(member.uid, member.gid, member.uname, member.gname) for member in members}, {(0, 0, "", "")})
        self.assertEqual(len({member.mtime for member in members}), 1)
        self.assertEqual({member.mode for member in members}, {0o644, 0o755})


if __name__ == "__main__":
    unittest.main()
