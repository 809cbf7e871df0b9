# SPDX-License-Identifier: GPL-3.0-or-later
"""What grows with what: fitted to runs, and how far each run is from it. Python's standard library
only."""


NOISE = .03 # [s] of CPU: a run that is nearer to the model than this is not judged
BEFORE = 1  # [s] that a call is there before its first packet
ENDING = 1  # [s] from the last packet of a call until all that it held is given back


def solve(a, b):
    """Gauss and Jordan; None: the columns are not independent."""
    n = len(b)
    m = [row[:] + [b[i]] for i, row in enumerate(a)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        if abs(m[p][i]) < 1e-12:
            return None
        m[i], m[p] = m[p], m[i]
        m[i] = [v / m[i][i] for v in m[i]]
        for r in range(n):
            if r != i:
                m[r] = [v - m[r][i] * w for v, w in zip(m[r], m[i])]
    return [row[-1] for row in m]


def fit(names, rows):
    """{name: coefficient}, none below 0, of rows (x, y): the least squares of what is missed, as a
    share of y."""
    names = list(names)
    most = max(y for _, y in rows)
    if not most:
        raise ValueError("it is nothing in every run")
    weight = [most / max(y, most / 50) for _, y in rows] # what is nearly nothing may be missed
    while names:
        scale = {n: max(x[n] for x, _ in rows) or 1 for n in names}
        xs = [[x[n] / scale[n] * w for n in names] for (x, _), w in zip(rows, weight)]
        ys = [y / most * w for (_, y), w in zip(rows, weight)]
        found = solve([[sum(x[i] * x[j] for x in xs) for j in range(len(names))]
            for i in range(len(names))], [sum(x[i] * y for x, y in zip(xs, ys))
            for i in range(len(names))])
        if not found:
            raise ValueError(f"{names} cannot be told apart by these runs")
        if min(found) >= 0:
            return {n: c * most / scale[n] for n, c in zip(names, found)}
        del names[found.index(min(found))]
    return {}


class Part:
    """One quantity that should be linear: y(daemon or run) = sum of what a unit of each takes."""

    def __init__(self, name, y, by, bound, of="nodes", kind="tls", floor=0,
            head=None):
        self.name, self.y, self.by, self.bound, self.of, self.kind = name, y, by, bound, of, kind
        self.head = head # above its column where runs are predicted
        self.floor = floor or (NOISE if "CPU" in name else 0) # who is nearer is not judged

    def rows(self, run):
        """[(x, y)] of one run: one for each daemon or endpoint, or one for all."""
        def mine(at): # daemons an endpoint serves
            return [x for i, x in enumerate(all_x) if i % len(run["endpoints"]) == at]

        all_x = [units(run, n) for n in run["nodes"]]
        if self.of == "nodes":
            return [(x, self.y(n)) for x, n in zip(all_x, run["nodes"])]
        if self.of == "endpoints":
            return [(together(mine(i), run), self.y(e)) for i, e in enumerate(run["endpoints"])
                if mine(i)]
        return [(together(all_x, run), self.y(run[self.of]))]


def together(xs, run):
    found = {k: sum(x[k] for x in xs) for k in xs[0]}
    return {**found, "second": run["lasted_s"], "run": 1}


def units(run, node):
    """How much of everything a daemon had to do."""
    load, count = run["load"], node["count"]
    streams = load["calls"] * load["streams"]
    at_once = min(1, (load["seconds"] + ENDING) * load["rate"] / max(load["calls"], 1))
    return {"second": run["lasted_s"], "run": 1,
        "active second": load["calls"] and load["calls"] / load["rate"] + load["seconds"],
        "packet": count.get("packets_in", 0), "call": load["calls"],
        "call-second": load["calls"] * load["seconds"],
        "5 s of a call": load["calls"] * int((load["seconds"] + BEFORE) // 5), "stream": streams,
        "opened": count.get("sources_opened", 0), "stream-second": streams * load["seconds"],
        "stream at once": streams * at_once,
        "stream now": node["calls_when_asked"] * load["streams"],
        "file now": node["calls_when_asked"] * (load["streams"] if load["files"] == "single" else 1),
        "connection": count.get("tls_connected", 0), "file": count.get("rec_published", 0),
        "command": count.get("redis_commands", 0), "daemon": 1, "active daemon": int(load["calls"] > 0),
        "file-second": count.get("rec_published", 0) * load["seconds"]}


def judge(part, runs):
    """The fit of one part, and what each run differs by."""
    mine = [r for r in runs if r["load"]["kind"] == part.kind]
    rows = [row for r in mine for row in part.rows(r)]
    if not rows:
        raise ValueError("there is no run of it")
    found = fit(part.by, rows)
    most = max(sum(y for _, y in part.rows(r)) for r in mine)
    misses = {}
    for r in mine:
        measured = sum(y for _, y in part.rows(r))
        said = sum(x[k] * c for x, _ in part.rows(r) for k, c in found.items())
        if measured > most / 50: # a share of nearly nothing says nothing
            misses[r["load"]["name"]] = measured / said - 1 if said else float("inf")
        if abs(measured - said) <= part.floor:
            misses.pop(r["load"]["name"], None)
    worst = max(misses.values(), key=abs, default=0)
    return {"name": part.name, "kind": part.kind, "a": found, "misses": misses, "worst": worst,
        "bound": part.bound, "rows": len(rows), "linear": abs(worst) <= part.bound}


def cpu(thread):
    return lambda n: n["cpu"].get(thread, 0)


def wire(what):
    return lambda n: n["wire"][what]


# CPU differs by what else the machine does, and by how packets bunch; at a disk by the journal.
CPU, DISK, EXACT = .3, .5, .05
PARTS = [
    Part("CPU of the intake [s]", cpu("intake"), ("active second", "packet", "opened"), CPU,
        head="intake [s]"),
    Part("CPU of the workers [s]", cpu("worker"), ("active second", "packet", "connection"), CPU,
        head="workers [s]"),
    Part("CPU of the control thread [s]", cpu("control"), ("second", "call", "call-second"), CPU,
        head="control [s]"),
    Part("CPU of the openers [s]", cpu("opener"), ("opened",), CPU),
    Part("CPU of the daemon [s]", cpu("all"), ("active second", "packet", "call", "connection"), CPU),
    Part("memory above the start [MiB]", lambda n: n["peak_mib"] - n["base_mib"],
        ("daemon", "stream at once"), CPU, floor=2,
        head="memory [MiB]"),
    Part("in queues [bytes]", lambda n: n["queued_bytes"], ("active daemon",
        "stream now"), CPU, floor=1 << 19),
    Part("to the network [bytes]", wire("out_bytes"), ("stream-second", "connection", "call"),
        EXACT,
        head="sent [bytes]"),
    Part("to the network [packets]", wire("out_packets"), ("stream-second", "connection", "call"),
        EXACT),
    Part("from the network [bytes]", wire("in_bytes"), ("stream-second", "connection", "call"), .1),
    Part("ports held after their connection", lambda n: n["time_wait"], ("connection",), .35),
    Part("accounts [bytes]", lambda n: n["account_bytes"], ("call", "stream"), EXACT),
    Part("Redis commands", lambda n: n["count"].get("redis_commands", 0), ("call", "5 s of a call"),
        .1,
        head="Redis commands"),
    Part("Redis: CPU [s]", lambda r: r["cpu_s"], ("second", "command"), CPU, "redis"),
    Part("Redis: bytes in", lambda r: r["total_net_input_bytes"], ("run", "call", "command"), .1,
        "redis"),
    Part("Redis: bytes out", lambda r: r["total_net_output_bytes"], ("run", "call", "command"), .1,
        "redis",
        head="from Redis [bytes]"),
    Part("CPU of an endpoint [s]", lambda e: e["cpu_s"], ("second", "stream-second", "connection"),
        CPU, "endpoints",
        head="endpoints [s]"),
    Part("CPU of the workers [s]", cpu("worker"), ("second", "packet", "connection"), CPU,
        kind="tcp"),
    Part("CPU of an endpoint [s]", lambda e: e["cpu_s"], ("second", "stream-second", "connection"),
        CPU, "endpoints", kind="tcp"),
    Part("CPU of the workers [s]", cpu("worker"), ("packet", "call"), CPU, kind="files"),
    Part("CPU of the writers [s]", cpu("writer"), ("file", "file-second"), DISK,
        kind="files"),
    Part("in queues [bytes]", lambda n: n["queued_bytes"], ("active daemon",
        "file now"), CPU, kind="files", floor=1 << 19),
    Part("written [bytes]", lambda n: n["io"]["wchar"], ("file", "file-second"), EXACT,
        kind="files"),
    Part("writes", lambda n: n["io"]["syscw"], ("file", "file-second"), CPU, kind="files"),
]


def growth(runs):
    """What a packet takes with more and more streams: Markdown."""
    out = ["| run | streams | packets/s | intake, µs a packet | workers | all threads | "
        "lost in FIFOs |", "|---|---|---|---|---|---|---|"]
    for r in runs:
        load, nodes = r["load"], r["nodes"]
        packets = sum(n["count"].get("packets_in", 0) for n in nodes)
        if not load["name"].startswith("d") or not packets: # the others differ in more than size
            continue
        streams = load["daemons"] * load["calls"] * 2
        each = [sum(n["cpu"].get(k, 0) for n in nodes) / packets * 1e6
            for k in ("intake", "worker", "all")]
        out.append(f"| {load['name']} | {streams} | {streams * 50} | " +
            " | ".join(f"{v:.2f}" for v in each) +
            f" | {sum(n['fed']['overruns'] for n in nodes)} |")
    return "\n".join(out)


def predictions(runs):
    """Fitted to the runs of one daemon only: what those of two and three should take, and took."""
    shown = [p for p in PARTS if p.head]
    learned = [r for r in runs if r["load"]["daemons"] == 1]
    rows = []
    for r in runs:
        if r["load"]["daemons"] == 1 or not r["load"]["calls"] or r["load"]["kind"] != "tls":
            continue
        rows.append([r["load"]["name"], *[predicted(p, learned, r) for p in shown]])
    heads = ["run", *[p.head for p in shown]]
    return "\n".join("| " + " | ".join(x) + " |" for x in [heads, ["---"] * len(heads), *rows])


def predicted(part, learned, run):
    """"predicted / measured (difference)\""""
    try:
        found = judge(part, learned)["a"]
    except ValueError:
        return "not known"
    said = sum(x[k] * c for x, _ in part.rows(run) for k, c in found.items())
    measured = sum(y for _, y in part.rows(run))
    return f"{number(said)} / {number(measured)} ({measured / said - 1:+.0%})" if said else \
        f"0 / {number(measured)}"


def number(v):
    for unit, name in ((1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1, ""), (1e3, "k"), (1e6, "M")):
        if abs(v) < 1000 * unit:
            return f"{v / unit:.3g}{' ' if name else ''}{name}"
    return f"{v:.3g}"


def table(judged):
    """Markdown."""
    out = ["| what | one of each takes | observed | worst run | bound |", "|---|---|---|---|---|"]
    for j in judged:
        each = ", ".join(f"{k}: {number(v)}" for k, v in j["a"].items())
        name = j["name"] if j["kind"] == "tls" else f"{j['name']}, {j['kind']}"
        out.append(f"| {name} | {each} | {j['rows']} | {j['worst']:+.0%} | {j['bound']:.0%}"
            f"{'' if j['linear'] else ' **passed**'} |")
    return "\n".join(out)


def deviations(judged):
    """Of each run, part by part: Markdown."""
    out = ["| part | " + "measured against the model, run by run |", "|---|---|"]
    for j in judged:
        each = ", ".join(f"{run} {m:+.0%}" for run, m in j["misses"].items())
        out.append(f"| {j['name']} ({j['kind']}) | {each} |")
    return "\n".join(out)
