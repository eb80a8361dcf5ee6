"""Who is measured: a driver, what it is started with, and what the table calls it."""

import dataclasses
import os
import subprocess


@dataclasses.dataclass(frozen=True)
class Lane:
    name: str
    library: str                    # whose driver
    says: str
    options: tuple = ()
    environment: tuple = ()         # pairs
    preload: str = ""               # beside the driver
    is_drop_in: bool = False        # our libzmq.so.5 in place of the system's


LANES = {lane.name: lane for lane in (
    Lane("monocoque", "monocoque", "default context, io_uring"),
    Lane("inline", "monocoque", "context without threads, io_uring", ("--inline",)),
    Lane("epoll", "monocoque", "default context, epoll", environment=(("MONOCOQUE_ENGINE", "epoll"),)),
    Lane("inline-epoll", "monocoque", "context without threads, epoll", ("--inline",),
         (("MONOCOQUE_ENGINE", "epoll"),)),
    Lane("drop-in", "libzmq", "our libzmq.so.5, called through zmq.h", is_drop_in=True),
    Lane("libzmq", "libzmq", "as the system has it"),
    Lane("libzmq-reno", "libzmq", "with our congestion control", environment=(("BENCH_CONGESTION", "reno"),),
         preload="congestion.so"),
    Lane("kernel", "kernel", "no library: octets given back by recv and send"),
    Lane("nng", "nng", "as the system has it"),
)}


class Drivers:
    """The programs of one build tree, and how they are started."""

    def __init__(self, folder, drop_in):
        self.folder = os.path.abspath(folder)
        self.drop_in = os.path.abspath(drop_in)     # the folder of our libzmq.so.5

    def path(self, lane):
        return os.path.join(self.folder, f"driver-{lane.library}")

    def has(self, lane):
        return os.path.exists(self.path(lane)) and (
            not lane.is_drop_in or os.path.exists(os.path.join(self.drop_in, "libzmq.so.5")))

    def command(self, lane, row, options):
        return [self.path(lane), row, *options, *lane.options]

    def environment(self, lane, preloads=()):
        environment = {**os.environ, **dict(lane.environment)}
        if lane.is_drop_in:
            environment["LD_LIBRARY_PATH"] = self.drop_in
        loaded = [os.path.join(self.folder, name) for name in (*preloads, lane.preload) if name]
        if loaded:
            environment["LD_PRELOAD"] = " ".join(loaded)
        return environment

    def start(self, lane, row, options, preloads=()):
        return subprocess.Popen(self.command(lane, row, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.environment(lane, preloads), start_new_session=True)
