# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole daemons in a directory of their own: spoolwire, spoolwire-receive, spoolwire-feed, and the
real rtpengine, Redis and Kamailio. Everything waits for an event with a deadline, never for a fixed
time. Python's standard library only."""
import fcntl
import json
import math
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
# Sanitizers and shared machines are slow: deadlines are generous, a test that passes never waits.
DEADLINE = float(os.environ.get("SPOOLWIRE_DEADLINE", "30"))
# 0 under sanitizers: what is slow is no fault there, only what hangs is.
TIMES = os.environ.get("SPOOLWIRE_TIMES", "1") == "1"


def program(name):
    return os.path.join(BUILD, name)


def need(*names):
    """Skips the test, visibly, where a program is not installed."""
    for name in names:
        if not shutil.which(name):
            raise unittest.SkipTest(f"{name} is not installed")


def wait_for(what, condition, deadline=None):
    """Until condition() is true; returns its value."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


class Process:
    """A program whose output goes to a file; ends with its test."""

    def __init__(self, args, log, env=None):
        self.args, self.log = [str(a) for a in args], log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(self.args, stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.popen.pid

    def text(self):
        return read(self.log).decode(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def wait(self, deadline=None):
        return self.popen.wait(timeout=deadline or DEADLINE)

    def stop(self, number=signal.SIGTERM, deadline=None):
        """Exit status."""
        self.send(number)
        try:
            return self.wait(deadline)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.args[0]} did not end; its log:\n{self.text()[-4000:]}")

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def wait_text(self, pattern, deadline=None):
        """The match of a pattern in its output."""
        def look():
            found = re.search(pattern, self.text())
            if not found and not self.alive():
                raise AssertionError(f"{self.args[0]} ended ({self.popen.returncode}) before it "
                    f"said {pattern!r}:\n{self.text()[-4000:]}")
            return found
        return wait_for(f"{pattern!r} from {self.args[0]}", look, deadline)

    def wait_start(self, pattern):
        """The same in a constructor: nobody has the process yet to end it."""
        try:
            return self.wait_text(pattern)
        except BaseException:
            self.kill()
            raise

    def memory_kib(self, what="VmRSS"):
        found = re.search(rb"%s:\s+(\d+) kB" % what.encode(), read(f"/proc/{self.pid}/status"))
        return int(found.group(1)) if found else 0


class Receiver(Process):
    """spoolwire-receive."""

    def __init__(self, dir, name="receive", port=0, tcp=False, options=()):
        self.out = os.path.join(dir, name)
        os.makedirs(self.out, exist_ok=True)
        self.ca = os.path.join(dir, name + "-ca.pem")
        tls = ["--tcp"] if tcp else ["--self-signed", "--write-ca", self.ca]
        if "--cert" in options or "--tcp" in options:
            tls = []
        super().__init__([program("spoolwire-receive"), "--listen", f"127.0.0.1:{port}",
            "-o", self.out, "--stats", *tls, *options], os.path.join(dir, name + ".log"))
        self.port = int(self.wait_start(r"listening on 127\.0\.0\.1:(\d+)").group(1))

    def connections(self):
        """The JSON of every connection that has ended, with 'path' of the JSON file."""
        found = []
        for name in sorted(os.listdir(self.out)):
            if name.endswith(".json"):
                path = os.path.join(self.out, name)
                try:
                    found.append({**json.loads(read(path)), "path": path})
                except ValueError:
                    pass
        return found


class Spoolwire(Process):
    """The daemon, in the foreground, with a spool and a proc-root of its own."""

    def __init__(self, dir, receiver=None, options=(), name="spoolwire", spool=None, plain=False,
            start=True, env=None):
        self.dir = dir
        self.spool = spool or os.path.join(dir, "spool")
        self.proc = os.path.join(dir, "proc")
        self.accounts_dir = os.path.join(dir, "accounts")
        self.state = os.path.join(dir, "state")
        for d in (self.spool, self.proc, self.accounts_dir, self.state):
            os.makedirs(d, exist_ok=True)
        args = [program("spoolwire"), "--config-file=none", "--foreground", "--log-stderr",
            "--log-level=6", "--output-storage=none", f"--spool-dir={self.spool}",
            f"--proc-root={self.proc}", "--table=0", f"--account-dir={self.accounts_dir}",
            f"--state-dir={self.state}", f"--pidfile={os.path.join(dir, name)}.pid"]
        if receiver and plain:
            args.append(f"--tcp-send-to=127.0.0.1:{receiver.port}")
        elif receiver:
            args += [f"--tls-send-to=127.0.0.1:{receiver.port}", f"--tls-ca-file={receiver.ca}"]
        super().__init__(args + list(options), os.path.join(dir, name + ".log"), env)
        if start:
            self.wait_start(r"spoolwire \S+: spool")

    def accounts(self):
        found = []
        for name in sorted(os.listdir(self.accounts_dir)):
            if name.endswith(".json"):
                found.append(json.loads(read(os.path.join(self.accounts_dir, name))))
        return found

    def wait_accounts(self, n, deadline=None):
        wait_for(f"{n} accounts", lambda: len(os.listdir(self.accounts_dir)) >= n and
            len([a for a in os.listdir(self.accounts_dir) if a.endswith(".json")]) >= n, deadline)
        return self.accounts()

    def status(self):
        """Counters and times, asked for with SIGUSR1: {"packets_in": 5, "time open": {...}}."""
        # A worker that has not ticked yet has no times, which come last: asked again then.
        mark = "status: calls_running"

        def answer():
            asked = self.text().count(mark)
            self.send(signal.SIGUSR1)
            end = time.monotonic() + 1
            while time.monotonic() < end and self.alive():
                said = self.text().split(mark)
                if len(said) > asked + 1 and "intake_round" in said[-1]:
                    return "worker_tick" in said[-1]
                time.sleep(0.01)
            return False
        wait_for("the status", answer)
        return self.last_status()

    def last_status(self):
        text = self.text().rsplit("status: calls_running", 1)
        found = {}
        if len(text) < 2:
            return found
        for line in ("calls_running" + text[1]).splitlines():
            values = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
            time_of = re.search(r"status: time (\S+) \[us\]", line)
            if time_of:
                found["time " + time_of.group(1)] = values
            else:
                found.update(values)
        return found


class Feed(Process):
    """spoolwire-feed proc."""

    def __init__(self, daemon, options=(), name="feed"):
        super().__init__([program("spoolwire-feed"), "proc", "--spool", daemon.spool,
            "--proc-root", daemon.proc, "--table", "0", "--json", *options],
            os.path.join(daemon.dir, name + ".log"))

    def result(self, deadline=None):
        """The summary; fails when something was stuck."""
        status = self.wait(deadline or DEADLINE * 4)
        lines = [json.loads(l) for l in self.text().splitlines() if l.startswith("{")]
        if status != 0 or not lines:
            raise AssertionError(f"feed ended with {status}:\n{self.text()[-3000:]}")
        return lines[-1]

    def calls(self):
        return [json.loads(l) for l in self.text().splitlines() if l.startswith("{")][:-1]


class Hand:
    """A call written by hand: any section, any stream, any packet."""

    def __init__(self, daemon, parent="by-hand-0123456789abcdef"):
        self.meta = os.path.join(daemon.spool, parent + ".meta")
        self.calls = os.path.join(daemon.proc, "0", "calls", parent)
        os.makedirs(self.calls)
        self.streams = []
        self.section("CALL-ID", parent.rsplit("-", 1)[0])
        self.section("PARENT", parent)

    def section(self, label, content=""):
        content = content if isinstance(content, bytes) else content.encode()
        with open(self.meta, "ab") as f:
            f.write(b"%s\n%d:\n%s\n\n" % (label.encode(), len(content), content))

    def stream(self, n, name, tag="tag"):
        """A stream to write packets to; tag (its number) and media are n. Open for reading, too, so that it
        has no end before end()."""
        os.mkfifo(os.path.join(self.calls, name))
        self.streams.append(os.open(os.path.join(self.calls, name), os.O_RDWR | os.O_NONBLOCK))
        # One write, one packet. open(2) refuses O_DIRECT for a FIFO.
        fcntl.fcntl(self.streams[-1], fcntl.F_SETFL, os.O_NONBLOCK | os.O_DIRECT)
        self.section(f"TAG {n}", tag)
        self.section(f"STREAM {n} details", f"TAG {n} MEDIA {n} COMPONENT 1 FLAGS 0")
        self.section(f"STREAM {n} interface", name)
        return self.streams[-1]

    def speak(self, stream, packets, first=0, payload_type=8):
        """As fast as it would be spoken."""
        for seq in range(first, first + packets):
            os.write(stream, rtp(seq, payload_type))
            time.sleep(0.02)

    def end(self):
        for fd in self.streams:
            os.close(fd)
        os.unlink(self.meta)


def rtp(seq, payload_type=8, payload=b"\xd5" * 160, ssrc=0x1234):
    """IPv4, UDP, RTP; 20 ms a packet of an 8 kHz clock."""
    body = struct.pack("!BBHII", 0x80, payload_type, seq, seq * 160, ssrc) + payload
    udp = struct.pack("!HHHH", 2000, 3000, 8 + len(body), 0) + body
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
        b"\x0a\0\0\1", b"\x0a\0\0\2") + udp


class Redis(Process):
    """A private redis-server without a file."""

    def __init__(self, dir, port=None, name="redis"):
        need("redis-server")
        self.port = port or free_port()
        super().__init__(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", dir], os.path.join(dir, name + ".log"))
        wait_for("redis", self.ping)

    def ping(self):
        try:
            return self.command("PING") == b"PONG"
        except OSError:
            return False

    def command(self, *words):
        """One command in RESP; integers, texts, None and lists come back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
            data = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            s.sendall(b"*%d\r\n" % len(data) +
                b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in data))
            return self._reply(s.makefile("rb"))

    def _reply(self, f):
        line = f.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else f.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply(f) for _ in range(int(rest))]
        raise OSError(line)

    def push(self, call_id, *documents):
        for d in documents:
            self.command("RPUSH", b"call-mq:" + call_id.encode(),
                d if isinstance(d, (bytes, str)) else json.dumps(d))


# Endpoints that do not read to the end.
DEAF = {"--no-read", "--rate", "never", "--close-after", "--reset-after"}


class Run:
    """One daemon, its endpoint, and any number of feeds at once, each naming its calls: from start
    to end, after which everything can be asked for by a feed's name. A feed is a list of options."""

    def __init__(self, feeds, daemon=(), receiver=(), tcp=False, header="json", dead=False):
        self.dir = tempfile.mkdtemp(prefix="spoolwire-")
        self.processes, self.kept = [], bool(os.environ.get("SPOOLWIRE_KEEP"))
        try:
            self.receiver = self._keep(Receiver(self.dir, tcp=tcp, options=receiver))
            if dead:
                self.receiver.stop()
            self.daemon = self._keep(Spoolwire(self.dir, self.receiver, plain=tcp,
                options=["--tls-header=" + header, *daemon]))
            self.feeds = {name: self._keep(Feed(self.daemon, ["--call-id", name, *options], name))
                for name, options in feeds.items()}
        except BaseException:
            self.remove()
            raise

    def _keep(self, process):
        self.processes.append(process)
        return process

    def finish(self):
        """Until all calls are over and the daemon has ended; the exit status is `status_code`."""
        self.results = {name: feed.result() for name, feed in self.feeds.items()}
        all_accounts = self.daemon.wait_accounts(sum(r["calls"] for r in self.results.values()))
        self.peak_kib = self.daemon.memory_kib("VmHWM")
        self.status = self.daemon.status()
        self.status_code = self.daemon.stop()
        if self.receiver.alive() and not DEAF & set(self.receiver.args):
            # What the kernel still holds for it is on its way.
            wait_for("the endpoint", lambda: len(self.receiver.connections()) >=
                self.status.get("tls_connected", 0))
        self.receiver.stop()
        self.log = self.daemon.text()
        self.all_accounts = {a["call-id"]: a for a in all_accounts}
        self.all_connections = self.receiver.connections()
        return self

    def remove(self):
        for p in reversed(self.processes):
            p.kill()
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def calls(self, name):
        """(what the feed says, account, connections whose JSON header names it) of each call."""
        return [(call, self.all_accounts[call["call_id"]], [c for c in self.all_connections
            if (c["header"].get("json") or {}).get("call-id") == call["call_id"]])
            for call in self.feeds[name].calls()]

    def streams(self, name):
        """The same of each RTP stream: (feed's, account's, its connections)."""
        return [(fed, next(s for s in account["streams"] if s["number"] == fed["id"]),
            [c for c in connections if c["header"]["json"].get("stream") == fed["id"]])
            for call, account, connections in self.calls(name)
            for fed in call["streams"] if not fed["rtcp"]]


def sound(connection):
    """(rate, channels, samples of each channel) that came over a connection."""
    stem = connection["path"][:-len(".json")]
    return samples(stem + ".wav")


def samples(path):
    """(rate, channels, [one list of samples a channel]) of a WAV file whose header may not be
    final, as spoolwire-receive writes it, nor the first chunk the format."""
    data = read(path)
    assert data[:4] == b"RIFF" and data[8:12] == b"WAVE", path
    at = 12
    while data[at:at + 4] not in (b"data", b""):
        if data[at:at + 4] == b"fmt ":
            channels, rate = struct.unpack("<HI", data[at + 10:at + 16])
        at += 8 + struct.unpack("<I", data[at + 4:at + 8])[0]
    body = data[at + 8:]
    body = body[:len(body) // (2 * channels) * 2 * channels]
    flat = struct.unpack(f"<{len(body) // 2}h", body)
    return rate, channels, [flat[c::channels] for c in range(channels)]


def level(samples_, rate, hz):
    """Share of the energy of `samples_` that is a tone of hz (Goertzel): 0 to 1."""
    n = len(samples_)
    if not n:
        return 0.0
    w = 2 * math.pi * hz / rate
    c, s1, s2 = 2 * math.cos(w), 0.0, 0.0
    energy = 0
    for x in samples_:
        s1, s2 = x + c * s1 - s2, s1
        energy += x * x
    power = s1 * s1 + s2 * s2 - c * s1 * s2
    return 2 * power / (n * energy) if energy else 0.0


def silent_runs(samples_, rate, min_ms=10, limit=8):
    """[(from ms, length ms)] of runs of near-silence."""
    runs, start = [], None
    for i, x in enumerate(list(samples_) + [1 << 15]):
        if abs(x) <= limit:
            start = i if start is None else start
        elif start is not None:
            if (i - start) * 1000 >= min_ms * rate:
                runs.append((start * 1000 // rate, (i - start) * 1000 // rate))
            start = None
    return runs


def balances(account):
    """What came in = what went out + what was dropped + what waits, of every stream and sink."""
    return all(part["balances"] for part in account["streams"] + account["sinks"])


class Case(unittest.TestCase):
    """A directory for each test, kept when it fails; processes end with it."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="spoolwire-")
        self.processes = []

    def keep(self, process):
        self.processes.append(process)
        return process

    def tearDown(self):
        for p in reversed(self.processes):
            p.kill()
        outcome = getattr(self._outcome, "result", None)
        failed = outcome and any(t is self for t, _ in outcome.failures + outcome.errors)
        if failed or os.environ.get("SPOOLWIRE_KEEP"):
            print(f"kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def receiver(self, **kw):
        return self.keep(Receiver(self.dir, **kw))

    def daemon(self, receiver=None, *options, **kw):
        return self.keep(Spoolwire(self.dir, receiver, options, **kw))

    def feed(self, daemon, *options, **kw):
        return self.keep(Feed(daemon, options, **kw))

    def redis(self, **kw):
        return self.keep(Redis(self.dir, **kw))

    def assertCloses(self, result, status):
        """The first requirement: all descriptors of a call are closed in time after an
        end-of-stream. The limits hold on the daemon's own clock, from its last look that saw no
        end: from outside, a busy machine is measured too (the feed has to be woken up, for each
        stream), so there only a hang is told from a delay. Without SPOOLWIRE_TIMES (sanitizers)
        only that nothing is stuck."""
        for what in ("calls_stuck", "streams_stuck", "streams_unopened"):
            self.assertEqual(result[what], 0, result)
        if not TIMES:
            return
        self.assertEqual(result["overruns"], 0, result)
        closed = status["time end_to_closed"]
        self.assertLess(closed["p50"], 3000, closed)
        if closed["n"] >= 100:
            self.assertLess(closed["p99"], 5000, closed)
        else: # that would be the longest, at which the machine may have looked away
            self.assertLess(closed["p90"], 5000, closed)
            self.assertLess(closed["max"], 50000, closed)
        self.assertLess(result["closing"]["p50_ms"], 20, result)

    def assertBalanced(self, account):
        """in = out + dropped + buffered, at every stage."""
        self.assertTrue(balances(account), json.dumps(account, indent=1))


def main():
    unittest.main(verbosity=2)
