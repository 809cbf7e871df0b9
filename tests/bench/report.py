# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were kept, as medians in tables: Markdown that can be read as it is. Python's standard
library only."""
import glob
import json
import os
import statistics

from cases import CASES

PACKETS_A_SECOND = 50 # of a stream, at 20 ms

HEAD = """# Benchmarks

The same calls to each recorder in turn, on one machine that also runs the feed and the endpoint:
{machine}.
{runs}. Printed by

    {command}

Calls last {seconds} s, have two RTP streams of 20 ms packets, and begin within 5 s (churn: 100 calls
a second). Streams are FIFOs that behave as the kernel's (`spoolwire-feed`). Every sample is checked
where it arrives: endpoints count what they hear and where it is, and each participant of a recording
has a tone of its own. Files are written to memory. The endpoint and the feed take {others} s a
million packets themselves, at best.
"""

LEGEND = """
- **CPU**: seconds, user and system, a million packets offered, from the first call to the last;
  **delivered**: a million packets that arrived.
- **lost**: what was offered and not heard; of it, in packets of the kernel's queues because they were
  not read in time (*queue*), still queued when their stream ended (*end*), and the rest, lost in the
  recorder or never sent (*inside*). A refusing endpoint hears nothing: there only the kernel's queues count.
- **switches**: context switches a packet, voluntary and not. **calls**: system calls a packet, counted
  for 3 s while all calls run, or as many end as begin (`perf stat -e raw_syscalls:sys_enter`).
- **latency**: from a packet's being written to its first sample's being read by the endpoint.
- **opened**: from a stream's section in the metafile to its being open. **closed**: from the end of a
  stream to its being closed, for which rtpengine waits. **removal**: of a whole call, whose streams end
  one after another, each when the one before it is closed.
"""


def load(folder, cases):
    """{case: {recorder: [run]}} in the order of the cases, ours first."""
    runs = []
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="utf-8") as f:
            runs.append(json.load(f))
    runs.sort(key=lambda r: (not r["ours"], r["recorder"], r["number"]))
    found = {}
    for name in cases:
        for r in runs:
            if r["case"] == name:
                found.setdefault(name, {}).setdefault(r["recorder"], []).append(r)
    return found


def line(case, recorder, f):
    """One run, while the others still go on."""
    cpu = f"CPU/M {f['cpu_per_million']:6.2f} s  " if "cpu_per_million" in f else ""
    return (f"{case:15} {recorder:29} {cpu}lost {f.get('lost', 0):.0f} of {f['packets']} "
        f"({f.get('lost_share', 0):.2%})  peak {f['peak_mib']:.1f} MiB  "
        f"closed p99 {f['closing_p99_ms']:.2f} ms  machine idle {f['idle']:.0%}")


def middle(runs):
    """The median of every figure that all runs have."""
    all_of = [r["figures"] for r in runs]
    return {k: statistics.median(f[k] for f in all_of) for k in all_of[0]
        if all(k in f for f in all_of)}


# ---- cells ----------------------------------------------------------------------------------


def number(f, key, form="%.2f"):
    return form % f[key] if key in f else ""


def row_of(f, *keys, form="%.1f"):
    """"p50 / p99 / max" of what there is."""
    return " / ".join(form % f[k] for k in keys) if all(k in f for k in keys) else ""


def lost(f):
    if "lost" not in f or not f["packets"]:
        return ""
    part = {"queue": f["lost_queue"] + f["lost_unopened"], "end": f["lost_at_end"]}
    part["inside"] = f["lost"] - sum(part.values())
    share = {k: v / f["packets"] * 100 for k, v in part.items() if v / f["packets"] > 0.0005}
    total = f["lost"] / f["packets"] * 100
    if total < 0.05:
        return "0"
    return f"{total:.1f} % (" + ", ".join(f"{v:.1f} {k}" for k, v in share.items()) + ")"


def table(heads, rows):
    """Markdown, aligned: numbers to the right but for the first two columns."""
    wide = [max(len(str(r[i])) for r in [heads, *rows]) for i in range(len(heads))]
    out = ["| " + " | ".join(h.ljust(w) for h, w in zip(heads, wide)) + " |",
        "|" + "|".join("-" * (w + 1) + ("-" if i < 2 else ":") for i, w in enumerate(wide)) + "|"]
    for r in rows:
        out.append("| " + " | ".join(c.ljust(w) if i < 2 else c.rjust(w)
            for i, (c, w) in enumerate(zip(r, wide))) + " |")
    return "\n".join(out) + "\n"


# ---- tables ---------------------------------------------------------------------------------


def ratio(f, first):
    """Of the CPU to that of the first recorder, which is ours."""
    if f is first or "cpu_per_million" not in f or not first.get("cpu_per_million"):
        return ""
    return f"{f['cpu_per_million'] / first['cpu_per_million']:.1f}"


def cases_table(found):
    heads = ["case", "recorder", "CPU [s]", "times ours", "delivered [s]", "lost", "peak [MiB]",
        "switches", "calls", "latency p50 / p99 / max [ms]", "opened p99 [ms]",
        "closed p99 / max [ms]", "removal p99 / max [ms]"]
    rows, most = [], max(len(runs) for by in found.values() for runs in by.values())
    for case, by_recorder in found.items():
        figures = {name: middle(runs) for name, runs in by_recorder.items()}
        first = next(iter(figures.values()))
        for name, f in figures.items():
            n = len(by_recorder[name])
            fewer = "" if n == most else f" ({n} run{'s' * (n > 1)})"
            rows.append([CASES[case].title if f is first else "", name + fewer,
                number(f, "cpu_per_million"), ratio(f, first),
                number(f, "cpu_per_million_delivered"), lost(f), number(f, "peak_mib", "%.0f"),
                number(f, "switches_per_packet"), number(f, "calls_per_packet"),
                row_of(f, "latency_p50_ms", "latency_p99_ms", "latency_max_ms", form="%.0f"),
                number(f, "opening_p99_ms", "%.1f"), row_of(f, "closing_p99_ms", "closing_max_ms"),
                row_of(f, "removal_p99_ms", "removal_max_ms")])
    return table(heads, rows)


def restart_table(found):
    rows = []
    for name, runs in found.get("restart", {}).items():
        f = middle(runs)
        rows.append([str(CASES["restart"].streams), name, f"{f['came_back']:.0f}",
            number(f, "came_back_max_ms", "%.0f"), f"{f['lost_share']:.1%}"])
    return ("## kill -9 and a new start in mid-call\n\n" + table(["streams", "recorder", "came back",
        "audio of the last again after [ms]", "lost"], rows)) if rows else ""


def codec_table(found):
    rows = []
    for case in ("tls-500", "codec-g722", "codec-opus", "codec-g729", "codec-amrwb"):
        for name, runs in found.get(case, {}).items():
            cost = middle(runs).get("cpu_per_million")
            if cost:
                rows.append([{"tls-500": "G.711"}.get(case, CASES[case].title.rsplit(" ", 1)[-1]),
                    name, f"{cost:.2f}", f"{1e6 / cost / PACKETS_A_SECOND:.0f}"])
    return ("## Codecs\n\nThe CPU a packet, decoded and sent over TLS, and the streams that one "
        "core would be busy with.\n\n" + table(["codec", "recorder", "CPU [us]", "streams a core"],
        rows)) if any(case.startswith("codec") for case in found) else ""


def growth_table(found):
    steps = ("tls-100", "tls-500", "tls-1000", "tls-2000", "tls-4000")
    cost = {}
    for case in steps:
        for name, runs in found.get(case, {}).items():
            cost.setdefault(name, {})[case] = middle(runs)
    rows = []
    for name, by_case in cost.items():
        base = by_case.get("tls-500", {}).get("cpu_per_million")
        for case, f in by_case.items():
            of = f"{f['cpu_per_million'] / base - 1:+.0%}" if base else ""
            rows.append([str(CASES[case].streams), name, number(f, "cpu_per_million"), of, lost(f),
                f"{f['idle']:.0%}"])
    return ("## Growth\n\nThe CPU a million packets over TLS, beside that with 500 streams.\n\n" +
        table(["streams", "recorder", "CPU [s]", "beside 500", "lost", "machine idle"], rows)) \
        if len({r[0] for r in rows}) > 1 else ""


def memory_table(found):
    rows = []
    for case, state in (("idle-1000", "idle: no packet yet"), ("tls-1000", "running over TLS"),
            ("deaf-1000", "endpoint never reads, tls-buffer-ms full"),
            ("wav-mixed-2000", "mixed WAV")):
        for name, runs in found.get(case, {}).items():
            f = middle(runs)
            each = (f["peak_mib"] - f["base_mib"]) * 1024 / CASES[case].streams
            rows.append([state, name, f"{each:.1f}", number(f, "base_mib", "%.1f")])
    return ("## Memory\n\nResident at the highest, less what was there before the first call, by "
        "RTP stream (each with its RTCP stream, and half a call).\n\n" + table(["state", "recorder",
        "a stream [KiB]", "before [MiB]"], rows)) if rows else ""


def books_table(found):
    """What our accounts of the calls say, beside what the feed knows."""
    rows = []
    for case, by_recorder in found.items():
        f = next((middle(runs) for runs in by_recorder.values() if runs[0]["ours"]), {})
        if f.get("accounts"):
            rows.append([CASES[case].title, f"{f['packets']:.0f}",
                f"{f['account_in'] - f['account_rtcp']:.0f}", f"{f['account_lost']:.0f}",
                f"{f['sink_put_ms'] / 1000:.0f}",
                f"{f['sink_forwarded_ms'] / 1000:.0f}", f"{f['sink_dropped_ms'] / 1000:.0f}",
                f"{f['unbalanced']:.0f}"])
    return ("## The books\n\nSums of the accounts that spoolwire writes of calls: packets of RTP, audio "
        "that was given\nto sinks, and streams whose account does not balance. After a kill -9 they are "
        "those of the second\nprocess.\n\n" + table(["case", "packets fed", "in", "lost", "put [s]",
        "forwarded [s]", "dropped [s]", "not balanced"], rows)) if rows else ""


def head(found, argv):
    runs = [r for by in found.values() for rs in by.values() for r in rs]
    about = runs[0]["machine"]
    least = [min(r["figures"][k] for r in runs if k in r["figures"] and CASES[r["case"]].streams >= 500)
        for k in ("receiver_per_million", "feed_per_million")
        if any(k in r["figures"] and CASES[r["case"]].streams >= 500 for r in runs)]
    most = max(len(rs) for by in found.values() for rs in by.values())
    return HEAD.format(command=" ".join([os.path.relpath(argv[0]), *argv[1:]]),
        runs="One run each" if most == 1 else f"Medians of {most} runs where it does not say fewer",
        seconds=f"{20 * runs[0]['scale']:g}", others=" and ".join(f"{x:.1f}" for x in least),
        machine=f"{about['cores']} cores of {about['cpu']}, {about['memory_mib'] / 1024:.0f} GiB, "
            f"Linux {about['kernel']}; built by {about['compiler']} with {about['cflags']}")


def render(found, argv):
    """The whole page."""
    if not found:
        return "nothing has been measured yet\n"
    parts = [head(found, argv), cases_table(found) + LEGEND, restart_table(found),
        codec_table(found), growth_table(found), memory_table(found), books_table(found)]
    return "\n".join(p for p in parts if p)
