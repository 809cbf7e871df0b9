# SPDX-License-Identifier: GPL-3.0-or-later
"""What a large node needs, by the model that was fitted to small ones. Python's standard library
only."""
CALLS, STREAMS, LASTS, CORES = 20000, 2, 180, 32 # calls at once; of each; [s]; of the machine
PACKETS = CALLS * STREAMS * 50 # a second
BEGUN = CALLS / LASTS          # calls a second
TIME_WAIT = 60                 # [s]
PORTS = 60999 - 32768 + 1      # net.ipv4.ip_local_port_range


def largest(runs):
    """µs a packet of (intake, workers) in the largest run."""
    r = max((r for r in runs if r["load"]["kind"] == "large"), default=None,
        key=lambda r: r["load"]["calls"])
    packets = sum(n["count"]["packets_in"] for n in r["nodes"]) if r else 0
    return [sum(n["cpu"][k] for n in r["nodes"]) / packets * 1e6 for k in ("intake", "worker")] \
        if r else [float("nan")] * 2


def rows(judged, result):
    """[(what, how it comes about, how much)]"""
    a = {(j["name"], j["kind"]): j["a"] for j in judged}

    def of(part, unit, kind="tls"):
        return a.get((part, kind), {}).get(unit, 0)

    intake, workers, control = ("CPU of the intake [s]", "CPU of the workers [s]",
        "CPU of the control thread [s]")
    big = largest(result["runs"])
    full = max((x["us_per_packet"] for x in result.get("intake", [])), default=float("nan"))
    connects = BEGUN * STREAMS
    shake = of(workers, "connection") - of(workers, "connection", "tcp")
    yield ("intake", f"{PACKETS / 1e6:.0f} M packets/s × {full:.2f} µs (never idle) to {big[0]:.2f} µs "
        f"(2000 streams)", f"{PACKETS * full / 1e6:.1f} to {PACKETS * big[0] / 1e6:.1f} cores")
    yield ("workers, TLS", f"{PACKETS / 1e6:.0f} M packets/s × {big[1]:.2f} µs (2000 streams) to "
        f"{of(workers, 'packet') * 1e6:.2f} µs (fit)",
        f"{PACKETS * big[1] / 1e6:.1f} to {PACKETS * of(workers, 'packet'):.1f} cores")
    yield ("connections", f"{connects:.0f}/s × {of(workers, 'connection') * 1e6:.0f} µs, of which TLS "
        f"{shake * 1e6:.0f} µs", f"{connects * of(workers, 'connection'):.2f} cores")
    yield ("control thread", f"{BEGUN:.0f} calls/s × {of(control, 'call') * 1e6:.0f} µs + {CALLS} calls"
        f" × {of(control, 'call-second') * 1e6:.1f} µs/s",
        f"{BEGUN * of(control, 'call') + CALLS * of(control, 'call-second'):.2f} cores, of 1")
    opened = of("CPU of the openers [s]", "opened")
    yield ("openers", f"{2 * connects:.0f} streams/s (RTCP, too) × {opened * 1e6:.0f} µs",
        f"{2 * connects * opened:.3f} cores")
    yield ("memory", f"{CALLS * STREAMS} streams × "
        f"{of('memory above the start [MiB]', 'stream at once') * 1024:.0f} KiB",
        f"{CALLS * STREAMS * of('memory above the start [MiB]', 'stream at once') / 1024:.1f} GiB")
    queued = of("in queues [bytes]", "stream now")
    yield ("buffer-memory, nothing slow", f"{CALLS * STREAMS} streams × {queued / 1024:.1f} KiB",
        f"{CALLS * STREAMS * queued / 2**20:.0f} MiB (default: 192 of 256)")
    yield ("open files", f"{CALLS} × 7 + 128", f"{CALLS * 7 + 128}")
    out = of("to the network [bytes]", "stream-second")
    yield ("network, out", f"{CALLS * STREAMS} streams × {out / 1000:.1f} kB/s, "
        f"{of('to the network [packets]', 'stream-second'):.1f} packets/s",
        f"{CALLS * STREAMS * out * 8 / 1e9:.1f} Gbit/s, "
        f"{CALLS * STREAMS * of('to the network [packets]', 'stream-second') / 1e3:.0f} k packets/s")
    held = of("ports held after their connection", "connection")
    yield ("ports to one address", f"{CALLS * STREAMS} + {connects:.0f}/s × {TIME_WAIT} s × "
        f"{held:.2f} in TIME_WAIT", f"{CALLS * STREAMS + connects * TIME_WAIT * held:.0f}, "
        f"of {PORTS}")
    commands = BEGUN * of("Redis commands", "call") + CALLS / 5 * of("Redis commands", "5 s of a call")
    yield ("Redis commands", f"{BEGUN:.0f} calls/s × {of('Redis commands', 'call'):.1f} + {CALLS} calls "
        f"/ 5 s", f"{commands:.0f}/s")
    bytes_out = commands * of("Redis: bytes out", "command") + BEGUN * of("Redis: bytes out", "call")
    yield ("Redis, its side", f"× {of('Redis: CPU [s]', 'command') * 1e6:.0f} µs, "
        f"{of('Redis: bytes in', 'command'):.0f} bytes in, {of('Redis: bytes out', 'command'):.0f} out",
        f"{commands * of('Redis: CPU [s]', 'command'):.2f} cores, {bytes_out * 8 / 1e6:.0f} Mbit/s out")
    end = "CPU of an endpoint [s]"
    yield ("endpoints", f"{CALLS * STREAMS} streams × {of(end, 'stream-second') * 1e6:.0f} µs/s + "
        f"{connects:.0f}/s × {of(end, 'connection') * 1e6:.0f} µs",
        f"{CALLS * STREAMS * of(end, 'stream-second') + connects * of(end, 'connection'):.1f} cores")
    size = of("accounts [bytes]", "call") + STREAMS * of("accounts [bytes]", "stream")
    yield ("accounts", f"{BEGUN:.0f} files/s × {size / 1000:.1f} kB, 1 fsync each",
        f"{BEGUN * 86400 / 1e6:.1f} M files, {BEGUN * 86400 * size / 1e9:.0f} GB a day")
    yield from disk(of, result.get("synced"))


def disk(of, synced):
    """Mixed WAV: one file a call."""
    written, writes = of("written [bytes]", "file-second", "files"), of("writes", "file-second",
        "files")
    yield ("WAV mixed: bytes", f"{CALLS} files × {written / 1000:.1f} kB/s, read once more at the end",
        f"{CALLS * written / 1e6:.0f} MB/s")
    yield ("WAV mixed: writes", f"{CALLS} files × {writes:.2f}/s + {BEGUN:.0f} files/s × "
        f"{of('writes', 'file', 'files'):.1f}",
        f"{CALLS * writes + BEGUN * of('writes', 'file', 'files'):.0f}/s")
    if synced:
        often = synced["fdatasync"] / synced["files"] / synced["seconds"]
        each = synced["fsync"] / synced["files"]
        yield ("WAV mixed: syncs", f"{CALLS} files × {often:.2f} fdatasync/s + {BEGUN:.0f} files/s × "
            f"{each:.0f} fsync", f"{CALLS * often:.0f} + {BEGUN * each:.0f}/s, by 4 threads")
    cpu = "CPU of the writers [s]"
    yield ("WAV mixed: writers", f"{CALLS} files × {of(cpu, 'file-second', 'files') * 1e6:.0f} µs/s + "
        f"{BEGUN:.0f}/s × {of(cpu, 'file', 'files') * 1e3:.1f} ms",
        f"{CALLS * of(cpu, 'file-second', 'files') + BEGUN * of(cpu, 'file', 'files'):.2f} cores")
    queued = of("in queues [bytes]", "file now", "files")
    yield ("WAV mixed: buffer-memory", f"{CALLS} files × {queued / 1024:.0f} KiB",
        f"{CALLS * queued / 2**20:.0f} MiB (default: 192 of 256)")


def table(judged, result):
    """Markdown."""
    return "\n".join(["| need | how it comes about | in sum |", "|---|---|---|",
        *[f"| {' | '.join(r)} |" for r in rows(judged, result)]])
