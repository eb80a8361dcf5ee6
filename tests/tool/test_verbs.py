"""Each verb of mcq: two of them talk to each other over ipc, in a folder of their own."""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

MCQ = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"], "mcq")
PATIENCE = "30s"
LIMIT_S = 60


class Verbs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.there = f"ipc://{folder.name}/a"

    def start(self, *words, **options):
        started = subprocess.Popen([MCQ, *map(str, words)], stdin=options.pop("stdin", subprocess.DEVNULL),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(self.end, started)
        return started

    @staticmethod
    def end(started):
        if started.poll() is None:
            started.kill()
        started.communicate()

    def run_verb(self, *words, given=None, status=0, **options):
        done = subprocess.run([MCQ, *map(str, words)], input=given or "", capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def finish(self, started, status=0):
        said, why = started.communicate(timeout=LIMIT_S)
        self.assertEqual(started.returncode, status, why)
        return said

    def await_line(self, started, text):
        """Reads what it says on stderr until this."""
        for line in started.stderr:
            if text in line:
                return line
        self.fail(f"it ended without '{text}'")

    # --- one way ---------------------------------------------------------------------------------

    def test_pub_and_sub(self):
        sub = self.start("sub", self.there, "--topic", "temp.", "-n", 2, "--timeout", PATIENCE)
        said = self.run_verb("pub", self.there, "--wait-peers", 1, "--timeout", PATIENCE, "-n", 2, "temp.oslo", "7.2")
        self.assertEqual(said.stdout, "sent 2 messages, 4 parts, 24 B to 1 peer\n")
        self.assertEqual(self.finish(sub), "temp.oslo | 7.2\n" * 2)

    def test_sub_leaves_other_topics_out(self):
        sub = self.start("sub", self.there, "-t", "b", "-n", 1, "--timeout", PATIENCE)
        self.run_verb("pub", self.there, "--wait-peers", 1, "--timeout", PATIENCE, given="a1\nb1\n")
        self.assertEqual(self.finish(sub), "b1\n")

    def test_formats(self):
        shown = {"text": "a\"\\x01 | \n", "quoted": "\"a\\\"\\x01\" | \"\"\n", "hex": "612201 | \n",
                 "json": "[\"a\\\"\\u0001\",\"\"]\n", "raw": "a\"\x01"}
        for name, text in shown.items():
            with self.subTest(format=name):
                pull = self.start("pull", self.there, "--format", name, "-n", 1, "--timeout", PATIENCE)
                self.run_verb("push", self.there, "--timeout", PATIENCE, "a\"\x01", "")
                self.assertEqual(self.finish(pull), text)

    def test_octets_that_are_no_text_are_hex_in_json(self):
        path = self.folder / "octets"
        path.write_bytes(b"\xff\x00")
        pull = self.start("pull", self.there, "--json", "-n", 1, "--timeout", PATIENCE)
        self.run_verb("push", self.there, "--timeout", PATIENCE, "-f", path)
        self.assertEqual(json.loads(self.finish(pull)), [{"hex": "ff00"}])

    def test_made_up_messages_are_counted(self):
        pull = self.start("pull", self.there, "--stat", "-n", 1000, "--timeout", PATIENCE)
        said = self.run_verb("push", self.there, "--size", 64, "-n", 1000, "--rate", 100000, "--timeout", PATIENCE)
        self.assertEqual(said.stdout, "sent 1,000 messages, 1,000 parts, 64,000 B to 1 peer\n")
        self.assertRegex(self.finish(pull), r"^received 1,000 messages, 64,000 B in [0-9.]+ s: [0-9,]+ msg/s\n$")

    # --- octets ----------------------------------------------------------------------------------

    GREETING = b"\xff" + bytes(8) + b"\x7f\3\1" + b"NULL".ljust(20, b"\0") + bytes(32)
    READY = b"\4\x19\5READY\x0bSocket-Type\0\0\0\3SUB"

    def decode(self, octets, status=0):
        done = subprocess.run([MCQ, "decode"], input=octets, capture_output=True, timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.decode().splitlines()

    def test_decode_explains_each_frame(self):
        topic = b"\4\x0f\x09SUBSCRIBEtemp."
        said = self.decode(self.GREETING + self.READY + topic + b"\1\3a\x1b\"" + b"\0\0" + b"\4\6\4WHATx")
        self.assertEqual(said, ["0000  greeting  3.1 \"NULL\"", "0040  READY     Socket-Type=\"SUB\"",
                                "005b  SUBSCRIBE \"temp.\"",
                                "006c  message   \"a\\x1b\\\"\" (3 octets, more follows)",
                                "0071  message   \"\" (0 octets)",
                                "0073  a command that is not known: \"\\x04WHATx\""])

    def test_decode_of_a_cut_anywhere_says_so(self):
        octets = self.GREETING + self.READY
        for size in (1, 12, 63, 65, 66, len(octets) - 1):
            self.assertIn("error: the octets end within", self.decode(octets[:size], 1)[-1], size)

    def test_decode_names_the_rule_that_is_broken(self):
        self.assertEqual(self.decode(self.GREETING + b"\2\xff" + bytes(7), 1)[-1],
                         "0040  error: rule frame.v3.size (RFC 37, Framing)")
        longer = self.READY.replace(b"\3SUB", b"\4SUB")
        self.assertEqual(self.decode(self.GREETING + longer, 1)[-2:],
                         ["0040  READY     ", "0058  error: rule property.value (RFC 37, Metadata)"])
        self.assertIn("error: rule ERROR.reason", self.decode(self.GREETING + b"\4\7\5ERROR\4", 1)[-1])

    def test_decode_of_other_versions_and_mechanisms(self):
        older = b"\xff" + bytes(7) + b"\1\x7f\1\2" + b"\0\0" + b"\0\1x"
        self.assertEqual(self.decode(older), ["0000  greeting  2.0 SUB", "000c  identity  \"\" (0 octets)",
                                              "000e  message   \"x\" (1 octet)"])
        self.assertEqual(self.decode(b"\1\0\2\0x"), ["0000  greeting  1.0", "0000  identity  \"\" (0 octets)",
                                                      "0002  message   \"x\" (1 octet)"])
        plain = self.GREETING.replace(b"NULL\0", b"PLAIN") + b"\4\x0f\5HELLO\4user\3abc"
        self.assertEqual(self.decode(plain)[-1], "0040  HELLO     \"user\", a password of 3 octets")
        curve = self.GREETING.replace(b"NULL\0", b"CURVE") + b"\0\x21\7MESSAGE" + bytes(7) + b"\3" + bytes(17)
        self.assertEqual(self.decode(curve)[-1], "0040  MESSAGE   nonce 3, a box of 17 octets")

    def test_decode_wants_one_file(self):
        self.assertIn("it is empty", self.run_verb("decode", status=1).stderr)
        self.assertIn("it wants one file", self.run_verb("decode", "a", "b", status=2).stderr)
        self.assertIn("mcq: decode nowhere: ", self.run_verb("decode", "nowhere", status=1).stderr)

    # --- ping ------------------------------------------------------------------------------------

    PINGED = r"^ZMTP 3\.1, %s, %s, handshake \d+ us; 3 pings: min \d+ us  median \d+ us  max \d+ us\n$"

    def ping(self, *words, status=0):
        return self.run_verb("ping", self.there, "-n", 3, "--timeout", PATIENCE, *words, status=status)

    def test_ping_comes_as_what_fits(self):
        for verb, name in (("pub", "PUB"), ("rep", "REP"), ("router", "ROUTER"), ("pull", "PULL"), ("sub", "SUB")):
            with self.subTest(peer=name):
                self.there = f"ipc://{self.folder}/{name}"
                peer = self.start(verb, "--bind", self.there, "--timeout", PATIENCE, "-v", stdin=subprocess.PIPE)
                self.await_line(peer, "listening")
                self.assertRegex(self.ping().stdout, self.PINGED % (name, "NULL"))
                said = json.loads(self.ping("--json").stdout)
                self.assertEqual((said["endpoint"], said["zmtp"], said["type"], said["mechanism"], said["pings"]),
                                 (self.there, "3.1", name, "NULL", 3))
                self.assertLessEqual(said["min_us"], said["median_us"])
                self.assertLessEqual(said["median_us"], said["max_us"])
                self.assertGreater(said["handshake_us"], 0)

    def test_ping_of_libzmq(self):
        try:
            import zmq
        except ImportError:
            self.skipTest("needs python3-zmq")
        with zmq.Context() as context:
            for name in ("PUB", "XPUB", "SUB", "XSUB", "REP", "ROUTER", "PULL"):
                with self.subTest(peer=name), context.socket(getattr(zmq, name)) as peer:
                    self.there = f"ipc://{self.folder}/{name}"
                    peer.bind(self.there)
                    self.assertRegex(self.ping().stdout, self.PINGED % (name, "NULL"))
            for name in ("REQ", "DEALER", "PUSH", "PAIR"):
                with self.subTest(peer=name), context.socket(getattr(zmq, name)) as peer:
                    self.there = f"ipc://{self.folder}/{name}"
                    peer.bind(self.there)
                    self.assertTrue(self.ping().stdout.startswith(f"ZMTP 3.1, {name}, NULL; it hands messages"))

    def test_ping_takes_no_message(self):
        push = self.start("push", self.there, "one", "-v", "--timeout", PATIENCE, "--linger", PATIENCE)
        self.await_line(push, "listening")
        self.assertEqual(self.ping().stdout,
                         "ZMTP 3.1, PUSH, NULL; it hands messages to whoever is there, so it is not pinged\n")
        self.assertEqual(self.run_verb("pull", self.there, "-n", 1, "--timeout", PATIENCE).stdout, "one\n")
        self.finish(push)

    def test_ping_of_a_sealed_peer(self):
        public = {}
        for name in ("server", "client"):
            said = self.run_verb("keygen", self.folder / name).stdout
            public[name] = said.split(maxsplit=1)[1].rstrip("\n")
        rep = self.start("rep", "--bind", self.there, "--curve", self.folder / "server", "--timeout", PATIENCE, "-v")
        self.await_line(rep, "listening")
        keys = ("--curve", self.folder / "client", "--server-key")
        self.assertRegex(self.ping(*keys, public["server"]).stdout, self.PINGED % ("REP", "CURVE"))
        self.assertIn("the peer wants CURVE, and this is NULL; --curve", self.ping(status=1).stderr)
        self.assertIn("it may want other keys", self.ping(*keys, public["client"], status=1).stderr)
        self.assertIn("CURVE takes both", self.ping(*keys[:2], status=2).stderr)
        self.assertIn("no key of 40", self.ping(*keys, "short", status=1).stderr)
        self.assertIn("no file with a secret", self.ping("--curve", "nowhere", "--server-key", "x", status=1).stderr)

    def ping_words(self, words, timeout=PATIENCE, status=1):
        """Of a peer that says this to everyone; None: it closes at once."""
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as held:
            listener.bind(str(self.folder / "a"))
            listener.listen()
            ping = self.start("ping", self.there, "-n", 3, "--timeout", timeout)
            while ping.poll() is None:
                if not select.select([listener], [], [], 0.05)[0]:
                    continue
                peer = held.enter_context(listener.accept()[0])
                if words is None:
                    peer.close()
                else:
                    peer.sendall(words)
            said, why = ping.communicate(timeout=LIMIT_S)
            os.unlink(self.folder / "a")
        self.assertEqual(ping.returncode, status, why)
        return said or why

    def test_ping_of_who_is_no_peer(self):
        self.assertIn("no ZMTP; its first octets are \"HTTP/1.1 400 Bad\"",
                      self.ping_words(b"HTTP/1.1 400 Bad Request\r\n\r\n", "3s"))
        self.assertIn("closed it in the handshake", self.ping_words(None))
        self.assertIn("says nothing", self.ping_words(b"", "100ms"))
        self.assertIn("rule frame.v3.size", self.ping_words(self.GREETING + b"\6\xff" + bytes(7)))
        self.assertIn("the peer refuses: \"go away\"", self.ping_words(self.GREETING + b"\4\x0e\5ERROR\7go away"))
        self.assertIn("No such file", self.ping(status=1).stderr)
        for endpoint in ("udp://127.0.0.1:1", "inproc://a"):
            self.assertIn("only tcp and ipc", self.run_verb("ping", endpoint, status=1).stderr)
        self.assertIn("HOST:PORT", self.run_verb("ping", "tcp://127.0.0.1", status=1).stderr)
        self.assertIn("one endpoint", self.run_verb("ping", status=2).stderr)

    def test_ping_of_a_peer_that_lets_us_speak_first(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "a"))
            listener.listen()
            ping = self.start("ping", self.there, "-n", 1, "--timeout", "4s")
            with listener.accept()[0] as peer:
                peer.settimeout(LIMIT_S)
                peer.sendall(self.GREETING)
                for word, answer in ((b"READY", self.READY.replace(b"SUB", b"PUB")), (b"PING", b"\4\5\4PONG")):
                    heard = b""
                    while word not in heard:
                        heard += peer.recv(4096)
                    peer.sendall(answer)
                self.assertRegex(self.finish(ping), r"^ZMTP 3\.1, PUB, NULL, handshake \d+ us; 1 ping: ")

    def test_ping_of_a_peer_that_answers_late_and_too_often(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "a"))
            listener.listen()
            ping = self.start("ping", self.there, "-n", 2, "--timeout", PATIENCE)
            with listener.accept()[0] as peer:
                peer.settimeout(LIMIT_S)
                peer.sendall(self.GREETING + self.READY.replace(b"SUB", b"PUB"))
                heard = b""
                while heard.count(b"PING") < 4:
                    heard += peer.recv(4096)
                peer.sendall(b"\4\5\4PONG" * 20)
                self.assertRegex(self.finish(ping), r"^ZMTP 3\.1, PUB, NULL, handshake \d+ us; 2 pings: ")

    def test_ping_of_older_and_of_silent_peers(self):
        publisher = self.READY.replace(b"SUB", b"PUB")
        older = b"\xff" + bytes(7) + b"\1\x7f\1\1" + bytes(2)
        self.assertRegex(self.ping_words(older, status=0), r"^ZMTP 2\.0, PUB, handshake \d+ us; it answers no PING")
        silent = self.GREETING.replace(b"\x7f\3\1", b"\x7f\3\0") + publisher
        self.assertRegex(self.ping_words(silent, "3s", 0), r"^ZMTP 3\.0, PUB, NULL, handshake \d+ us; it answers no")
        self.assertIn("no answer in time", self.ping_words(self.GREETING + publisher, "3s"))

    # --- questions and answers -------------------------------------------------------------------

    def test_req_and_rep(self):
        answers = {("pong",): "pong\n", ("--exec", "tr a-z A-Z"): "PING\n", (): "ping\n"}
        for words, text in answers.items():
            with self.subTest(words=words):
                rep = self.start("rep", self.there, *words, "-n", 1, "--timeout", PATIENCE)
                said = self.run_verb("req", self.there, "ping", "--timeout", PATIENCE)
                self.assertEqual(said.stdout, text)
                self.assertRegex(said.stderr, r"rtt \d+ us")
                self.assertEqual(self.finish(rep), "ping\n")

    def test_req_asks_each_line(self):
        rep = self.start("rep", self.there, "--exec", "sed s/^/re:/", "-n", 2, "--timeout", PATIENCE)
        said = self.run_verb("req", self.there, "--timeout", PATIENCE, given="one\ntwo\n")
        self.assertEqual(said.stdout, "re:one\nre:two\n")
        self.finish(rep)

    def test_rep_answers_even_if_its_command_fails(self):
        rep = self.start("rep", self.there, "--exec", "exit 3", "-n", 1, "--timeout", PATIENCE)
        self.assertEqual(self.run_verb("req", self.there, "x", "--timeout", PATIENCE).stdout, "\n")
        self.assertIn("it ended with status 3", self.await_line(rep, "exit 3"))

    def test_router_and_dealer(self):
        router = self.start("router", self.there, "welcome", "-n", 1, "--timeout", PATIENCE)
        said = self.run_verb("dealer", self.there, "--id", "me", "hello", "-n", 1, "--timeout", PATIENCE)
        self.assertEqual(said.stdout.splitlines()[-1], "welcome")
        self.assertEqual(self.finish(router), "me | hello\n")

    def test_router_answers_a_req(self):
        router = self.start("router", self.there, "--exec", "tr a-z A-Z", "-n", 1, "--timeout", PATIENCE)
        self.assertEqual(self.run_verb("req", self.there, "--id", "me", "x", "--timeout", PATIENCE).stdout, "X\n")
        self.assertEqual(self.finish(router), "me |  | x\n")

    def test_pair_talks_both_ways(self):
        one = self.start("pair", "--bind", self.there, "-n", 1, "--timeout", PATIENCE, "from one")
        other = self.start("pair", self.there, "-n", 1, "--timeout", PATIENCE, stdin=subprocess.PIPE)
        other.stdin.write("from the other\n")
        other.stdin.flush()
        self.assertEqual(self.finish(one).splitlines()[-1], "from the other")
        self.assertEqual(self.finish(other), "from one\n")

    # --- in between ------------------------------------------------------------------------------

    def test_proxy_passes_on_until_it_is_ended(self):
        sides = f"ipc://{self.folder}/in", f"ipc://{self.folder}/out"
        proxy = self.start("proxy", "--xsub", sides[0], "--xpub", sides[1])
        sub = self.start("sub", sides[1], "-n", 1, "--timeout", PATIENCE)
        self.run_verb("pub", "--connect", sides[0], "--wait-peers", 1, "--timeout", PATIENCE, "news")
        self.assertEqual(self.finish(sub), "news\n")
        proxy.send_signal(signal.SIGTERM)
        self.assertRegex(self.finish(proxy), r"in \d+ messages, out \d+\n$")

    def test_proxy_captures_what_it_passes_on(self):
        sides = f"ipc://{self.folder}/in", f"ipc://{self.folder}/out"
        path = self.folder / "day.mcqcap"
        proxy = self.start("proxy", "--pull", sides[0], "--push", sides[1], "--capture", path)
        pull = self.start("pull", sides[1], "-n", 20, "--timeout", PATIENCE)
        self.run_verb("push", "--connect", sides[0], "--timeout", PATIENCE, "-n", 20, "temp.oslo", "7.2")
        self.finish(pull)
        proxy.send_signal(signal.SIGTERM)
        self.finish(proxy)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual([line["parts"] for line in lines], [["temp.oslo", "7.2"]] * 20)
        self.assertRegex(lines[0]["t"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_capture_that_cannot_be_written_fails(self):
        sides = "--pull", f"ipc://{self.folder}/in", "--push", f"ipc://{self.folder}/out"
        said = self.run_verb("proxy", *sides, "--capture", self.folder / "none" / "x", status=1)
        self.assertIn("No such file or directory", said.stderr)

    def test_monitor_tells_in_json(self):
        monitor = self.start("monitor", "--bind", self.there, "--json")
        events = [json.loads(monitor.stdout.readline())]
        dealer = self.start("dealer", self.there, "-v", "--wait-peers", 1)
        while events[-1]["event"] != "disconnected":
            events.append(json.loads(monitor.stdout.readline()))
        self.assertEqual([event["event"] for event in events],
                         ["listening", "accepted", "handshake_succeeded", "disconnected"])
        self.assertTrue(all(event["endpoint"] == self.there for event in events))
        self.assertRegex(events[0]["t"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertIn("(ZMTP 3.1, ROUTER, NULL)", self.await_line(dealer, "connected"))
        monitor.send_signal(signal.SIGINT)
        self.finish(monitor)

    # --- keys ------------------------------------------------------------------------------------

    def test_keygen_and_a_sealed_talk(self):
        keys = {}
        for name in "server", "client":
            said = self.run_verb("keygen", self.folder / name)
            keys[name] = said.stdout.split()[1]
            self.assertEqual(said.stdout, f"public  {keys[name]}\n")
            self.assertEqual(len(keys[name]), 40)
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600)
            self.assertEqual((self.folder / f"{name}.pub").read_text(), said.stdout)
        self.assertNotIn("secret", (self.folder / "server.pub").read_text())
        rep = self.start("rep", self.there, "--curve", self.folder / "server", "-n", 1, "--timeout", PATIENCE)
        said = self.run_verb("req", self.there, "--curve", self.folder / "client", "--server-key", keys["server"],
                             "--timeout", PATIENCE, "whisper")
        self.assertEqual(said.stdout, "whisper\n")
        self.finish(rep)

    def test_keygen_overwrites_nothing(self):
        path = self.folder / "key"
        path.write_text("dear")
        said = self.run_verb("keygen", path, status=1)
        self.assertIn("it is there already", said.stderr)
        self.assertEqual(path.read_text(), "dear")
        path.unlink()
        (self.folder / "key.pub").write_text("dear")
        self.run_verb("keygen", path, status=1)
        self.assertFalse(path.exists())

    # --- words -----------------------------------------------------------------------------------

    def test_nobody_there_is_said_with_the_way_out(self):
        said = self.run_verb("req", self.there, "ping", "--timeout", "100ms", "--linger", "0s", status=1)
        self.assertIn("mcq: req: nothing within 100 ms; give it more time with --timeout", said.stderr)
        self.assertEqual(said.stdout, "")

    def test_what_is_wrong_is_named(self):
        wrong = [(("sub",), 2, "an endpoint is missing"), (("sub", "5555"), 2, "an endpoint is written"),
                 (("sub", self.there, "--timeout", "soon"), 2, "sub soon: not a time"),
                 (("sub", self.there, "-n", "-3"), 2, "not a number"),
                 (("sub", self.there, "--format", "xml"), 2, "no such format"),
                 (("sub", self.there, "--exec", "x"), 2, "it has no such option"),
                 (("sub", self.there, "--topic"), 2, "a value is missing"),
                 (("sub", "tcp://127.0.0.1:99999"), 1, "port 99999 is not in 0..65535"),
                 (("pub", "carrier://pigeon"), 1, "carrier://pigeon"),
                 (("rep", f"ipc://{self.folder}/no/such"), 1, "the folder is not there"),
                 (("push", self.there, "-f", "/nonexistent"), 1, "/nonexistent: No such file"),
                 (("req", self.there, "--curve", "/nonexistent", "x"), 1, "make one with mcq keygen"),
                 (("req", self.there, "--server-key", "x", "x"), 1, "--curve FILE has our own keys"),
                 (("proxy", "--xsub", self.there, "--push", self.there), 2, "it wants --xsub and --xpub"),
                 (("monitor", self.there, "--type", "tub"), 2, "there is no such type"),
                 (("keygen",), 2, "the name of a file"), (("doctor", "me"), 2, "no arguments"),
                 (("completion", "fish"), 2, "it knows bash"), (("fly",), 2, "'fly' is no verb"), ((), 2, "usage:")]
        for words, status, why in wrong:
            with self.subTest(words=words):
                said = self.run_verb(*words, status=status)
                self.assertIn(why, said.stderr)
                self.assertEqual(said.stdout, "")

    def test_help_fits_a_screen_and_begins_with_examples(self):
        said = self.run_verb("--help").stdout.splitlines()
        self.assertLess(len(said), 25)
        self.assertTrue(all(len(line) <= 100 for line in said))
        verbs = [line.split()[0] for line in said if line.startswith("  ")]
        self.assertGreaterEqual(set(verbs), set("pub sub req rep push pull pair dealer router proxy monitor keygen "
                                                "run doctor version".split()))
        for verb in verbs:
            with self.subTest(verb=verb):
                page = self.run_verb(verb, "--help").stdout
                self.assertRegex(page.splitlines()[0], rf"^  .*mcq {verb}|completion bash")
                self.assertIn(f"usage: mcq {verb} ", page)

    def test_version_and_doctor(self):
        self.assertRegex(self.run_verb("version").stdout, r"^monocoque \d+\.\d+\.\d+\n")
        said = subprocess.run([MCQ, "doctor"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        names = [line.split()[1] for line in said.stdout.splitlines() if "->" not in line]
        self.assertEqual(names, ["system", "engine", "descriptors", "tcp", "ipc", "curve", "drop-in"])
        self.assertEqual(said.returncode, 0, said.stdout)

    def test_completion_completes(self):
        script = self.run_verb("completion", "bash").stdout
        asked = script + 'COMP_WORDS=(mcq sub --to); COMP_CWORD=2; _mcq mcq --to sub; echo "${COMPREPLY[@]}"\n' \
                         'COMP_WORDS=(mcq ke); COMP_CWORD=1; _mcq mcq ke mcq; echo "${COMPREPLY[@]}"\n'
        said = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              env={**os.environ, "PATH": f"{MCQ.parent}:{os.environ['PATH']}"})
        self.assertEqual(said.stdout, "--topic\nkeygen\n", said.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
