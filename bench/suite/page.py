"""The report: results.json, results.csv, percentiles as .hgrm, plots by gnuplot, one self-contained page."""

import csv
import html
import json
import os
import shutil
import subprocess

from bench.suite import rows, screen, stats
from bench.suite.lanes import LANES

COLUMNS = ("point", "lane", "round", "library", "version", "engine", "per_s", "cpu_ns", "calls", "allocations",
           "p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us", "user_bytes", "spoken_bytes",
           "ledger_bytes", "open_per_s")

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .2em .8em; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #f4f4f4; }
.short { color: #b00020; font-weight: 600; } .aim { color: #0a7d32; } .warning { color: #b00020; }
figure { display: inline-block; margin: 1em; } figure svg { max-width: 100%; height: auto; }
"""


def write_json(path, document):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.write("\n")


def write_csv(path, runs):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for run in runs:
            writer.writerow([run.get(name, stats.value(run, name)) for name in COLUMNS])


def file_name(text):
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def write_percentiles(folder, results):
    """In the form that plotters of HdrHistogram read."""
    for key, lane in results.by:
        curve = results.curve(key, lane)
        if not curve:
            continue
        with open(os.path.join(folder, f"{file_name(key)}.{lane}.hgrm"), "w", encoding="utf-8") as file:
            file.write("       Value     Percentile TotalCount 1/(1-Percentile)\n\n")
            total = max(run.get("count", 0) for run in results.rounds(key, lane).values())
            for part, time_us in curve:
                left = f"{1 / (1 - part):14.2f}" if part < 1 else "           inf"
                file.write(f"{time_us:12.3f} {part:14.12f} {int(part * total):10d} {left}\n")


# --- plots ----------------------------------------------------------------------------------------------------


class Plot:
    """Both axes are logarithmic. ticks: of x, as (text, where); none: gnuplot's."""

    def __init__(self, name, title, x, y, lines, ticks=()):
        self.name, self.title, self.x, self.y, self.ticks = name, title, x, y, ticks
        self.lines = {lane: line for lane, line in lines.items() if len(line) > 1}

    def script(self, terminal, path):
        yield f"set terminal {terminal}\nset output {json.dumps(path)}"
        yield f"set title {json.dumps(self.title)}\nset xlabel {json.dumps(self.x)}\nset ylabel {json.dumps(self.y)}"
        yield "set logscale xy\nset grid\nset key outside right top"
        if self.ticks:
            yield "set xtics (" + ", ".join(f"{json.dumps(text)} {where}" for text, where in self.ticks) + ")"
        for number, line in enumerate(self.lines.values()):
            yield f"$data{number} << END\n" + "\n".join(f"{x:.9g} {y:.9g}" for x, y in line) + "\nEND"
        yield "plot " + ", ".join(f"$data{number} using 1:2 with linespoints title {json.dumps(lane)}"
                                  for number, lane in enumerate(self.lines))


def over_points(points, results, kind):
    lines = {}
    for point in points:
        for lane in point.lanes:
            found = results.amount(point.key, lane, kind)
            if found and found[0] > 0:
                lines.setdefault(lane, []).append((point.at, found[0]))
    return lines


def over_percentiles(point, results):
    lines = {}
    for lane in point.lanes:
        curve = results.curve(point.key, lane)
        if curve:
            lines[lane] = [(1 / (1 - part), time_us) for part, time_us in curve if time_us > 0]
    return lines


# Drawn at 1 / (1 - part): each decade has as much room as the one before.
PERCENTILES = [("0", 1), ("50 %", 2), ("90 %", 10), ("99 %", 100), ("99.9 %", 1000), ("99.99 %", 10000),
               ("99.999 %", 100000)]

# Group -> what is plotted over its points, with the axis.
OVER = {
    "throughput": (("per_s", "messages per second"), ("cpu_ns", "processor time of a message, both sides, ns")),
    "fanout": (("per_s", "deliveries per second"), ("cpu_ns", "processor time of a delivery, ns")),
    "fanin": (("per_s", "messages per second"),),
    "memory": (("user_bytes", "octets of a connection"),),
    "peers": (("cpu_ns", "processor time of a request, ns"),),
    "topics": (("cpu_ns", "processor time of a message, ns"),),
}
AXES = {"throughput": "octets of a message", "fanout": "subscribers", "fanin": "senders", "memory": "connections",
        "peers": "connections, 10 of which ask", "topics": "subscriptions"}


def plots_of(points, results):
    series = {}
    for point in points:
        series.setdefault((point.group, point.series), []).append(point)
    for (group, name), members in series.items():
        for kind, axis in OVER.get(group, ()):
            yield Plot(f"{group}-{name}-{kind}", f"{group}, {name}", AXES[group], axis,
                       over_points(members, results, kind),
                       [(rows.size_text(size), size) for size in rows.SIZES] if group == "throughput" else ())
    for point in points:
        if point.group in ("trip", "open"):
            yield Plot(file_name(point.key), point.key, "percentile", "us", over_percentiles(point, results),
                       PERCENTILES)


def draw(folder, plots):
    """-> {name: SVG}; empty without gnuplot."""
    drawn = {}
    if not shutil.which("gnuplot"):
        return drawn
    for plot in plots:
        if not plot.lines:
            continue
        svg = os.path.join(folder, plot.name + ".svg")
        for terminal, path in (("svg size 640,400 dynamic", svg),
                               ("pngcairo size 960,600", svg.removesuffix("svg") + "png")):
            subprocess.run(["gnuplot"], input="\n".join(plot.script(terminal, path)), text=True, check=False,
                           capture_output=True)
        if os.path.exists(svg):
            with open(svg, encoding="utf-8") as file:
                drawn[plot.title + ": " + plot.y] = file.read()
    return drawn


# --- the page -------------------------------------------------------------------------------------------------


def table(head, rows):
    """rows: (class, cells)."""
    yield "<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"
    for name, cells in rows:
        yield f'<tr class="{name}">' + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def figure_rows(found):
    for figure in found:
        same = f"{figure['same_congestion']:.2f}x" if figure["same_congestion"] else ""
        yield figure["verdict"], (
            figure["label"], screen.wanted(figure, "asked"), screen.wanted(figure, "aim"), screen.got(figure), same,
            screen.VERDICTS[figure["verdict"]], screen.lane_cell(figure, figure["ours"]),
            screen.lane_cell(figure, figure["theirs"]), screen.lane_cell(figure, "nng"))


BESIDE = ("p50_us", "p99_us", "p999_us", "cpu_ns", "calls")


def point_rows(points, results):
    for point in points:
        for lane in point.lanes:
            kind = screen.kind_of(point.group)
            found = results.amount(point.key, lane, kind)
            if not found:
                continue
            size = point.at if point.group in ("throughput", "compare") else 0
            others = ((results.amount(point.key, lane, other), other) for other in BESIDE)
            yield "", (point.key, lane, screen.amount(found[0], kind, size), screen.spread(found[1]),
                       *(screen.amount(other[0], name) if other else "" for other, name in others))


def write_page(path, document, points, results, drawn):
    machine = document["machine"]
    with open(path, "w", encoding="utf-8") as file:
        def put(lines):
            file.writelines(line + "\n" for line in lines)

        put(("<!doctype html><html lang=en><meta charset=utf-8><title>Monocoque: figures</title>",
             f"<style>{STYLE}</style><h1>Monocoque: figures</h1>",
             f"<p>{html.escape(document['date'])}; {document['rounds']} rounds of {document['seconds']} s each, "
             "lanes in turn; medians, and half the distance of the quartiles. Ratios are taken within a round.</p>"))
        put(f'<p class="warning">{html.escape(text)}.</p>' for text in document["warnings"])
        if document["figures"]:
            put(("<h2>What was asked</h2>",))
            put(table(("", "asked", "aim", "got", "reno", "", "ours", "theirs", "nng"),
                      figure_rows(document["figures"])))
        if drawn:
            put(("<h2>Curves</h2>",))
            put(f"<figure>{svg[svg.index('<svg'):]}<figcaption>{html.escape(name)}</figcaption></figure>"
                for name, svg in drawn.items())
        else:
            put(("<p>No plots: gnuplot is not installed.</p>",))
        put(("<h2>All points</h2>",))
        put(table(("", "lane", "median", "spread", "p50", "p99", "p99.9", "CPU ns", "calls"),
                  point_rows(points, results)))
        put(("<h2>Lanes</h2>",))
        put(table(("", "what"), (("", (lane.name, lane.says)) for lane in LANES.values())))
        put(("<h2>Machine</h2>",))
        facts = {**machine, **document["versions"]}
        put(table(("", ""), (("", (name, str(value))) for name, value in facts.items())))
        put(("</html>",))


def write(folder, document, points, results):
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):     # of an earlier report, which may have had other points
        if name.endswith((".hgrm", ".svg", ".png")):
            os.unlink(os.path.join(folder, name))
    write_json(os.path.join(folder, "results.json"), document)
    write_csv(os.path.join(folder, "results.csv"), document["runs"])
    write_percentiles(folder, results)
    drawn = draw(folder, plots_of(points, results))
    write_page(os.path.join(folder, "report.html"), document, points, results, drawn)
    return len(drawn)
