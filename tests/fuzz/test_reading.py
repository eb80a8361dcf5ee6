"""What campaigns read: files of dead instances, cut and moved ones; rules of the spec; how endings are told apart."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock

from fuzz.campaign import (dashboard, edges, instances, oracles, report, rules, state, stats, supervisor, targets,
                           triage)
import planted

STATS = """start_time        : 1
run_time          : {run_time}
execs_done        : {execs}
execs_per_sec     : 20000.00
stability         : 99.50%
last_find         : {last_find}
edges_found       : 90
total_edges       : 100
"""
PLOT = """# relative_time, cycles_done, cur_item, corpus_count, execs_per_sec, total_execs, edges_found
5, 0, 1, 2, 100.0, 500, 40
10, 0, 1, 3, 200.0, 2000, 60
12, 0, 1"""
BUILDS = targets.Builds({"plain": planted.BUILD / "fuzz", "coverage": "/nonexistent"})
KNOWN = targets.load(BUILDS)


class Home(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.campaign = state.Campaign("one", self.home)
        self.campaign.targets, self.campaign.builds = ["frame"], BUILDS.record()
        self.campaign.beat = time.time()

    def instance(self, name="main", target="frame", queue=(), crashes=(), text="", plot=""):
        folder = self.campaign.output(target) / name
        for what, files in (("queue", queue), ("crashes", crashes)):
            (folder / what).mkdir(parents=True, exist_ok=True)
            for place, (file, octets) in enumerate(files):
                (folder / what / f"id:{place:06},{file}").write_bytes(octets)
        if text:
            (folder / "fuzzer_stats").write_text(text, encoding="utf-8")
        if plot:
            (folder / "plot_data").write_text(plot, encoding="utf-8")
        return folder


class Reading(Home):
    def test_a_cut_plot_and_a_missing_one(self):
        folder = self.instance(plot=PLOT)
        found = stats.read_instance(folder)
        self.assertEqual((found.execs, found.edges, found.run_s), (2000, 60, 10))
        self.assertEqual(stats.read_plot(folder / "nowhere"), [])
        self.assertEqual(stats.growth(self.campaign, "frame"), [(5, 40), (10, 60)])

    def test_a_name_is_younger_than_the_stats(self):
        folder = self.instance(queue=[("time:0,execs:0,orig:a", b"a"), ("src:0,time:70000,execs:9000,op:havoc", b"b")],
                               text=STATS.format(run_time=60, execs=8000, last_find=0))
        found = stats.read_instance(folder)
        self.assertEqual((found.execs, found.run_s, found.corpus, found.stability), (9000, 70, 2, 99.5))

    def test_what_the_record_counted_is_not_forgotten(self):
        self.instance(text=STATS.format(run_time=1, execs=10, last_find=0))
        self.campaign.counted = {"frame/main": [500, 9.0]}
        self.assertEqual(stats.summarise(self.campaign, "frame").execs, 500)

    def test_a_dead_instance_is_shown_as_dead_with_all_it_did(self):
        self.instance(text=STATS.format(run_time=60, execs=8000, last_find=int(time.time())),
                      queue=[("orig:a", b"a")], crashes=[("sig:06", b"x")])
        child = os.fork()
        if child == 0:
            os._exit(0)
        self.campaign.state = "running"
        self.campaign.supervisor = self.campaign.running["frame/main"] = [child, state.born(child) or 1]
        os.waitpid(child, 0)
        data = dashboard.collect(self.campaign)
        row = data["targets"][0]
        self.assertEqual((data["state"], row["state"], row["dead"]), ("died", "dead: main", ["main"]))
        self.assertEqual((row["execs"], row["crashes"], row["corpus"]), (8000, 1, 1))
        text = dashboard.table(data)
        self.assertIn("died", text)
        self.assertIn("dead: main", text)

    def test_crashes_that_were_moved_aside_count_once(self):
        folder = self.instance(crashes=[("sig:06", b"x")])
        for name in ("crashes.2001-01-01-00:00:00", "crashes.2001-01-02-00:00:00"):
            (folder / name).mkdir()
            (folder / name / "id:000000,sig:06").write_bytes(b"x")
        (folder / name / "README.txt").write_bytes(b"afl-fuzz says")
        self.assertEqual(stats.summarise(self.campaign, "frame").crashes, 1)

    def test_queue_that_is_being_moved(self):
        folder = self.instance(queue=[("orig:a", b"a")])
        (folder / "queue").rename(folder / "_resume")
        self.assertEqual(stats.summarise(self.campaign, "frame").corpus, 1)
        self.assertEqual([path.read_bytes() for path in self.campaign.corpus("frame")], [b"a"])

    def test_states(self):
        now = int(time.time())
        for last_find, run_time, word in ((now, 60, "finding"), (now - 5000, 4000, "saturated"),
                                          (now - 5000, 90, "searching")):
            with self.subTest(word=word):
                self.instance(text=STATS.format(run_time=run_time, execs=1, last_find=last_find))
                self.assertEqual(stats.summarise(self.campaign, "frame").state, word)

    def test_record_is_replaced_as_a_whole(self):
        self.campaign.elapsed_s = 5
        self.campaign.save()
        self.assertEqual(state.Campaign("one", self.home).load().elapsed_s, 5)
        self.assertEqual([path.name for path in self.campaign.folder.iterdir()], ["campaign.json"])
        with self.assertRaises(state.Wrong):
            state.Campaign("../one", self.home)
        with self.assertRaises(state.Wrong):
            state.Campaign("two", self.home).load()

    def test_an_instance_without_stats_is_rescued(self):
        self.campaign.input_folder("frame").mkdir(parents=True)
        self.instance(queue=[("src:0,time:1,execs:2", b"precious")])
        instances.rescue(self.campaign, KNOWN["frame"], "main")
        self.assertEqual([path.read_bytes() for path in targets.inputs([self.campaign.input_folder("frame")])],
                         [b"precious"])

    def test_stats_that_were_cut_are_healed_and_whole_ones_left_alone(self):
        whole = "start_time        : 7\nlast_update       : 8\nexecs_done        : 9\n"
        folder = self.instance()
        path = folder / "fuzzer_stats"
        instances.heal(folder)
        self.assertFalse(path.exists())
        for octets in (0, 11, whole.index("last"), whole.index("8"), len(whole)):
            with self.subTest(octets=octets):
                path.write_text(whole[:octets], encoding="utf-8")
                instances.heal(folder)
                said = path.read_text(encoding="utf-8")
                self.assertRegex(said, r"\Astart_time +: \d+\nlast_update +: \d+\n")
                self.assertEqual(said == whole, octets == len(whole))


class Turns(Home):
    def test_every_target_gets_its_turn_and_finders_get_more(self):
        self.campaign.targets, self.campaign.jobs = ["frame", "session"], 1
        one = supervisor.Supervisor(self.campaign, turn_s=10)
        one.builds = targets.Builds({kind: planted.BUILD / "fuzz" for kind in ("plain", "asan", "cmplog")})
        taken = []
        self.instance(target="session", queue=[("src:0,time:1,execs:2", b"new")])
        for _ in range(80):
            target, name = one.next_turn()
            taken.append((target.name, name))
            one.charge(target, name, 10)
        self.assertEqual(taken[0], ("frame", "main"))
        self.assertEqual({name for _, name in taken}, set(instances.KINDS))
        count = sum(target == "session" for target, _ in taken)
        self.assertEqual(count, 60)              # three times as many

    def test_jobs_beyond_the_targets_are_other_kinds(self):
        self.campaign.jobs = 3
        one = supervisor.Supervisor(self.campaign)
        one.builds = targets.Builds({kind: planted.BUILD / "fuzz" for kind in ("plain", "asan", "cmplog")})
        for slot in one.slots:
            slot.turn = one.next_turn()
        self.assertEqual([slot.turn[1] for slot in one.slots], ["main", "cmplog", "asan"])

    def test_lines(self):
        builds = targets.Builds({"plain": "/b/fuzz", "asan": "/a/fuzz", "cmplog": "/c/fuzz"})

        def line(name):
            return " ".join(instances.command(self.campaign, KNOWN["frame"], name, builds))

        for name, wanted in (("main", "-M main"), ("cmplog", "-S cmplog"), ("asan", "-S asan"), ("rare2", "-S rare2"),
                             ("cmplog", "-c /c/fuzz/fuzz_frame"), ("asan", "-- /a/fuzz/fuzz_frame")):
            self.assertIn(wanted, line(name))
        self.assertNotIn("-i - ", line("main"))
        self.instance(text=STATS.format(run_time=1, execs=1, last_find=0))
        self.assertIn("-i - ", line("main"))


class Rules(unittest.TestCase):
    """The listed rules are those of the build, and inputs touch what they say in their names."""

    def setUp(self):
        self.book = rules.Book.of(BUILDS)

    def test_units_hold_every_rule_of_the_model_once(self):
        listed = {row["id"] for row in self.book.model["rules"]}
        units = self.book.units()
        self.assertLessEqual(listed, self.book.all_rules())
        self.assertEqual(sum(len(own) for own in units.values()), len(self.book.all_rules()))

    def test_targets_begin_with_inputs_for_all_rules_but_those_inside_boxes(self):
        touched = set()
        for target in KNOWN.values():
            for path in target.start_inputs(BUILDS):
                touched |= self.book.read(target, path.read_bytes())
        self.assertEqual(sorted(self.book.all_rules() - touched - self.book.units()["box"]), [])

    def test_a_refused_seed_touches_the_rule_that_it_breaks(self):
        text = (BUILDS.generated("fuzz/seeds.txt")).read_text(encoding="utf-8")
        count = 0
        for line in text.splitlines():
            name, _, octets = line.partition(" ")
            face, _, what = name.partition("/")
            rule = next((rule for rule in sorted(self.book.all_rules(), key=len, reverse=True)
                         if what.startswith(rule + "_") and rule.startswith(face)), None)
            if rule and face in ("greeting", "frame"):
                count += 1
                self.assertIn(rule, self.book.read(KNOWN[face], bytes.fromhex(octets)), name)
        self.assertGreater(count, 20)

    def test_decode_is_text_that_names_fields(self):
        text = self.book.decode(KNOWN["command"], planted.SEED)
        self.assertIn("command PING of traffic", text)
        self.assertIn("PING.context", text)
        self.assertEqual(self.book.rule_of(KNOWN["command"], planted.SEED), "PING.context")

    def test_a_corpus_is_read_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path, cache = pathlib.Path(folder) / "main/queue/id:000000", pathlib.Path(folder) / "cache.json"
            path.parent.mkdir(parents=True)
            path.write_bytes(planted.SEED)
            touched, own = rules.scan(self.book, KNOWN["command"], [path], cache)
            self.assertEqual(touched, {"PING", "PING.ttl", "PING.context"})
            self.assertLess(touched, own)
            path.unlink()
            self.assertEqual(rules.scan(self.book, KNOWN["command"], [path], cache)[0], touched)
            self.assertEqual(json.loads(cache.read_text(encoding="utf-8"))["seen"], ["main/id:000000"])


class Edges(Home):
    """A parser of one branch, built as the preset coverage builds: the parts are those of ./dev coverage."""

    SOURCE = """#include <stdio.h>
int main(int argc, char **argv)
{
    int first = EOF;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL)
            continue;
        first = getc(file);
        fclose(file);
        if (first == 'x')
            puts("x");
    }
    return 0;
}
"""

    def test_ways_add_up_from_input_to_input(self):
        build = self.home / "build"
        for folder in ("generated/wire", "fuzz", "objects/generated/wire"):
            (build / folder).mkdir(parents=True)
        source = build / "generated/wire/frame.c"
        source.write_text(self.SOURCE, encoding="utf-8")
        subprocess.run(["gcc", "--coverage", "-O0", "-c", source, "-o", "objects/generated/wire/frame.o"], cwd=build,
                       check=True)
        subprocess.run(["gcc", "--coverage", "objects/generated/wire/frame.o", "-o", "fuzz/fuzz_frame"], cwd=build,
                       check=True)
        builds = targets.Builds({"plain": planted.BUILD / "fuzz", "coverage": build / "fuzz"})
        self.instance(queue=[("orig:a", b"a")])
        before = edges.of_campaign(self.campaign, KNOWN["frame"], builds)["wire/frame.c"]
        self.assertEqual(before, edges.of_campaign(self.campaign, KNOWN["frame"], builds)["wire/frame.c"])
        self.instance(queue=[("orig:a", b"a"), ("src:0,time:1,execs:2", b"x")])
        after = edges.of_campaign(self.campaign, KNOWN["frame"], builds)["wire/frame.c"]
        self.assertEqual((after[0] - before[0], after[1] - before[1]), (1, 0))
        self.assertLess(after[0], after[1])              # every file was there
        self.assertIsNone(edges.of_campaign(self.campaign, KNOWN["frame"], BUILDS))
        self.assertTrue(edges.explained())


class SlowOracles(Home):
    SCRIPT = """import pathlib, sys
found = [path for name in sys.argv[3:] for path in pathlib.Path(name).iterdir()]
pathlib.Path(__file__).with_name("asked").open("a").write("x")
bad = sum(path.read_bytes() == b"bad" for path in found)
print("a <difference>" * bad)
print(len(found), "asked", bad, "differ")
sys.exit(bool(bad))
"""

    def ask(self):
        build, script = self.home / "build", self.home / "oracle.py"
        if not build.exists():                               # a new one is another oracle
            (build / "drivers").mkdir(parents=True)
            (build / "drivers/one").touch()
        script.write_text(self.SCRIPT, encoding="utf-8")
        said = []
        with unittest.mock.patch.multiple(oracles, TOOLS={oracles.CODEC: (str(script),)},
                                          DRIVERS={oracles.CODEC: "drivers/one"}, faces=lambda: ["frame"]):
            good = oracles.run(self.campaign, targets.Builds({"replay": build / "fuzz"}), said.append)
        asked = self.home / "asked"
        return good, said, len(asked.read_text(encoding="utf-8")) if asked.exists() else 0

    def test_what_they_say_is_in_the_report(self):
        self.campaign.targets = ["frame", "options"]         # of which one is nothing to them
        self.instance(queue=[("one", b"good"), ("two", b"good"), ("three", b"fine")])
        self.instance(target="options", queue=[("one", b"bad")])
        self.assertEqual(self.ask(), (True, ["reference codec, 2 inputs: 2 asked 0 differ"], 1))
        self.assertIn("2 of frame", report.slow(self.campaign))
        self.assertEqual(self.ask()[2], 1)                   # the same sample is not asked twice
        self.instance("more", queue=[("four", b"bad")])
        self.assertEqual(self.ask(), (False, ["reference codec, 3 inputs: 3 asked 1 differ"], 2))
        self.assertIn("a &lt;difference&gt;", report.slow(self.campaign))

    def test_codec_knows_decoders_and_no_calls(self):
        self.assertIn("frame", oracles.faces())
        self.assertNotIn("calls", oracles.faces())

    def test_nothing_to_ask(self):
        self.campaign.targets = ["options"]
        self.assertEqual(self.ask(), (True, [], 0))
        self.assertIn("Not asked", report.slow(self.campaign))


class Endings(unittest.TestCase):
    OVERFLOW = """==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011 at pc 0x1
READ of size 1 at 0x602000000011 thread T0
    #0 0x4f in __interceptor_memcpy (/usr/lib/libasan.so+0x4f)
    #1 0x5555 in {0} src/wire/a.c:12
    #2 0x5556 in fuzz_one fuzz/frame.c:1
"""
    UNDEFINED = """src/wire/b.c:7:3: runtime error: shift exponent {0} is too large for 32-bit type 'int'
    #0 0x5555 in b_shift src/wire/b.c:7
"""

    def test_kinds(self):
        found = triage.ending(self.OVERFLOW.format("a_read"), 99, False)
        self.assertEqual((found.kind, found.title), ("heap-buffer-overflow", "heap-buffer-overflow read in a_read"))
        self.assertEqual(found.frames, ("a_read",))
        self.assertEqual(triage.ending("", 1, True).kind, "hang")
        self.assertEqual(triage.ending("said\n", -signal.SIGABRT, False)[:2], ("oracle", "said"))

    def test_the_same_and_not_the_same(self):
        def mark(text, status=99):
            return triage.signature(triage.ending(text, status, False))

        self.assertNotEqual(mark(self.OVERFLOW.format("a_read")), mark(self.OVERFLOW.format("b_read")))
        self.assertEqual(mark(self.UNDEFINED.format(33)), mark(self.UNDEFINED.format(40)))
        self.assertEqual(mark("3 of 4 octets\n", -signal.SIGABRT), mark("5 of 16 octets\n", -signal.SIGABRT))
        self.assertNotEqual(mark("3 of 4 octets\n", -signal.SIGABRT), mark("3 of 4 frames\n", -signal.SIGABRT))


if __name__ == "__main__":
    unittest.main()
