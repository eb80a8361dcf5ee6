"""The checked protocol as frozen data: what lints read, lowering computes from and templates print.

Every item has .id (stable, never typed), .source (where the protocol says so) and .where (file:line:col)."""

from dataclasses import dataclass, field

from gen.reader import Where


ZAP = ("zap_ok", "zap_later", "zap_refused", "zap_broken")      # the events that ZAP's answers are to a machine


def places():
    """Where an item's words stand, for refusals only: by option ('length'), by option and name ('sends READY'),
    and 'end' for its block's brace. Neither compared nor printed: a moved line is no change of the protocol."""
    return field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What stands somewhere in a spec file."""
    where: Where
    at: dict = places()


def place(item, word):
    """Where that word of the item stands, or the item itself."""
    return item.at.get(word, item.where)


@dataclass(frozen=True)
class Limit(Placed):
    name: str
    value: int
    native: int
    compat: int
    doc: str

    @property
    def id(self):
        return f"limit.{self.name}"


@dataclass(frozen=True)
class Charset(Placed):
    name: str
    octets: frozenset
    doc: str


@dataclass(frozen=True)
class Bit(Placed):
    number: int
    name: str
    excludes: str
    quirk: str
    doc: str


@dataclass(frozen=True)
class Key(Placed):
    """A property that the spec knows by name."""
    name: str
    required: bool
    among_sockets: bool
    senders: tuple
    size: tuple              # (min, max) octets, None: any
    forbid_first: object     # octet, or None
    quirk: str


@dataclass(frozen=True)
class Box(Placed):
    """What a sealed field holds: readable for who has the keys. A unit of fields like a command.
    sender, receiver: pairs of keys; a secretbox has one key, and no receiver."""
    id: str
    sender: str
    receiver: str
    prefix: str              # the nonce's first octets; what the field `nonce` carries follows
    back: str                # the prefix when the receiver's side seals, "" if it never does
    nonce: str
    fields: tuple["Field", ...]
    source: str


@dataclass(frozen=True)
class Field(Placed):
    """type: u8 u16be u32be u64be bytes text bits8, or a struct's name.
    size: (min, max) octets for bytes and text, (min, max) items for a struct.
    A box is bytes to all who have no keys; max is None when it is not of one size."""
    id: str
    name: str
    type: str
    size: tuple
    value: object            # constant, or None
    range: tuple             # (min, max), or None
    mask: tuple              # (mask, value), or None
    send: object             # int, name of a parameter, or None
    chars: str
    pad: object
    length: str              # the length prefix's type, or ""
    limit: str
    rest: bool
    stream: bool
    condition: tuple         # (flag, wanted), or None; a number in the flag's place is the octet read just there
    unit: tuple              # (factor, name), or None
    nocase: bool
    quirks: tuple
    bits: tuple[Bit, ...]
    reserved_quirk: str
    keys: tuple[Key, ...]
    doc: str
    size_from: str = ""      # bytes[size]: the field that counts them
    reserved_must: object = None
    counts: str = ""         # a size: the field whose octets it counts besides those it bounds
    secret: bool = False     # to be wiped after use
    key: tuple = None        # ("public" or "private", key) whose octets these are
    echo: str = ""           # the command or message from which the sender returns these octets as they came
    box: Box = None
    text: object = None      # a frame: the one text that it may be
    among: str = ""          # a frame: the table that it names one of
    mechanism: str = ""      # a frame: there for this one alone
    fault: tuple = None      # a frame: (name, libzmq's number) of what a message without it is


@dataclass(frozen=True)
class Layout(Placed):
    """form: a number of octets, or 'stream'."""
    id: str
    form: object
    fields: tuple[Field, ...]
    source: str
    doc: str


@dataclass(frozen=True)
class Struct(Placed):
    id: str
    fields: tuple[Field, ...]
    source: str
    doc: str


@dataclass(frozen=True)
class Branch(Placed):
    """One answer to the octet in question: those that equal `value` under `mask`; a mask of 0 is 'else'."""
    mask: int
    value: int
    target: str              # a form's name, or 'next'
    frames: str              # the layout of what follows; '' for 'next', as is `speaks`
    speaks: str
    fields: tuple            # ours that may then leave

    @property
    def name(self):
        return f"{self.value:#04x} under {self.mask:#04x}" if self.mask else "else"


@dataclass(frozen=True)
class Stage(Placed):
    octet: int               # -1: at the start, where `fields` leave; else the peer's octet that decides
    fields: tuple
    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Refusal(Placed):
    forms: tuple
    unless: str              # the one mechanism that lets them in, or ''
    condition: str           # 'zap_domain', or ''

    @property
    def name(self):
        return f"unless {self.unless}" if self.unless else f"if {self.condition}"


@dataclass(frozen=True)
class Detect(Placed):
    id: str
    stages: tuple[Stage, ...]
    replay: tuple            # forms without a layout of their own
    identity: tuple          # forms whose first frame is the identity
    refusals: tuple[Refusal, ...]
    source: str
    doc: str


@dataclass(frozen=True)
class Command(Placed):
    id: str
    name: str
    phase: str               # handshake or traffic
    since: str
    fields: tuple[Field, ...]
    before_octet: object     # first octet of its message form for older peers, or None
    source: str
    doc: str
    mechanism: str = ""      # "": shared by those that list it
    senders: tuple = ()      # roles; (): any
    size: object = None      # of the whole body, where it is always the same
    before_senders: tuple = ()          # the sockets that send the message form


@dataclass(frozen=True)
class SecurityKey(Placed):
    """A pair of keys, or one symmetric key. lifetime: 'long' or 'connection'."""
    name: str
    owner: str               # role
    lifetime: str
    symmetric: bool
    known: tuple             # roles that have the public half before the connection
    doc: str


@dataclass(frozen=True)
class Mechanism(Placed):
    """box: (overhead, nonce, key) octets, or None."""
    id: str
    name: str
    commands: tuple          # (name, where) in the order in which they are first sent
    source: str
    doc: str
    keys: tuple[SecurityKey, ...] = ()
    box: tuple = None


@dataclass(frozen=True)
class Answer(Placed):
    """One event's answer in one state. guard false leads to else_target."""
    event: str
    target: str
    guard: str
    else_target: str
    action: str
    reason: str


@dataclass(frozen=True)
class State(Placed):
    name: str
    sends: str
    answers: tuple[Answer, ...]           # as written, 'else' last
    asks: str = ""           # "zap", or ""
    always: bool = False     # asks whether it is configured or not


@dataclass(frozen=True)
class Machine(Placed):
    id: str
    mechanism: str
    role: str
    start: str
    events: tuple
    states: tuple[State, ...]
    accept: str
    reject: str
    require: tuple           # events that must come before accept
    source: str
    doc: str


@dataclass(frozen=True)
class Socket(Placed):
    name: str
    code: int
    peers: tuple
    sends: tuple
    mute: str
    draft: bool
    doc: str
    since: str = ""          # the first version whose peers may say that they are one
    only: str = ""           # send or receive, if it does not do both
    thread_safe: bool = False    # by libzmq, which then has messages of one part only
    there: bool = False      # this library has it

    @property
    def id(self):
        return f"socket.{self.name}"


@dataclass(frozen=True)
class Option(Placed):
    """scope: 'option' of a socket, or 'context'. type: i32 i64 u64 bytes text key."""
    scope: str
    name: str
    number: int
    type: str
    size: tuple              # (min, max) octets, or None
    range: tuple             # (min, max) of a number, or None: all of its type
    compat: object           # the default, libzmq's: a number, a text, or None
    native: object           # the default, ours
    excepted: tuple          # (number, types whose default it is), or None
    binds: str               # any or later
    unit: str
    only: str                # set or get, if not both
    types: tuple             # (): all
    since: str               # libzmq's version
    aliases: tuple
    draft: bool
    unguarded: bool          # a draft that builds without drafts take, too
    deprecated: bool
    there: bool              # this library has it
    doc: str

    @property
    def id(self):
        return f"{self.scope}.{self.name}"


@dataclass(frozen=True)
class Message(Placed):
    """Frames that ends of an application exchange."""
    id: str
    fields: tuple[Field, ...]
    fault: tuple             # (name, libzmq's number) when the frames are too many or too few
    source: str
    doc: str


@dataclass(frozen=True)
class Alphabet(Placed):
    name: str
    characters: str
    octets: int              # of a group
    letters: int             # of the same group
    example: tuple           # (text, number)
    source: str
    doc: str

    @property
    def id(self):
        return f"alphabet.{self.name}"


@dataclass(frozen=True)
class Quirk(Placed):
    name: str
    on: str
    accept: object           # the one value it lets in, or None
    strict: str
    compat: str
    default: str
    doc: str

    @property
    def id(self):
        return f"quirk.{self.name}"


@dataclass(frozen=True)
class Status(Placed):
    """What a status of ZAP's reply is to a machine."""
    number: int
    event: str
    doc: str = ""

    @property
    def id(self):
        return f"status.{self.number}"


@dataclass(frozen=True)
class Protocol:
    versions: tuple
    limits: dict[str, Limit]
    charsets: dict[str, Charset]
    layouts: dict[str, Layout]
    structs: dict[str, Struct]
    detects: dict[str, Detect]
    commands: dict[str, Command]
    mechanisms: dict[str, Mechanism]
    machines: dict[str, Machine]
    sockets: dict[str, Socket]
    socket_source: str
    quirks: dict[str, Quirk]
    documents: int
    at: dict = places()      # 'versions 3.1', 'sockets', 'sockets end'
    refused: frozenset = frozenset()    # words of statements that were refused: they may have been names

    statuses: dict[int, Status] = field(default_factory=dict)     # ZAP's, by number
    options: dict[str, Option] = field(default_factory=dict)      # by id, in the order of the spec
    messages: dict[str, Message] = field(default_factory=dict)
    alphabets: dict[str, Alphabet] = field(default_factory=dict)

    def command_of(self, mechanism, name):
        """The command that a mechanism calls so: its own before the shared one; None: neither."""
        return self.commands.get(f"{mechanism}.{name}") or self.commands.get(name)


def units(protocol):
    """All that has fields, boxes and messages too."""
    found = [*protocol.layouts.values(), *protocol.structs.values(), *protocol.commands.values(),
             *protocol.messages.values()]
    for unit in found:                               # boxes may hold boxes: the list grows as it is walked
        found += [item.box for item in unit.fields if item.box]
    return found
