"""Debian's tests of python3-zmq on our libzmq.so.5: prints TAP.

    pyzmq.py BUILD [FILE...]    all test files, or these ("test_socket"); MONOCOQUE_ENGINE chooses the engine

What is known to fail is in pyzmq-waits.txt, with what it waits for. Left out: mypy, cython and ssh, which test other
programs, and log, all of whose tests fail on Debian's libzmq5 as well. The test files bind fixed ports, so two runs on
one machine disturb each other.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

TESTS = pathlib.Path("/usr/lib/python3/dist-packages/zmq/tests")
LEFT_OUT = {"test_mypy", "test_cython", "test_ssh", "test_log", "test_cffi_backend"}
LIMIT_S = 150           # for a file; a call that hangs is shown by its stack after HANG_S
HANG_S = 30


def waits():
    rows = pathlib.Path(__file__).with_name("pyzmq-waits.txt").read_text().splitlines()
    return dict(row.split(maxsplit=1) for row in rows if row and not row.startswith("#"))


def results(build, name):
    """(test, passed/failed/skipped, why) of one file's tests."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.xml")
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"faulthandler_timeout={HANG_S}",
                 f"--junitxml={report}", TESTS / f"{name}.py"]
        try:
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                                  env={**os.environ, "LD_LIBRARY_PATH": str(build / "zmq/lib"),
                                       "PYTHONDONTWRITEBYTECODE": "1"})
        except subprocess.TimeoutExpired as expired:
            yield name, "failed", f"no end within {LIMIT_S} s\n{(expired.stdout or b'').decode()[-3000:]}"
            return
        if not report.exists():
            yield name, "failed", done.stdout[-3000:] + done.stderr[-3000:]
            return
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            where = case.get("classname", "").split("tests.")[-1]
            found = [child for child in case if child.tag in ("failure", "error", "skipped")]
            kind = "passed" if not found else "skipped" if found[0].tag == "skipped" else "failed"
            yield f"{where}.{case.get('name')}", kind, "".join((child.get("message") or "") for child in found)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or sorted({path.stem for path in TESTS.glob("test_*.py")} - LEFT_OUT)
    waiting, number, failed = waits(), 0, 0
    for name in names:
        for test, kind, why in results(build, name):
            number += 1
            known = waiting.get(test)
            if kind == "passed" and known:
                kind, why = "failed", f"it passes: take it off pyzmq-waits.txt, where it waits for {known}"
            elif kind == "failed" and known:
                kind, why = "skipped", f"waits for {known}"
            failed += kind == "failed"
            print(f"{'not ok' if kind == 'failed' else 'ok'} {number} - {test}"
                  + (f" # SKIP {why.splitlines()[0] if why else ''}" if kind == "skipped" else ""), flush=True)
            if kind == "failed":
                print("".join(f"# {line}\n" for line in why.splitlines()[-30:]), end="")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
