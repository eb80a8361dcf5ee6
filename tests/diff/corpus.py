"""The inputs of fuzz targets as inputs of the comparison: which files there are, and what each is to the driver."""

import pathlib
import re
import zlib

from inputs import DETECT, Input

HEAD_OCTETS, TARGET_LIMIT, SESSION_LIMIT = 2, 65536, 65536      # of the targets
OCTETS_MOST = 1 << 17


class Face:
    """What the inputs of the fuzz targets are to the driver: by target, the inputs that one of theirs makes. The first
    two octets choose, as the target's file says."""

    def __init__(self, codec):
        self.codec = codec

    @classmethod
    def names(cls):
        return [name[5:] for name in dir(cls) if name.startswith("read_")]

    def inputs(self, face, octets):
        head, octets = octets[:HEAD_OCTETS], octets[HEAD_OCTETS:]
        if len(head) < HEAD_OCTETS or len(octets) > OCTETS_MOST:
            return []
        return list(getattr(self, "read_" + face)(*head, octets))

    def quirks(self, choice):
        return (frozenset(), self.codec.NATIVE, self.codec.COMPAT, self.codec.COMPAT)[choice % 4]

    def whole(self, kind, own, quirks, octets, limit=0):
        """No frame announces a longer command or list."""
        if len(octets) <= self.codec.CEILINGS["max_command_bytes"]:
            yield Input(kind, own, quirks, limit, 0, cuts(octets), octets)

    def read_greeting(self, _, choice, octets):
        yield Input("greeting", "", self.quirks(choice), 0, 0, cuts(octets), octets)

    def read_frame(self, own, choice, octets):
        limit = TARGET_LIMIT if choice & 4 else self.codec.CEILINGS["max_frame_bytes"]
        layout = self.codec.STREAMS[own % len(self.codec.STREAMS)]
        yield Input("frames", layout, self.quirks(choice), limit, TARGET_LIMIT, cuts(octets), octets)

    def read_command(self, own, choice, octets):
        scopes = list(self.codec.SCOPES)
        yield from self.whole("command", scopes[own % len(scopes)], self.quirks(choice), octets)

    def read_metadata(self, own, choice, octets):
        most = self.codec.CEILINGS["max_properties"]
        yield from self.whole("metadata", "", self.quirks(choice), octets, most)
        for name, socket in self.codec.SOCKETS.items():
            if socket["code"] == own:
                yield from self.whole("ready", name, self.quirks(choice), octets, most)

    def read_zap(self, own, _, octets):
        messages = list(self.codec.MESSAGES)
        for quirks in (frozenset(), self.codec.COMPAT):
            yield Input("message", messages[own % len(messages)], quirks, 0, 0, cuts(octets), octets)

    def read_z85(self, _, __, octets):
        yield Input("text", "", frozenset(), 0, 0, cuts(octets), octets)

    def read_boxes(self, own, choice, octets):
        names = list(self.codec.BOXES)
        yield Input("box", names[own % len(names)], self.quirks(choice), 0, 0, cuts(octets), octets)

    def read_session(self, _, __, octets):
        """The greeting, the frames behind it, and each command among them by every table of names."""
        codec = self.codec
        for quirks in (codec.NATIVE, codec.COMPAT):
            yield Input("greeting", "", quirks, 0, 0, cuts(octets), octets)
            verdict = codec.decode_greeting(DETECT, octets, quirks)
            if verdict.err != "OK":
                continue
            said = verdict.records[0]
            stream = octets[0 if said["replay"] else verdict.at:]
            yield Input("frames", said["frames"], quirks, SESSION_LIMIT, SESSION_LIMIT, cuts(stream), stream)
            for record in codec.decode_stream(said["frames"], stream, quirks).records:
                if record["flags"] & command_flag(codec, said["frames"]) and "open" not in record:
                    for scope in codec.SCOPES:
                        yield from self.whole("command", scope, quirks, record["body"])


def command_flag(codec, layout):
    """The flag of commands, or 0."""
    return sum(1 << bit["number"] for field in codec.LAYOUTS[layout]["fields"] for bit in field.get("bits", ())
               if bit["name"] == "command")


def cuts(octets):
    """Where an input is cut follows from it alone, so that it always does the same."""
    return zlib.crc32(octets)


def corpus_files(paths):
    """The inputs among these files and folders, each once. AFL++ keeps what it needs for itself in hidden folders and
    README.txt, and its figures beside its queue."""
    found = {}
    for path in map(pathlib.Path, paths):
        inside = path.rglob("*") if path.is_dir() else [path]
        queues = path.is_dir() and any(each.is_dir() and each.name == "queue" for each in path.rglob("*"))
        for file in sorted(inside):
            parts = file.relative_to(path).parts
            hidden = any(part.startswith(".") for part in parts) or file.name == "README.txt"
            apart = queues and not {"queue", "crashes", "hangs"} & set(parts)
            if file.is_file() and not hidden and not apart:
                found[file.resolve()] = None
    return list(found)


def face_of(path):
    """The target whose inputs lie there, by the last part of the path that names one."""
    names = Face.names()
    words = [re.sub(r"^fuzz_", "", part) for part in path.resolve().parts[:-1]]
    return next((word for word in reversed(words) if word in names), None)
