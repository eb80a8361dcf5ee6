"""Medians over rounds; ratios are taken within a round, where both had the same machine."""

import statistics

LESS_THAN_ANY = 0.0005      # of "none": one in 2,000 messages is set-up, not path


def of_sides(run, name):
    """What both sides of a message cost together; None: it was not counted."""
    sides = [run[side][name] for side in ("first", "second") if name in run.get(side, {})]
    return sum(sides) if sides else None


def value(run, kind):
    return of_sides(run, kind) if kind in ("cpu_ns", "calls", "allocations") else run.get(kind)


def middle(values):
    """(median, half the distance of the quartiles as a part of it, None where it has none), or None."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    median = statistics.median(values)
    if len(values) < 2 or median == 0:
        return median, None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, (high - low) / 2 / median


class Results:
    """Runs, kept by point and lane and round."""

    def __init__(self, runs):
        self.runs = runs
        self.by = {}
        for run in runs:
            self.by.setdefault((run["point"], run["lane"]), {})[run["round"]] = run

    def rounds(self, key, lane):
        return {number: run for number, run in self.by.get((key, lane), {}).items() if "failed" not in run}

    def amount(self, key, lane, kind):
        return middle([value(run, kind) for run in self.rounds(key, lane).values()])

    def ratio(self, key, ours, theirs, kind="per_s"):
        """How many times better ours is; of times, theirs divided by ours."""
        mine, other = self.rounds(key, ours), self.rounds(key, theirs)
        found = []
        for number in mine.keys() & other.keys():
            a, b = value(mine[number], kind), value(other[number], kind)
            if a and b:
                found.append(a / b if kind == "per_s" else b / a)
        return middle(found)

    def curve(self, key, lane):
        """Of the round in the middle, by p50."""
        runs = sorted((run for run in self.rounds(key, lane).values() if "curve" in run), key=lambda r: r["p50_us"])
        return runs[len(runs) // 2]["curve"] if runs else None

    def failed(self):
        return [run for run in self.runs if "failed" in run]


def judge(figure, results):
    """-> the figure as a dictionary with what was got; None: it was not measured."""
    if figure.is_amount:
        got = results.amount(figure.key, figure.ours, figure.kind)
        same = None
    else:
        got = results.ratio(figure.key, figure.ours, figure.theirs, figure.kind)
        same = results.ratio(figure.key, figure.ours, "libzmq-reno", figure.kind)
    if got is None:
        return None

    def reaches(wanted):
        return got[0] <= max(wanted, LESS_THAN_ANY) if figure.is_amount else got[0] >= wanted

    lanes = {lane: results.amount(figure.key, lane, figure.kind)
             for lane in dict.fromkeys((figure.ours, figure.theirs or "libzmq", "nng"))}
    return {
        "label": figure.label, "point": figure.key, "kind": figure.kind, "asked": figure.asked, "aim": figure.aim,
        "got": got[0], "spread": got[1], "same_congestion": same[0] if same else None,
        "verdict": "aim" if reaches(figure.aim) else "asked" if reaches(figure.asked) else "short",
        "is_amount": figure.is_amount, "ours": figure.ours, "theirs": figure.theirs or "libzmq",
        "amounts": {lane: amount[0] for lane, amount in lanes.items() if amount},
    }
