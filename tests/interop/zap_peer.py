"""One end of a connection about which ZAP is asked, on whichever libzmq the process finds; for test_zap.py.

    zap_peer.py server MECHANISM STATUS    prints its endpoint, then one line: "got TEXT USER-ID" or "event KIND VALUE"
    zap_peer.py client MECHANISM ENDPOINT  prints "ready" or "event KIND VALUE"; ends when its input does
"""

import sys

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

PATIENCE_MS = 20000
FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
# Keys of these tests alone.
SERVER_PUBLIC, SERVER_SECRET = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_PUBLIC, CLIENT_SECRET = b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
USER, PASSWORD = b"admin", b"Secret"


def say(*words):
    print(*words, flush=True)


def secure(socket, mechanism, is_server):
    if is_server:
        socket.zap_domain = b"global"
    if mechanism == "PLAIN" and is_server:
        socket.plain_server = True
    elif mechanism == "PLAIN":
        socket.plain_username, socket.plain_password = USER, PASSWORD
    elif mechanism == "CURVE" and is_server:
        socket.curve_secretkey, socket.curve_server = SERVER_SECRET, True
    elif mechanism == "CURVE":
        socket.curve_publickey, socket.curve_secretkey = CLIENT_PUBLIC, CLIENT_SECRET
        socket.curve_serverkey = SERVER_PUBLIC


def shown(mechanism):
    """What the handler must be told beside the mechanism's name."""
    return {"NULL": [], "PLAIN": [USER, PASSWORD], "CURVE": [z85.decode(CLIENT_PUBLIC)]}[mechanism]


def serve(context, mechanism, status):
    socket, handler = context.socket(zmq.PULL), context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    secure(socket, mechanism, True)
    monitor = socket.get_monitor_socket(FAILED)
    say(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
    poller = zmq.Poller()
    for each in (socket, handler, monitor):
        poller.register(each, zmq.POLLIN)
    while True:
        ready = dict(poller.poll(PATIENCE_MS))
        if not ready:
            return say("nothing")
        if handler in ready:
            version, number, domain, address, _, name, *rest = handler.recv_multipart()
            assert (version, domain, address, name) == (b"1.0", b"global", b"127.0.0.1", mechanism.encode())
            assert rest == shown(mechanism), rest
            handler.send_multipart([version, number, status.encode(), b"text", b"anna", b""])
        elif socket in ready:
            frame = socket.recv(copy=False)
            return say("got", bytes(frame).decode(), frame.get("User-Id"))
        elif monitor in ready:
            event = recv_monitor_message(monitor)
            return say("event", int(event["event"]), event["value"])


def call(context, mechanism, endpoint):
    socket = context.socket(zmq.PUSH)
    secure(socket, mechanism, False)
    socket.linger, socket.reconnect_ivl = 0, 60000
    monitor = socket.get_monitor_socket(FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    socket.connect(endpoint)
    assert monitor.poll(PATIENCE_MS), "no event"
    event = recv_monitor_message(monitor)
    if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        socket.send(b"hello")
        say("ready")
    else:
        say("event", int(event["event"]), event["value"])
    sys.stdin.read()


def main():
    role, mechanism, last = sys.argv[1:]
    context = zmq.Context()
    (serve if role == "server" else call)(context, mechanism, last)
    context.destroy(linger=0)


if __name__ == "__main__":
    main()
