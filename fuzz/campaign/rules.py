"""Which rules of the spec an input touches: the reference codec reads it, and its readers say when they are asked.

A rule of a field is touched when its octets are looked at, a unit's when one is begun, a limit's when it refuses, a
machine's state when a conversation gets there. What an input's first two octets choose is said in gen/seeds.py.
"""

import collections
import functools
import importlib.util
import json
import pathlib

from fuzz.campaign import state, targets

HEAD = 2
STATUS_EVENTS = ("zap_ok", "zap_later", "zap_refused", "zap_broken", "zap_broken")
STEPS_MOST = 32                  # of a machine by itself; none has as many states
LIMIT = 65536                    # of frames in the targets of frames and sessions
EVENTS_MOST = 16                 # that an octet of the machine's target can name


class Book:
    """The codec of a build, with the rules that were touched since clear()."""

    def __init__(self, builds):
        path = builds.generated("python/zmtp_codec.py")
        spec = importlib.util.spec_from_file_location("fuzz_campaign_codec", path)
        self.codec = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.codec)
        self.model = json.loads(builds.generated("zmtp.json").read_text(encoding="utf-8"))
        self.touched, self.last, self.words = set(), "", None
        self.machines = list(self.model["machines"].values())
        self.listen()

    @staticmethod
    @functools.cache
    def at(path):
        return Book(targets.Builds({"plain": path}))

    @staticmethod
    def of(builds):
        """One for each build: it takes a while to load."""
        return Book.at(str(builds.folder("plain")))

    # --- who listens ---

    def listen(self):
        codec = self.codec
        for readers, units in ((codec.LAYOUT_READERS, codec.LAYOUTS), (codec.COMMAND_READERS, codec.COMMANDS),
                               (codec.RECORD_READERS, codec.STRUCTS), (codec.BOX_READERS, codec.BOXES)):
            for name, own in readers.items():
                own[:] = [self.heard(unit["id"], read) for unit, read in zip(units[name].get("fields", ()), own)]
        good = codec.frame_is_good

        def frame_is_good(field, *rest):
            self.touch(field["id"])
            return good(field, *rest)

        codec.frame_is_good = frame_is_good

    def heard(self, rule, read):
        def reader(octets, at, end, quirks, record):
            self.touch(rule)
            after = read(octets, at, end, quirks, record)
            if self.words is not None and after > at:
                shown = octets[at:after]
                self.words.append(f"  {at:>6}  {rule:<32} {show(shown)}")
            return after

        return reader

    def touch(self, rule):
        if rule:
            self.touched.add(rule)
            self.last = rule

    def verdict(self, verdict):
        self.touch(verdict.rule)
        if self.words is not None:
            self.words.append(f"  {verdict.err}{' by ' + verdict.rule if verdict.rule else ''}, {verdict.at} accepted")
        return verdict

    def say(self, text):
        if self.words is not None:
            self.words.append(text)

    # --- what there is ---

    def units(self):
        """Part of the spec, as targets.json calls them -> its rules."""
        codec, found = self.codec, {}

        def ids(unit):
            yield unit["id"]
            for field in unit.get("fields", ()):
                yield field["id"]
                for key in field.get("keys", ()):
                    yield f"{field['id']}.{key['name']}"

        def of(units, wanted=lambda unit: True):
            return {rule for unit in units.values() if wanted(unit) for rule in ids(unit)}

        forms = {f"{name}.{branch['target']}" for name, detect in codec.DETECTS.items()
                 for stage in detect["stages"] for branch in stage.get("branches", ()) if branch["target"] != "next"}
        keyed = {rule for rule in of(codec.COMMANDS) if rule.count(".") == 2 and rule not in codec.COMMANDS
                 and any(rule == f"{field['id']}.{key['name']}" for command in codec.COMMANDS.values()
                         for field in command.get("fields", ()) for key in field.get("keys", ()))}
        found["greeting"] = of(codec.LAYOUTS, lambda unit: unit["form"] != "stream") | forms
        found["frame"] = of(codec.LAYOUTS, lambda unit: unit["form"] == "stream") | {
            "limit.max_frame_bytes", "limit.max_command_bytes"}
        found["command"] = of(codec.COMMANDS) - keyed
        found["datagram"] = of(codec.STRUCTS, lambda unit: unit["id"] == "datagram") | {"limit.max_datagram_bytes"}
        found["metadata"] = of(codec.STRUCTS) - found["datagram"] | keyed | {"limit.max_properties"}
        found["message"] = {"limit.max_message_frames", "limit.max_message_bytes"}
        found["machine"] = {f"{machine['id']}.{each['name']}" for machine in self.machines
                            for each in machine["states"]}
        found["zap"] = of(codec.MESSAGES)
        found["z85"] = {f"alphabet.{name}" for name in codec.ALPHABETS}
        found["box"] = {field["id"] for box in codec.BOXES.values() for field in box["fields"]}
        return found

    def all_rules(self):
        return set().union(*self.units().values())

    def own(self, target):
        """The rules that the target's inputs can touch."""
        units = self.units()
        return set().union(*(units.get(unit, set()) for unit in target.units))

    # --- reading ---

    def read(self, target, octets):
        """The rules that one input touches."""
        self.touched = set()
        read = getattr(self, "read_" + target.reads, None)
        if read and len(octets) >= HEAD:
            read(octets[0], octets[1], octets[HEAD:])
        return self.touched

    def rule_of(self, target, octets):
        """The rule that the input ends at: the one it breaks, else the last that was looked at."""
        self.last = ""
        self.read(target, octets)
        return self.last

    def decode(self, target, octets):
        """The same as text, one line a field."""
        self.words = [f"{len(octets)} octets: {octets[:HEAD].hex()} chooses, then what a peer sends"]
        try:
            touched = self.read(target, octets)
            return "\n".join([*self.words, "rules touched: " + (", ".join(sorted(touched)) or "none")]) + "\n"
        finally:
            self.words = None

    def quirks(self, choice):
        return (frozenset(), self.codec.NATIVE, self.codec.COMPAT, self.codec.COMPAT)[choice % 4]

    def read_greeting(self, _, choice, octets):
        self.greeting(octets, self.quirks(choice))

    def greeting(self, octets, quirks):
        verdict = self.codec.decode_greeting("greeting", octets, quirks)
        if verdict.records[0]["form"]:
            self.touch(f"greeting.{verdict.records[0]['form']}")
        self.say(f"greeting {verdict.records[0]}")
        return self.verdict(verdict)

    def read_frame(self, framing, choice, octets):
        names = self.codec.STREAMS
        limits = dict(self.codec.CEILINGS)
        if choice & 4:
            limits["max_frame_bytes"] = LIMIT
        self.frames(names[framing % len(names)], octets, self.quirks(choice), limits)

    def frames(self, name, octets, quirks, limits):
        if octets:
            self.touch(name)
        return self.verdict(self.codec.decode_stream(name, octets, quirks, limits))

    def read_command(self, scope, choice, octets):
        names = list(self.codec.SCOPES)
        self.command(names[scope % len(names)], octets, self.quirks(choice))

    def command(self, scope, octets, quirks):
        """-> (command's name or None, verdict)"""
        name, _ = self.named(scope, octets, quirks)
        self.touch(name)
        self.say(f"command {name or 'unknown'} of {scope}")
        verdict = self.verdict(self.codec.decode_command(scope, octets, quirks))
        return name, verdict

    def named(self, scope, octets, quirks):
        try:
            return self.codec.read_name(scope, octets, len(octets), quirks)
        except self.codec.More:
            return None, 0

    def read_boxes(self, box, choice, octets):
        names = list(self.codec.BOXES)
        name = names[box % len(names)]
        self.touch(name)
        self.say(f"box {name}, opened")
        self.verdict(self.codec.decode_box(name, octets, self.quirks(choice)))

    def read_metadata(self, own, choice, octets):
        quirks = self.quirks(choice)
        name = self.socket(own)
        if name and self.records(octets, quirks).err == "OK":
            self.keys(octets, name, quirks)

    def socket(self, code):
        return next((name for name, row in self.codec.SOCKETS.items() if row["code"] == code), None)

    def records(self, octets, quirks):
        if octets:
            self.touch("property")
        most = self.codec.CEILINGS["max_properties"]
        return self.verdict(self.codec.decode_records("property", octets, most, "max_properties", quirks))

    def keys(self, octets, own, quirks):
        field = self.codec.COMMANDS["READY"]["fields"][0]
        records = self.codec.decode_records("property", octets, 1 << 20, "max_properties", quirks).records
        verdict = self.verdict(self.codec.check_keys(field, records, own, quirks))
        for values in verdict.records:
            for key in values:
                self.touch(f"{field['id']}.{key}")
        return verdict

    def read_datagram(self, *choices_and_calls):
        """The calls of the target, as far as they say something to the DISH."""
        calls = iter(choices_and_calls[-1])
        for what in calls:
            own = {2: 0, 3: 1}.get(what % 8, 0)
            if what % 8 > 3:
                continue
            for _ in range(own):
                next(calls, 0)
            size = next(calls, 0)
            octets = bytes(octet for _, octet in zip(range(min(size, 128)), calls))
            if what % 8 == 2:
                next(calls, 0)
            elif what % 8 == 0:
                self.datagram(octets.ljust(size if size <= 128 else (size - 128) * 66, b"x"))

    def datagram(self, octets):
        if len(octets) > self.codec.CEILINGS["max_datagram_bytes"]:
            self.touch("limit.max_datagram_bytes")
        elif octets:
            self.touch("datagram")
            self.verdict(self.codec.decode_records("datagram", octets, 1, "max_datagram_bytes", frozenset()))

    def read_zap(self, reply, _, octets):
        framed = self.codec.decode_stream(self.codec.STREAMS[-1], octets, frozenset(self.codec.QUIRKS))
        frames = [record["body"] for record in framed.records if "open" not in record]
        name = list(self.codec.MESSAGES)[reply & 1]
        self.touched = {name}
        for quirks in (frozenset(), self.codec.COMPAT):
            self.say(f"{name}, {len(frames)} frames")
            self.verdict(self.codec.decode_message(name, frames, quirks, b"xx"))

    def read_z85(self, *choices_and_text):
        octets = choices_and_text[-1]
        if octets:
            name = next(iter(self.codec.ALPHABETS))
            self.touch(f"alphabet.{name}")
            text = octets.decode("latin-1")
            self.verdict(self.codec.decode_text(name, text))

    def read_machine(self, choice, ways, octets):
        """Each octet is an event; guards are told by it, too, unless they look at what a peer says."""
        machine = self.machines[choice % len(self.machines)]
        states, name, reads = {each["name"]: each for each in machine["states"]}, machine["start"], bool(ways & 4)
        if self.socket(ways // 8) is None:
            return
        self.touch(f"{machine['id']}.{name}")
        for octet in octets:
            each, event = states[name], octet % EVENTS_MOST
            event = (machine["events"][event] if event < len(machine["events"]) else
                     "zap_ok" if each["asks"] == "zap" else "sent" if each["sends"] else "other")
            answers = {answer["event"]: answer for answer in each["answers"]}
            answer = answers.get(event) or answers["else"]
            if answer["guard"] and reads:
                self.say(f"{machine['id']}: {answer['guard']} decides")
                return
            name = answer["else_target"] if answer["guard"] and not octet & EVENTS_MOST else answer["target"]
            self.say(f"{machine['id']}: {event} -> {name}")
            if name not in states:
                return
            self.touch(f"{machine['id']}.{name}")

    # --- conversations ---

    def read_session(self, choice, own, octets):
        name = self.socket(own)
        if name is None:
            return
        machine, zap = self.machines[choice % len(self.machines)], choice // len(self.machines)
        for quirks in (self.codec.NATIVE, self.codec.COMPAT):
            Conversation(self, machine, name, quirks, zap).run(octets)


class Conversation:
    """One peer's octets, as far as the machine of the handshake lets them in."""

    def __init__(self, book, machine, own, quirks, zap):
        self.book, self.machine, self.own, self.quirks = book, machine, own, quirks
        self.states = {each["name"]: each for each in machine["states"]}
        self.zap_event = STATUS_EVENTS[(zap >> 1) % len(STATUS_EVENTS)] if zap & 1 else "zap_ok"
        self.state = machine["start"]

    def run(self, octets):
        book = self.book
        verdict = book.greeting(octets, self.quirks)
        record = verdict.records[0]
        if verdict.err != "OK":
            return
        at = verdict.at
        whole = verdict.records[1] if len(verdict.records) > 1 else {}
        limits = {**book.codec.CEILINGS, "max_frame_bytes": LIMIT}
        if "mechanism" not in whole:
            self.messages(book.frames(record["frames"], octets[at:], self.quirks, limits).records)
            return
        if whole["mechanism"].rstrip(b"\0").decode("latin-1") != self.machine["mechanism"]:
            return
        self.go_on()
        self.traffic(book.frames(record["frames"], octets[at:], self.quirks, limits).records)

    def go_on(self):
        """The steps that wait for nothing of the peer's."""
        for _ in range(STEPS_MOST):
            each = self.states.get(self.state)
            if each is None:
                return
            self.book.touch(f"{self.machine['id']}.{self.state}")
            event = "sent" if each["sends"] else self.zap_event if each["asks"] == "zap" else ""
            if not event:
                return
            self.step(event, True)

    def step(self, event, holds):
        answers = {answer["event"]: answer for answer in self.states[self.state]["answers"]}
        answer = answers.get(event) or answers["else"]
        self.state = answer["else_target"] if answer["guard"] and not holds else answer["target"]
        self.book.say(f"{self.machine['id']}: {event} -> {self.state}")

    def traffic(self, frames):
        mechanism = self.machine["mechanism"].lower()
        command = self.command_bit()
        rest = []
        for place, frame in enumerate(frames):
            if "open" in frame:
                return
            is_command = bool(frame["flags"] & command)
            if self.state == self.machine["accept"]:
                rest = frames[place:]
                break
            if self.state not in self.states or not is_command:
                return
            name, verdict = self.book.command(mechanism, frame["body"], self.quirks)
            if verdict.err != "OK":
                self.step("malformed", True)
            elif name is None:
                self.step("other", True)
            else:
                self.step(name.rpartition(".")[2], self.metadata_is_good(name, verdict))
            self.go_on()
        self.messages(rest)
        for frame in rest:
            if frame["flags"] & command and "open" not in frame:
                self.book.command("traffic", frame["body"], self.quirks)

    def metadata_is_good(self, name, verdict):
        for field in self.book.codec.COMMANDS[name].get("fields", ()):
            if field["type"] in self.book.codec.STRUCTS:
                octets = verdict.records[0][field["name"]]
                if self.book.records(octets, self.quirks).err != "OK":
                    return False
                return self.book.keys(octets, self.own, self.quirks).err == "OK"
        return self.machine["mechanism"] not in ("CURVE",)       # a box opens only for whoever has the keys

    def command_bit(self):
        fields = self.book.codec.LAYOUTS[self.book.codec.STREAMS[-1]]["fields"]
        return sum(1 << bit["number"] for field in fields for bit in field.get("bits", ()) if bit["name"] == "command")

    def messages(self, frames):
        """Bounds of whole messages."""
        limits = self.book.model["limits"]
        most = limits["max_message_frames"]["native"]
        count = size = 0
        for frame in frames:
            if frame["flags"] & self.command_bit():
                continue
            count, size = count + 1, size + frame["size"]
            if count > most:
                return self.book.touch("limit.max_message_frames")
            if size > 2 * LIMIT:
                return self.book.touch("limit.max_message_bytes")
            if not frame["flags"] & 1:
                count = size = 0
        return None


def show(octets):
    text = octets[:24].hex(" ") + (" .." if len(octets) > 24 else "")
    printable = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in octets[:24])
    return f"{text:<76} {printable}" if octets else ""


# --- whole corpora, each file once ----------------------------------------------------------------------------

def scan(book, target, paths, cache):
    """The rules that these files touch; `cache` remembers which were read, and is read and written whole."""
    own = book.own(target)
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    mark = f"{len(own)}:{book.model['generator']}"
    if known.get("mark") != mark:
        known = {"mark": mark, "seen": [], "touched": []}
    seen, touched, before = set(known["seen"]), collections.Counter(known["touched"]), len(known["seen"])
    for path in paths:
        key = f"{path.parent.parent.name}/{path.name}"
        if key in seen or own <= set(touched):
            continue
        try:
            touched.update(book.read(target, path.read_bytes()))
        except OSError:
            continue
        seen.add(key)
    if len(seen) != before:
        state.write_whole(cache, json.dumps({"mark": mark, "seen": sorted(seen), "touched": sorted(touched)}))
    return set(touched) & own, own


def of_campaign(campaign, target, book):
    """(touched, own) of a target's corpus in a campaign."""
    return scan(book, target, campaign.corpus(target.name), campaign.folder / "cache" / f"rules.{target.name}.json")


def of_start(builds, target, book, home):
    """(touched, own) of what the target begins with."""
    cache = pathlib.Path(home) / "cache" / f"rules.{target.name}.json"
    return scan(book, target, targets.inputs(target.start_folders(builds)), cache)
