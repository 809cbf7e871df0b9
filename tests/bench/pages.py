# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of docs/scaling.md, and how they get there. Python's standard library only."""
import textwrap

import model
import node
import report

BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

HEAD = """{machine}

Feeds, endpoints and Redis ran beside the daemons on the same cores. `scale` is `tests/bench/scale`,
`bench` is `tests/bench/bench`. Where no run is named, the figure is a coefficient of the model that is
fitted to all runs of `scale` (below). "Assumed" was not measured.
"""

CPU = ("tls-100", "tls-500", "tls-1000", "tls-2000", "tls-4000", "wav-mixed-500", "wav-mixed-2000",
    "wav-single-500", "codec-g722", "codec-opus", "codec-g729", "codec-amrwb", "refuse", "stall",
    "churn")


def cases(bench):
    """CPU of the daemon case by case; only those of ours."""
    rows = []
    for name in CPU:
        for runs in bench.get(name, {}).values():
            if not runs[0]["ours"]:
                continue
            f = report.middle(runs)
            lost = "0" if abs(f["lost"]) < 1 else f"{f['lost_share']:.2%}"
            rows.append([node.RUN.format(name), f"{f['cpu_per_million']:.2f}", lost,
                f"{f['peak_mib']:.0f}", f"{f['idle']:.0%}", str(len(runs))])
    return node.table(["case", "CPU s a million packets", "lost", "peak MiB", "machine idle", "runs"],
        rows) if rows else "No case of `bench` has been measured here."


def alone(result):
    """An intake thread that is never idle."""
    rows = [[str(x["streams"]), f"{x['packets'] / x['lasted_s'] / 1e3:.0f} k",
        f"{x['us_per_packet']:.2f}"] for x in result.get("intake") or []]
    return node.table(["streams of one intake, never idle", "packets/s", "µs a packet"], rows) \
        if rows else ""


def events(result):
    """What is not linear, and was looked at once."""
    rows = []
    for r in result.get("restart") or []:
        rows.append([f"kill -9 and start, {r['calls']} calls", f"all {r['streams_opened']} streams "
            f"open after {r['opened_s'] * 1e3:.0f} ms, all connections after "
            f"{r['connected_s'] * 1e3:.0f} ms"])
    herd = result.get("herd")
    if herd:
        storm, calm = herd["storm"], herd["calm"]
        rows.append([f"{herd['endpoints']} endpoints go and come back, {herd['connections']} streams",
            f"all connected after {herd['back_s'] * 1e3:.0f} ms, {storm['resumed']} of "
            f"{storm['connected']} sessions resumed; CPU of 5 s: daemons {calm['daemon_cpu_s']:.2f} s "
            f"before, {storm['daemon_cpu_s']:.2f} s then"])
    crowded = result.get("crowded")
    if crowded:
        whole = crowded["ms_forwarded"] + crowded["ms_dropped"]
        rows.append([f"{crowded['streams']} streams, `buffer-memory` = "
            f"{crowded['buffer_memory'] >> 20} MiB, nothing slow",
            f"{crowded['ms_dropped'] / whole:.0%} of the audio became silence, "
            f"{crowded['packets_refused']} packets refused"])
    for n, found in enumerate(result.get("ports") or [], 1):
        rows.append([f"100 streams, 60 ports, {n} address{'es' * (n > 1)} of the endpoint's name",
            f"{sum(found.values())} connections"])
    return node.table(["once", "seen"], rows) if rows else ""


def versions(result):
    """What was measured, and which of it by an earlier build."""
    names = {}
    for r in result["runs"]:
        names.setdefault(r.get("of", "?"), []).append(r["load"]["name"])
    for name, of in result.get("of", {}).items():
        names.setdefault(of, []).append(name)
    return "; ".join(f"{of}: {', '.join(runs)}" for of, runs in names.items())


def figures(judged, result, bench):
    about = result["machine"]
    known = node.known(judged, result, bench)
    of = node.Node(known)
    machine = textwrap.fill(f"Measured on {about['cores']} cores of {about['cpu']}, "
        f"{about['memory_mib'] / 1024:.0f} GiB, Linux {about['kernel']}. Builds: {versions(result)}.",
        100, break_on_hyphens=False)
    parts = [HEAD.format(machine=machine), node.inputs_table(known), "### What such a node needs",
        node.needs_table(of), "### What is reached first", node.limits_table(of),
        "### The daemon's CPU, case by case", cases(bench), alone(result),
        "### Events", events(result),
        "### Growth", "µs a packet of each kind of thread, over TLS, all daemons together.",
        model.growth(result["runs"]),
        "### Predicted and measured", "Fitted to the runs of one daemon; predicted / measured for two "
        "and three.", model.predictions(result["runs"]),
        "The fit to all runs: what a unit of each takes, and the worst run beside the bound that\n"
        "fails `scale`.", model.table(judged)]
    return "\n\n".join(p.strip("\n") for p in parts if p) + "\n"


def put(path, page):
    """In place of what is between the two marks."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + page + "\n" + END + after)
