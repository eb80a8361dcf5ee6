"""The vocabulary as a table: which statement may stand where, with which words.

A row's pattern is a list of parts; '?' marks those that may be missing, in any order after the fixed ones:

    NAME NUMBER VERSION TEXT     one word of that kind
    VALUE                        a number or a text
    NAMES                        one or more names
    SIZE                         [n], [a..b] or [name]
    RANGE                        a..b, ends are numbers or limit names
    =, ->, :                     that sign
    word                         that very word

The notation's reference page and the editor grammars are printed from this table."""

from dataclasses import dataclass

TYPES = ("u8", "u16be", "u32be", "u64be", "bytes", "text", "bits8")
BOXES = ("box", "secretbox")                         # for a key pair's other half, and with one key
OPTION_TYPES = ("i32", "i64", "u64", "bytes", "text", "key")
RAW_SOCKETS = ("STREAM", "DGRAM")                    # libzmq's types that speak no ZMTP


@dataclass(frozen=True)
class Row:
    key: str                 # the statement's first word; 'NAME' when the speaker chooses it
    parents: tuple
    fixed: tuple
    options: tuple           # each a tuple of parts, the first one the option's own word
    block: str               # 'no', 'may', 'must'
    doc: str


def _row(key, parents, fixed="", options=(), block="no", doc=""):
    return Row(key, tuple(parents.split()), tuple(fixed.split()), tuple(tuple(o.split()) for o in options), block, doc)


OPTION = ("id NUMBER", "type TYPE", "in RANGE", "default VALUE", "native VALUE", "except VALUE for NAMES", "when NAME",
          "unit NAME", "only NAME", "of NAMES", "since VERSION", "alias NAMES", "draft", "unguarded", "deprecated",
          "there")
BRANCH = ("frames NAME", "speaks VERSION", "send NAMES")

ROWS = (
    _row("versions", "file", "VERSIONS", doc="The versions, oldest first; 'since' refers to this order."),
    _row("limits", "file", block="must", doc="Ceilings and the profiles' defaults."),
    _row("NAME", "limits", "NUMBER", ("native NUMBER", "compat NUMBER"),
         doc="One limit: its ceiling, then the default of each profile."),
    _row("charset", "file", "NAME CHARS", doc="A named set of octets: texts, numbers and ranges of them."),
    _row("layout", "file", "NAME", ("size NUMBER", "stream"), block="must",
         doc="Octets in a fixed order: of a fixed size, or a stream of records."),
    _row("struct", "file", "NAME", block="must", doc="A record that fields may repeat."),
    _row("source", "layout struct command mechanism machine sockets detect message alphabet", "TEXT",
         doc="Where the protocol says so. Every unit has one."),
    _row("NAME", "layout struct command", ": TYPE",
         ("= NUMBER", "in RANGE", "any", "mask NUMBER = NUMBER", "send ATOM", "chars NAME", "pad NUMBER", "length NAME",
          "limit NAME", "rest", "stream", "if ATOM", "unless ATOM", "counts NAME", "unit NUMBER NAME", "nocase",
          "quirk NAME", "secret", "public NAME", "private NAME", "from NAME", "to NAME", "with NAME",
          "nonce TEXT NAME", "back TEXT", "echo NAME"),
         block="may", doc="A field: its type, what is accepted, what we send, what bounds it; or a box with fields "
         "inside: who seals it for whom, or with which key, and its nonce: a text, then what the named field carries."),
    _row("bit", "field", "NUMBER NAME", ("excludes NAME", "quirk NAME"), doc="One flag bit."),
    _row("reserved", "field", "rest", ("must NUMBER", "quirk NAME"), doc="All bits without a name."),
    _row("key", "field", "NAME", ("required", "in NAME", "send NAMES", "bytes SIZE", "forbid first NUMBER",
                                  "quirk NAME"), doc="A property with a meaning of its own."),
    _row("detect", "file", "NAME", block="must",
         doc="Which form a peer's layout has, and how much of our own leaves by how much of theirs is in."),
    _row("start", "detect", "send NAMES", doc="Sent before anything is read."),
    _row("octet", "detect", "NUMBER", block="must", doc="What the peer's octet of this index decides."),
    _row("is", "octet", "NUMBER -> NAME", BRANCH, doc="The octet is this one: read on at the 'next' octet, or it is "
         "this form, with these frames behind it, in this version; the fields of ours may now leave."),
    _row("mask", "octet", "NUMBER = NUMBER -> NAME", BRANCH, doc="The same, for the octets that are so under a mask."),
    _row("else", "octet", "-> NAME", BRANCH, doc="The same, for all other octets."),
    _row("replay", "detect", "NAMES", doc="Forms without a layout: the octets read begin the frames."),
    _row("identity", "detect", "NAMES", doc="Forms whose first frame is the sender's identity."),
    _row("refuse", "detect", "NAMES", ("unless NAME", "if NAME"),
         doc="Forms that are refused unless our mechanism is this one, or if this is so: 'zap_domain'."),
    _row("command", "file", "NAME", ("in NAME", "since VERSION", "of NAME", "from NAMES", "size NUMBER"), block="must",
         doc="A command: name, when it may come, and its fields; or of one mechanism alone, with the "
         "roles that send it."),
    _row("before", "command", "message NUMBER", ("from NAMES",),
         doc="Peers older than 'since' get a message from these sockets: this octet, then the field."),
    _row("mechanism", "file", "NAME", block="must", doc="A security mechanism."),
    _row("status", "file", "NUMBER NAME", doc="A status of ZAP's reply, and its event; any other is 'zap_broken'."),
    _row("commands", "mechanism", "NAMES", doc="The commands it uses, in the order in which they are first sent."),
    _row("key", "mechanism", "NAME of NAME", ("long", "connection", "symmetric", "known NAMES"),
         doc="A key or pair of keys: whose it is, how long it lives, who else has its public half beforehand."),
    _row("boxes", "mechanism", "", ("overhead NUMBER", "nonce NUMBER", "key NUMBER"),
         doc="Octets that a box adds to what is in it, of a whole nonce, and of one key."),
    _row("machine", "file", "NAME NAME", block="must", doc="A handshake's states for one role."),
    _row("start", "machine", "NAME", doc="The state it starts in."),
    _row("events", "machine", "NAMES", doc="All that may happen: commands, 'other', 'malformed', 'sent', 'timer', "
         "and the answers of ZAP: 'zap_ok', 'zap_later', 'zap_refused', 'zap_broken'."),
    _row("state", "machine", "NAME", ("sends NAME", "asks NAME", "always"), block="must",
         doc="A state; entering it may send a command, or ask ZAP: where that is configured, or always."),
    _row("NAME", "state", "-> NAME", ("if NAME", "else NAME", "do NAME", "because NAME"),
         doc="An event's answer; 'else' answers all events not named."),
    _row("accept", "machine", "NAME", doc="The state that opens the traffic."),
    _row("reject", "machine", "NAME", doc="The state that ends the connection; reached with a reason."),
    _row("require", "machine", "NAME after NAMES", doc="No path to the state may skip one of these events."),
    _row("sockets", "file", block="must", doc="The socket types."),
    _row("NAME", "sockets", "", ("code NUMBER", "since VERSION", "peers NAMES", "sends NAMES", "mute NAME", "only NAME",
                                 "thread_safe", "draft", "there"),
         doc="One socket type: the version whose peers may name it, whether it can only 'send' or 'receive', whether "
         "libzmq lets several threads use it, and whether this library has it."),
    _row("option", "file", "NAME", OPTION,
         doc="A socket's option: libzmq's number, its values, libzmq's default and ours where it differs; for which "
         "endpoints it holds ('any', those of a 'later' call); whether it can only be 'set' or asked for ('get'); the "
         "types that have it; libzmq's version, other names of its, whether a draft and one that stable builds take; "
         "whether this library has it."),
    _row("context", "file", "NAME", OPTION, doc="The same of a context; 'later' is before its first socket."),
    _row("message", "file", "NAME", ("fault NAME NUMBER",), block="must",
         doc="A message of several frames, and what it is when their number is wrong: a name and libzmq's event."),
    _row("NAME", "message", ": TYPE", ("is TEXT", "chars NAME", "among NAME", "for NAME", "echo NAME", "limit NAME",
                                       "send ATOM", "secret", "quirk NAME", "fault NAME NUMBER"),
         doc="A frame: the text that it must be, among which names it is, for which mechanism it is there, of which "
         "message it returns the frame of its name, and what the message is when that is not so."),
    _row("alphabet", "file", "NAME", block="must", doc="Octets as text: each group of them as characters."),
    _row("characters", "alphabet", "CHARS", doc="The digits, the least one first."),
    _row("group", "alphabet", "NUMBER octets NUMBER", doc="So many octets, big-endian, are so many characters."),
    _row("example", "alphabet", "TEXT NUMBER", doc="A text, and the octets that it is."),
    _row("quirk", "file", "NAME on NAME", block="must", doc="A named deviation of real peers, with both readings."),
    _row("accept", "quirk", "NUMBER", doc="The one value it lets in."),
    _row("strict", "quirk", "TEXT", doc="The reading of the RFC."),
    _row("compat", "quirk", "TEXT", doc="The reading of libzmq."),
    _row("default", "quirk", "NAME", doc="The native profile's reading: strict or compat."),
)


def rows_of(parent):
    return [row for row in ROWS if parent in row.parents]


def statements():
    """The words that statements begin with."""
    return sorted({row.key for row in ROWS} - {"NAME"})


def options():
    """All other words that have a meaning, without the signs between them."""
    found = {part for row in ROWS for parts in (row.fixed, *row.options) for part in parts}
    return sorted(part for part in found - set(statements()) if part.isidentifier() and part.islower())
