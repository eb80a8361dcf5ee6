"""One page of HTML that needs nothing else: growth, speed, stability, parsers, bugs, and the rules of the spec."""

import html
import pathlib
import time

from fuzz.campaign import dashboard, edges, oracles, rules, state, stats, targets

WIDTH, HEIGHT, MARGIN = 520, 130, 34
SHOWN = 8000                     # characters of a sanitizer's report
STYLE = """
:root { color-scheme: light dark; --line: #2a6fb0; --soft: #8884; --bad: #c0392b; --good: #2e7d32; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .2rem .6rem; }
th:first-child, td:first-child, td.text, th.text { text-align: left; } tr + tr { border-top: 1px solid var(--soft); }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--soft); font-size: 12px; }
.bad { color: var(--bad); } .good { color: var(--good); } .grid { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg text { font-size: 11px; fill: currentColor; }
"""


def cell(text, name="", tag="td"):
    return f"<{tag}{f' class={name}' if name else ''}>{html.escape(str(text))}</{tag}>"


def rows(head, body):
    """A table; each cell a text, or (text, class)."""
    def line(cells, tag="td"):
        pairs = (item if isinstance(item, tuple) else (item, "") for item in cells)
        return "<tr>" + "".join(cell(*pair, tag) for pair in pairs) + "</tr>"

    return "<table>" + line(head, "th") + "".join(map(line, body)) + "</table>"


def chart(name, points):
    """Edges over seconds of running, as afl-fuzz counts them."""
    right, top = max([at for at, _ in points] + [1]), max([value for _, value in points] + [1])
    low = min([value for _, value in points] + [top])
    span = max(1, top - low)

    def place(at, value):
        return f"{MARGIN + (WIDTH - MARGIN - 8) * at / right:.1f},{8 + (HEIGHT - 26) * (1 - (value - low) / span):.1f}"

    path, before = [], None
    for at, value in points:
        if before is not None:
            path.append(place(at, before))
        path.append(place(at, value))
        before = value
    bottom = HEIGHT - 18
    return (f"<figure><figcaption>{html.escape(name)}</figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
            f'aria-label="edges over time of {html.escape(name)}">'
            f'<path d="M{MARGIN} 8V{bottom}H{WIDTH - 8}" fill="none" stroke="currentColor" opacity=".4"/>'
            f'<polyline points="{" ".join(path)}" fill="none" stroke="var(--line)" stroke-width="2"/>'
            f'<text x="2" y="16">{int(top)}</text><text x="2" y="{bottom}">{int(low)}</text>'
            f'<text x="{WIDTH - 8}" y="{HEIGHT - 4}" text-anchor="end">{dashboard.clock(right)}</text></svg></figure>')


def page(campaign, builds):
    data = dashboard.collect(campaign)
    known, book = targets.load(builds), rules.Book.of(builds)
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(campaign.now()))
    parts = [f"<h1>Campaign {html.escape(campaign.name)}</h1><p>{dashboard.clock(campaign.elapsed())} on "
             f"{dashboard.plural(campaign.jobs, 'instance')} at once, {campaign.word()}; {at}. "
             f"{html.escape('; '.join(campaign.notes))}.</p>", "<h2>Targets</h2>", summary(data),
             "<h2>Bugs</h2>", bugs(data), "<h2>Slow oracles</h2>", slow(campaign),
             "<h2>Generated parsers</h2><p>Ways taken at each branch, by the target that takes most of a file; what no "
             "input can take is left out, and explained in docs/explanation/coverage.md.</p>", parsers(data),
             '<h2>Growth</h2><p>Edges of the whole program, as afl-fuzz counts them.</p><div class="grid">']
    for name in campaign.targets:
        points = stats.growth(campaign, name)
        if points:
            parts.append(chart(name, points))
    parts += ["</div><h2>Rules of the spec</h2>", by_rule(campaign, known, book)]
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Fuzz campaign {html.escape(campaign.name)}'
            f"</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>\n")


def summary(data):
    head = ["target", "inst", "time", "execs", "exec/s", "stability", "corpus", "edges", "rules", "crashes", "hangs",
            ("state", "text")]
    body = []
    for row in data["targets"]:
        bad = "bad" if row["crashes"] + row["hangs"] else ""
        body.append([row["target"], row["instances"], dashboard.clock(row["run_seconds"]), dashboard.many(row["execs"]),
                     f"{row['execs_per_second']:,.0f}", f"{row['stability_percent']:.1f} %", row["corpus"],
                     f"{row['edges_percent']:.1f} %", f"{row['rules_touched']}/{row['rules']}" if row["rules"] else "-",
                     (row["crashes"], bad), (row["hangs"], bad), (row["state"], "text")])
    instances = [[f"{row['target']} {part['name']}", dashboard.clock(part["run_seconds"]),
                  dashboard.many(part["execs"]), f"{part['execs_per_second']:,.0f}",
                  f"{part['stability_percent']:.2f} %", part["corpus"], part["crashes"], part["hangs"]]
                 for row in data["targets"] for part in row["parts"]]
    return rows(head, body) + "<details><summary>Every instance</summary>" + rows(
        ["instance", "time", "execs", "exec/s", "stability", "corpus", "crashes", "hangs"], instances) + "</details>"


def bugs(data):
    if not data["bugs"]:
        raw = sum(row["crashes"] + row["hangs"] for row in data["targets"])
        return f"<p class=bad>{raw} inputs wait for ./dev fuzz triage</p>" if raw else "<p class=good>None.</p>"
    parts = []
    for bug in data["bugs"]:
        texts = {}
        for name in ("report.txt", "decode.txt"):
            path = pathlib.Path(bug["folder"]) / name
            texts[name] = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        safe = {key: html.escape(str(value)) for key, value in {**bug, **texts}.items()}
        parts.append(f"<h3 class=bad>{safe['target']}: {safe['title']}</h3><p>{safe['size']} octets, "
                     f"{safe['inputs']} inputs, rule {safe['rule']}. <code>{safe['replay']}</code></p>"
                     f"<pre>{safe['decode.txt']}</pre><pre>{safe['report.txt'][:SHOWN]}</pre>")
    return "".join(parts)


def slow(campaign):
    found = oracles.read(campaign)
    if not found:
        return "<p>Not asked: ./dev fuzz triage does.</p>"
    parts = []
    for name, row in found.items():
        asked = ", ".join(f"{count} of {target}" for target, count in row["inputs"].items())
        word = "good" if row["is_good"] else "bad"
        parts.append(f"<p class={word}>{html.escape(name)}: {html.escape(row['said'])}</p>"
                     f"<p>Asked about inputs: {html.escape(asked)}.</p>")
        if not row["is_good"]:
            parts.append(f"<pre>{html.escape(row['text'])}</pre>")
    return "".join(parts)


def parsers(data):
    found = edges.together(row["parsers"] for row in data["targets"])
    if not found:
        return "<p>Not measured: ./dev fuzz report builds what is needed.</p>"
    body = [[name, taken, total, f"{100 * taken / total if total else 100:.1f} %"]
            for name, (taken, total) in sorted(found.items())]
    body.append(["all", sum(pair[0] for pair in found.values()), sum(pair[1] for pair in found.values()),
                 f"{edges.percent(found):.1f} %"])
    return rows(["parser", "taken", "of", "edges"], body)


def by_rule(campaign, known, book):
    touched = {name: rules.of_campaign(campaign, known[name], book)[0] for name in campaign.targets if name in known}
    body, missing = [], 0
    for unit, own in book.units().items():
        for rule in sorted(own):
            names = [name for name, found in touched.items() if rule in found]
            missing += not names
            body.append([rule, (unit, "text"), (", ".join(names) or "none", "text" if names else "bad")])
    total = len(body)
    return (f"<p>{total - missing} of {total} rules were touched by an input of this campaign.</p>"
            + rows(["rule", ("part", "text"), ("touched by", "text")], body))


def write(campaign, builds):
    path = campaign.folder / "report.html"
    state.write_whole(path, page(campaign, builds))
    return path
