"""Captures -> sides: one libzmq socket in one recorded connection, whose place our session takes.

The format is described in README.md. Nothing here knows what the octets mean.
"""

import hashlib
import json
import pathlib
from dataclasses import dataclass, field

FAMILY = "zmtp-vectors-"
FORMAT = FAMILY + "1"


class CaptureError(Exception):
    """The capture contradicts itself, or is not one."""


@dataclass
class Step:
    """Something that happened, seen from the side we play."""

    kind: str  # in, out: octets; in_end, out_end: who closed; option: the application set one
    octets: bytes = b""
    t_ms: float = 0.0
    option: int = 0


@dataclass
class Side:
    case: dict
    group: str
    name: str  # C, B, Z or Z2: the second connection of Z
    socket: dict  # the entry of case["setup"]
    steps: list
    parsed_in: dict | None = None
    parsed_out: dict | None = None
    topics: list = field(default_factory=list)  # subscribed at its begin, in call order
    idle_ms: float = 0.0  # the script's waits after the last octet
    number: int = 1  # of the connection
    is_cut: bool = False  # libzmq died: there is no recording of what it said

    @property
    def title(self):
        return f"{self.case['id']} {self.name}"

    def stream(self, kind):
        return b"".join(step.octets for step in self.steps if step.kind == kind)

    def ended(self, kind):
        return any(step.kind == kind for step in self.steps)

    def option(self, number, default=None):
        """The last value set before the connection; text and hex as octets."""
        values = [value for key, value in self.socket.get("opts", []) if key == number]
        if not values:
            return default
        value = values[-1]
        if isinstance(value, str):
            return bytes.fromhex(value[2:]) if value.startswith("x:") else value.encode("latin-1")
        return value

    def has_option(self, *numbers):
        return any(key in numbers for key, _ in self.socket.get("opts", []))


def read_directory(directory):
    """(group, case) of every capture in the directory, by file name. JSON of another kind is left
    alone; the generated known answers are neighbours of the captures."""
    found = []
    for path in sorted(pathlib.Path(directory).glob("*.json")):
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise CaptureError(f"{path.name}: not JSON: {error}") from None
        kind = content.get("format", "") if isinstance(content, dict) else ""
        if kind == FORMAT:
            found += [(content.get("group", path.stem), case) for case in content["cases"]]
        elif kind.startswith(FAMILY):
            raise CaptureError(f"{path.name}: its format is {kind}, this replays {FORMAT}")
    if not found:
        raise CaptureError(f"{directory}: no captures (*.json of the format {FORMAT}) there")
    return found


def segments(listed):
    """The octets of a stream that is written as segments."""
    return b"".join(bytes.fromhex(part["hex"]) if "hex" in part
                    else bytes(i % 251 for i in range(part["mod251"])) for part in listed)


def sides(group, case):
    """The sides of a case, each with all it saw and said. Raises CaptureError."""
    if "crash" in case["result"]:
        return list(crashed_side(group, case))
    return list((relay_sides if case["kind"] == "relay" else probe_sides)(group, case))


def check_digest(what, octets, digest):
    if digest is not None and hashlib.sha256(octets).hexdigest() != digest:
        raise CaptureError(f"{what}: the stream does not have the recorded SHA-256")


# --- relay: C and B, the first connection ---------------------------------------------------------


def relay_sides(group, case):
    result = case["result"]
    streams = {name: segments(result["streams"][name]) for name in ("C", "B")}
    for name, octets in streams.items():
        check_digest(name, octets, result.get("sha256", {}).get(name))
    steps = cut_chunks([step for step in result["steps"] if step.get("conn", 1) == 1], streams)
    parsed = result.get("parsed") or {}
    for name, peer, role in (("C", "B", "connector"), ("B", "C", "binder")):
        yield Side(case, group, name, case["setup"][role],
                   [seen_from(name, step) for step in steps if concerns(name, step)],
                   parsed.get(peer), parsed.get(name), topics_of(case["setup"][role]),
                   trailing_wait(case))


# --- probe: Z, once for each connection -----------------------------------------------------------


def probe_sides(group, case):
    result, socket = case["result"], case["setup"]["zmq"]
    topics = topics_of(socket)
    for index, recorded in enumerate(result["streams"]):
        streams = {name: segments(recorded[name]) for name in ("probe", "zmq")}
        check_digest("zmq", streams["zmq"], recorded.get("sha256_zmq"))
        steps = cut_chunks(steps_of_connection(result["steps"], index + 1), streams)
        parsed = (result.get("parsed") or [{}] * (index + 1))[index] or {}
        last = index + 1 == len(result["streams"])
        side = Side(case, group, "Z" if index == 0 else f"Z{index + 1}", socket,
                    [seen_from("zmq", step) for step in steps if concerns("zmq", step)],
                    parsed.get("probe"), parsed.get("zmq"), list(topics),
                    trailing_wait(case) if last else 0.0, number=index + 1)
        for step in side.steps:
            if step.kind == "option":
                change_topics(topics, step)
        yield side
    if any(step[0] == "send" for step in case["script"]):
        check_script(case)


def steps_of_connection(steps, number):
    """A connection's own steps; those of the application belong to the connection before them."""
    current, found = 1, []
    for step in steps:
        current = step.get("conn", current)
        if current == number:
            found.append(step)
    return found


def check_script(case):
    """What the probe was told to send is what the streams hold, up to where a close cut it."""
    told = b"".join(bytes.fromhex(step[1]) for step in case["script"]
                    if step[0] in ("send", "sendbytes"))
    sent = b"".join(segments(recorded["probe"]) for recorded in case["result"]["streams"])
    plain = all(step[0] not in ("curve", "ws_send") for step in case["script"])
    if plain and not told.startswith(sent):
        raise CaptureError("probe: the stream is not what the script sends")


def topics_of(socket):
    return [bytes.fromhex(topic) for topic in socket.get("subscribe", [])]


def change_topics(topics, step):
    if step.option == SUBSCRIBE:
        topics.append(step.octets)
    elif step.octets in topics:
        topics.remove(step.octets)


def crashed_side(group, case):
    """libzmq died of what the probe sent. We must not, whatever it would have answered."""
    steps = [Step("in", bytes.fromhex(step[1])) for step in case["script"] if step[0] == "send"]
    if case["kind"] == "probe":
        yield Side(case, group, "Z", case["setup"]["zmq"], steps, is_cut=True)


# --- both -----------------------------------------------------------------------------------------

SUBSCRIBE, UNSUBSCRIBE = 6, 7  # option numbers of the libzmq API


def cut_chunks(steps, streams):
    """Adds the octets to each chunk: its hex may be left out, the streams hold everything."""
    at = dict.fromkeys(streams, 0)
    found = []
    for step in steps:
        if "len" in step:
            name = step["from"]
            octets = streams[name][at[name]:at[name] + step["len"]]
            at[name] += step["len"]
            if len(octets) != step["len"] or octets.hex() != step.get("hex", octets.hex()):
                raise CaptureError(f"{name}: the chunk before octet {at[name]} is another one")
            step = step | {"octets": octets}
        found.append(step)
    for name, octets in streams.items():
        if at[name] != len(octets):
            raise CaptureError(f"{name}: octets from {at[name]} on are in no chunk")
    return found


def concerns(name, step):
    is_option = step.get("setsockopt") in (SUBSCRIBE, UNSUBSCRIBE) and step.get("rc") == 0
    return "from" in step or is_option and step["app"] in (name, "Z")


def seen_from(name, step):
    if "setsockopt" in step:
        return Step("option", bytes.fromhex(step["value"]), option=step["setsockopt"])
    direction = "out" if step["from"] == name else "in"
    if "octets" in step:
        return Step(direction, step["octets"], step["t_ms"])
    return Step(direction + "_end", t_ms=step["t_ms"])


def trailing_wait(case):
    """Milliseconds that the script lets pass after its last octet."""
    total = 0.0
    for step in reversed(case["script"]):
        if step[0] in ("wait", "quiet"):
            total += step[1]
        elif step[0] == "zrecv":
            continue  # returns as soon as something is there
        else:
            break
    return total
