# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of one case with one recorder: daemon, feed and endpoint in a directory of their own.
The result is a flat table of figures. Python's standard library only."""
import datetime
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import meters

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import BUILD, Process, free_port, program, read, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
# FIFOs in memory, as /proc is: on a disk each read would also set an access time.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
PTIME_MS = 20
COUNTED = 3    # [s] for which system calls are counted
STAMP = 23     # of so many packets one says when it was written; prime, or it would always be the
               # first or always the last of those that are sent together
KILL_AFTER = 0.4 # of the length of a call
FREEZE = 5       # [s]
HEARD = ("reads", "stalls", "slow") # endpoints that get all of it in the end


def build_tools(into):
    """What is made for these runs only: the shim for recorders that know one /proc, the ears."""
    cc = os.environ.get("CC", "cc").split()
    subprocess.run([*cc, "-O2", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", f"{into}/shim.so",
        f"{HERE}/shim.c", "-ldl"], check=True)
    subprocess.run([*cc, "-O2", "-D_GNU_SOURCE", "-o", f"{into}/hear", f"{HERE}/hear.c", "-lm"],
        check=True)


def random_frames(codec, path):
    """A payload file of frames of random bits: decoding them is as much work as decoding speech."""
    state, out = 1, bytearray()

    def bits(n):
        nonlocal state
        for _ in range(n):
            state = (state * 1103515245 + 12345) & 0x7fffffff
            yield state >> 16 & 0xff
    if codec == "AMR-WB": # RFC 4867 5.3: 12.65 kbit/s, 253 bits
        out += b"#!AMR-WB\n"
        for _ in range(50):
            out += b"\x14" + bytes(bits(32))
    else: # G.729: 10 ms, 80 bits
        out += bytes(bits(10 * 100))
    with open(path, "wb") as f:
        f.write(out)


class Recorder:
    """A program that can be measured: spoolwire, or something that takes its command line from
    rtpengine-recording."""

    def __init__(self, path):
        self.path = path
        self.ours = os.path.basename(path).startswith("spoolwire")
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"(\d+)\.\d+[\w.]*", said.stdout + said.stderr)
        self.name = os.path.basename(path) + (f" {version.group(0)}" if version else "")
        with open(path, "rb") as f:
            self.digest = hashlib.sha256(f.read()).hexdigest()[:16]
        # It gets the metafiles of the rtpengine that it belongs to.
        self.dialect = 26 if version and int(version.group(1)) > 10 else 10

    def command(self, run):
        """(arguments, environment)"""
        common = [self.path, "--config-file=none", "--foreground", "--log-stderr", "--log-level=4",
            "--table=0", f"--spool-dir={run.path('spool')}", f"--pidfile={run.path('pid')}",
            f"--output-dir={run.path('output')}"]
        if run.case.files:
            common += ["--output-storage=file", "--output-format=wav",
                f"--output-{run.case.files}"]
        if run.port:
            common.append(f"--tls-send-to=127.0.0.1:{run.port}")
        small = {"SPOOLWIRE_SNDBUF": str(run.case.send_buffer)} if run.case.send_buffer else {}
        shim = {"LD_PRELOAD": run.tool("shim.so"), "SPOOLWIRE_PROC_ROOT": run.path("proc"), **small}
        if not self.ours:
            none = ["--output-storage=none"] if self.dialect > 10 else ["--output-storage=file",
                "--output-format=none"]
            files = [] if run.case.files else none
            return common + files, shim
        files = [] if run.case.files else ["--output-storage=none"]
        trust = [f"--tls-ca-file={run.path('ca.pem')}"] if os.path.exists(run.path("ca.pem")) else []
        return common + files + trust + [f"--proc-root={run.path('proc')}",
            f"--account-dir={run.path('accounts')}", f"--state-dir={run.path('state')}",
            *run.case.ours, *run.options], shim if small else {}


class Run:
    """measure() gives the figures; close() leaves nothing behind."""

    def __init__(self, case, recorder, tools, options=(), keep=False, scale=1.0):
        self.case, self.recorder, self.tools, self.options = case, recorder, tools, options
        self.keep_dir, self.scale = keep, scale
        self.dir = tempfile.mkdtemp(prefix="spoolwire-bench-", dir=MEMORY)
        self.processes, self.receiver, self.port, self.disk = [], None, 0, None
        for name in ("spool", "proc", "accounts", "state", "output", "received"):
            os.mkdir(self.path(name))

    def path(self, name):
        return os.path.join(self.dir, name)

    def tool(self, name):
        return os.path.join(self.tools, name)

    def keep(self, process):
        self.processes.append(process)
        return process

    def close(self):
        if self.disk:
            self.disk.freeze(False) # who waits for it cannot be killed
        for p in reversed(self.processes):
            p.kill()
        if self.disk:
            self.disk.close()
        if not self.keep_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    # ---- the parts ------------------------------------------------------------------------

    def start_endpoint(self):
        if self.case.endpoint == "refuses":
            self.port = free_port()
        if self.case.endpoint in ("refuses", "none"):
            return
        places = ["-o", self.path("received"), "--raw"] if self.case.kill else []
        self.receiver = self.keep(Process([program("spoolwire-receive"), "--listen", "127.0.0.1:0",
            "--self-signed", "--write-ca", self.path("ca.pem"), "--quiet", "--stats",
            *places, *self.case.receiver], self.path("receive.log")))
        self.port = int(self.receiver.wait_text(r"listening on 127\.0\.0\.1:(\d+)").group(1))

    def start_daemon(self):
        args, env = self.recorder.command(self)
        return self.keep(Process(args, self.path("daemon.log"), env))

    def wait_for_watch(self):
        """Nothing is said by all recorders when they are ready; before their inotify watch they
        would miss calls."""
        folder = f"/proc/{self.daemon.pid}/fdinfo"
        wait_for("the daemon's inotify watch", lambda: any(
            b"inotify wd:" in read(f"{folder}/{fd}") for fd in os.listdir(folder)))

    @property
    def seconds(self):
        return max(self.case.seconds * self.scale, 2)

    @property
    def calls(self):
        return max(int(self.case.n_calls * (self.scale if self.case.calls else 1)), 1)

    def start_feed(self):
        c = self.case
        extra = list(c.feed)
        if c.codec == "PCMA" and c.endpoint in HEARD:
            extra.append(f"--stamp-every={STAMP}")
        if c.codec in ("G729", "AMR-WB"):
            random_frames(c.codec, self.path("frames"))
            extra.append(f"--payload-file={self.path('frames')}")
        return self.keep(Process([program("spoolwire-feed"), "proc", "--spool", self.path("spool"),
            "--proc-root", self.path("proc"), "--table=0", "--json", f"--calls={self.calls}",
            f"--rate={c.a_second}", f"--seconds={self.seconds}", f"--codec={c.codec}", "--seed=1",
            f"--dialect={self.recorder.dialect}",
            "--call-id=bench", "--removal-timeout=5", "--lose-queue", *extra],
            self.path("feed.log")))

    # ---- measuring ------------------------------------------------------------------------

    def measure(self):
        if self.case.freeze:
            self.disk = Disk(self.path("disk"), self.path("output"))
        self.start_endpoint()
        self.daemon = self.start_daemon()
        self.wait_for_watch()
        time.sleep(1)
        meter = meters.Meter(self.daemon.pid)
        self.started = meters.cpu(self.daemon.pid)
        idle = meters.machine_ticks()
        begun = time.monotonic()
        self.feed = self.start_feed()
        calls = self.follow(meter, begun)
        if not self.case.kill:
            time.sleep(self.case.drain) # what still waits goes out
        found = meter.sum()
        idle = [b - a for a, b in zip(idle, meters.machine_ticks())]
        found.update(lasted_s=time.monotonic() - begun, idle=idle[0] / idle[1])
        found.update(self.fed())
        self.end(found)
        if calls:
            found["calls_per_packet"] = calls / (self.case.streams * 1000 / PTIME_MS)
        self.derive(found)
        return found

    def follow(self, meter, begun):
        """Until the feed is done; system calls a second while all calls run, or None."""
        counter, calls = None, None
        ramp = self.calls / self.case.a_second
        # All calls run, or as many end as begin.
        quiet = begun + min(ramp, self.seconds) + 1.5
        can_count = not self.case.kill and abs(self.seconds - ramp) > COUNTED + 2
        while self.feed_runs():
            time.sleep(0.5)
            if self.case.kill and time.monotonic() > begun + KILL_AFTER * self.seconds:
                self.restart(meter)
                begun = float("inf")
            elif not meter.look():
                raise RuntimeError(f"the daemon is gone:\n{self.daemon.text()[-2000:]}")
            if self.disk:
                self.disk.freeze(self.seconds < time.monotonic() - begun < self.seconds + FREEZE)
            if can_count and not counter and time.monotonic() > quiet:
                counter = meters.SystemCalls(self.daemon.pid, COUNTED)
            if counter and calls is None and counter.over():
                calls = counter.a_second()
        if self.disk:
            self.disk.freeze(False)
        return calls

    def feed_runs(self):
        """Its CPU is read while it can be: as a zombie it still has all of it."""
        self.feed_cpu_s = sum(meters.cpu(self.feed.pid))
        return self.feed.alive()

    def restart(self, meter):
        self.daemon.kill()
        self.killed_at = time.time()
        self.daemon = self.start_daemon()
        meter.pid = self.daemon.pid

    def fed(self):
        """What the feed says of itself and of what it saw of the daemon."""
        lines = [json.loads(l) for l in self.feed.text().splitlines() if l.startswith("{")]
        if not lines or "removal" not in lines[-1]:
            raise RuntimeError(f"the feed failed:\n{self.feed.text()[-2000:]}")
        total = lines.pop()
        self.fed_calls = lines
        found = {"packets": sum(s["packets"] for c in lines for s in c["streams"] if not s["rtcp"]),
            "lost_queue": total["overruns"], "lost_unopened": total["unread"],
            "lost_at_end": total["lost_at_end"], "stuck": total["streams_stuck"],
            "unopened": total["streams_unopened"], "feed_cpu_s": self.feed_cpu_s}
        for what in ("opening", "closing", "removal"):
            found.update({f"{what}_{k}": v for k, v in total[what].items() if k != "n"})
        return found

    def end(self, found):
        """What can be known only after the daemon has ended."""
        if self.receiver:
            found["receiver_cpu_s"] = sum(meters.cpu(self.receiver.pid))
        begun, before = time.monotonic(), children()
        self.daemon.stop(deadline=120)
        found["stop_s"] = time.monotonic() - begun
        if not self.case.kill: # all that it took, with what it only did at its end
            user, system = (b - a for a, b in zip(before, children()))
            found.update(user_s=user - self.started[0], system_s=system - self.started[1])
        if self.receiver:
            time.sleep(0.5)
            self.receiver.stop(deadline=60)
            self.ask_endpoint(found)
        if self.case.files:
            self.ask_files(found)
        if self.recorder.ours:
            self.ask_accounts(found)

    def ask_endpoint(self, found):
        stats = json.loads(self.receiver.text().strip().splitlines()[-1])
        found["connections"] = stats["connections"]
        if self.case.endpoint in HEARD:
            found["heard_ms"] = stats["audio_ms"] - stats["silence_ms"]
        if stats.get("latency_ms", {}).get("n"):
            found.update({f"latency_{k}_ms": v for k, v in stats["latency_ms"].items() if k != "n"})
            found["displaced"] = stats["displaced"]
        if self.case.kill:
            self.ask_restart(found)

    def ask_restart(self, found):
        """Streams that sent audio to the end of their call by a connection made after the kill."""
        back = []
        for path in glob.glob(self.path("received/*.json")):
            c = json.loads(read(path))
            began = timestamp(c["started"])
            if began > self.killed_at and c["audio_bytes"]:
                back.append((began - self.killed_at) * 1000 + (c["audio_ms"] or 0))
        found["came_back"] = len(back)
        if back:
            found["came_back_max_ms"] = max(back)

    def ask_files(self, found):
        """The sound of every recording: each participant has a tone of its own."""
        tones = {}
        for c in self.fed_calls:
            n = re.search(r"bench-(\d+)", c["call_id"]).group(1)
            tones[n] = [s["tone_hz"] for s in c["streams"] if not s["rtcp"]]
        lines, paths = [], glob.glob(self.path("output/**/*.wav"), recursive=True)
        for p in paths:
            hz = tones[re.search(r"bench-(\d+)", os.path.basename(p)).group(1)]
            lines.append(p + "\t" + " ".join(map(str, hz)) + "\n")
        said = subprocess.run([self.tool("hear")], input="".join(lines), capture_output=True,
            text=True, check=True).stdout.splitlines()
        heard, bytes_ = 0.0, 0
        for path, line in zip(paths, said):
            ms = [float(x) for x in line.split()[3:]]
            heard += max(ms) if self.case.files == "single" else sum(ms)
            bytes_ += os.path.getsize(path)
        found.update(files=len(paths), file_bytes=bytes_, heard_ms=heard)

    def ask_accounts(self, found):
        accounts = [json.loads(read(p)) for p in glob.glob(self.path("accounts/*.json"))]
        streams = [s for a in accounts for s in a["streams"]]
        found["accounts"] = len(accounts)
        found["unbalanced"] = sum(not s["balances"] for s in streams)
        found["concealed_ms"] = sum(s["concealed-ms"] for s in streams)
        for what in streams[0]["packets"] if streams else ():
            found[f"account_{what}"] = sum(s["packets"][what] for s in streams)
        for what in ("put", "forwarded", "dropped", "waiting", "silence"):
            found[f"sink_{what}_ms"] = sum(k[f"{what}-ms"] or 0 for a in accounts
                for k in a["sinks"])

    def derive(self, found):
        packets = found["packets"]
        if self.case.kill: # of two processes
            for k in ("user_s", "system_s", "voluntary", "preempted", "reads", "writes"):
                del found[k]
            found["lost"] = packets - found["heard_ms"] / PTIME_MS
            found["lost_share"] = found["lost"] / packets
            return
        found["cpu_s"] = found["user_s"] + found["system_s"]
        found["cores_busy"] = found["cpu_s"] / found["lasted_s"]
        if not packets:
            return
        found["cpu_per_million"] = found["cpu_s"] / packets * 1e6
        found["switches_per_packet"] = (found["voluntary"] + found["preempted"]) / packets
        found["io_calls_per_packet"] = (found["reads"] + found["writes"]) / packets
        for what in ("feed", "receiver"):
            if f"{what}_cpu_s" in found:
                found[f"{what}_per_million"] = found[f"{what}_cpu_s"] / packets * 1e6
        if "heard_ms" not in found:
            found["lost"] = found["lost_queue"] + found["lost_unopened"] + found["lost_at_end"]
        else:
            found["delivered"] = found["heard_ms"] / PTIME_MS
            found["lost"] = packets - found["delivered"]
            if found["delivered"] > packets / 1000:
                found["cpu_per_million_delivered"] = found["cpu_s"] / found["delivered"] * 1e6
        found["lost_share"] = found["lost"] / packets


class Disk:
    """A file system of its own in memory, which can be frozen: who writes to it waits. Needs root."""

    def __init__(self, image, at):
        self.at, self.frozen = at, False
        with open(image, "wb") as f:
            f.truncate(512 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, at], check=True)

    def freeze(self, on):
        if on != self.frozen:
            subprocess.run(["fsfreeze", "-f" if on else "-u", self.at], check=True)
            self.frozen = on

    def close(self):
        subprocess.run(["umount", "-l", self.at], check=False)


def children():
    """(user, system) seconds of all that were waited for."""
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime, r.ru_stime


def timestamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
