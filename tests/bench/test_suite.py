"""Each row of the benchmarks starts, ends and tells what it should, with counts so small that nothing is measured."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from bench.suite import __main__ as suite
from bench.suite import lanes, page, profile, rows, runner, stats

BUILD = pathlib.Path(os.environ["MONOCOQUE_BUILD_DIR"])
DRIVERS = lanes.Drivers(BUILD / "tests/bench/driver", BUILD / "zmq/lib")
SECONDS = 0.02
SMALL = {"fanout": ("--peers=3",), "fanin": ("--peers=3",), "pairs": ("--peers=2",), "topics": ("--topics=5",),
         "apart": ("--peers=3", "--topics=5"),
         "router": ("--peers=3", "--active=2", "--window=2"), "dealers": ("--peers=3", "--window=2"),
         "idle": ("--peers=3",), "open": ("--rate=2000",)}


def run(lane, row, *options, preloads=(), seconds=SECONDS):
    point = rows.Point("test", "test", 0, row, row, (), preloads=preloads)
    return runner.run_once(DRIVERS, lanes.LANES[lane], point, (f"--seconds={seconds}", *SMALL.get(row, ()), *options))


class Rows(unittest.TestCase):
    def check(self, lane, row, *options, **how):
        """Runs it once -> what it told."""
        if not DRIVERS.has(lanes.LANES[lane]):
            self.skipTest(f"{lane} is not installed")
        told = run(lane, row, *options, **how)
        self.assertNotIn("failed", told)
        self.assertEqual((row, lanes.LANES[lane].library), (told["row"], told["library"]))
        if row == "idle":
            self.assertGreaterEqual(told["process_bytes"], 4096)
        else:
            self.assertGreater(told["count"], 0)
            self.assertAlmostEqual(told["per_s"], told["count"] / told["seconds"], delta=told["per_s"] / 100)
            self.assertGreaterEqual(told["first"]["cpu_ns"] + told["second"]["cpu_ns"], 0)
        return told

    def check_all(self, lane):
        for row in ("flow", "trip", "open", "pairs", "fanout", "topics", "apart", "fanin", "router", "idle"):
            with self.subTest(row):
                self.check(lane, row)

    def test_monocoque(self):
        self.check_all("monocoque")

    def test_without_threads(self):
        self.check_all("inline")

    def test_libzmq(self):
        self.check_all("libzmq")

    def test_nng(self):
        self.check_all("nng")

    def test_many_sockets_of_a_thread(self):
        for lane in ("monocoque", "inline", "libzmq"):
            with self.subTest(lane):
                self.check(lane, "dealers")

    def test_kernel(self):
        self.check("kernel", "router")
        self.assertIn("open failed", run("kernel", "flow")["failed"])

    def test_lanes(self):
        for lane, engine in (("epoll", "epoll"), ("inline-epoll", "epoll"), ("libzmq-reno", "")):
            with self.subTest(lane):
                self.assertEqual(engine, self.check(lane, "flow")["engine"])

    def test_drop_in_is_ours(self):
        self.assertEqual("4.3.5", self.check("drop-in", "flow")["version"])

    def test_transports(self):
        for transport in ("ipc", "inproc"):
            for row in ("flow", "trip", "open"):
                with self.subTest(row, transport=transport):
                    self.check("monocoque", row, f"--transport={transport}")

    def test_sealed_and_given(self):
        self.check("monocoque", "flow", "--curve")
        self.check("monocoque", "flow", "--transport=inproc", "--give", "--bytes=4096")

    def test_allocations_are_counted(self):
        told = self.check("libzmq", "flow", preloads=("heap.so",), seconds=0.1)
        self.assertGreater(stats.value(told, "allocations"), 0)     # its sender makes one a message, some ahead

    def test_what_slows_is_told_only_if_counted(self):
        told = self.check("monocoque", "flow")["first"]
        self.assertNotIn("allocations", told)
        self.assertNotIn("calls", told)

    def test_what_does_not_exist_fails_with_a_reason(self):
        self.assertIn("open failed", run("libzmq", "flow", "--inline")["failed"])
        self.assertIn("--transport", run("monocoque", "flow", "--transport=pigeon")["failed"])


class Times(unittest.TestCase):
    def test_percentiles_rise_to_the_longest(self):
        told = run("monocoque", "trip")
        times = [told[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us")]
        self.assertEqual(sorted(times), times)
        self.assertEqual(sorted(told["curve"]), told["curve"])
        self.assertLessEqual(told["curve"][-1][1], told["max_us"])

    def test_a_message_that_leaves_late_is_late(self):
        """A million in a tenth of a second cannot be sent: what waits for its turn has been waiting."""
        told = run("monocoque", "open", "--rate=10000000", seconds=0.1)
        self.assertGreater(told["max_us"], 10000)


class Stats(unittest.TestCase):
    def results(self, **lanes_of):
        return stats.Results([{"point": "p", "lane": lane.replace("_", "-"), "round": number, "per_s": value}
                              for lane, values in lanes_of.items() for number, value in enumerate(values)])

    def judge(self, asked, aim, **lanes_of):
        return stats.judge(rows.Figure("f", "p", asked, aim), self.results(**lanes_of))

    def test_ratios_are_taken_within_a_round(self):
        found = self.judge(2, 4, monocoque=[10, 300, 50], libzmq=[5, 100, 10])
        self.assertEqual((3, "asked"), (found["got"], found["verdict"]))

    def test_a_losing_ratio_is_told(self):
        found = self.judge(2, 4, monocoque=[5, 5], libzmq=[10, 10])
        self.assertEqual((0.5, "short"), (found["got"], found["verdict"]))

    def test_the_same_congestion_control_stands_beside(self):
        self.assertEqual(2, self.judge(2, 4, monocoque=[8], libzmq=[2], libzmq_reno=[4])["same_congestion"])

    def test_amounts_are_at_most(self):
        figure = rows.Figure("f", "p", 0.01, 0.001, "calls", theirs="")
        side = {"calls": 0.002}
        results = stats.Results([{"point": "p", "lane": "monocoque", "round": 0, "first": side, "second": side}])
        found = stats.judge(figure, results)
        self.assertEqual((0.004, "asked"), (found["got"], found["verdict"]))

    def test_a_round_that_failed_has_no_figure(self):
        results = stats.Results([{"point": "p", "lane": "libzmq", "round": 0, "failed": "why"}])
        self.assertIsNone(results.amount("p", "libzmq", "per_s"))
        self.assertIsNone(self.judge(2, 4, monocoque=[5]))

    def test_every_figure_is_of_a_point(self):
        keys = {point.key for point in rows.points(rows.GROUPS)}
        self.assertEqual([], [figure.label for figure in rows.FIGURES if figure.key not in keys])


class Report(unittest.TestCase):
    def test_the_whole_of_it(self):
        """What a person types, with one group; the terminal, the files, the page."""
        with tempfile.TemporaryDirectory() as folder:
            words = ["bench", "trip", "--rounds=2", f"--seconds={SECONDS}", "--lanes=monocoque,libzmq",
                     f"--out={folder}", f"--drivers={DRIVERS.folder}", f"--drop-in={DRIVERS.drop_in}"]
            with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(io.StringIO()) as shown:
                self.assertEqual(0, suite.main())
            self.assertIn("REQ <-> REP 64 B tcp", shown.getvalue())
            self.assertEqual([], [line for line in shown.getvalue().splitlines()
                                  if len(line) > 100 and not line.startswith(folder)])
            document = json.loads(pathlib.Path(folder, "results.json").read_text())
            self.assertEqual(3 * 2 * 2, len(document["runs"]))
            self.assertEqual({"others", "steal", "loadavg"}, set(document["load_before"]))
            self.assertLessEqual({"kernel", "cores", "build", "flags"}, set(document["machine"]))
            text = pathlib.Path(folder, "report.html").read_text()
            self.assertNotIn("src=", text)
            self.assertEqual(bool(shutil.which("gnuplot")), "<svg" in text)
            self.assertTrue(list(pathlib.Path(folder).glob("*.hgrm")))
            self.assertEqual(13, len(pathlib.Path(folder, "results.csv").read_text().splitlines()))

    def test_html_is_escaped(self):
        self.assertIn("&lt;b&gt;", "".join(page.table(("<b>",), ())))


class Profile(unittest.TestCase):
    def test_functions_have_layers(self):
        known = profile.layers(("src", BUILD / "generated"))
        self.assertEqual(["runtime", "session", "wire", None],
                         [known.get(name) for name in ("mcq_socket_enter", "mcq_session_want", "mcq_frame_decode",
                                                       "main")])

    def test_what_is_nobodys(self):
        known = {"mcq_send": "api"}
        self.assertEqual(["api", "the driver", "kernel", "libc.so.6"],
                         [profile.layer_of(*where, known) for where in (
                             ("driver-monocoque", "mcq_send"), ("driver-monocoque", "main"),
                             ("[kernel.kallsyms]", "tcp_ack"), ("libc.so.6", "memmove"))])


class Driver(unittest.TestCase):
    def test_a_driver_that_is_ended_leaves_nobody(self):
        process = DRIVERS.start(lanes.LANES["monocoque"], "flow", ("--seconds=60",))
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(found := children.read_text().split()) < 2:
            self.assertIsNone(process.poll())
        process.kill()
        process.communicate()
        for child in found:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                while "\nState:\tZ" not in pathlib.Path(f"/proc/{child}/status").read_text():
                    pass

    def test_help(self):
        program = DRIVERS.path(lanes.LANES["monocoque"])
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
        self.assertIn("--transport", done.stdout)


if __name__ == "__main__":
    unittest.main()
