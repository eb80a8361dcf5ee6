"""Where octets of peers are handled, each assertion is listed here with the reason why no peer can reach it.

An assertion ends the process, so one that a peer can reach is a way to end it from afar. Whoever adds one to these
files writes down who has checked before, or writes an error instead.
"""

import re
import sys

import tree

PLACES = ("src/security/", "src/session/", "src/pump/opening.c", "src/pump/read_pump.c", "src/pump/link_read.c",
          "src/runtime/opener.c", "src/runtime/tunnel.c", "src/runtime/endpoint.c", "src/transport/")
ASSERT = re.compile(r"\bmcq_assert(?:_hot)?\s*\(")

BY_US = "our own calls, in an order that the header states"
TEXTS = "the application's text, which its parser has refused if it is longer"
REASONS = {
    ("src/pump/read_pump.c", "pump->unread[0].len == 0 && pump->unread[1].len == 0"):
        "room is asked for when all is read",
    ("src/security/box.c", "!back || box->back != NULL"): "a row of the generated table, chosen by us",
    ("src/security/curve.c", "len >= MCQ_CURVE_MESSAGE_BYTES_MIN"): "the command's decoder refuses shorter ones (b10)",
    ("src/security/handshake.c", "event < machine->event_count"): "events are our own numbers, of the same table",
    ("src/security/handshake.c", "handshake->state < machine->state_count"): "a machine that ended is not stepped",
    ("src/session/handshake.c", "mcq_handshake_rejected(&session->handshake)"): BY_US,
    ("src/session/output.c", "end == output->at + output->len"): "sizes and octets come from one encoder",
    ("src/session/output.c", "len <= session->out.len - session->out_sent"):
        "the kernel takes no more than it was lent",
    ("src/session/output.c", "session->phase == MCQ_PHASE_TRAFFIC"): BY_US,
    ("src/session/sealed.c", "mcq_session_is_sealed(session) && len >= MCQ_CURVE_DATA_AT"):
        "frames are told to be opened only once their decoder has all of one (b10)",
    ("src/session/session.c", "session->phase != MCQ_PHASE_FAILED"):
        "the first failure is kept, and later calls repeat it",
    ("src/transport/ipc.c", "path.len > 0 && path.len <= MCQ_IPC_PATH_MAX"): TEXTS,
    ("src/transport/socks.c", "host.len > 0 && host.len <= MCQ_PROXY_TEXT_MAX"): TEXTS,
    ("src/transport/socks.c", "text.len <= MCQ_PROXY_TEXT_MAX"): TEXTS,
    ("src/transport/socks.c", "in.len <= mcq_socks_room(socks)"): "the read was of that room",
    ("src/transport/socks.c", "len <= mcq_socks_want(socks).len"): "the kernel takes no more than it was lent",
    ("src/transport/socks.c", "mcq_socks_want(socks).len == 0"): "nothing is read before all is said",
}


def condition(text, at):
    """What stands between the parentheses that open before `at`, on one line."""
    depth, end = 1, at
    while depth > 0:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return " ".join(text[at:end - 1].split())


def check(root):
    seen = set()
    for path in tree.files(root):
        if not str(path).startswith(PLACES) or path.suffix not in (".c", ".h"):
            continue
        text = tree.code_only(tree.read(root / path))
        for found in ASSERT.finditer(text):
            key = (str(path), condition(text, found.end()))
            seen.add(key)
            if key not in REASONS:
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path}:{line}: '{key[1]}' ends the process: tests/lint/asserts.py has to say why no peer can"
    for path, gone in sorted(set(REASONS) - seen):
        if (root / path).exists():
            yield f"tests/lint/asserts.py: {path} has no assertion '{gone}' any more"


if __name__ == "__main__":
    sys.exit(tree.report(check(tree.ROOT)))
