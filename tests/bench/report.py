# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were kept, as medians in tables. Python's standard library only."""
import glob
import json
import os
import statistics


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
    """One run, while it goes on."""
    return (f"{case:16} {recorder:32} CPU/M {f.get('cpu_per_million', 0):6.2f} s  "
        f"lost {f.get('lost', 0):8.0f} of {f['packets']:8} ({f.get('lost_share', 0):.2%})  "
        f"peak {f['peak_mib']:6.1f} MiB  closed p99 {f['closing_p99_ms']:.2f} ms  "
        f"machine idle {f['idle']:.0%}")


def middle(runs):
    """The median of every figure that all runs have."""
    all_of = [r["figures"] for r in runs]
    return {k: statistics.median(f[k] for f in all_of) for k in all_of[0]
        if all(k in f for f in all_of)}


def render(results, argv, markdown):
    out = []
    for case, by_recorder in results.items():
        for recorder, runs in by_recorder.items():
            out.append(line(case, recorder, middle(runs)))
    return "\n".join(out)
