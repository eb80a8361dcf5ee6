"""The drop-in library beside the system's libzmq: symbols, numbers of the header, sizes; and mcq run."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
PREFIX = BUILD / "zmq"
LIBRARY = PREFIX / "lib/libzmq.so.5"
SYSTEM_LIBRARY = "libzmq.so.5"
SYSTEM_HEADER = pathlib.Path("/usr/include/zmq.h")
# Of the versions themselves, of drafts, and of what only libzmq's own build has.
OTHERS = re.compile(r"ZMQ_(VERSION.*|MAKE_VERSION|EXPORT|DEFINED_STDINT|BUILD_DRAFT.*|HAS_CAPABILITIES|UNUSED.*)$")


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **options)


def symbols(path):
    """The dynamic symbols that it defines, with their kind."""
    listed = run("nm", "-D", "--defined-only", path)
    return sorted(tuple(line.split()[1:]) for line in listed.stdout.splitlines())


def system_library():
    for line in run("/sbin/ldconfig", "-p").stdout.splitlines():
        if SYSTEM_LIBRARY in line:
            return line.split()[-1]
    return None


def constants(header):
    """The names that a header defines as numbers, with their values."""
    found = run("cc", "-dM", "-E", "-x", "c", header)
    names = re.findall(r"^#define (ZMQ_\w+|EFSM|ETERM|EMTHREAD|ENOCOMPATPROTO) \S", found.stdout, re.M)
    lines = [f'printf("{name} %ld\\n", (long) ({name}));' for name in names
             if not OTHERS.match(name) and not name.startswith("ZMQ_MSG_PROPERTY")]
    program = f'#include <stdio.h>\n#include "{header}"\nint main(void) {{ {" ".join(lines)} }}\n'
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "numbers.c")
        source.write_text(program)
        built = run("cc", "-o", f"{folder}/numbers", source)
        if built.returncode:
            raise AssertionError(built.stderr)
        said = run(f"{folder}/numbers").stdout
    return dict(line.split() for line in said.splitlines())


class Abi(unittest.TestCase):
    def test_symbols_are_those_of_libzmq(self):
        system = system_library()
        if system is None:
            self.skipTest("the system has no libzmq")
        ours = symbols(LIBRARY)
        self.assertEqual(len(ours), 70)
        self.assertEqual(ours, symbols(system))

    def test_soname(self):
        said = run("readelf", "-d", LIBRARY).stdout
        self.assertIn("soname: [libzmq.so.5]", said)
        self.assertNotIn("RPATH", said)
        self.assertNotIn("RUNPATH", said)

    def test_numbers_are_those_of_libzmq(self):
        if not SYSTEM_HEADER.exists():
            self.skipTest("the system has no zmq.h")
        ours = constants(PREFIX / "include/zmq.h")
        theirs = constants(SYSTEM_HEADER)
        self.assertEqual({name: ours.get(name) for name in theirs}, theirs)

    def test_sizes_are_those_of_libzmq(self):
        if not SYSTEM_HEADER.exists():
            self.skipTest("the system has no zmq.h")
        sizes = []
        for header in (PREFIX / "include/zmq.h", SYSTEM_HEADER):
            with tempfile.TemporaryDirectory() as folder:
                source = pathlib.Path(folder, "sizes.c")
                source.write_text(f'''#include <stddef.h>
#include <stdio.h>
#include "{header}"
int main(void) {{ printf("%zu %zu %zu %zu %zu\\n", sizeof(zmq_msg_t), _Alignof(zmq_msg_t), sizeof(zmq_pollitem_t),
    offsetof(zmq_pollitem_t, fd), offsetof(zmq_pollitem_t, revents)); }}
''')
                self.assertEqual(run("cc", "-o", f"{folder}/sizes", source).returncode, 0)
                sizes.append(run(f"{folder}/sizes").stdout)
        self.assertEqual(sizes[0], sizes[1])

    def test_a_program_builds_against_the_prefix(self):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(PREFIX / "lib/pkgconfig")}
        flags = run("pkg-config", "--cflags", "--libs", "libzmq", env=environment).stdout.split()
        self.assertIn("-lzmq", flags)
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "program.c")
            source.write_text('''#include <zmq.h>
int main(void)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    return major == 4 && minor == 3 && patch == 5 ? 0 : 1;
}
''')
            built = run("cc", source, "-o", f"{folder}/program", *flags)
            self.assertEqual(built.returncode, 0, built.stderr)
            environment = {**os.environ, "LD_LIBRARY_PATH": str(PREFIX / "lib")}
            self.assertEqual(run(f"{folder}/program", env=environment).returncode, 0)


class Run(unittest.TestCase):
    MCQ = BUILD / "mcq"

    def test_runs_a_program_on_this_library(self):
        said = run(self.MCQ, "run", "--", "/usr/bin/python3", "-c", "import zmq; print(zmq.zmq_version())")
        self.assertEqual((said.stdout, said.returncode), ("4.3.5\n", 0), said.stderr)

    def test_says_what_a_library_needs(self):
        said = run(self.MCQ, "run", "--check", LIBRARY)
        self.assertEqual(said.returncode, 0)
        self.assertIn("calls nothing of libzmq by itself", said.stdout)
        for path in pathlib.Path("/usr/lib/python3/dist-packages/zmq/backend/cython").glob("socket.*.so"):
            said = run(self.MCQ, "run", "--check", path)
            self.assertEqual(said.returncode, 0, said.stdout)
            self.assertRegex(said.stdout, r"zmq_msg_recv +there")
            self.assertIn("runs on this library; needs", said.stdout)

    def test_says_what_is_lacking(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "draft.c")
            source.write_text("void *zmq_poller_new(void);\nvoid *call(void) { return zmq_poller_new(); }\n")
            self.assertEqual(run("cc", "-shared", "-fPIC", "-o", f"{folder}/draft.so", source).returncode, 0)
            said = run(self.MCQ, "run", "--check", f"{folder}/draft.so")
        self.assertEqual(said.returncode, 1)
        self.assertRegex(said.stdout, r"zmq_poller_new +LACKING")
        self.assertIn("lacks 1 of 1 calls", said.stdout)

    def test_refuses_what_it_cannot_run(self):
        for words, status, why in ((("run",), 2, "usage:"), (("run", "--", "/nonexistent"), 1, "No such file"),
                                   (("run", "--check", "/dev/null"), 1, "this is no ELF file"),
                                   (("fly",), 2, "'fly' is no verb")):
            with self.subTest(words=words):
                said = run(self.MCQ, *words)
                self.assertEqual(said.returncode, status)
                self.assertIn(why, said.stderr)
                self.assertEqual(said.stdout, "")

    def test_files_that_are_cut_or_changed_are_refused_or_read(self):
        whole = bytearray(LIBRARY.read_bytes()[:4096])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "broken.so")
            for at in range(0, 64):
                broken = bytearray(whole)
                broken[at] ^= 0xff
                path.write_bytes(broken)
                self.assertIn(run(self.MCQ, "run", "--check", path).returncode, (0, 1), f"octet {at}")


if __name__ == "__main__":
    sys.exit(unittest.main())
