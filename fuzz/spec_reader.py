"""The generator under mutated specs: it refuses each at a place in its text, or makes a model that renders.

    spec_reader.py [--seed N] [--runs N] [--seconds N] [--keep FOLDER] [FILE...]

Seeds are spec/, tests/gen/bad and fuzz/corpus/spec_reader; what gives a new answer becomes a seed, too. An answer is
the refusals without their names and numbers. The oracle:

    no exception           but SystemExit, and that only from Ragel
    every refusal          lies inside the text that it names, and its lint has an explanation
    the same spec          gives the same answer again, and under another hash seed
    an accepted spec       renders every artefact; tried with one in --render of them
    SECONDS, MEMORY        of one spec

A finding is printed with its spec, which --keep writes in the form of tests/gen/bad. FILE... are such specs: run, not
mutated. Exit status: 0 nothing found, 1 something."""

import argparse
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from gen import load, reader, render, vocab         # noqa: E402
from gen.lint import explain                        # noqa: E402

SECONDS = 5                     # of one spec; most take 40 ms
MEMORY = 1 << 30
FORGET = 200                    # specs after which what load.read remembers goes
EDGES = ("0", "1", "-1", "7", "8", "255", "256", "65535", "65536", "2^31", "2^32-1", "2^63-1", "2^64-1", "2^64",
         "-2^63", "0x00", "0xff", "0xffffffffffffffff", "1.0", "3.1", "9" * 5000, "1^99999999999", "0^0")
STRANGE = ("\x00", "\r", "\t", "\f", "\u2028", "\ufeff", "é", '"', "'", "#", "///", "{", "}", "(", ")", "[", "]", ";",
           ":", "->", "..", "=", ",", "$")
NAMES = re.compile(r"'[^']*'|[0-9]+")
REPEATS = (2, 3, 17, 300, 3000)


class Spec:
    """A mutated file and what surrounds it: `head` is the header line of tests/gen/bad that says so."""

    def __init__(self, octets, head):
        self.octets, self.head = octets, head

    @staticmethod
    def parse(octets):
        found = re.search(rb"^# (alone|adds to the spec|replaces: .*)$", octets, re.MULTILINE)
        return Spec(octets, found[1].decode() if found else "alone")

    def saved(self):
        return self.octets if self.head.encode() in self.octets else f"# {self.head}\n".encode() + self.octets

    def tree(self, real):
        """What the generator reads: name -> text, as load.load reads files."""
        gone = self.head.split()[1:] if self.head.startswith("replaces:") else ()
        texts = {f"spec/{name}": text for name, text in real.items() if self.head != "alone" and name not in gone}
        return {**texts, "spec/mutated.spec": self.octets.decode("utf-8", "replace")}


# --- mutation ------------------------------------------------------------------------------------


def split(text):
    """Words, spaces and lines' ends, which make the text again when joined."""
    pieces, at = [], 0
    while at < len(text):
        match = reader.TOKEN.match(text, at) or reader.UNREADABLE.match(text, at)
        pieces.append(match.group())
        at = match.end()
    return pieces


def blocks(pieces):
    """(start, end) of each statement with a block: from behind the last line's end to its closing brace."""
    found, opened, start = [], [], 0
    for at, piece in enumerate(pieces):
        if piece == "{":
            opened.append(start)
        elif piece == "}" and opened:
            found.append((opened.pop(), at + 1))
        if piece in ("\n", ";", "{"):
            start = at + 1
    return found


class Mutator:
    def __init__(self, rng, seeds):
        self.rng, self.seeds = rng, seeds
        self.words = sorted({*vocab.statements(), *vocab.options(), *vocab.TYPES, *vocab.OPTION_TYPES, *vocab.BOXES})

    def other(self):
        return split(self.rng.choice(self.seeds).octets.decode("utf-8", "replace"))

    def place(self, pieces):
        """An index of a word; spaces say nothing."""
        for _ in range(20):
            at = self.rng.randrange(len(pieces))
            if not pieces[at].isspace():
                break
        return at

    def word(self, old):
        """One in the place of `old`, mostly of its kind."""
        rng = self.rng
        if re.fullmatch(r"-?[\dx^a-f.-]+", old) and rng.random() < 0.8:
            if rng.random() < 0.5 and old.isdigit() and len(old) < 20:
                return str(int(old) + rng.choice((-1, 1)))
            return rng.choice(EDGES)
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(self.words)
        if kind < 0.8:
            pieces = self.other()
            return pieces[self.place(pieces)] if pieces else ""
        return rng.choice(EDGES if kind < 0.9 else STRANGE)

    def lines(self, pieces):
        """(start, end) of a line, or of a block."""
        rng = self.rng
        whole = blocks(pieces)
        if whole and rng.random() < 0.4:
            return rng.choice(whole)
        at = rng.randrange(len(pieces))
        start = next((i + 1 for i in range(at, -1, -1) if pieces[i] in ("\n", ";", "{")), 0)
        end = next((i for i in range(at, len(pieces)) if pieces[i] in ("\n", ";", "}")), len(pieces))
        return min(start, end), end

    def step(self, pieces):
        rng = self.rng
        if not pieces:
            return self.other()
        at, kind = self.place(pieces), rng.randrange(12)
        start, end = self.lines(pieces)
        if kind == 0:
            del pieces[at]
        elif kind == 1:
            pieces[at:at] = [pieces[at], " "]
        elif kind == 2:
            to = self.place(pieces)
            pieces[at], pieces[to] = pieces[to], pieces[at]
        elif kind in (3, 4, 5):
            pieces[at] = self.word(pieces[at])
        elif kind == 6:
            pieces[at:at] = [self.word(pieces[at]), " "]
        elif kind == 7:
            del pieces[start:end]
        elif kind == 8:
            to = self.lines(pieces)[0]
            pieces[to:to] = [*pieces[start:end], "\n"]
        elif kind == 9:
            other = self.other()
            if other:
                low, high = self.lines(other)
                pieces[start:start] = [*other[low:high], "\n"]
        elif kind == 10:
            number = next((i for i in range(at, len(pieces)) if pieces[i].isdigit()), at)
            pieces[number] = self.word(pieces[number])
        elif rng.random() < 0.2:
            pieces[at] = (pieces[at] + rng.choice(("", " ", "\n"))) * rng.choice(REPEATS)
        else:
            pieces[at:at] = [rng.choice(STRANGE)]
        return pieces

    def mutated(self, spec):
        pieces = split(spec.octets.decode("utf-8", "replace"))
        for _ in range(1 + min(int(self.rng.expovariate(0.7)), 6)):
            pieces = self.step(pieces)
        octets = "".join(pieces).encode()[:1 << 17]
        if self.rng.random() < 0.01:
            octets = octets[:len(octets) // 2] + bytes([self.rng.randrange(128, 256)]) + octets[len(octets) // 2:]
        return Spec(octets, spec.head)


# --- the oracle ----------------------------------------------------------------------------------


class Finding(Exception):
    """What is wrong, in words; the spec is the caller's."""


class TooLong(Exception):
    """One spec took SECONDS of the processor, however many others want it."""


def out_of_time(_signal, _frame):
    raise TooLong


def check_refusal(problem, sources):
    where = problem.where
    lines = sources.get(where.file)
    if lines is None and (where.line, where.column) == (1, 1):
        return                  # of what is not there at all
    if lines is None or not 1 <= where.line <= max(len(lines), 1):
        raise Finding(f"a refusal at {where}, where nothing is: {problem.message}")
    line = lines[where.line - 1]
    if where.width < 1 or where.column < 1 or where.column - 1 + where.width > max(len(line), 1):
        raise Finding(f"a refusal at {where}, {where.width} wide, outside its line of {len(line)}: {problem.message}")
    if explain.text(problem.lint) is None:
        raise Finding(f"the lint {problem.lint} has no explanation")


def answer(texts):
    """What the generator says of these, as text, and the model if they are accepted."""
    protocol, problems, sources = load.load_texts(texts)
    for problem in problems.items:
        check_refusal(problem, sources)
    return load.report(problems, sources) if problems else repr(protocol), protocol if not problems else None


def kinds_of(said, is_accepted):
    """An answer without names and numbers: which refusals there are."""
    if is_accepted:
        return {"accepted"}
    kinds = re.findall(r": error: (.*)\n(?:.*\n)+?.*lint: (\S+)$", said, re.MULTILINE)
    return {f"{lint} {NAMES.sub('_', text)[:60]}" for text, lint in kinds}


class Campaign:
    def __init__(self, args, real):
        self.args, self.real = args, real
        self.rng = random.Random(args.seed)
        self.seen, self.found, self.kept, self.counts = set(), {}, [], {"accepted": 0, "rendered": 0, "refused": 0}

    def guarded(self, spec):
        """The kinds of what the generator says. Raises what it raises."""
        texts = spec.tree(self.real)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            said, protocol = answer(texts)
            if self.rng.randrange(8) == 0 and answer(texts)[0] != said:
                raise Finding("another answer the second time")
            self.counts["refused" if protocol is None else "accepted"] += 1
            if protocol is not None and self.rng.randrange(self.args.render) == 0:
                self.counts["rendered"] += 1
                signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
                renderer = render.Renderer(ROOT, protocol)
                renderer.render({**render.build(protocol), **render.COMMITTED})
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return kinds_of(said, protocol is not None)

    def run(self, spec):
        """Runs one spec; the kinds of its answer, none if it found something."""
        try:
            return self.guarded(spec)
        except (Exception, SystemExit) as what:       # pylint: disable=broad-except
            frames = [frame for frame in traceback.extract_tb(what.__traceback__) if "/gen/" in frame.filename or
                      "/templates/" in frame.filename]
            at = f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the oracle"
            if isinstance(what, RecursionError):
                at = "somewhere deep"
            text = f"{type(what).__name__} at {at}: {str(what)[:300]}"
            key = f"{type(what).__name__} at {at}" if not isinstance(what, Finding) else NAMES.sub("_", str(what))
            if key not in self.found:
                self.found[key] = spec
                print(f"found: {text}\n{spec.saved().decode('utf-8', 'replace')[:600]}", flush=True)
                self.keep(f"finding-{len(self.found)}", spec)
            return set()

    def keep(self, name, spec):
        if self.args.keep:
            pathlib.Path(self.args.keep).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(self.args.keep) / f"{name}.spec").write_bytes(spec.saved())

    def mutate(self, seeds):
        end = time.monotonic() + self.args.seconds if self.args.seconds else None
        mutator = Mutator(self.rng, seeds)
        runs = 0
        while (runs < self.args.runs) if end is None else (time.monotonic() < end):
            runs += 1
            if runs % FORGET == 0:
                load.read.cache_clear()
            spec = mutator.mutated(self.rng.choice(seeds))
            kinds = self.run(spec)
            if not kinds <= self.seen:
                self.seen |= kinds
                self.kept.append(spec)
                if len(spec.octets) < 30000:
                    seeds.append(spec)
                if len(spec.octets) < 1000:
                    self.keep(f"new-{len(self.kept)}", spec)
        return runs


def again(specs):
    """What a program with another hash seed says of these: sets would show."""
    if not specs:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for at, spec in enumerate(specs):
            names.append(str(pathlib.Path(folder) / f"{at}.spec"))
            pathlib.Path(names[-1]).write_bytes(spec.saved())
        said = [subprocess.run([sys.executable, __file__, "--said", *names], capture_output=True, text=True,
                               check=False, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
                for seed in ("1", "2")]
    return "" if said[0] == said[1] and said[0] else "other answers under another hash seed"


def arguments():
    parser = argparse.ArgumentParser(description="The generator under mutated specs.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=int, help="instead of --runs")
    parser.add_argument("--render", type=int, default=8, help="of so many accepted specs one is rendered")
    parser.add_argument("--keep", metavar="FOLDER", help="writes findings and new answers there")
    parser.add_argument("--said", action="store_true", help="prints the answers about FILE..., unchecked")
    parser.add_argument("files", nargs="*", metavar="FILE")
    return parser.parse_args()


def said_of(specs, campaign):
    """The answers without the models, which hold sets and print them in any order."""
    for spec in specs:
        _, problems, sources = load.load_texts(spec.tree(campaign.real))
        print(load.report(problems, sources))


def main():
    args = arguments()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, out_of_time)
    real = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "spec").glob("*.spec"))}
    given = [Spec.parse(pathlib.Path(path).read_bytes()) for path in args.files]
    campaign = Campaign(args, real)
    if args.said:
        said_of(given, campaign)
        return 0
    if given:
        args.render = 1
        for path, spec in zip(args.files, given):
            print(f"{path}: {', '.join(sorted(campaign.run(spec)))}")
        return 1 if campaign.found else 0
    print(f"seed {args.seed}", flush=True)
    others = sorted([*(ROOT / "tests/gen/bad").glob("*.spec"), *(ROOT / "fuzz/corpus/spec_reader").glob("*.spec")])
    seeds = [Spec.parse(path.read_bytes()) for path in others]
    seeds += [Spec(text.encode(), f"replaces: {name}") for name, text in real.items()] * 8
    runs = campaign.mutate(seeds)
    differs = again(campaign.kept[:20])
    print(f"{runs} specs, {', '.join(f'{count} {what}' for what, count in campaign.counts.items())}, "
          f"{len(campaign.seen)} kinds of answers, {len(campaign.found)} findings {differs}")
    return 1 if campaign.found or differs else 0


if __name__ == "__main__":
    sys.exit(main())
