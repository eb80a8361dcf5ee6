"""The generated dissector, run by tshark: recorded conversations and live ones, without an octet left over."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "vectors")]

import capture
import tshark

VECTORS = pathlib.Path(__file__).parents[1] / "vectors"
ERROR = "8388608"                       # tshark's number for expert infos of severity error
SMALL = 2000                            # octets of a conversation that is also cut finely


def of_name(items, name):
    """All fields of this name, in the order of the tree."""
    return [item for top in items for item in top.all() if item.name == name]


def values(items, name):
    return [item.value for item in of_name(items, name)]


def octets(items, name):
    return b"".join(item.octets for item in of_name(items, name))


def covered(items):
    return b"".join(leaf.octets for item in items for leaf in item.leaves())


def breaches(items):
    """The rules that stand as errors, not as a quirk's warnings."""
    return [item.value for top in items for item in top.all() if item.name == "_ws.expert.message"
            and ERROR in values([top], "_ws.expert.severity")]


def recorded():
    """(side, chunks) of every recorded connection over TCP; a relay's two sides saw the same."""
    for group, case in capture.read_directory(VECTORS):
        if group == "websocket":
            continue
        for side in capture.sides(group, case)[:1 if case["kind"] == "relay" else None]:
            yield side, [(step.kind == "in", step.octets) for step in side.steps if step.kind in ("in", "out")]


def as_parsed(items):
    """What the recording's own reading would say of these fields: the greeting, and a line for each frame."""
    greeting = {name: int(values(items, "zmtp.greeting." + name)[0]) for name in ("major", "minor", "revision")
                if values(items, "zmtp.greeting." + name)}
    greeting |= {name: value for name in ("mechanism",) for value in values(items, "zmtp.greeting." + name)}
    frames = []
    for item in items:
        if values([item], "zmtp.frame.flags"):
            one = {"flags": int(values([item], "zmtp.frame.flags")[0], 0)}
            one["size"] = int(values([item], "zmtp.frame.size")[0])
            one["name"] = (values([item], "zmtp.command.name") or [None])[0]
            one["properties"] = [[name, octets([p], "zmtp.property.value").hex()]
                                 for p in of_name([item], "zmtp.property")
                                 for name in values([p], "zmtp.property.name")]
            frames.append(one)
    return greeting, frames


def differences(items, parsed):
    """Where the dissector and the recording's own reading differ."""
    greeting, frames = as_parsed(items)
    found = [f"{name}: {value!r}, recorded {parsed['greeting'][name]!r}" for name, value in greeting.items()
             if name in parsed.get("greeting", {}) and value != parsed["greeting"][name]]
    for index, recorded_frame in enumerate(parsed.get("frames", ())):
        if index >= len(frames):
            return [*found, f"frame {index} is missing"]
        for name in ("flags", "size", "properties"):
            if name in recorded_frame and frames[index][name] != recorded_frame[name]:
                found.append(f"frame {index}, {name}: {frames[index][name]!r}, recorded {recorded_frame[name]!r}")
        if recorded_frame.get("name") and recorded_frame["name"] != frames[index]["name"]:
            found.append(f"frame {index}: {frames[index]['name']}, recorded {recorded_frame['name']}")
    return found


@unittest.skipUnless(tshark.PROGRAM, "tshark is not installed: ./dev setup --with trace")
class Written(unittest.TestCase):
    """Conversations that this test writes into a capture."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "conversations.pcap"

    def decode(self, conversations, *options, segment=tshark.SEGMENT, port=tshark.SERVER_PORT):
        """Captures (key, chunks) and decodes them: {key: [fields from the client, fields from the server]}."""
        made = tshark.Capture()
        keys = {made.conversation(chunks, segment): key for key, chunks in conversations}
        made.write(self.path)
        ports = ("-o", f"zmtp.ports:{port}") if port else ()
        found = tshark.by_direction(tshark.decoded(self.path, *ports, *options))
        return {key: [found.get((port, from_client), []) for from_client in (True, False)]
                for port, key in keys.items()}


class Recorded(Written):
    def check_cover(self, decoded, sides):
        """Every octet stands in one field, in order. A malformed stream may end within a frame."""
        for title, ways in decoded.items():
            side = sides[title]
            for items, stream in zip(ways, (side.stream("in"), side.stream("out"))):
                with self.subTest(title):
                    if side.case["malformed"]:
                        self.assertTrue(stream.startswith(covered(items)))
                    else:
                        self.assertEqual(covered(items).hex(), stream.hex())
                        self.assertEqual(breaches(items), [])

    def test_recorded_conversations_are_decoded_to_the_last_octet(self):
        sides = {f"{side.title} {number}": (side, chunks) for number, (side, chunks) in enumerate(recorded())}
        decoded = self.decode((title, chunks) for title, (_, chunks) in sides.items())
        self.check_cover(decoded, {title: side for title, (side, _) in sides.items()})
        self.assertGreater(len(decoded), 200)

    def test_decoded_values_are_those_of_the_recordings(self):
        sides = {f"{side.title} {number}": (side, chunks) for number, (side, chunks) in enumerate(recorded())}
        compared = 0
        for title, ways in self.decode((t, chunks) for t, (_, chunks) in sides.items()).items():
            side = sides[title][0]
            for items, parsed in zip(ways, (side.parsed_in, side.parsed_out)):
                if parsed and not side.case["malformed"]:
                    with self.subTest(title):
                        self.assertEqual(differences(items, parsed), [])
                        compared += 1
        self.assertGreater(compared, 200)

    def case(self, name):
        """Both directions of one recorded conversation, the client's first."""
        return self.decode([("only", next(chunks for side, chunks in recorded() if side.case["id"] == name))])["only"]

    def test_heartbeats_have_their_time_and_context(self):
        peer, _ = self.case("ping_ttl_wraps_16bit")
        self.assertEqual(values(peer, "zmtp.ping.ttl"), ["656"])
        peer, zmq = self.case("ping_context_15")
        self.assertEqual(octets(peer, "zmtp.ping.context"), octets(zmq, "zmtp.pong.context"))
        self.assertEqual(len(octets(peer, "zmtp.ping.context")), 15)

    def test_a_subscription_is_found_in_both_forms(self):
        for name, form in (("pub_recv_command_form_minor1", "command"), ("pub_recv_message_form_minor0", "message")):
            with self.subTest(name):
                peer, _ = self.case(name)
                self.assertIn("A", [octets([item], "zmtp.subscribe.topic").decode() for item in peer])
                self.assertEqual(bool(values(peer, "zmtp.command.before")), form == "message")

    def test_older_peers_are_read_as_they_speak(self):
        peer, zmq = self.case("v2_peer_dealer_for_router")
        self.assertEqual([values(way, "zmtp.greeting.socket_type") for way in (peer, zmq)], [["5"], ["6"]])
        self.assertEqual(octets(peer[-3:], "zmtp.frame.body")[:3], b"id2")
        peer, zmq = self.case("v1_identity_sent_by_libzmq")
        self.assertEqual(octets(zmq, "zmtp.frame.body"), b"mex")
        peer, zmq = self.case("rev0_peer")
        self.assertEqual((octets(peer, "zmtp.frame.body"), values(peer, "zmtp.greeting.revision")), (b"job", ["0"]))

    def test_bodies_are_what_the_applications_sent(self):
        """Of sockets that add nothing to a message: every part, in order."""
        plain = ("PUSH", "PAIR", "DEALER", "SCATTER", "CHANNEL", "CLIENT")
        sides = {f"{side.title} {number}": (side, chunks) for number, (side, chunks) in enumerate(recorded())
                 if side.socket["type"] in plain and not side.case["id"].startswith("curve") and side.number == 1}
        compared = 0
        for title, (_, zmq) in self.decode((t, chunks) for t, (_, chunks) in sides.items()).items():
            side, _ = sides[title]
            sent = [capture.segments([part] if isinstance(part, dict) else [{"hex": part}])
                    for step in side.case["result"]["steps"]
                    if step.get("app") == side.name[0] and step.get("result") == "ok" for part in step.get("send", ())]
            bodies = [octets([item], "zmtp.frame.body") for item in zmq if values([item], "zmtp.message.part")]
            if sent and "mechanism" not in side.case["meaning"] and bodies:
                with self.subTest(title):
                    self.assertEqual(bodies[:len(sent)], sent[:len(bodies)])
                    compared += 1
        self.assertGreater(compared, 20)

    def test_segments_of_any_size_give_the_same_fields(self):
        """Conversations cut at random are put together by TCP, and read twice as Wireshark's window does."""
        seed = random.randrange(2 ** 32)
        print(f"# seed {seed}")
        chosen = random.Random(seed)
        sides = {f"{side.title} {number}": (side, chunks) for number, (side, chunks) in enumerate(recorded())
                 if sum(len(piece) for _, piece in chunks) < SMALL}
        cut = {title: [(way, piece[at:at + size]) for way, piece in chunks for size in [chosen.choice((1, 7, 61))]
                       for at in range(0, len(piece), size)]
               for title, (_, chunks) in sides.items() if chosen.random() < 0.25}
        self.check_cover(self.decode(cut.items()), {title: sides[title][0] for title in cut})

    def test_no_octets_make_it_fail(self):
        """Recorded conversations with octets changed at random; an error of the dissector's Lua fails the decoding."""
        seed = random.randrange(2 ** 32)
        print(f"# seed {seed}")
        chosen, broken = random.Random(seed), {}
        for number, (_, chunks) in enumerate(recorded()):
            changed = []
            for way, piece in chunks:
                piece = bytearray(piece)
                for _ in range(chosen.choice((0, 0, 1, 2))):
                    piece[chosen.randrange(len(piece))] = chosen.choice((0, 1, 0x7f, 0x80, 0xff, chosen.randrange(256)))
                changed.append((way, bytes(piece)))
            broken[number] = changed
        for number, ways in self.decode(broken.items()).items():
            for from_client, items in zip((True, False), ways):
                stream = b"".join(piece for way, piece in broken[number] if way == from_client)
                with self.subTest(number):
                    self.assertTrue(stream.startswith(covered(items)))

    def test_a_second_look_finds_the_same(self):
        sides = {f"{side.title} {number}": (side, chunks) for number, (side, chunks) in enumerate(recorded())}
        decoded = self.decode(((title, chunks) for title, (_, chunks) in sides.items()), "-2")
        self.check_cover(decoded, {title: side for title, (side, _) in sides.items()})

    def test_the_signature_is_enough_on_an_unknown_port(self):
        side, chunks = next((s, c) for s, c in recorded() if s.case["id"] == "curve_ok_no_zap")
        client, server = self.decode([("only", chunks)], port=None)["only"]
        self.assertEqual(covered(client), side.stream("in"))
        self.assertEqual(covered(server), side.stream("out"))

    def test_other_protocols_are_left_alone(self):
        chunks = [(True, b"GET / HTTP/1.1\r\n\r\n"), (False, b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01")]
        self.assertEqual(self.decode([("only", chunks)], port=None)["only"], [[], []])


def null_greeting():
    return b"\xff" + bytes(7) + b"\x01\x7f\x03\x01" + b"NULL".ljust(52, b"\0")


def ready(kind):
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return bytes([4, len(body)]) + body


class Breaches(Written):
    """What breaks a rule is named by it; what real peers do besides is a warning with the quirk's name."""

    def rules_of(self, *pieces):
        client, _ = self.decode([("only", [(True, piece) for piece in pieces])])["only"]
        self.assertEqual(covered(client), b"".join(pieces))
        return values(client, "zmtp.rule"), breaches(client)

    def test_a_good_conversation_breaks_none(self):
        self.assertEqual(self.rules_of(null_greeting(), ready(b"DEALER"), b"\0\2hi"), ([], []))

    def test_a_type_that_nobody_knows(self):
        self.assertEqual(self.rules_of(null_greeting(), ready(b"TEALER"))[0], ["READY.metadata.Socket-Type"])

    def test_a_required_property_that_is_missing_is_a_quirk(self):
        rules, errors = self.rules_of(null_greeting(), b"\4\6\5READY")
        self.assertEqual((rules, errors), (["READY.metadata.Socket-Type"], []))

    def test_a_cut_field(self):
        rules, errors = self.rules_of(null_greeting(), ready(b"DEALER"), b"\4\6\4PING\0")
        self.assertEqual(rules, ["PING.ttl"])
        self.assertIn("1 of its 2 octets", errors[0])

    def test_octets_behind_the_last_field(self):
        self.assertEqual(self.rules_of(null_greeting(), b"\4\x0a\5ERROR\1axy")[0], ["ERROR"])

    def test_a_command_with_more_is_a_quirk(self):
        rules, errors = self.rules_of(null_greeting(), ready(b"DEALER"), b"\5\7\4PING\0\1")
        self.assertEqual((rules, errors), (["frame.v3.flags"], []))

    def test_a_size_that_is_an_attack(self):
        rules, errors = self.rules_of(null_greeting(), ready(b"DEALER"), b"\2\x80" + bytes(7) + b"abc")
        self.assertEqual(rules, ["frame.v3.size"])


@unittest.skipUnless(tshark.PROGRAM, "tshark is not installed: ./dev setup --with trace")
@unittest.skipUnless(os.geteuid() == 0, "capturing needs root")
class Live(unittest.TestCase):
    """pyzmq talks to itself over the loopback while tshark listens."""

    def setUp(self):
        try:
            import zmq
        except ImportError:
            self.skipTest("pyzmq is not installed")
        self.zmq = zmq
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "live.pcap"

    def listen(self, port):
        """tshark, once it is capturing; skips where the machine does not let it."""
        command = [tshark.PROGRAM, "-i", "lo", "-w", str(self.path), "-f", f"tcp port {port}"]
        listener = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(listener.stderr.close)
        for line in listener.stderr:
            if "Capturing on" in line:
                break
        deadline = time.monotonic() + 10
        while not (self.path.exists() and self.path.stat().st_size) and time.monotonic() < deadline:
            if listener.poll() is not None:
                self.skipTest("tshark cannot capture on lo here")
            time.sleep(0.02)
        return listener

    def talk(self, prepare):
        """A DEALER sends two messages to a ROUTER and gets an answer; returns the decoded directions."""
        zmq, context, handler = self.zmq, self.zmq.Context(), None
        router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        try:
            for one in (router, dealer):
                one.linger, one.rcvtimeo = 0, 10000
            handler = prepare(context, router, dealer)
            port = router.bind_to_random_port("tcp://127.0.0.1")
            listener = self.listen(port)
            dealer.connect(f"tcp://127.0.0.1:{port}")
            dealer.send_multipart([b"one", b"", b"x" * 300])
            name, *parts = router.recv_multipart()
            self.assertEqual(parts, [b"one", b"", b"x" * 300])
            router.send_multipart([name, b"answer"])
            self.assertEqual(dealer.recv(), b"answer")
        finally:
            if handler:
                handler.stop()
            context.destroy(linger=0)
        time.sleep(0.3)                  # the kernel hands its packets over in batches
        listener.send_signal(signal.SIGINT)
        listener.wait(10)
        return self.checked(port)

    def checked(self, port):
        """{from the client: fields}; the payload of every packet is in some field."""
        payloads = tshark.run("-r", self.path, "-T", "fields", "-e", "tcp.dstport", "-e", "tcp.payload")
        found = {True: [], False: []}
        for _, from_client, items in tshark.decoded(self.path, server_port=port):
            found[from_client] += items
        for from_client, items in found.items():
            stream = "".join(line.split("\t")[1].replace(":", "") for line in payloads.splitlines()
                             if (line.split("\t")[0] == str(port)) == from_client)
            self.assertEqual(covered(items).hex(), stream)
            self.assertTrue(stream)
            self.assertEqual(breaches(items), [])
            self.assertEqual(values(items, "zmtp.command.data"), [])
        return found

    def commands(self, found):
        return [values(found[from_client], "zmtp.command.name") for from_client in (True, False)]

    def test_null(self):
        found = self.talk(lambda context, router, dealer: None)
        self.assertEqual(self.commands(found), [["READY"], ["READY"]])
        self.assertEqual(values(found[True], "zmtp.frame.body")[0], "6f:6e:65")
        self.assertEqual(values(found[True], "zmtp.message.parts"), ["3"])
        self.assertEqual(values(found[True], "zmtp.message.octets"), ["303"])
        self.assertEqual(octets(found[False], "zmtp.frame.body"), b"answer")

    def authenticator(self, context):
        """A ZAP handler that knows one user."""
        from zmq.auth.thread import ThreadAuthenticator
        handler = ThreadAuthenticator(context)
        handler.start()
        handler.configure_plain(domain="*", passwords={"user": "secret"})
        return handler

    def test_plain(self):
        def prepare(context, router, dealer):
            router.plain_server = True
            dealer.plain_username, dealer.plain_password = b"user", b"secret"
            return self.authenticator(context)

        found = self.talk(prepare)
        self.assertEqual(self.commands(found), [["HELLO", "INITIATE"], ["WELCOME", "READY"]])
        self.assertEqual(octets(found[True], "zmtp.plain.hello.username"), b"user")
        self.assertEqual(octets(found[True], "zmtp.plain.hello.password"), b"secret")
        self.assertEqual(values(found[True], "zmtp.property.name"), ["Socket-Type", "Identity"])
        self.assertEqual(octets(found[False], "zmtp.frame.body"), b"answer")

    def test_curve(self):
        if not self.zmq.has("curve"):
            self.skipTest("this libzmq has no CURVE")
        public, secret = self.zmq.curve_keypair()

        def prepare(_, router, dealer):
            router.curve_server, router.curve_secretkey = True, secret
            dealer.curve_publickey, dealer.curve_secretkey = self.zmq.curve_keypair()
            dealer.curve_serverkey = public

        found = self.talk(prepare)
        self.assertEqual(self.commands(found), [["HELLO", "INITIATE", "MESSAGE", "MESSAGE", "MESSAGE"],
                                                ["WELCOME", "READY", "MESSAGE"]])
        self.assertEqual(values(found[True], "zmtp.curve.message.nonce"), ["3", "4", "5"])
        self.assertEqual(len(octets(found[True], "zmtp.curve.hello.client")), 32)
