"""Crashes and hangs, replayed under AddressSanitizer and UndefinedBehaviorSanitizer, and grouped by bug.

Two inputs show the same bug if they end the same way at the same place: the sanitizer's word and the innermost
functions of ours, or the sentence of the oracle without its numbers. Each bug has a folder below bugs/:

    input         the smallest one that shows it, made smaller
    decode.txt    what the reference codec reads in it
    report.txt    what the program said
    bug.json      the same for machines
    README.md     how to replay it, and how to keep it as a test
    regress/      the file for tests/regress/TARGET/
"""

import collections
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from fuzz.campaign import rules, state, stats, targets

REPLAY_S = 10
FRAMES = 3                       # innermost functions that tell bugs apart
SHRINK_RUNS = 400                # replays spent on making one input smaller
OPTIONS = {"ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1:allocator_may_return_null=1:handle_abort=0",
           "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99"}
HANG_OPTIONS = {**OPTIONS, "ASAN_OPTIONS": OPTIONS["ASAN_OPTIONS"].replace("handle_abort=0", "handle_abort=1")}

KIND = re.compile(r"ERROR: (Address|Leak)Sanitizer: ?([\w-]+)")
UBSAN = re.compile(r"^(\S+?):(\d+):\d+: runtime error: (.*)$", re.MULTILINE)
STACK = re.compile(r"^ *#\d+ 0x[0-9a-f]+ in (\S+) (\S+?)(?::\d+)*$", re.MULTILINE)
FOREIGN = re.compile(r"^(__|_start|abort|raise|main$|mem|str|malloc|calloc|realloc|free$|LLVMFuzzer|fuzz_file"
                     r"|fuzz_folder|fuzz_one$|printf|vfprintf|fputc)")

Ending = collections.namedtuple("Ending", "kind title frames text")      # frames: innermost first


def shape(text):
    """A sentence without what differs from input to input."""
    return re.sub(r"0x[0-9a-f]+|\d+", "N", text.strip())


def own_frames(text):
    found = [name for name, _ in STACK.findall(text) if not FOREIGN.match(name)]
    return tuple(found[:FRAMES])


def replay(program, path, limit_s=REPLAY_S):
    """Runs one input -> its Ending, or None where all is well."""
    def run(options):
        process = subprocess.Popen([program, path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, **options})
        try:
            return process, process.communicate(timeout=limit_s)[1], False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            try:
                return process, process.communicate(timeout=limit_s)[1], True
            except subprocess.TimeoutExpired:
                process.kill()
                return process, process.communicate()[1], True

    process, said, is_hung = run(OPTIONS)
    if is_hung:
        process, said, is_hung = run(HANG_OPTIONS)
    text = said.decode("utf-8", errors="replace")
    if process.returncode == 0 and not is_hung:
        return None
    return ending(text, process.returncode, is_hung)


def ending(text, status, is_hung):
    frames = own_frames(text)
    where = f" in {frames[0]}" if frames else ""
    if is_hung:
        return Ending("hang", f"no end within {REPLAY_S} s{where}", frames, text)
    if hit := UBSAN.search(text):
        return Ending("undefined", f"{hit[3]}{where or ' in ' + os.path.basename(hit[1])}",
                      frames or (os.path.basename(hit[1]),), text)
    if hit := KIND.search(text):
        access = re.search(r"^(READ|WRITE) of size", text, re.MULTILINE)
        return Ending(hit[2], f"{hit[2]}{' ' + access[1].lower() if access else ''}{where}", frames, text)
    sentence = next((line for line in reversed(text.splitlines()) if line.strip()), f"exit status {status}")
    return Ending("oracle" if status == -signal.SIGABRT else "end", sentence.strip(), (), text)


def signature(found):
    """What the same bug has in common."""
    words = found.frames if found.frames else (shape(found.title),)
    return "|".join((found.kind, shape(found.title) if found.kind == "undefined" else "", *words))


def name_of(target, found):
    slug = re.sub(r"[^a-z0-9]+", "-", shape(found.title).lower()).strip("-")[:40].rstrip("-")
    return f"{target}-{slug}-{hashlib.sha256(signature(found).encode()).hexdigest()[:6]}"


def shrink(program, octets, wanted, runs=SHRINK_RUNS):
    """Fewer octets, then plainer ones, that end in the same way."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "input")

        def holds(candidate):
            nonlocal runs
            runs -= 1
            if runs < 0:
                return False
            with open(path, "wb") as file:
                file.write(candidate)
            found = replay(program, path)
            return found is not None and signature(found) == wanted

        step = max(1, len(octets) // 2)
        while step and runs > 0:
            at = 0
            while at < len(octets) and runs > 0:
                candidate = octets[:at] + octets[at + step:]
                if holds(candidate):
                    octets = candidate
                else:
                    at += step
            step //= 2
        for at, octet in enumerate(octets):
            candidate = octets[:at] + b"0" + octets[at + 1:]
            if octet not in b"\0" and octet != 0x30 and runs > 0 and holds(candidate):
                octets = candidate
    return octets


README = """# {title}

Target `{target}`, {size} octets, {count} found. Rule of the spec: {rule}.

    ./dev build asan
    {replay}

`report.txt` is what it says, `decode.txt` what the input holds. When it is mended, keep it as a test, which every
`./dev check` replays:

    mkdir -p tests/regress/{target} && cp {folder}/regress/{target}/{name} tests/regress/{target}/
"""


class Triage:
    """All of a campaign's finds; what was replayed once is remembered by content."""

    def __init__(self, campaign, builds):
        self.campaign, self.builds = campaign, builds
        self.known = targets.load(builds)
        self.cache = campaign.folder / "cache/triage.json"
        try:
            self.seen = json.loads(self.cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.seen = {}

    def run(self, say=print):
        """-> the bugs, each as bug.json has it."""
        if not self.builds.has("replay", next(iter(self.known.values()))):
            raise state.Wrong(f"nothing to replay with: there is no {self.builds.folder('replay')}")
        fresh, gone = 0, 0
        for name in self.campaign.targets:
            if name not in self.known:
                continue
            groups, counts = {}, collections.Counter()
            for key, path in self.finds(name).items():
                mark = self.seen.get(f"{name}/{key}")
                found = None
                if mark is None:
                    fresh += 1
                    found = replay(self.builds.program("replay", self.known[name]), path)
                    mark = name_of(name, found) if found else "gone"
                    self.seen[f"{name}/{key}"] = mark
                counts[mark] += 1
                if found:
                    size = path.stat().st_size
                    if mark not in groups or size < groups[mark][0]:
                        groups[mark] = size, path, found
            gone += counts.pop("gone", 0)
            for mark, count in counts.items():
                if mark in groups:
                    self.write(name, mark, groups[mark], count)
                else:
                    self.recount(mark, count)
        state.write_whole(self.cache, json.dumps(self.seen, sort_keys=True))
        bugs = read_bugs(self.campaign)
        say(f"{fresh} inputs replayed; {len(bugs)} {'bug' if len(bugs) == 1 else 'bugs'}"
            f"{f', {gone} inputs that end well now' if gone else ''}")
        for bug in bugs:
            say(f"  {bug['target']}: {bug['title']}, {bug['size']}-byte input, rule {bug['rule']}\n"
                f"    {targets.shown(bug['folder'])}")
        return bugs

    def finds(self, name):
        parts = stats.of_target(self.campaign, name)
        return targets.distinct([path for part in parts for path in (*part.crashes, *part.hangs)])

    def recount(self, mark, count):
        path = self.campaign.folder / "bugs" / mark / "bug.json"
        if path.exists():
            bug = json.loads(path.read_text(encoding="utf-8"))
            state.write_whole(path, json.dumps({**bug, "inputs": count}, indent=1) + "\n")

    def write(self, target, mark, group, count):
        size, path, found = group
        folder = self.campaign.folder / "bugs" / mark
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "bug.json"
        if record.exists() and (folder / "input").stat().st_size <= size:
            self.recount(mark, count)
            return
        program = self.builds.program("replay", self.known[target])
        runs = SHRINK_RUNS if found.kind != "hang" else 0          # each try would take as long as the hang
        write_bug(self.campaign, self.builds, self.known[target], mark,
                  shrink(program, path.read_bytes(), signature(found), runs), count)


def write_bug(campaign, builds, target, mark, octets, count):
    """The whole folder, from an input that shows the bug."""
    folder = campaign.folder / "bugs" / mark
    program, book = builds.program("replay", target), rules.Book.of(builds)
    (folder / "input").write_bytes(octets)
    found = replay(program, folder / "input")
    title = found.title if found else "ends well now and then"
    rule = book.rule_of(target, octets) or "none"
    replay_line = f"{targets.shown(program)} {targets.shown(folder / 'input')}"
    (folder / "report.txt").write_text(found.text if found else "", encoding="utf-8")
    (folder / "decode.txt").write_text(book.decode(target, octets), encoding="utf-8")
    shutil.rmtree(folder / "regress", ignore_errors=True)
    case = folder / "regress" / target.name / mark.removeprefix(target.name + "-")
    case.parent.mkdir(parents=True)
    case.write_bytes(octets)
    (folder / "README.md").write_text(README.format(
        title=title, target=target.name, size=len(octets), count=count, rule=rule, replay=replay_line,
        folder=targets.shown(folder), name=case.name), encoding="utf-8")
    state.write_whole(folder / "bug.json", json.dumps({
        "name": mark, "target": target.name, "title": title, "kind": found.kind if found else "unsteady",
        "signature": signature(found) if found else "", "rule": rule, "size": len(octets), "inputs": count,
        "replay": replay_line, "folder": str(folder)}, indent=1) + "\n")


def read_bugs(campaign):
    found = []
    for path in sorted((campaign.folder / "bugs").glob("*/bug.json")):
        found.append({**json.loads(path.read_text(encoding="utf-8")), "folder": str(path.parent)})
    return found
