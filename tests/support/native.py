"""The library through its public calls, for tests in Python that hold it against libzmq or against octets.

Numbers are those of include/monocoque.h under its names, without MCQ_ in front: NUMBERS["OPT_LINGER"].
"""

import ctypes
import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("MONOCOQUE_BUILD_DIR", ROOT / "build" / "dev"))
HEADER = (ROOT / "include/monocoque.h").read_text(encoding="utf-8")
NUMBERS = {name: int(number)
           for name, number in re.findall(r"^(?:#define|   ) MCQ_(\w+)(?: =)? (\d+)", HEADER, re.MULTILINE)}
ROOM = 1 << 20
HANDLE, NUMBER, FLAGS, TEXT, SIZE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t
CALLS = {  # what comes back, and what goes in
    "ctx_new": (HANDLE, ()), "ctx_set": (FLAGS, (HANDLE, FLAGS, NUMBER)), "ctx_term": (FLAGS, (HANDLE, FLAGS)),
    "socket": (HANDLE, (HANDLE, FLAGS)), "close": (FLAGS, (HANDLE,)),
    "bind": (FLAGS, (HANDLE, TEXT)), "connect": (FLAGS, (HANDLE, TEXT)), "join": (FLAGS, (HANDLE, TEXT)),
    "unbind": (FLAGS, (HANDLE, TEXT)), "disconnect": (FLAGS, (HANDLE, TEXT)),
    "set": (FLAGS, (HANDLE, FLAGS, NUMBER)), "get": (FLAGS, (HANDLE, FLAGS, ctypes.POINTER(NUMBER))),
    "set_bytes": (FLAGS, (HANDLE, FLAGS, TEXT, SIZE)),
    "get_bytes": (FLAGS, (HANDLE, FLAGS, HANDLE, ctypes.POINTER(SIZE))),
    "send": (FLAGS, (HANDLE, TEXT, SIZE, FLAGS)), "recv": (ctypes.c_ssize_t, (HANDLE, HANDLE, SIZE, FLAGS)),
    "wait_peers": (FLAGS, (HANDLE, ctypes.c_uint32, FLAGS)), "last_error": (TEXT, ()),
    "message_init": (FLAGS, (HANDLE,)), "message_init_copy": (FLAGS, (HANDLE, TEXT, SIZE)),
    "message_close": (FLAGS, (HANDLE,)), "message_set_group": (FLAGS, (HANDLE, TEXT)),
    "message_data": (HANDLE, (HANDLE,)), "message_size": (SIZE, (HANDLE,)),
    "send_message": (FLAGS, (HANDLE, HANDLE, FLAGS)), "recv_message": (FLAGS, (HANDLE, HANDLE, FLAGS)),
}


class Library:
    """The calls, and a context."""

    def __init__(self, patience_ms=10000):
        found = next(BUILD.rglob("libmonocoque.so.0"), None)
        if found is None:
            raise unittest.SkipTest("the shared library is not built")
        self.calls, self.patience_ms = ctypes.CDLL(str(found), use_errno=True), patience_ms
        for name, (back, into) in CALLS.items():
            call = getattr(self.calls, f"mcq_{name}")
            call.restype, call.argtypes = back, into
        self.context = self.calls.mcq_ctx_new()

    def must(self, result):
        if result < 0:
            raise AssertionError(self.calls.mcq_last_error().decode())
        return result

    def set(self, option, value):
        self.must(self.calls.mcq_ctx_set(self.context, NUMBERS[f"CTX_{option}"], value))

    def end(self):
        self.must(self.calls.mcq_ctx_term(self.context, self.patience_ms))


class Socket:
    """A socket, by the name of its type. It does not linger, and waits as long as its library says."""

    def __init__(self, library, type_):
        self.library, self.calls, self.must = library, library.calls, library.must
        self.socket = self.calls.mcq_socket(library.context, NUMBERS[type_])
        self.room = ctypes.create_string_buffer(ROOM)
        for option, value in (("LINGER", 0), ("RCVTIMEO", library.patience_ms), ("SNDTIMEO", library.patience_ms)):
            self.set(option, value)

    def set(self, option, value):
        """An option by its name or number; a number or octets."""
        number = NUMBERS[f"OPT_{option}"] if isinstance(option, str) else option
        self.must(self.calls.mcq_set(self.socket, number, value) if isinstance(value, int) else
                  self.calls.mcq_set_bytes(self.socket, number, value, len(value)))

    def bind(self, endpoint="tcp://127.0.0.1:*"):
        """Returns what the endpoint has become."""
        room, size = ctypes.create_string_buffer(256), SIZE(256)
        self.must(self.calls.mcq_bind(self.socket, endpoint.encode()))
        self.must(self.calls.mcq_get_bytes(self.socket, NUMBERS["OPT_LAST_ENDPOINT"], room, ctypes.byref(size)))
        return room.value.decode()

    def connect(self, endpoint):
        self.must(self.calls.mcq_connect(self.socket, endpoint.encode()))

    def join(self, group):
        self.must(self.calls.mcq_join(self.socket, group))

    def wait_peers(self, timeout_ms):
        return self.calls.mcq_wait_peers(self.socket, 1, timeout_ms)

    def send(self, part, flags=0):
        self.must(self.calls.mcq_send(self.socket, part, len(part), flags))

    def recv(self):
        """A part; None: nothing came in time."""
        size = self.calls.mcq_recv(self.socket, self.room, ROOM, 0)
        return None if size < 0 else ctypes.string_at(self.room, size)

    def has_more(self):
        more = NUMBER()
        self.must(self.calls.mcq_get(self.socket, NUMBERS["OPT_RCVMORE"], ctypes.byref(more)))
        return more.value != 0

    def close(self):
        self.must(self.calls.mcq_close(self.socket))
