"""What the terminal shows: at most 100 columns."""

from bench.suite.lanes import LANES

VERDICTS = {"aim": "aim reached", "asked": "as asked", "short": "SHORT"}


def rate(per_s, size=0):
    if size >= 65536:
        return f"{per_s * size * 1e-9:.1f} GB/s"
    if per_s >= 1e6:
        return f"{per_s * 1e-6:.2f} M/s"
    return f"{per_s * 1e-3:.1f} k/s" if per_s >= 1e3 else f"{per_s:.0f} /s"


def octets(number):
    return f"{number / 1024:.1f} KiB" if number >= 1024 else f"{number:.0f} B"


def amount(value, kind, size=0):
    if value is None:
        return "-"
    if kind == "per_s":
        return rate(value, size)
    if kind.endswith("_us"):
        return f"{value:.1f} us" if value < 10000 else f"{value / 1000:.1f} ms"
    if kind.endswith("_bytes"):
        return octets(value)
    return f"{value:.4f}" if value < 1 else f"{value:.2f}"


def wanted(figure, name):
    return amount(figure[name], figure["kind"]) if figure["is_amount"] else f"{figure[name]:g}x"


def times(ratio):
    return f"{ratio:.2f}x" if ratio < 100 else f"{ratio:.0f}x"


def spread(part):
    return "" if part is None else f"+-{part * 100:.0f}%"


def got(figure):
    text = amount(figure["got"], figure["kind"]) if figure["is_amount"] else times(figure["got"])
    return f"{text} {spread(figure['spread'])}".strip()


def size_of(figure):
    return 65536 if figure["point"].endswith("64 KiB") else 0


def lane_cell(figure, lane):
    return amount(figure["amounts"].get(lane), figure["kind"], size_of(figure))


def figures(found):
    """The table of what was asked for, as lines."""
    yield (f"{'':<31} {'asked':>7} {'aim':>7} {'got':>13} {'reno':>6} {'':<11} {'ours':>9} {'theirs':>9}")
    for figure in found:
        same = times(figure["same_congestion"]) if figure["same_congestion"] else ""
        yield (f"{figure['label']:<31.31} {wanted(figure, 'asked'):>7} {wanted(figure, 'aim'):>7} "
               f"{got(figure):>13} {same:>6} {VERDICTS[figure['verdict']]:<11} "
               f"{lane_cell(figure, figure['ours']):>9} {lane_cell(figure, figure['theirs']):>9}").rstrip()
    if any(figure["same_congestion"] for figure in found):
        yield "reno: the same ratio with our congestion control for both."
    counts = [sum(figure["verdict"] == name for figure in found) for name in VERDICTS]
    yield f"{counts[0]} reach the aim, {counts[1]} what was asked, {counts[2]} are short of it."


KINDS = {"memory": "user_bytes", "trip": "p50_us", "open": "p99_us", "cost": "calls"}


def kind_of(group):
    return KINDS.get(group, "per_s")


def group(name, points, results, lanes):
    """One group: a line a point, a column a lane."""
    kind = kind_of(name)
    lanes = [lane for lane in lanes if any(results.amount(point.key, lane, kind) for point in points)]
    if not lanes:
        return
    yield f"{name + ' (' + kind.replace('per_s', 'a second').replace('_', ' ') + ')':<30}" + "".join(
        f"{lane:>13}" for lane in lanes)
    for point in points:
        cells = []
        for lane in lanes:
            found = results.amount(point.key, lane, kind)
            size = point.at if name in ("throughput", "compare") else 0
            cells.append(amount(found[0] if found else None, kind, size))
        yield f"  {point.name:<28}" + "".join(f"{cell:>13}" for cell in cells)


def legend(lanes):
    return [f"  {name:<13} {LANES[name].says}" for name in lanes]


def race(results, ours="drop-in", theirs="libzmq"):
    """The demo's: one program written against zmq.h, with our libzmq.so.5 and with the system's."""
    flows = [("64 B", 64), ("1 KiB", 1024), ("64 KiB", 65536)]
    times = [("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us")]
    trip = "compare REQ <-> REP 64 B"

    def text(key, lane, kind, size=0):
        found = results.amount(key, lane, kind)
        return amount(found[0] if found else None, kind, size)

    def times_better(key, kind):
        found = results.ratio(key, ours, theirs, kind)
        return f"{found[0]:.2f}x" if found else "-"

    yield (f"{'PUSH -> PULL':<14} {'monocoque':>10} {'libzmq':>10} {'ratio':>7}    "
           f"{'REQ <-> REP 64 B':<16} {'monocoque':>11} {'libzmq':>10} {'ratio':>7}")
    for (name, size), (quantile, kind) in zip(flows, times):
        key = f"compare {name}"
        yield (f"{name:<14} {text(key, ours, 'per_s', size):>10} {text(key, theirs, 'per_s', size):>10} "
               f"{times_better(key, 'per_s'):>7}    {quantile:<16} {text(trip, ours, kind):>11} "
               f"{text(trip, theirs, kind):>10} {times_better(trip, kind):>7}")
    spreads = [found[1] or 0 for name, _ in flows if (found := results.ratio(f"compare {name}", ours, theirs))]
    yield (f"Both ends share the machine: read the ratios (+-{max(spreads, default=0) * 100:.0f} %), "
           "not the absolute numbers.")
