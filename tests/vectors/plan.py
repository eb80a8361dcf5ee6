"""A side -> the driver's script and the log that it must print.

What the application caused is taken from the recorded stream: message frames go out through the
session's frame header, subscriptions through its call, both at their recorded place. All other
octets (greeting, READY, PONG, PING) must come from the session unasked.
"""

from collections import deque
from dataclasses import dataclass, field

import boxes
import capture
import oracle

# Options of the libzmq API that a session is configured with.
ROUTING_ID, MAXMSGSIZE, HANDSHAKE_IVL, METADATA = 5, 22, 66, 95
ROUTER_HANDOVER = 56
PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD, ZAP_DOMAIN = 44, 45, 46, 55
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 47, 48, 49, 50
HEARTBEAT_IVL, HEARTBEAT_TTL, HEARTBEAT_TIMEOUT = 75, 76, 77
HANDSHAKE_MS = 30000  # libzmq's default

# What a recorded timer may be late or early by: the recording machine was not alone.
SLACK_MS = 60

# Cuts of a long input: around each frame header, and every so many octets between them.
EVERY_CUT_BELOW, NEAR_BYTES, STRIDE_BYTES = 8192, 64, 97


class Skip(Exception):
    """A later part brings what this side needs."""


class Disagreement(Exception):
    """The recording is not what the octets and the set-up call for."""


@dataclass
class Plan:
    script: list = field(default_factory=list)
    events: list = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    stages: dict = field(default_factory=dict)  # input offset -> octets of output by then
    phase: str = "TRAFFIC"
    refusal: oracle.Refusal | None = None
    timeout: bool = False
    closed: bool = False  # the peer's end reached us alive
    note: str = ""


def plan(side, exception=None):
    """exception: the reaction named in the file `exceptions`, or None."""
    refuse_what_comes_later(side)
    return Planner(side, exception).run()


def refuse_what_comes_later(side):
    setup = side.case["setup"]
    if any(socket.get("transport", "tcp") != "tcp" for socket in setup.values()
           if isinstance(socket, dict)):
        raise Skip("WebSocket")
    if side.has_option(62, 63, 64, 65):
        raise Skip("GSSAPI security")
    if side.socket["type"] not in oracle.PEERS:
        raise Skip(f"{side.socket['type']} sockets")


class Planner:
    def __init__(self, side, exception):
        self.side, self.exception = side, exception
        self.type = side.socket["type"]
        self.routing_id = side.option(ROUTING_ID, b"")
        limit = side.option(MAXMSGSIZE, -1)
        self.limit = limit if limit >= 0 else oracle.SIZE_MAX
        self.incoming, self.recorded = side.stream("in"), side.stream("out")
        self.boxes = boxes.Boxes(side) if side.has_option(CURVE_SERVER, CURVE_SERVERKEY) else None
        if self.boxes:
            self.incoming, self.recorded = self.boxes.incoming, self.boxes.recorded
        self.security = self.configured_security()
        self.verdict = oracle.read(self.incoming, self.type, self.limit, self.security)
        self.plan = Plan(events=self.verdict.events, refusal=self.verdict.refusal)
        self.own = deque(self.own_frames())  # recorded frames that are still to be sent
        self.answers = deque(self.own_answers())
        self.given = 0  # octets of the input that are in the script
        self.fed = 0  # and those that will be with the next flush
        self.shown = 0  # octets of the output that the recording must have
        self.recorded_out = 0  # octets of the recorded stream up to the current step

    def run(self):
        self.check_outcome()
        self.configure()
        self.feed(0)
        for step in self.side.steps:
            getattr(self, "step_" + step.kind)(step)
        self.end()
        self.check_recording()
        return self.plan

    def op(self, *words):
        self.plan.script.append(" ".join(str(word) for word in words))

    # --- configuration ----------------------------------------------------------------------------

    def configure(self):
        side = self.side
        self.op("type", self.type)
        if self.routing_id:
            self.op("routing_id", self.routing_id.hex())
        if self.metadata():
            self.op("metadata", self.metadata().hex())
        if self.limit != oracle.SIZE_MAX:
            self.op("max_frame_bytes", self.limit)
        security = self.security
        self.op("mechanism", security.mechanism, "server" if security.server else "client")
        self.op("username", security.username.hex() or "-")
        self.op("password", security.password.hex() or "-")
        if self.boxes:
            self.op("curve", self.boxes.secret.hex(), self.boxes.server.hex())
            self.op("random", self.boxes.random().hex())
        if security.zap is not None:
            self.op("zap", security.zap)
        self.op("handshake_ms", side.option(HANDSHAKE_IVL, HANDSHAKE_MS))
        interval = side.option(HEARTBEAT_IVL, 0)
        if interval > 0:
            self.op("heartbeat_ms", interval)
            self.op("heartbeat_ttl_ds", self.ttl_ds())
            self.op("heartbeat_timeout_ms", max(side.option(HEARTBEAT_TIMEOUT, -1), 0))
        self.op("slack_ms", SLACK_MS)
        self.op("splits", *self.splits())
        self.op("start", micros(side.steps[0].t_ms if side.steps else 0))

    def configured_security(self):
        side = self.side
        own = oracle.metadata_bytes(self.type, self.routing_id, self.metadata())
        said = {"metadata": own, "routing_id": self.routing_id}
        if self.boxes:
            asks = side.case["setup"].get("zap") if self.boxes.is_server else None
            return oracle.Security("CURVE", self.boxes.is_server, boxes=self.boxes,
                                   zap=self.zap_status(0) if asks else None, **said)
        if side.option(PLAIN_SERVER, 0):
            return oracle.Security("PLAIN", True, zap=self.zap_status(0), **said)
        if side.has_option(PLAIN_USERNAME, PLAIN_PASSWORD):
            return oracle.Security("PLAIN", False, side.option(PLAIN_USERNAME, b""),
                                   side.option(PLAIN_PASSWORD, b""), **said)
        # Without a handler a NULL socket of libzmq lets everybody in.
        asks = side.option(ZAP_DOMAIN, b"")
        return oracle.Security(zap=self.zap_status(oracle.ZAP_OK) if asks else None, **said)

    def zap_status(self, without_handler):
        """What the handler of the case answers; 0 for a reply that is none."""
        handler = self.side.case["setup"].get("zap")
        if not handler:
            return without_handler
        return 0 if "raw" in handler else int(handler["code"])

    def metadata(self):
        """ZMQ_METADATA is "name:value"."""
        name, _, value = self.side.option(METADATA, b"").partition(b":")
        return oracle.property_bytes(name, value) if name else b""

    def ttl_ds(self):
        return self.side.option(HEARTBEAT_TTL, 0) // 100

    def splits(self):
        length = len(self.incoming)
        if length <= EVERY_CUT_BELOW:
            return ["all"]
        heads = [0, *(frame.at for frame in self.verdict.frames), length]
        near = {at for head in heads for at in range(head - NEAR_BYTES, head + NEAR_BYTES + 1)}
        return sorted(at for at in near | set(range(0, length, STRIDE_BYTES)) if 0 < at < length)

    # --- what goes out ----------------------------------------------------------------------------

    def own_frames(self):
        """The recorded frames after our part of the handshake: of the application, of a timer, and PONGs."""
        if self.exception == "sends":
            return []
        return [frame for frame in self.recorded_frames() if frame.is_complete]

    def recorded_frames(self):
        """What we sent behind our part of the handshake."""
        peer = self.verdict.peer or oracle.peer_of(oracle.greeting_bytes(b""))
        begin = peer.begin if peer.form != "v1" else 10
        begin += sum(len(answer.octets) for answer in self.verdict.said)
        frames = oracle.frames_of(self.recorded, begin, version=peer.version)
        return map(self.boxes.open_ours, frames) if self.boxes else frames

    def own_answers(self):
        """What the session says by itself, in order."""
        greeting = oracle.greeting_bytes(self.routing_id, self.security.mechanism)
        form = self.verdict.peer.form if self.verdict.peer else "v3"
        yield oracle.Answer(0, 0, greeting[:10])
        if form != "v1":
            yield oracle.Answer(0, 10, greeting[10:11])
            own_type = bytes([oracle.TYPES.index(self.type)]) if form == "v2" else b""
            yield oracle.Answer(0, 11, own_type or greeting[11:])
        yield from self.verdict.said
        yield from self.verdict.answers

    def say(self, octets, may_be_missing=False):
        self.plan.output += octets
        self.plan.stages[self.fed] = len(self.plan.output)
        if not may_be_missing:
            self.shown = len(self.plan.output)

    def sent(self, frame, octets):
        """As these octets, or in its recorded box."""
        return frame.raw() if self.boxes else octets

    def unrecorded(self, octets):
        """These octets, in a box where all are: the recording may end before what it calls for."""
        return self.boxes.seal_ours(octets) if self.boxes else octets

    def send(self, frame, t_ms):
        """One recorded frame that does not come by itself; a PING comes when its timer fires."""
        self.flush()
        name, data = frame.command() if frame.is_command else (None, b"")
        if name == b"PING":
            self.op("due ping", micros(t_ms))
            self.say(self.sent(frame, oracle.command_bytes(b"PING", self.ttl_ds().to_bytes(2, "big"))))
        elif subscription := self.subscription_of(frame):
            self.subscribe(*subscription, frame=frame)
        elif name in (b"JOIN", b"LEAVE"):
            self.op(name.decode().lower(), data.hex() or "-")
            self.say(oracle.command_bytes(name, data))
        elif frame.is_command:
            raise Disagreement(f"our side sends a command {data or name!r} at octet {frame.at}")
        else:
            self.op("frame", int(frame.more), frame.body.hex() or "-")
            header = oracle.header_bytes(int(frame.more), frame.size, self.verdict.version)
            self.say(self.sent(frame, header + frame.body))

    def subscription_of(self, frame):
        """(topic, subscribe) where the frame is the work of SUB's option call, else None."""
        if frame.is_command:
            name, data = frame.command()
            return (data, name == b"SUBSCRIBE") if name in (b"SUBSCRIBE", b"CANCEL") else None
        if self.type == "SUB" and frame.body[:1] in (b"\0", b"\1"):
            return frame.body[1:], frame.body[0] == 1
        return None

    def subscribe(self, topic, subscribe, may_be_missing=False, frame=None):
        self.op("subscribe" if subscribe else "cancel", topic.hex() or "-")
        octets = oracle.subscription_bytes(self.verdict.version, topic, subscribe)
        self.say(self.sent(frame, octets) if frame else self.unrecorded(octets), may_be_missing)

    # --- what comes in ----------------------------------------------------------------------------

    def feed(self, length):
        """Input arrives, and with it what we owe for it; before a PONG goes what the recording has
        before it, even where its chunk was written down later."""
        target = self.fed + length
        while self.answers and self.answers[0].due <= target:
            answer = self.answers.popleft()
            if answer.is_pong and self.own and name_of(self.own[0]) != b"PONG":
                self.fed = max(self.fed, answer.begin)
                self.send_until_pong()
            self.fed = max(self.fed, answer.due)
            is_next = answer.is_pong and self.own and name_of(self.own[0]) == b"PONG"
            if is_next or not answer.is_pong:
                self.say(self.sent(self.own.popleft(), answer.octets) if is_next else answer.octets)
            else:
                self.say(self.unrecorded(answer.octets), may_be_missing=bool(self.boxes))
        self.fed = target

    def send_until_pong(self):
        if any(name_of(frame) == b"PONG" for frame in self.own):
            while name_of(self.own[0]) != b"PONG":
                self.send(self.own.popleft(), 0)

    def flush(self):
        if self.fed > self.given:
            self.op("feed", self.incoming[self.given:self.fed].hex())
            self.given = self.fed

    def is_alive(self):
        return self.verdict.refusal is None or self.fed < self.verdict.refusal.last

    # --- steps ------------------------------------------------------------------------------------

    def step_in(self, step):
        self.op("at", micros(step.t_ms))
        self.feed(len(step.octets))
        self.flush()

    def step_out(self, step):
        self.recorded_out += len(step.octets)
        while self.is_alive() and self.own and self.own[0].at < self.recorded_out \
                and name_of(self.own[0]) != b"PONG":
            if name_of(self.own[0]) != b"PING":
                self.op("at", micros(step.t_ms))
            self.send(self.own.popleft(), step.t_ms)

    def step_in_end(self, step):
        self.op("at", micros(step.t_ms))
        self.op("end")
        self.plan.closed = self.is_alive()

    def step_out_end(self, step):
        self.op("due close" if self.plan.timeout else "at", micros(step.t_ms))

    def step_option(self, step):
        """Its octets are in a later chunk, or missing: see missing_subscriptions."""

    # --- the end ----------------------------------------------------------------------------------

    def end(self):
        closed = self.side.ended("out_end") and self.exception != "stays"
        if not closed and not self.side.ended("in_end") and self.is_alive():
            if self.verdict.ready_at is not None:
                for topic, subscribe in self.missing_subscriptions():
                    self.subscribe(topic, subscribe, may_be_missing=True)
            self.wait()
        if self.verdict.refusal or self.plan.timeout or self.plan.closed:
            self.plan.phase = "FAILED"
        elif not self.verdict.greeted:
            self.plan.phase = "GREETING"
        elif self.verdict.ready_at is None:
            self.plan.phase = "HANDSHAKE"

    def wait(self):
        """The silence in which the recorded connection stayed open."""
        times = [step.t_ms for step in self.side.steps if step.kind == "in"]
        if times and self.side.idle_ms:
            self.op("at", micros(max(times[-1] + self.side.idle_ms, self.side.steps[-1].t_ms)))

    def missing_subscriptions(self):
        """Calls of the application whose octets are not in the recording, in order."""
        wanted = self.wanted_subscriptions() if self.type == "SUB" else []
        if self.exception != "sends":
            for frame in self.recorded_frames():
                done = self.subscription_of(frame)
                if done in wanted:
                    wanted.remove(done)
        return wanted

    def wanted_subscriptions(self):
        """Each topic once, shorter prefix first; then one per call that changes something."""
        topics = list(self.side.topics)
        wanted = [(topic, True) for topic in sorted(set(topics))]
        for step in self.side.steps:
            if step.kind == "option":
                capture.change_topics(topics, step)
                if step.option == capture.SUBSCRIBE:
                    wanted.append((step.octets, True))
                elif step.octets not in topics:
                    wanted.append((step.octets, False))
        return wanted

    # --- the recording against the octets ---------------------------------------------------------

    def check_outcome(self):
        """Does what libzmq did follow from the octets? The exceptions say where ours differs."""
        closed, refusal = self.side.ended("out_end"), self.verdict.refusal
        if self.exception == "hands":
            raise Disagreement("what an application gets is no matter of a recording")
        if self.exception == "closes":
            if closed or refusal is None:
                raise Disagreement("the exception says that we close and libzmq does not")
        elif self.exception == "stays":
            if not closed or refusal is not None:
                raise Disagreement("the exception says that libzmq closes and we do not")
        elif closed and refusal is None:
            self.explain_close()
        elif refusal is not None and not closed and not self.side.ended("in_end") \
                and not self.side.is_cut:
            raise Disagreement(f"libzmq stays open after {refusal.why}")

    def explain_close(self):
        """libzmq closes although no octet is at fault."""
        reason = (oracle.pattern_refuses(self.verdict, self.type) or self.socket_refuses()
                  or oracle.size_refused(self.verdict, self.limit))
        if reason:
            self.plan.note = f"the close is not the protocol's: {reason}"
        elif (self.verdict.ready_at is None or self.verdict.ttl_seen
              or self.side.option(HEARTBEAT_IVL, 0) > 0):
            self.plan.timeout = True
        else:
            raise Disagreement("libzmq closes and nothing in the octets calls for it")

    def socket_refuses(self):
        """Why libzmq's socket closes for the sake of another connection, or None."""
        if self.type in ("PAIR", "CHANNEL") and self.side.number > 1:
            return f"a {self.type} has one peer at a time"
        if self.type == "ROUTER" and self.side.option(ROUTER_HANDOVER, 0):
            return "a ROUTER with handover gives a name to the newcomer"
        return None

    def check_recording(self):
        """The recorded stream of our side is what the set-up and the input call for. It may end
        early: where a side closed, and before subscriptions that the recorder did not wait for."""
        ours, recorded = bytes(self.plan.output), self.recorded
        if self.exception == "spells":
            error = self.verdict.said[-1].octets
            ours = ours.replace(error, oracle.misspelt(error))
            if recorded == self.plan.output:
                raise Disagreement("the exception says that libzmq misspells ERROR")
        if self.side.is_cut or self.exception == "closes":
            return
        if self.exception == "sends":
            if not self.wanted_subscriptions() or self.type != "SUB":
                raise Disagreement("the exception is about subscriptions, there are none")
            return
        if not ours.startswith(recorded):
            at = next((i for i, (a, b) in enumerate(zip(ours, recorded)) if a != b), len(ours))
            raise Disagreement(f"our stream at octet {at}: called for {around(ours, at)}, "
                               f"recorded {around(recorded, at)}")
        if len(recorded) < self.shown and not self.side.ended("out_end") \
                and not self.side.ended("in_end"):
            raise Disagreement(f"our stream at octet {len(recorded)}: called for "
                               f"{around(ours, len(recorded))}, recorded nothing")


def name_of(frame):
    """A command's name; None for a message and for a command without one."""
    return frame.command()[0] if frame.is_command else None


def micros(t_ms):
    return round(t_ms * 1000)


def around(octets, at):
    return (octets[at:at + 12].hex() or "nothing") + ("..." if len(octets) > at + 12 else "")
