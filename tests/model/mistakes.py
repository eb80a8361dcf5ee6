"""Mistakes for copies of spec/: what each changes, which property it breaks, and between whom that shows.

`lints` are those that refuse the copy by themselves; spin must find the mistake all the same, without them. Most have
none: only both machines together, or a run of one, show what is wrong."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    name: str
    machine: str             # the side where it shows, "PLAIN.server"
    edits: tuple             # (old, new) in the machine's block; old is a pattern that must be found
    violates: str
    peer: str = ""           # the other side with its version, "" an attacker
    lints: tuple = ()
    version: str = "3.1"
    unit: str = ""           # what is edited, if not that machine: "detect greeting", or "model", the generated text


class Misplaced(Exception):
    """The spec no longer has what a mistake changes."""


def edited(text, edits, place):
    for old, new in edits:
        text, count = re.subn(old, new, text, flags=re.DOTALL)
        if count == 0:
            raise Misplaced(f"no '{old}' in {place}")
    return text


def plant(spec, mistake):
    """Edits one unit of the spec's files."""
    head = mistake.unit or "machine " + mistake.machine.replace(".", " ")
    for path in sorted(spec.glob("*.spec")):
        text = path.read_text(encoding="utf-8")
        unit = re.search(rf"^{head} .*?^}}", text, re.MULTILINE | re.DOTALL)
        if unit:
            block = edited(unit[0], mistake.edits, head)
            path.write_text(text[:unit.start()] + block + text[unit.end():], encoding="utf-8")
            return
    raise Misplaced(f"no {head} in the spec")


MISTAKES = (
    Mistake("metadata unread in READY", "NULL.peer",
            ((r"(READY +-> ready) if metadata_ok else failed because bad_metadata", r"\1"),), "unchecked"),
    Mistake("metadata unread in INITIATE", "PLAIN.server", ((r"if metadata_ok else failed because \w+", ""),),
            "unchecked"),
    Mistake("a box unopened in WELCOME", "CURVE.client", ((r"if welcome_opens else failed because \w+", ""),),
            "unchecked"),
    Mistake("a guard turned round", "PLAIN.client",
            (("-> ready if metadata_ok else failed", "-> failed if metadata_ok else ready"),), "unchecked"),
    Mistake("ZAP not asked", "PLAIN.server",
            (("HELLO +-> wait_zap do keep_credentials", "HELLO -> send_welcome do keep_credentials"),), "bypass",
            lints=("bypass", "unreachable")),
    Mistake("a refusal of ZAP unheard", "PLAIN.server", (("zap_refused -> send_error", "zap_refused -> send_welcome"),),
            "bypass", lints=("bypass", "unreachable")),
    Mistake("NULL let in", "PLAIN.server",
            (("events  HELLO", "events  READY HELLO"),
             (r"(state wait_hello \{)", r"\1\n        READY -> ready if metadata_ok else failed because bad_metadata")),
            "bypass", lints=("bypass",)),
    Mistake("READY before INITIATE", "CURVE.server", (("sent +-> wait_initiate", "sent -> send_ready"),), "bypass",
            lints=("bypass", "unreachable")),
    Mistake("an ERROR it does not know", "PLAIN.client",
            ((r"(WELCOME +-> send_initiate\n +)ERROR +-> failed because refused_by_peer", r"\1"),), "surprise",
            "PLAIN.server 3.1"),
    Mistake("a READY that is early", "NULL.peer",
            ((r"READY +-> heard_wait_zap if metadata_ok else failed because bad_metadata", ""),), "surprise",
            "NULL.peer 3.1", lints=("unreachable",)),
    Mistake("a READY it forgets", "NULL.peer", ((r"-> answer_ready", "-> send_ready"),), "surprise", "NULL.peer 3.1",
            lints=("unreachable",)),
    Mistake("nothing sent", "PLAIN.client", ((r"state send_initiate +sends INITIATE", "state send_initiate"),
                                            (r"(state send_initiate \{\s+)sent +-> wait_ready", r"\1")),
            "deadlock", "PLAIN.server 3.1", lints=("unreachable",)),
    Mistake("no answer to the timer", "PLAIN.client",
            ((r"timer +-> failed because handshake_timeout\s+else +-> failed because \w+", ""),), "deadlock",
            lints=("no-timer", "unanswered")),
    Mistake("a timer that is put off", "CURVE.server",
            ((r"(state wait_initiate .*?)timer +-> failed because handshake_timeout", r"\1timer -> wait_initiate"),),
            "ends"),
    Mistake("a right READY refused", "CURVE.client", (("if ready_opens else failed", "if ready_opens else failed"),
                                                     (r"READY +-> ready if", "READY -> failed if")),
            "lost", "CURVE.server 3.1", lints=("unreachable",)),
    Mistake("octets that wait for each other", "NULL.peer",
            (("-> next  send major", "-> next"), ("send minor", "send major minor"),
             ("send socket_type", "send revision socket_type")), "deadlock", "NULL.peer 3.1", unit="detect greeting"),
    Mistake("older peers let in", "PLAIN.server", (("refuse +v1 v2 +unless NULL", ""),), "downgrade",
            unit="detect greeting"),
    Mistake("older peers let in without a greeting", "CURVE.client", (("v1 v2 +unless NULL", "v2 unless NULL"),),
            "downgrade", unit="detect greeting"),
    Mistake("older peers let in for PLAIN", "PLAIN.client", (("unless NULL", "unless PLAIN"),), "downgrade",
            "NULL.peer 2.0", unit="detect greeting"),
    Mistake("older peers let past ZAP", "NULL.peer", (("refuse +v1 v2 +if zap_domain", ""),), "downgrade",
            version="3.1 with ZAP", unit="detect greeting"),
    # The session compares the names of the mechanisms; without that, commands that are called alike meet.
    Mistake("any mechanism taken", "CURVE.server",
            (("if :: value == mechanism\\[me\\] :: else -> goto failed fi", "skip"),), "disagree", "PLAIN.client 3.1",
            unit="model"),
)
