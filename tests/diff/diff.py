"""The generated C decoders against the reference codec, on inputs that are valid, broken on purpose, and random.

    diff.py [--seed N] [--count N] [--jobs N] [--build DIR]
    diff.py --corpus [--face FACE] [--jobs N] [--build DIR] FILE|FOLDER...
    diff.py --faces

Each input goes to codec_driver, which decodes it whole and in pieces and writes down every field of every record and
how it ended; the reference codec writes down what must come. A difference is made smaller and printed with what
either side says; the seed and the input's number reproduce it. With --corpus the inputs are those of a fuzz target
(fuzz/FACE.c), files and folders of them, AFL++'s own included: what only AFL++ writes there is no input. Which target
it is, a part of the path says (seeds/frame, out/fuzz_frame/main/queue), or --face. Exit status: 0 none differs, 1 some
do, 2 there is nothing to compare.
"""

import argparse
import collections
import functools
import importlib.util
import itertools
import multiprocessing
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

from answers import Oracle
from corpus import Face, corpus_files, face_of
from inputs import Maker

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER, CODEC = "tests/diff/codec_driver", "generated/python/zmtp_codec.py"    # within a build
BATCH = 1000                     # inputs made from one generator of random marks
SHOWN = 5                        # differences that are printed
SHRINKING = 400                  # inputs tried to make one of them smaller


def default_build():
    return pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", ROOT / "build/dev"))


@functools.cache
def load_codec(path):
    """The reference codec of a build."""
    spec = importlib.util.spec_from_file_location("zmtp_codec", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Driver:
    """The C side, kept running: batches of inputs in, their answers out."""

    def __init__(self, path, codec):
        self.path, self.codec = path, codec
        self.start()

    def start(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([self.path], stdin=pipe, stdout=pipe, stderr=pipe)

    def answers(self, items):
        """One text for each; a driver that dies is started again, and its death is the answer of the guilty input."""
        try:
            return self.ask(items)
        except (EOFError, BrokenPipeError):
            said = self.process.stderr.read().decode(errors="replace").split("\n")[:8]
            status = self.close()
            self.start()
            if len(items) == 1:
                return [f"the driver ended with status {status}\n" + "\n".join(said)]
            return [self.answers([item])[0] for item in items]

    def ask(self, items):
        batch = b"".join(item.pack(self.codec) for item in items)
        self.process.stdin.write(struct.pack("<I", len(batch)) + batch)
        self.process.stdin.flush()
        return [self.read(struct.unpack("<I", self.read(4))[0]).decode() for _ in items]

    def read(self, size):
        octets = self.process.stdout.read(size)
        if len(octets) < size:
            raise EOFError
        return octets

    def close(self):
        """Ends it -> its exit status."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:              # octets that it did not live to read
                pass
        return self.process.wait()


def smaller(driver, oracle, item):
    """The same difference with fewer octets and quirks, as far as a bounded number of tries goes."""
    tries = 0

    def differs(candidate):
        nonlocal tries
        tries += 1
        return tries <= SHRINKING and driver.answers([candidate])[0] != oracle.answer(candidate)

    step = max(1, len(item.octets) // 2)
    while step:
        at = 0
        while at < len(item.octets):
            shorter = item._replace(octets=item.octets[:at] + item.octets[at + step:])
            if differs(shorter):
                item = shorter
            else:
                at += step
        step //= 2
    for quirk in sorted(item.quirks):
        if differs(candidate := item._replace(quirks=item.quirks - {quirk})):
            item = candidate
    return item


Result = collections.namedtuple("Result", "count verdicts differences seconds")


class Side:
    """What a process of the comparison keeps: its driver, and the codec of the same build."""

    def __init__(self, driver, codec, shown=SHOWN):
        self.codec, self.shown = load_codec(codec), shown
        self.driver = Driver(driver, self.codec)

    def batch(self, seed, number, count):
        """Compares one batch -> (verdicts, a text for each difference; not all are worked out)."""
        oracle, maker, found = Oracle(self.codec), Maker(self.codec, f"{seed}:{number}"), []
        items = [maker.input() for _ in range(count)]
        for place, (item, got) in enumerate(zip(items, self.driver.answers(items))):
            if got != oracle.answer(item):
                found.append(f"seed {seed}, input {number * BATCH + place}\n  {self.difference(oracle, item)}"
                             if len(found) < self.shown else "")
        return oracle.verdicts, found

    def difference(self, oracle, item):
        """The input, made smaller, and the lines in which the two sides differ."""
        item = smaller(self.driver, oracle, item)
        text = f"{item}\n"
        pairs = itertools.zip_longest(self.driver.answers([item])[0].splitlines(), oracle.answer(item).splitlines(),
                                      fillvalue="")
        for line, wanted in [pair for pair in pairs if pair[0] != pair[1]]:
            text += f"    C      {excerpt(line, wanted)}\n    codec  {excerpt(wanted, line)}\n"
        return text


def excerpt(line, other):
    """A long line from a little before the place where it differs."""
    begin = max(0, len(os.path.commonprefix([line, other])) - 24)
    begin = 0 if len(line) <= 160 else begin
    return "..." * (begin > 0) + line[begin:begin + 160] + "..." * (len(line) > begin + 160)


def batches(count):
    """(number, inputs) of each batch."""
    return [(number, min(BATCH, count - number * BATCH)) for number in range(-(-count // BATCH))]


def work(arguments):
    """A process's share of the batches -> their results."""
    driver, codec, seed, share = arguments
    side = Side(driver, codec)
    results = [side.batch(seed, *batch) for batch in share]
    side.driver.close()
    return results


def compare(seed, count, processes, driver, codec):
    """The whole comparison. The same seed compares the same inputs, however many processes there are."""
    todo, started = batches(count), time.monotonic()
    shares = [(driver, codec, seed, todo[at:at + 10]) for at in range(0, len(todo), 10)]
    verdicts, differences = collections.Counter(), []
    with multiprocessing.Pool(processes) as pool:
        for results in pool.imap(work, shares):
            for seen, found in results:
                verdicts.update(seen)
                differences += found
    return Result(count, verdicts, differences, time.monotonic() - started)


def is_found(seed, count, driver, codec):
    """Does any of the inputs tell the two apart? For planted mistakes: no more is compared than it takes."""
    side = Side(driver, codec, shown=0)
    found = any(side.batch(seed, *batch)[1] for batch in batches(count))
    side.driver.close()
    return found


def compare_files(arguments):
    """A process's share of the files -> results as batch() gives them, with the number of inputs."""
    driver, codec, pairs = arguments
    side = Side(driver, codec)
    face, oracle, found, count = Face(side.codec), Oracle(side.codec), [], 0
    for name, path in pairs:
        items = face.inputs(name, path.read_bytes())
        count += len(items)
        for item, got in zip(items, side.driver.answers(items)):
            if got != oracle.answer(item):
                found.append(f"{path}\n  {side.difference(oracle, item)}" if len(found) < side.shown else "")
    side.driver.close()
    return count, oracle.verdicts, found


def compare_corpus(paths, processes, driver, codec, face=None):
    """(result, the files whose target is not known)."""
    started, files, strangers = time.monotonic(), corpus_files(paths), []
    pairs = []
    for path in files:
        name = face or face_of(path)
        if name is None:
            strangers.append(path)
        else:
            pairs.append((name, path))
    total, verdicts, differences = 0, collections.Counter(), []
    with multiprocessing.Pool(processes) as pool:
        for count, seen, found in pool.imap(compare_files, [(driver, codec, pairs[at::4 * processes])
                                                            for at in range(4 * processes)]):
            total += count
            verdicts.update(seen)
            differences += found
    return Result(total, verdicts, differences, time.monotonic() - started), len(pairs), strangers


def unbroken(result, codec):
    """The rules that none of the inputs broke, of those that some input must."""
    return Oracle(codec).refusable() - {rule for err, rule in result.verdicts if err not in ("OK", "AGAIN")}


def summary(result, codec, seed):
    """One line: how much was compared, how it ended, which rules nobody broke."""
    accepted = sum(count for (err, _), count in result.verdicts.items() if err == "OK")
    missed, rules = unbroken(result, codec), len(Oracle(codec).refusable())
    return (f"{result.count} inputs, seed {seed}: {len(result.differences)} differ; {accepted} accepted, "
            f"{rules - len(missed)} of {rules} rules broken, {result.seconds:.0f} s"
            f"{'; not broken: ' if missed else ''}{', '.join(sorted(missed))}")


def print_differences(result):
    for text in [text for text in result.differences if text][:SHOWN]:
        print(text)


def main_corpus(args):
    codec = args.build / CODEC
    result, files, strangers = compare_corpus(args.paths, args.jobs, args.build / DRIVER, codec, args.face)
    print_differences(result)
    accepted = sum(count for (err, _), count in result.verdicts.items() if err == "OK")
    print(f"{files} files, {result.count} inputs: {len(result.differences)} differ; {accepted} accepted, "
          f"{result.seconds:.0f} s")
    if strangers:
        print(f"{len(strangers)} files of no target that is known here, such as {strangers[0]}; see --face")
    return 1 if result.differences else 0 if files and not strangers else 2


def main():
    parser = argparse.ArgumentParser(prog="./dev test diff", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="default: a new one")
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs to compare (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=default_build(), help="the build that is compared")
    parser.add_argument("--corpus", action="store_true", help="compare the inputs of fuzz targets instead")
    parser.add_argument("--face", choices=Face.names(), help="the target, where the paths do not say it")
    parser.add_argument("--faces", action="store_true", help="only print which targets there are for --corpus")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="with --corpus: files and folders")
    args = parser.parse_args()
    if bool(args.paths) != args.corpus:
        parser.error("--corpus needs files or folders, and only it takes them")
    if args.faces:
        print(*Face.names(), sep="\n")
        return 0
    if args.corpus:
        return main_corpus(args)
    codec = args.build / CODEC
    result = compare(args.seed, args.count, args.jobs, args.build / DRIVER, codec)
    print_differences(result)
    print(summary(result, load_codec(codec), args.seed))
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
