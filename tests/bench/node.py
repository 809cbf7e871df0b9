# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large node needs and what it runs into first, by the model that was fitted to small ones.
Python's standard library only."""
import collections
import math

import report

Input = collections.namedtuple("Input", "name value unit source")

MIB, GIB = 2**20, 2**30
ASSUMED = "assumed"
SCALE, RUN = "`scale`", "`bench --case={}`"
FRAME = 38                      # [bytes] Ethernet: header, checksum, preamble, gap
TCP, SEGMENT = 20 + 32, 1448    # [bytes] headers, and what is behind them
RECORDS = 10                    # /s of a stream, with tls-latency-ms = 100
RTP = 20 + 8 + 12 + 160 + FRAME # [bytes] of 20 ms of G.711


def known(judged, result, bench):
    """{key: Input}: everything that is computed with. nan: not measured."""
    a = {(j["name"], j["kind"]): j["a"] for j in judged}
    nan = float("nan")

    def of(part, unit, kind="tls"):
        fitted = a.get((part, kind))
        return fitted.get(unit, 0) if fitted is not None else nan

    def memory(case, streams):
        runs = bench.get(case, {})
        f = report.middle(next(iter(runs.values()))) if runs else {"peak_mib": nan, "base_mib": nan}
        return (f["peak_mib"] - f["base_mib"]) * 1024 / streams

    def extra(name, key, pick=max):
        return pick((x[key] for x in result.get(name) or []), default=nan)

    intake, workers, control, end = ("CPU of the intake [s]", "CPU of the workers [s]",
        "CPU of the control thread [s]", "CPU of an endpoint [s]")
    out, packets = "to the network [bytes]", "to the network [packets]"
    big, synced = largest(result["runs"]), result.get("synced") or {}
    sync = {k: synced.get(k, nan if not synced else 0) for k in ("fsync", "fdatasync", "syncfs")}
    files, lasted = synced.get("files", nan), synced.get("seconds", nan)
    last = (result.get("restart") or [{}])[-1]
    return {k: Input(*v) for k, v in {
        "calls": ("calls at once", 20000, "", "the question"),
        "parties": ("streams of a call, each with one of RTCP", 2, "", "the question"),
        "rate": ("packets of a stream", 50, "/s", "the question: 20 ms"),
        "lasts": ("length of a call", 180, "s", ASSUMED),
        "cores": ("cores", 32, "", "the question"),
        "link": ("network", 25e9, "bit/s", "the question"),
        "memory": ("memory", 64, "GiB", ASSUMED),
        "kernel": ("rtpengine's kernel part: receive, translate, send, copy for the recorder", 2,
            "µs a packet", ASSUMED),
        "disk": ("a disk", 1e9, "bytes/s", ASSUMED + ": NVMe"),
        "fsync": ("an fsync() of it", 1, "ms", ASSUMED + ": NVMe"),
        "redis": ("commands one Redis takes", 100e3, "/s", ASSUMED),
        "intake": ("intake, the dearer of: one thread never idle with up to 10,000 streams; 2000 "
            "streams in a daemon", max(extra("intake", "us_per_packet"), big[0]), "µs a packet",
            SCALE + ": intake, d1-s2000"),
        "worker": ("worker over TLS, 2000 streams", big[1], "µs a packet", SCALE + ": d1-s2000"),
        "mixer": ("worker that mixes", of(workers, "packet", "files") * 1e6, "µs a packet",
            SCALE + ": mixed-*"),
        "connect": ("worker: to connect and shake hands", of(workers, "connection") * 1e6,
            "µs a connection", SCALE),
        "call": ("control thread: a call's sections, call data, account",
            of(control, "call") * 1e6, "µs a call", SCALE),
        "follow": ("control thread: a call that goes on", of(control, "call-second") * 1e6,
            "µs a second", SCALE),
        "open": ("opener", of("CPU of the openers [s]", "opened") * 1e6, "µs a stream", SCALE),
        "idle": ("memory, idle stream", memory("idle-1000", 1000), "KiB", RUN.format("idle-1000")),
        "running": ("memory, running stream", memory("tls-2000", 2000), "KiB", RUN.format("tls-2000")),
        "stalled": ("memory, stalled stream, `tls-buffer-ms` full", memory("deaf-1000", 1000), "KiB",
            RUN.format("deaf-1000")),
        "queued": ("buffer-memory, nothing slow", of("in queues [bytes]", "stream now") / 1024,
            "KiB a stream", SCALE),
        "chunks": ("buffer-memory of packets between two threads",
            of("in queues [bytes]", "active daemon") / 1024 / 2, "KiB", SCALE + ": 2 such pairs"),
        "file_queued": ("buffer-memory of a recording, disk not slow",
            of("in queues [bytes]", "file now", "files") / 1024, "KiB", SCALE + ": mixed-*"),
        "out": ("TLS, bytes out", of(out, "stream-second"), "/s a stream", SCALE),
        "packets": ("TLS, packets out, before an interface cuts them", of(packets, "stream-second"), "/s a stream", SCALE),
        "held": ("ports held after their connection, 60 s each",
            of("ports held after their connection", "connection"), "a connection", SCALE),
        "redis_call": ("Redis: commands", of("Redis commands", "call"), "a call", SCALE),
        "redis_follow": ("Redis: commands", of("Redis commands", "5 s of a call"),
            "each 5 s of a call", SCALE),
        "redis_cpu": ("Redis: CPU", of("Redis: CPU [s]", "command") * 1e6, "µs a command", SCALE),
        "redis_out": ("Redis: bytes out", of("Redis: bytes out", "call"),
            "a call, with 2 documents of 0.7 kB", SCALE),
        "endpoint": ("endpoint (`spoolwire-receive`): to take a stream",
            of(end, "stream-second") * 1e6, "µs a second", SCALE),
        "accept": ("endpoint: handshake, begin and end", of(end, "connection") * 1e6,
            "µs a connection", SCALE),
        "back": ("kill -9 and start: all streams of 400 calls open",
            last.get("opened_s", nan) * 1e3, "ms", SCALE + ": restart"),
        "account": ("account", of("accounts [bytes]", "call") + 2 * of("accounts [bytes]", "stream"),
            "bytes a call", SCALE),
        "written": ("mixed WAV: bytes written", of("written [bytes]", "file-second", "files"),
            "/s a file", SCALE + ": mixed-*"),
        "writes": ("mixed WAV: write()s", of("writes", "file-second", "files"), "/s a file",
            SCALE + ": mixed-*"),
        "writer": ("mixed WAV: writer", of("CPU of the writers [s]", "file", "files") * 1e3,
            "ms a file", SCALE + ": mixed-*"),
        "publish": ("mixed WAV: fsync() at begin and end", sync["fsync"] / files, "a file",
            SCALE + ": synced"),
        "growing": ("mixed WAV: fdatasync() and syncfs() while files grow, however many",
            (sync["fdatasync"] + sync["syncfs"]) / lasted, "/s", SCALE + ": synced"),
    }.items()}


def largest(runs):
    """µs a packet of (intake, workers) in the largest run."""
    r = max((r for r in runs if r["load"]["kind"] == "large"), default=None,
        key=lambda r: r["load"]["calls"])
    packets = sum(n["count"]["packets_in"] for n in r["nodes"]) if r else 0
    return [sum(n["cpu"][k] for n in r["nodes"]) / packets * 1e6 for k in ("intake", "worker")] \
        if r else [float("nan")] * 2


def number(v):
    if isinstance(v, str):
        return v
    if math.isnan(v):
        return "not measured"
    if v >= 1e6:
        return f"{v / 1e9:.4g} G" if v >= 1e9 else f"{v / 1e6:.3g} M"
    return f"{v:,.0f}" if v >= 1000 or v == int(v) else f"{v:.3g}"


def over(has, each):
    return has / each if each else float("inf")


class Node:
    """The same numbers without their names, and what follows from them."""

    def __init__(self, inputs):
        self.__dict__.update({k: i.value for k, i in inputs.items()})
        self.streams = self.calls * self.parties
        self.pps = self.streams * self.rate
        self.begun = self.calls / self.lasts      # calls a second
        self.connects = self.begun * self.parties # a second
        self.intakes = max(1, math.ceil(self.pps * self.intake / 1e6 / .5)) \
            if self.intake == self.intake else 4  # each half busy
        self.workers = self.cores * 3 // 4
        self.commands = self.begun * self.redis_call + self.calls / 5 * self.redis_follow
        # A veth takes a record whole; an interface cuts it.
        self.segments = RECORDS * -(-self.out // RECORDS // SEGMENT)
        self.tls_bits = (self.out + self.segments * (TCP + FRAME)) * 8 # /s a stream, at most
        self.rtp_bits = RTP * 8 * self.rate

    def needs(self):
        """[(what, how it comes about, in sum)]"""
        n, pps, s = number, self.pps, self.streams
        yield ("rtpengine's kernel part", f"{n(pps)} packets/s × {n(self.kernel)} µs (assumed)",
            f"{n(pps * self.kernel / 1e6)} cores")
        yield ("intake", f"{n(pps)} packets/s × {n(self.intake)} µs",
            f"{n(pps * self.intake / 1e6)} cores: `intake-threads = {self.intakes}`")
        yield ("workers, TLS", f"{n(pps)} packets/s × {n(self.worker)} µs + {n(self.connects)} "
            f"connections/s × {n(self.connect)} µs",
            f"{n((pps * self.worker + self.connects * self.connect) / 1e6)} cores")
        yield ("workers that mix and record, besides", f"{n(pps)} packets/s × {n(self.mixer)} µs",
            f"{n(pps * self.mixer / 1e6)} cores")
        yield ("control thread", f"{n(self.begun)} calls/s × {n(self.call)} µs + {n(self.calls)} calls"
            f" × {n(self.follow)} µs/s", f"{n(self.control())} cores, of 1")
        yield ("openers", f"{n(2 * self.connects)} streams/s × {n(self.open)} µs",
            f"{n(2 * self.connects * self.open / 1e6)} cores")
        yield ("memory, running", f"{n(s)} streams × {n(self.running)} KiB",
            f"{n(s * self.running * 1024 / GIB)} GiB")
        yield ("memory, every endpoint stalls", f"{n(s)} streams × {n(self.stalled)} KiB",
            f"{n(s * self.stalled * 1024 / GIB)} GiB, or `buffer-memory` and the idle's")
        yield ("buffer-memory, nothing slow", f"{n(s)} streams × {n(self.queued)} KiB + "
            f"{self.intakes + 1} × {self.workers} pairs of threads × {n(self.chunks)} KiB",
            f"{n(self.buffers() / MIB)} MiB")
        yield ("buffer-memory, recordings besides", f"{n(self.calls)} files × {n(self.file_queued)} KiB",
            f"{n(self.calls * self.file_queued / 1024)} MiB")
        yield ("open files", f"{n(self.calls)} × 7 + 128: 2 RTP, 2 RTCP, 2 connections, 1 recording",
            n(self.calls * 7 + 128))
        yield ("network in", f"{n(s)} streams × {n(self.rtp_bits / 1e3)} kbit/s of RTP",
            f"{n(s * self.rtp_bits / 1e9)} Gbit/s, {n(pps)} packets/s")
        yield ("network out", f"as much RTP, {n(s)} streams × {n(self.tls_bits / 1e3)} kbit/s of TLS",
            f"{n(s * (self.rtp_bits + self.tls_bits) / 1e9)} Gbit/s, "
            f"{n(pps + s * self.segments)} packets/s")
        yield ("endpoints: connections, new ones", f"{n(s)}, {n(self.connects)}/s",
            f"{n((s * self.endpoint + self.connects * self.accept) / 1e6)} cores that only read")
        yield ("endpoints: records", f"{n(s)} streams × {RECORDS}/s (`tls-latency-ms = 100`)",
            f"{n(s * RECORDS)} records/s, {n(s * self.out / 1e6)} MB/s")
        yield ("endpoints: after a restart", f"{n(s)} handshakes; {self.workers} workers begin 800/s "
            f"each; × {n(self.accept)} µs", f"{n(s / 800 / self.workers)} s of beginning them, "
            f"{n(s * self.accept / 1e6)} s of one core of the endpoints'")
        yield ("streams open again after a restart", f"{n(self.calls)} / 400 × {n(self.back)} ms, "
            "its start in it", f"{n(self.calls / 400 * self.back / 1e3)} s at most")
        yield ("Redis: reads", f"{n(self.begun)} calls/s × {n(self.redis_call)} + {n(self.calls)} calls"
            f" / 5 s × {n(self.redis_follow)}; 1 connection", f"{n(self.commands)}/s, "
            f"{n(self.begun * self.redis_out * 8 / 1e6)} Mbit/s, "
            f"{n(self.commands * self.redis_cpu / 1e6)} cores")
        yield ("Redis: pushes, by the SIP side", f"{n(self.begun)} calls/s × 2 documents",
            f"{n(self.begun * 2)}/s")
        yield ("accounts", f"{n(self.begun)} files/s × {n(self.account)} bytes, 1 fsync each",
            f"{n(self.begun * 86400)} files, {n(self.begun * 86400 * self.account / 1e9)} GB a day")
        yield ("mixed WAV: written", f"{n(self.calls)} files × {n(self.written / 1e3)} kB/s",
            f"{n(self.calls * self.written / 1e6)} MB/s, and read once for the checksum")
        yield ("mixed WAV: write()s", f"{n(self.calls)} files × {n(self.writes)}/s",
            f"{n(self.calls * self.writes)}/s")
        yield ("mixed WAV: syncs", f"{n(self.begun)} files/s × {n(self.publish)} fsync + "
            f"{n(self.growing)}/s", f"{n(self.syncs())}/s, {n(self.syncs() * self.fsync / 1e3)} "
            "threads of 4 wait for them")
        yield ("mixed WAV: writers", f"{n(self.begun)} files/s × {n(self.writer)} ms",
            f"{n(self.begun * self.writer / 1e3)} cores")

    def control(self):
        return (self.begun * self.call + self.calls * self.follow) / 1e6

    def syncs(self):
        return self.begun * self.publish + self.growing

    def buffers(self, readers=0, workers=0):
        pairs = ((readers or self.intakes) + 1) * (workers or self.workers)
        return self.streams * self.queued * 1024 + pairs * self.chunks * 1024

    def limits(self):
        """[(what, calls at which it is reached as installed, what is planned, calls then)]"""
        per = self.parties
        busy = per * self.rate / 1e6             # cores of a call for each µs of a packet
        ports = per * (1 + 60 * self.held / self.lasts) # with their time after the connection
        tls = self.kernel + self.intake + self.worker
        pair = self.chunks * 1024
        installed, planned = 2 * self.cores * pair, (self.intakes + 1) * self.workers * pair
        queued, stalled = per * self.queued * 1024, per * 16000 # [bytes], [bytes/s]
        yield ("`buffer-memory`, every endpoint stalls for 5 s: what is older becomes silence",
            over(.75 * 256 * MIB, 5 * stalled), "`buffer-memory = 8G`, 10 s",
            over(.75 * 8 * GIB, 10 * stalled))
        yield ("rtpengine: UDP ports of one address, 4 a call (`port-min`, `port-max`)", 10001 / 4,
            "three addresses, ports 10000 to 65535", 3 * 55536 / 4)
        yield ("ports to one address of the endpoint", over(28232, ports),
            "a name with four addresses: who gets no port takes the next", over(4 * 28232, ports))
        yield ("`buffer-memory`, nothing slow", over(.75 * 256 * MIB - installed, queued),
            "`buffer-memory = 8G`", over(.75 * 8 * GIB - planned, queued))
        yield ("one intake thread, busy to 80 %", over(.8, busy * self.intake),
            f"`intake-threads = {self.intakes}`", over(.8 * self.intakes, busy * self.intake))
        yield ("`max-calls`", 20000, "`max-calls = 40000`", 40000)
        yield ("open files, 524288", (524288 - 128) / 7, "`LimitNOFILE = 1000000`", (10**6 - 128) / 7)
        yield ("the network, out", over(self.link, per * (self.rtp_bits + self.tls_bits)),
            "an interface for TLS alone", over(self.link, per * self.tls_bits))
        yield ("memory, running", over(self.memory * GIB, per * self.running * 1024), "", None)
        yield ("one disk, mixed WAV: bytes (assumed)", over(self.disk, self.written),
            "a second daemon, with a disk of its own", over(2 * self.disk, self.written))
        yield ("4 writers that wait for fsync() (assumed)",
            over(self.calls * 4e3, self.syncs() * self.fsync),
            "a disk whose cache survives: a tenth of it",
            over(self.calls * 40e3, self.syncs() * self.fsync))
        yield ("one Redis (assumed)", over(self.redis * self.calls, self.commands),
            "one for each node", None)
        yield ("rtpengine's kernel part on a quarter of the cores (assumed)",
            over(self.cores / 4, busy * self.kernel), "receive queues on half of them",
            over(self.cores / 2, busy * self.kernel))
        yield ("the control thread, busy to 80 %", over(.8 * self.calls, self.control()),
            "a second daemon, on a second table", over(1.6 * self.calls, self.control()))
        for what, each in (("TLS only", tls), ("TLS and mixed WAV", tls + self.mixer)):
            yield (f"all cores to 80 %, {what}", over(.8 * self.cores, busy * each),
                "a second node", over(1.6 * self.cores, busy * each))


def table(heads, rows):
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads),
        *["| " + " | ".join(r) + " |" for r in rows]])


def inputs_table(inputs):
    return table(["input", "figure", "where it comes from"], [[i.name,
        f"{number(i.value)} {i.unit}".strip() if i.value == i.value else "not measured", i.source]
        for i in inputs.values()])


def needs_table(node):
    return table(["need", "how it comes about", "in sum"], node.needs())


def limits_table(node):
    def calls(v):
        return "" if v is None else "not known" if math.isnan(v) else "any" if math.isinf(v) \
            else f"{max(v, 0):,.0f}"
    rows = sorted(node.limits(), key=lambda r: float("inf") if math.isnan(r[1]) else r[1])
    return table(["limit", "calls, as installed", "planned against it", "calls then"],
        [[what, calls(now), plan, calls(then)] for what, now, plan, then in rows])
