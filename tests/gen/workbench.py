"""A copy of the tree in a folder of its own: its spec is changed, its code regenerated, its generated tests compiled
and run. Nothing of the build is shared, so an exercise says what a person with that change would see."""

import contextlib
import copy
import os
import pathlib
import shutil
import subprocess
import tempfile

import tree

from gen import load, render

LAYERS = ("base", "arena", "security")      # what is compiled beside the generated code: generated steps call it
FLAGS = "-std=gnu11 -O0 -Wall -Wextra -Wconversion -Wno-sign-conversion -Isrc -Iinclude -Ibuild"
NINJA = """\
rule cc
  command = cc {flags} -MMD -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
rule ar
  command = rm -f $out && ar rcs $out $in
rule link
  command = cc $in -lcmocka {libraries} -o $out
"""


class Bench:
    def __init__(self, folder):
        """The files that git knows, or all of an unpacked tarball's."""
        self.root = pathlib.Path(folder)
        listed = subprocess.run(["git", "-C", tree.ROOT, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], capture_output=True, text=True, check=False)
        names = [name for name in listed.stdout.split("\0") if name] or [
            str(path.relative_to(tree.ROOT)) for path in tree.ROOT.rglob("*") if path.is_file()]
        for name in names:
            wanted = name.split("/")[0] in ("spec", "gen", "templates", "src", "include")
            if wanted and (tree.ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(tree.ROOT / name, self.root / name)

    @contextlib.contextmanager
    def fork(self):
        """A copy with all that is built, times and all: a change in it compiles what depends on it, and there is
        nothing to undo."""
        with tempfile.TemporaryDirectory() as folder:
            forked = copy.copy(self)
            forked.root = pathlib.Path(folder) / "tree"
            shutil.copytree(self.root, forked.root)
            yield forked

    def run(self, *command, check=True, timeout=120, **more):
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False, timeout=timeout,
                              **more)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def commit(self):
        """Makes the present state the revision that --diff compares with."""
        self.run("git", "init", "-q")
        self.run("git", "add", "spec")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "before")

    def generate(self, tests=True):
        """Writes what differs; the generated tests only if asked to."""
        protocol, problems, sources = load.load(self.root)
        if problems:
            raise AssertionError(load.report(problems, sources))
        table = {name: row for name, row in render.build(protocol).items() if tests or not name.startswith("tests/")}
        for name, text in render.Renderer(tree.ROOT, protocol).render(table).items():
            path = self.root / "build" / name
            if not path.exists() or path.read_text() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def tests(self):
        """The generated tests that need no more than LAYERS: those of the public interface are for the whole build."""
        paths = sorted((self.root / "build/tests").glob("test_*.c"))
        return [path.stem for path in paths if "<monocoque.h>" not in path.read_text()]

    def build(self):
        """Compiles what changed; returns what the compiler said."""
        sources = [path.relative_to(self.root) for folder in (
            *(f"build/{kind}" for kind in ("wire", "security", "table")), *(f"src/{layer}" for layer in LAYERS))
            for path in sorted((self.root / folder).glob("*.c"))]
        libraries = "-lsodium" if "src/security/curve.c" in map(str, sources) else ""
        rows = [NINJA.format(flags=FLAGS, libraries=libraries)]
        rows += [f"build obj/{source}.o: cc {source}" for source in sources]
        rows += [f"build obj/all.a: ar {' '.join(f'obj/{source}.o' for source in sources)}"]
        for name in self.tests():
            rows += [f"build obj/{name}.o: cc build/tests/{name}.c", f"build obj/{name}: link obj/{name}.o obj/all.a"]
        (self.root / "build.ninja").write_text("\n".join(rows) + "\n")
        return self.run("ninja", "-j2", "-k0").stdout

    def failing(self):
        """Yields the generated tests that are red, each 'program: test'. One that crashes or never ends is: it gets a
        second of the processor, ten times what any needs, however busy the machine is."""
        environment = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
        for name in self.tests():
            done = self.run("sh", "-c", f"ulimit -t 1; exec obj/{name}", check=False, env=environment)
            if done.returncode:
                lines = (done.stdout + done.stderr).splitlines()
                red = [line.split(" - ", 1)[1] for line in lines if line.startswith("not ok") and " - " in line]
                yield f"{name}: {red[0] if red else 'ended with ' + str(done.returncode)}"
