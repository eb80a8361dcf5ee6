"""What is installed, and the source tree, can be used as the pages say: programs of README.md and examples/."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(app C)
%s
add_executable(app %s)
target_link_libraries(app PRIVATE Monocoque::monocoque)
add_executable(older older.c)
target_link_libraries(older PRIVATE Monocoque::zmq)
"""
OLDER = """#include <stdio.h>
#include <zmq.h>

int main(void)
{
    int major, minor, patch;
    void *context = zmq_ctx_new();

    zmq_version(&major, &minor, &patch);
    printf("%d.%d.%d %d\\n", major, minor, patch, zmq_has("curve"));
    return zmq_ctx_term(context);
}
"""
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.room.cleanup)
        cls.folder = pathlib.Path(cls.room.name)
        cls.prefix = cls.folder / "prefix"
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(cls.prefix / "lib/pkgconfig")}
        cls.run_line("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.compiler = os.environ.get("CC", "cc")

    @classmethod
    def run_line(cls, *words, **more):
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, cwd=cls.folder,
                              env={**cls.environment, **more})
        if done.returncode:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def flags(self, *words):
        return self.run_line("pkgconf", *words, "--cflags", "--libs", "monocoque").split()

    def test_pkgconf(self):
        self.run_line(self.compiler, *WARNINGS, ROOT / "examples/hello.c", *self.flags(), "-o", "app")
        self.assertEqual(self.run_line("./app", LD_LIBRARY_PATH=str(self.prefix / "lib")), "Hello, world!\n")

    def test_pkgconf_static(self):
        self.run_line(self.compiler, "-static", ROOT / "examples/hello.c", *self.flags("--static"), "-o", "app-static")
        self.assertEqual(self.run_line("./app-static"), "Hello, world!\n")

    def cmake(self, name, way, *options):
        source = self.folder / name
        source.mkdir()
        (source / "CMakeLists.txt").write_text(PROJECT % (way, ROOT / "examples/hello.c"), encoding="utf-8")
        (source / "older.c").write_text(OLDER, encoding="utf-8")
        self.run_line("cmake", "-G", "Ninja", "-S", source, "-B", source / "build", *options)
        self.run_line("cmake", "--build", source / "build", "--target", "app", "older")
        self.assertEqual(self.run_line(source / "build/app"), "Hello, world!\n")
        self.assertEqual(self.run_line(source / "build/older"), "4.3.5 1\n")

    def test_cmake_package(self):
        self.cmake("package", "find_package(Monocoque 0.1 REQUIRED)", f"-DCMAKE_PREFIX_PATH={self.prefix}")

    def test_cmake_subdirectory(self):
        self.cmake("subdirectory", f"add_subdirectory({ROOT} monocoque)")

    def test_program_finds_its_library(self):
        self.assertRegex(self.run_line(self.prefix / "bin/mcq", "version"), r"^monocoque \d+\.\d+\.\d+\n")

    def test_program_of_the_readme(self):
        program = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
        number = os.getpid()                             # an address of loopback that is ours
        own = f"127.77.{number >> 8 & 255}.{number & 255}"
        self.assertEqual(program.count("127.0.0.1:5555"), 2)
        (self.folder / "readme.c").write_text(program.replace("127.0.0.1", own), encoding="utf-8")
        self.run_line(self.compiler, *WARNINGS, "readme.c", *self.flags(), "-o", "readme")
        self.assertEqual(self.run_line("./readme", LD_LIBRARY_PATH=str(self.prefix / "lib")), "hello\n")


if __name__ == "__main__":
    unittest.main()
