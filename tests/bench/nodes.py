# SPDX-License-Identifier: GPL-3.0-or-later
"""Several daemons and several endpoints, each in a network namespace of its own, joined by a bridge;
one Redis beside the bridge. What each took is read from /proc, from its network device and from its
own counters. Python's standard library only."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import meters
from runs import MEMORY

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import Process, Redis, Spoolwire, free_port, program, wait_for  # noqa: E402

NET = f"10.87.{os.getpid() % 254 + 1}" # two runs at once do not meet
PORT = 9443
OPEN, TIME_WAIT = "01", "06" # include/net/tcp_states.h
DOCUMENT = {"type": "call", "caller": "+4930123456", "callee": "+4940654321", "x": "x" * 600}
DOCUMENTS = 2


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Net:
    """The bridge; place() makes a namespace on it."""
    made = 0 # names are new each time: the kernel takes a while to forget the old ones

    def __init__(self):
        Net.made += 1
        self.name = f"sw{os.getpid()}{chr(ord('a') + Net.made // 26)}{chr(ord('a') + Net.made % 26)}"
        self.spaces = []
        # An address of its own: a bridge takes the lowest of its ports', and would change it.
        ip("link", "add", self.name, "address", "02:00:00:00:00:01", "type", "bridge")
        ip("address", "add", f"{NET}.1/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def place(self):
        number = len(self.spaces) + 10
        space = f"{self.name}-{number}"
        ip("netns", "add", space)
        self.spaces.append(space)
        ip("link", "add", f"{self.name}v{number}", "master", self.name, "type", "veth", "peer",
            "name", "eth0", "netns", space)
        ip("link", "set", f"{self.name}v{number}", "up")
        ip("-n", space, "address", "add", f"{NET}.{number}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", space, "link", "set", device, "up")
        return Place(space, f"{NET}.{number}", f"{self.name}v{number}")

    def close(self):
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)
        subprocess.run(["ip", "link", "del", self.name], check=False, capture_output=True)


class Place:
    def __init__(self, space, address, device):
        self.space, self.address, self.device = space, address, device

    def enter(self, hosts=None):
        """The words that begin a command there. hosts: a file in place of /etc/hosts."""
        words = ["ip", "netns", "exec", self.space]
        if hosts:
            words += ["unshare", "-m", "sh", "-c",
                f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
        return words

    def wire(self):
        """Bytes and packets (out of the place, into it)."""
        def of(what):
            return int(meters.text(f"/sys/class/net/{self.device}/statistics/{what}"))
        return {"out_bytes": of("rx_bytes"), "out_packets": of("rx_packets"),
            "in_bytes": of("tx_bytes"), "in_packets": of("tx_packets")}


def threads(pid):
    """CPU seconds of each kind of thread; `all` is of all of them."""
    found = {"all": 0.0}
    for task in os.listdir(f"/proc/{pid}/task"):
        said = meters.text(f"/proc/{pid}/task/{task}/schedstat").split()
        name = meters.text(f"/proc/{pid}/task/{task}/comm").strip().split("-")[0]
        if int(task) == pid:
            name = "control"
        if said:
            found[name] = found.get(name, 0) + int(said[0]) / 1e9
            found["all"] += int(said[0]) / 1e9
    return found


def differ(before, after):
    return {k: v - before.get(k, 0) for k, v in after.items()}


class Node(Spoolwire):
    """A daemon and the feed of its calls. Its spool and streams are in memory, as in the kernel."""

    def __init__(self, place, dir, options, log="daemon.log"):
        self.place = place
        for name in ("spool", "proc", "accounts", "state"):
            os.makedirs(os.path.join(dir, name), exist_ok=True)
        self.dir, self.spool = dir, os.path.join(dir, "spool")
        self.proc, self.accounts_dir = os.path.join(dir, "proc"), os.path.join(dir, "accounts")
        self.hosts = os.path.join(dir, "hosts")
        bound = self.hosts if os.path.exists(self.hosts) else None
        Process.__init__(self, [*place.enter(bound), program("spoolwire"), "--config-file=none",
            "--foreground", "--log-stderr", "--log-level=6", f"--spool-dir={self.spool}",
            f"--proc-root={self.proc}", "--table=0", f"--account-dir={self.accounts_dir}",
            f"--state-dir={dir}/state", f"--pidfile={dir}/pid", f"--output-dir={dir}/output",
            *options], os.path.join(dir, log))
        self.wait_start(r"spoolwire \S+: spool")
        self.feed = None

    def start_feed(self, calls, rate, seconds, streams, name):
        self.feed = Process([program("spoolwire-feed"), "proc", f"--spool={self.spool}",
            f"--proc-root={self.proc}", "--table=0", "--json", f"--calls={calls}",
            f"--rate={rate}", f"--seconds={seconds}", f"--streams={streams}", "--seed=1",
            f"--call-id={name}", "--removal-timeout=5"], os.path.join(self.dir, "feed.log"))

    def look(self):
        count = self.status()
        return {"cpu": threads(self.pid), "wire": self.place.wire(), "io": self.io(),
            "count": {k: v for k, v in count.items() if isinstance(v, int)},
            "times": {k: v for k, v in count.items() if isinstance(v, dict)}}

    def sockets(self, state, address=None):
        """How many to the endpoints (or to one of them) are in that state: OPEN, TIME_WAIT."""
        there = ".{8}" if not address else "".join(f"{int(x):02X}" for x in
            reversed(address.split(".")))
        return len(re.findall(rf" {there}:{PORT:04X} {state} ",
            meters.text(f"/proc/{self.pid}/net/tcp")))

    def files(self, below):
        """How many it has open there."""
        def of(fd):
            try:
                return os.readlink(f"/proc/{self.pid}/fd/{fd}")
            except OSError:
                return "" # closed meanwhile
        return sum(of(fd).startswith(below) for fd in os.listdir(f"/proc/{self.pid}/fd"))

    def io(self):
        said = meters.text(f"/proc/{self.pid}/io")
        return {k: meters.number(rf"^{k}: (\d+)", said) for k in ("syscw", "wchar", "write_bytes")}


class Endpoint(Process):
    def __init__(self, place, dir, plain=False, name="endpoint"):
        self.place = place
        trust = ["--tcp"] if plain else ["--cert", os.path.join(dir, "endpoint.pem")]
        super().__init__([*place.enter(), program("spoolwire-receive"), "--listen",
            f"{place.address}:{PORT}", "--quiet", "--stats", *trust],
            os.path.join(dir, f"{name}-{place.space}.log"))
        self.wait_start("listening on")

    def stats(self):
        return json.loads(self.text().strip().splitlines()[-1])


class SharedRedis(Redis):
    def __init__(self, dir):
        self.port = free_port()
        Process.__init__(self, ["redis-server", "--port", self.port, "--bind", "127.0.0.1",
            f"{NET}.1", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", dir],
            os.path.join(dir, "redis.log"))
        wait_for("redis", self.ping)

    def look(self):
        said = self.command("INFO").decode()
        found = {k: int(v) for k, v in re.findall(
            r"^(total_net_input_bytes|total_net_output_bytes|total_commands_processed):(\d+)", said,
            re.M)}
        return {**found, "cpu_s": threads(self.pid)["all"]}


def certificate(dir):
    """One for all endpoints, that stays when they are started again."""
    pem = os.path.join(dir, "endpoint.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=endpoint", "-addext",
        "subjectAltName=DNS:endpoint", "-keyout", pem + ".key", "-out", pem + ".crt"], check=True,
        capture_output=True)
    with open(pem, "w", encoding="utf-8") as out:
        for part in (".key", ".crt"):
            with open(pem + part, encoding="utf-8") as f:
                out.write(f.read())
    return pem + ".crt"


class Sim:
    """One run: load calls for each of n daemons, from before the first to after the last."""

    def __init__(self, load, disk):
        self.load = load
        self.dir = tempfile.mkdtemp(prefix="spoolwire-scale-",
            dir=disk if load.files else MEMORY)
        self.processes, self.net = [], None
        try:
            self.net = Net()
            self.start()
        except BaseException:
            self.close()
            raise

    def keep(self, process):
        self.processes.append(process)
        return process

    def close(self):
        for p in reversed(self.processes):
            p.kill()
        if self.net:
            self.net.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        load = self.load
        self.ca = certificate(self.dir)
        self.redis = self.keep(SharedRedis(self.dir))
        self.endpoints = [self.keep(Endpoint(self.net.place(), self.dir, load.plain))
            for _ in range(load.endpoints)]
        self.nodes = []
        for i in range(load.daemons):
            where = self.endpoints[i % len(self.endpoints)].place.address if self.endpoints else ""
            dir = os.path.join(self.dir, f"node{i}")
            os.makedirs(dir)
            self.nodes.append(self.keep(Node(self.net.place(), dir, self.options(where))))

    def options(self, where):
        o = ["--num-threads=2", *self.load.options]
        if not self.load.bare:
            o.append(f"--redis-url=redis://{NET}.1:{self.redis.port}/0")
        o += [f"--output-{self.load.files}"] if self.load.files else ["--output-storage=none"]
        if where and self.load.plain:
            o.append(f"--tcp-send-to={where}:{PORT}")
        elif where:
            o += [f"--tls-send-to={where}:{PORT}", f"--tls-ca-file={self.ca}",
                "--tls-server-name=endpoint"]
        return o

    def push(self):
        """The call data of all calls, before they begin, as the SIP side does."""
        for i in range(self.load.daemons):
            for c in range(self.load.calls):
                self.redis.push(f"n{i}-{c}@feed", *[DOCUMENT] * DOCUMENTS)

    def look(self):
        nodes = [n.look() for n in self.nodes]
        return {"time": time.monotonic(), "nodes": nodes, "redis": self.redis.look(),
            "endpoints": [{"cpu_s": threads(e.pid)["all"], **e.place.wire()}
                for e in self.endpoints]}

    def resident(self):
        return [n.memory_kib() / 1024 for n in self.nodes]

    def measure(self):
        load = self.load
        self.push()
        time.sleep(1) # what starting takes is over
        base, before = self.resident(), self.look()
        for i, n in enumerate(self.nodes if load.calls else []):
            n.start_feed(load.calls, load.rate, load.seconds, load.streams, f"n{i}")
        peak, queues = list(base), None
        begun = time.monotonic()
        middle = begun + (load.calls / load.rate + load.seconds) / 2 if load.calls else begun
        while any(n.feed and n.feed.alive() for n in self.nodes) or \
                time.monotonic() < begun + load.least:
            time.sleep(0.25)
            peak = [max(a, b) for a, b in zip(peak, self.resident())]
            if not queues and time.monotonic() > middle:
                queues = [n.status() for n in self.nodes]
        for n in self.nodes:
            wait_for("the accounts", lambda n=n: len([a for a in os.listdir(n.accounts_dir)
                if a.endswith(".json")]) >= load.calls, 60)
        after = self.look()
        return self.figures(before, after, base, peak, queues)

    def figures(self, before, after, base, peak, queues):
        lasted = after["time"] - before["time"]
        found = {"load": self.load.__dict__, "lasted_s": lasted,
            "redis": differ(before["redis"], after["redis"]),
            "endpoints": [differ(b, a) for b, a in zip(before["endpoints"], after["endpoints"])],
            "nodes": []}
        for i, n in enumerate(self.nodes):
            b, a = before["nodes"][i], after["nodes"][i]
            size = sum(os.path.getsize(os.path.join(n.accounts_dir, f))
                for f in os.listdir(n.accounts_dir))
            found["nodes"].append({"cpu": differ(b["cpu"], a["cpu"]),
                "wire": differ(b["wire"], a["wire"]), "io": differ(b["io"], a["io"]),
                "count": differ(b["count"], a["count"]), "account_bytes": size,
                "base_mib": base[i], "peak_mib": peak[i], "queued_bytes": queues[i]["queue_memory"],
                "times": a["times"],
                "calls_when_asked": queues[i]["calls_running"],
                "time_wait": n.sockets(TIME_WAIT), "fed": self.fed(n)})
        return found

    @staticmethod
    def fed(node):
        if not node.feed:
            return {}
        lines = [json.loads(l) for l in node.feed.text().splitlines() if l.startswith("{")]
        if not lines or node.feed.wait() != 0:
            raise RuntimeError(f"a feed failed:\n{node.feed.text()[-2000:]}")
        return {k: v for k, v in lines[-1].items() if isinstance(v, (int, float))}
