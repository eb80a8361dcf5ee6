"""ZAP between our drop-in and a live libzmq, either as the server: each mechanism, each status."""

import os
import pathlib
import subprocess
import sys
import unittest

try:
    import zmq
except ImportError:
    zmq = None

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
PEER = pathlib.Path(__file__).with_name("zap_peer.py")
LIMIT_S = 60
MECHANISMS = ("NULL", "PLAIN", "CURVE")
STATUSES = ("200", "300", "400", "500")


def start(is_ours, *words):
    path = {"LD_LIBRARY_PATH": str((BUILD / "zmq/lib").resolve())} if is_ours else {}
    return subprocess.Popen([sys.executable, str(PEER), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, env={**os.environ, **path})


@unittest.skipIf(zmq is None or not zmq.has("curve"), "python3-zmq is not installed, or without CURVE")
class Zap(unittest.TestCase):
    def meet(self, server_is_ours, mechanism, status):
        """What the server says, and what the client does."""
        server = start(server_is_ours, "server", mechanism, status)
        client = None
        try:
            client = start(not server_is_ours, "client", mechanism, server.stdout.readline().strip())
            heard = server.stdout.readline().split(), client.stdout.readline().split() if status != "300" else None
            client.stdin.close()
            return heard
        finally:
            for process in (server, client):
                if process is not None:
                    process.kill()
                    process.wait(LIMIT_S)
                    process.stdout.close()
                    process.stdin.close()

    def check(self, server_is_ours):
        for mechanism in MECHANISMS:
            for status in STATUSES:
                with self.subTest(mechanism=mechanism, status=status):
                    server, client = self.meet(server_is_ours, mechanism, status)
                    if status == "200":
                        self.assertEqual((server, client), (["got", "hello", "anna"], ["ready"]))
                        continue
                    self.assertEqual(server, ["event", str(zmq.EVENT_HANDSHAKE_FAILED_AUTH.value), status])
                    if status == "300":
                        continue  # nothing is said to the client; libzmq may close late
                    self.assertEqual(client[0], "event")
                    if not (server_is_ours and mechanism == "PLAIN"):  # libzmq reads its own misspelt ERROR only
                        self.assertEqual(client[1:], [str(zmq.EVENT_HANDSHAKE_FAILED_AUTH.value), status])

    def test_libzmq_asks_us(self):
        self.check(server_is_ours=True)

    def test_we_ask_libzmq(self):
        self.check(server_is_ours=False)


if __name__ == "__main__":
    unittest.main()
