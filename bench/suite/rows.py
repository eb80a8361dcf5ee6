"""What is measured: groups of points, each one run of the driver a lane and a round."""

import dataclasses

SIZES = (16, 64, 256, 1024, 4096, 16384, 65536)
OURS = ("monocoque", "inline", "epoll", "inline-epoll")
OVER_TCP = (*OURS, "libzmq", "libzmq-reno", "nng")
ELSEWHERE = (*OURS, "libzmq", "nng")
ANSWERING = (*OVER_TCP, "kernel")   # the last one knows octets only
OF_SOCKETS = (*OURS, "libzmq", "libzmq-reno")
NATIVE = ("monocoque", "libzmq", "nng")


def size_text(size):
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"


@dataclasses.dataclass(frozen=True)
class Point:
    group: str
    series: str             # points of one curve
    at: float               # where on it
    name: str               # unique within the group
    row: str                # of the driver
    options: tuple
    lanes: tuple = OVER_TCP
    preloads: tuple = ()    # beside the driver

    @property
    def key(self):
        return f"{self.group} {self.name}"


def throughput():
    for transport in ("tcp", "ipc", "inproc"):
        for size in SIZES:
            options = (f"--transport={transport}", f"--bytes={size}")
            if transport == "inproc" and size >= 1024:     # moved, not copied
                options += ("--give",)
            yield Point("throughput", transport, size, f"{transport} {size_text(size)}", "flow", options,
                        OVER_TCP if transport == "tcp" else ELSEWHERE)


def trip():
    for transport in ("tcp", "ipc", "inproc"):
        yield Point("trip", transport, 64, f"{transport} 64 B", "trip", (f"--transport={transport}",),
                    OVER_TCP if transport == "tcp" else ELSEWHERE)


def at_rate():
    for transport in ("tcp", "ipc"):
        for rate in (1000, 10000, 50000):
            yield Point("open", transport, rate, f"{transport} 64 B at {rate:,}/s", "open",
                        (f"--transport={transport}", f"--rate={rate}"),
                        OVER_TCP if transport == "tcp" else ELSEWHERE)


def crowd(group, row, name, counts, *options, lanes=OVER_TCP):
    for count in counts:
        yield Point(group, name, count, f"{count:,} {name}", row, (f"--peers={count}", *options), lanes)


def costs():
    """64 octets one way with calls and allocations counted, which costs both: rates are of `throughput`."""
    yield Point("cost", "tcp", 64, "tcp 64 B", "flow", ("--calls",),
                ("monocoque", "drop-in", "libzmq", "nng"), ("heap.so",))


def compared():
    lanes = ("drop-in", "libzmq", "monocoque")
    for size in (64, 1024, 65536):
        yield Point("compare", "tcp", size, size_text(size), "flow", (f"--bytes={size}",), lanes)
    yield Point("compare", "trip", 64, "REQ <-> REP 64 B", "trip", (), lanes)


GROUPS = {
    "throughput": (throughput, "PUSH to PULL by size and transport"),
    "trip": (trip, "round trip of REQ and REP, one after the other"),
    "open": (at_rate, "there and back at a given rate, timed from when a message was due"),
    "pairs": (lambda: crowd("pairs", "pairs", "pairs", (8,)), "8 pairs of REQ and REP at once"),
    "fanout": (lambda: crowd("fanout", "fanout", "subscribers", (1, 10, 100, 1000)), "PUB to 1 to 1,000"),
    "fanin": (lambda: crowd("fanin", "fanin", "senders", (1, 10, 100, 1000)), "1 to 1,000 to one PULL"),
    "router": (lambda: (*crowd("router", "router", "peers", (1000,), "--window=1", lanes=ANSWERING),
                        *crowd("router", "router", "peers, 10 each", (1000,), "--window=10", lanes=ANSWERING),
                        *crowd("router", "router", "peers, 100 each", (1000,), "--window=100", lanes=ANSWERING),
                        *crowd("router", "dealers", "DEALERs", (1000,), "--window=1", lanes=OF_SOCKETS),
                        *crowd("router", "dealers", "DEALERs, 10 each", (1000,), "--window=10", lanes=OF_SOCKETS)),
               "ROUTER answers 1,000 that all ask, 1, 10 or 100 requests each on the way: a crowd, or sockets"),
    "memory": (lambda: crowd("memory", "idle", "idle", (100, 1000, 10000), lanes=(*OURS, "libzmq", "nng")),
               "user memory of an idle connection"),
    "peers": (lambda: crowd("peers", "router", "peers", (10, 100, 1000, 10000), "--active=10", "--window=10",
                            lanes=(*OURS, "libzmq", "nng")),
              "10 that ask among 10 to 10,000 connections"),
    "topics": (lambda: (Point("topics", "topics", count, f"{count:,} topics", "topics", (f"--topics={count}",),
                              ("monocoque", "inline", "libzmq"))
                        for count in (10, 1000, 100000, 1000000)),
               "PUB to one subscriber of 10 to 1,000,000"),
    "apart": (lambda: crowd("apart", "apart", "subscribers, 10 topics each", (1000,), "--topics=10",
                            lanes=("monocoque", "inline", "libzmq")),
              "PUB to one of 1,000 subscribers of 10 topics each, and their memory"),
    "cost": (costs, "system calls and heap allocations of a message"),
    "compare": (compared, "one driver written against zmq.h: our libzmq.so.5 and the system's, and ours natively"),
}


def points(names):
    return [point for name in names for point in GROUPS[name][0]()]


# --- what was asked for ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Figure:
    """asked, aim: of a ratio, at least; of an amount, at most."""
    label: str
    key: str                    # of the point
    asked: float
    aim: float
    kind: str = "per_s"         # rate; or p50_us, a time; or an amount: calls, allocations, user_bytes
    ours: str = "monocoque"
    theirs: str = "libzmq"      # "": an amount, compared with nobody

    @property
    def is_amount(self):
        return not self.theirs


FIGURES = (
    *(Figure(f"PUSH -> PULL tcp {size}", f"throughput tcp {size}", asked, aim) for size, asked, aim in (
        ("16 B", 5, 10), ("64 B", 4.5, 8), ("1 KiB", 4, 6), ("16 KiB", 3.5, 5), ("64 KiB", 2.5, 4))),
    *(Figure(f"PUSH -> PULL ipc {size}", f"throughput ipc {size}", asked, aim) for size, asked, aim in (
        ("64 B", 4, 6.5), ("1 KiB", 3.5, 4.5))),
    Figure("inproc 64 B", "throughput inproc 64 B", 2, 4),
    Figure("inproc 1 KiB moved", "throughput inproc 1 KiB", 5, 8),
    Figure("REQ <-> REP 64 B tcp, p50", "trip tcp 64 B", 2.5, 3.5, "p50_us"),
    Figure("8 REQ <-> REP pairs", "pairs 8 pairs", 1.5, 2.5),
    Figure("PUB to 100", "fanout 100 subscribers", 2, 3.5),
    Figure("PUB to 1,000", "fanout 1,000 subscribers", 2, 3),
    Figure("ROUTER and 1,000 DEALERs", "router 1,000 DEALERs", 2, 4),
    Figure("ROUTER and a crowd of 1,000", "router 1,000 peers", 2, 4),
    Figure("the same, 10 requests each", "router 1,000 peers, 10 each", 2, 4),
    Figure("the same, 100 requests each", "router 1,000 peers, 100 each", 2, 4),
    Figure("memory of an idle connection", "memory 1,000 idle", 4096, 1024, "user_bytes", theirs=""),
    Figure("system calls per message, 64 B", "cost tcp 64 B", 0.01, 0.001, "calls", theirs=""),
    Figure("heap allocations per message", "cost tcp 64 B", 0, 0, "allocations", theirs=""),
    Figure("drop-in 64 B, to libzmq", "compare 64 B", 3, 3, ours="drop-in"),
    Figure("drop-in 64 B, to our native API", "compare 64 B", 0.7, 0.7, ours="drop-in", theirs="monocoque"),
)
