#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spoolwire-feed proc against a consumer that is as simple as can be: what the feed says of it
must be what it did. Python's standard library only."""
import json
import math
import os
import select
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FEED = os.environ.get("SPOOLWIRE_FEED") or os.path.join(
    os.environ.get("top_builddir", "."), "spoolwire-feed")


def sections(data):
    """Whole sections of a metafile, in order."""
    out = []
    while True:
        head = data.split(b"\n", 2)
        if len(head) < 3:
            return out
        size = int(head[1].rstrip(b":"))
        if len(head[2]) < size + 2:
            return out
        assert head[2][size:size + 2] == b"\n\n", head[:2]
        out.append((head[0].decode(), head[2][:size]))
        data = head[2][size + 2:]


class Consumer(threading.Thread):
    """Opens what the metafiles name, reads, and closes `late` seconds after the end."""

    def __init__(self, spool, root, late=0.0, at_once=False, open_them=True):
        super().__init__(daemon=True)
        self.spool, self.root, self.late = spool, root, late
        self.at_once, self.open_them = at_once, open_them
        self.stopping = False
        self.known, self.metas, self.packets, self.made = set(), {}, {}, {}
        self.by_fd, self.doomed = {}, []
        self.poll = select.epoll()

    def look(self):
        for name in os.listdir(self.spool):
            if not name.endswith(".meta"):
                continue
            try:
                path = os.path.join(self.spool, name)
                with open(path, "rb") as f:
                    found = sections(f.read())
            except FileNotFoundError:
                continue
            # Made anew: shorter. The number of its inode may well be the old one.
            if len(found) < len(self.metas.get((name, self.made.get(name, 0)), [])):
                self.made[name] = self.made.get(name, 0) + 1
            key = (name, self.made.get(name, 0))
            self.metas[key] = found
            for label, content in found:
                if label.endswith(" interface") and (key, label) not in self.known:
                    self.known.add((key, label))
                    self.open_stream(name[:-5], content.decode())

    def open_stream(self, parent, interface):
        if not self.open_them:
            return
        path = os.path.join(self.root, "0", "calls", parent, interface)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        self.by_fd[fd] = (parent, interface)
        self.packets.setdefault((parent, interface), [])
        self.poll.register(fd, select.EPOLLIN | select.EPOLLHUP)

    def drain(self, fd):
        while True:
            try:
                packet = os.read(fd, 65536)
            except BlockingIOError:
                return
            if not packet:
                return self.end(fd)
            self.packets[self.by_fd[fd]].append(packet)

    def end(self, fd):
        parent = self.by_fd[fd][0]
        ended = [fd]
        if self.at_once:
            ended = [f for f, (p, _) in self.by_fd.items() if p == parent]
        for f in ended:
            self.poll.unregister(f)
            del self.by_fd[f]
            self.doomed.append((time.monotonic() + self.late, f))

    def run(self):
        while not self.stopping or self.by_fd or self.doomed:
            self.look()
            for fd, _ in self.poll.poll(0.002):
                if fd in self.by_fd:
                    self.drain(fd)
            now = time.monotonic()
            for when, fd in [d for d in self.doomed if d[0] <= now]:
                os.close(fd)
                self.doomed.remove((when, fd))


def alaw(byte):
    byte ^= 0x55
    exponent, mantissa = byte >> 4 & 7, byte & 15
    value = (mantissa << 4) + 8 if not exponent else ((mantissa << 4) + 0x108) << (exponent - 1)
    return value if byte & 0x80 else -value


def share_of_tone(samples, rate, hz):
    """Energy at one frequency, of all the energy."""
    c = sum(v * math.cos(2 * math.pi * hz * i / rate) for i, v in enumerate(samples))
    s = sum(v * math.sin(2 * math.pi * hz * i / rate) for i, v in enumerate(samples))
    total = sum(v * v for v in samples)
    return 2 * (c * c + s * s) / (len(samples) * total) if total else 0


def rtp(packet):
    header = 48 if packet[0] >> 4 == 6 else 28
    body = packet[header:]
    pt, seq, ts, ssrc = struct.unpack(">xBHII", body[:12])
    return {"pt": pt & 127, "marker": pt >> 7, "seq": seq, "ts": ts, "ssrc": ssrc,
            "payload": body[12:]}


class FeedTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="feed-")
        self.spool = os.path.join(self.dir.name, "spool")
        self.root = os.path.join(self.dir.name, "proc")
        os.mkdir(self.spool)

    def tearDown(self):
        self.dir.cleanup()

    def feed(self, *args, consumer=None, status=0):
        """Runs the feed; its calls and its summary."""
        if consumer:
            consumer.start()
        done = subprocess.run(
            [FEED, "proc", "--spool", self.spool, "--proc-root", self.root, "--json", *args],
            stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        if consumer:
            consumer.stopping = True
            consumer.join(10)
        self.assertEqual(done.returncode, status)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(os.listdir(self.spool), [])
        return lines[:-1], lines[-1]

    def rtp_of(self, consumer, call, tag):
        for (parent, name), packets in consumer.packets.items():
            if parent == call["parent"] and name.startswith(f"tag-{tag}-") and "RTCP" not in name:
                return [rtp(p) for p in packets]
        return []

    def test_removal_is_quick_with_a_quick_reader(self):
        c = Consumer(self.spool, self.root)
        calls, total = self.feed("--calls=3", "--seconds=0.6", consumer=c)
        self.assertEqual((len(calls), total["calls"], total["streams"]), (3, 3, 12))
        self.assertEqual(total["streams_unopened"], 0)
        self.assertEqual(total["closing"]["n"], 12)
        self.assertLess(total["removal"]["p50_ms"], 100)

    def test_removal_waits_for_each_late_close(self):
        c = Consumer(self.spool, self.root, late=0.1)
        _, total = self.feed("--seconds=0.4", consumer=c)
        self.assertEqual(total["closing"]["n"], 4)
        self.assertGreater(total["closing"]["p50_ms"], 95)
        self.assertLess(total["closing"]["max_ms"], 300)
        self.assertGreater(total["removal"]["max_ms"], 395)

    def test_closing_all_at_the_first_end_saves_the_other_waits(self):
        c = Consumer(self.spool, self.root, late=0.1, at_once=True)
        _, total = self.feed("--seconds=0.4", consumer=c)
        self.assertGreater(total["removal"]["max_ms"], 95)
        self.assertLess(total["removal"]["max_ms"], 300)

    def test_threads_are_waited_for(self):
        c = Consumer(self.spool, self.root, late=0.1, at_once=True)
        _, total = self.feed("--calls=4", "--rate=1000", "--seconds=0.4", "--threads-like=1",
                             consumer=c)
        self.assertLess(total["removal"]["max_ms"], 300)
        self.assertGreater(total["removal_with_wait"]["max_ms"], 390)

    def test_a_reader_that_keeps_it_is_stuck(self):
        c = Consumer(self.spool, self.root, late=1.0, at_once=True)
        _, total = self.feed("--seconds=0.3", "--removal-timeout=0.3", consumer=c, status=1)
        self.assertEqual(total["calls_stuck"], 1)

    def test_nobody_there(self):
        _, total = self.feed("--seconds=0.5", "--no-rtcp")
        self.assertEqual((total["calls_unopened"], total["streams_unopened"]), (1, 2))
        self.assertGreater(total["unread"], 0)
        self.assertEqual(total["overruns"], 0)
        self.assertLess(total["removal"]["max_ms"], 50)

    def test_tones_and_metadata_arrive(self):
        c = Consumer(self.spool, self.root)
        calls, total = self.feed("--calls=2", "--seconds=1", "--no-rtcp", consumer=c)
        self.assertEqual(total["overruns"], 0)
        self.assertEqual(sum(len(p) for p in c.packets.values()), total["packets"])
        for number, call in enumerate(calls):
            for tag in 0, 1:
                samples = [alaw(b) for p in self.rtp_of(c, call, tag) for b in p["payload"]]
                hz = 400 + 10 * number + 800 * tag
                self.assertEqual(len(samples), 8000)
                self.assertGreater(share_of_tone(samples, 8000, hz), 0.99)
        meta = dict(list(c.metas.values())[0])
        self.assertEqual(meta["FORWARDING 1"], b"")
        self.assertIn(b"caller:c", meta["METADATA"])
        self.assertEqual(meta["MEDIA 0 PAYLOAD TYPE 8"], b"PCMA/8000")

    def test_dialects(self):
        for dialect in "10", "26":
            c = Consumer(self.spool, self.root)
            self.feed("--seconds=0.3", "--dialect", dialect, consumer=c)
            labels = [s[0] for s in list(c.metas.values())[0]]
            self.assertEqual("RANDOM_TAG" in labels, dialect == "26")
            self.assertEqual("STARTED" in labels, dialect == "26")
            self.assertEqual(labels[:2], ["CALL-ID", "PARENT"])
            order = [x for x in labels if x.endswith(" interface")]
            self.assertEqual(order, [f"STREAM {i} interface" for i in (2, 3, 0, 1)])

    def test_faults_are_made_and_counted(self):
        c = Consumer(self.spool, self.root)
        calls, total = self.feed("--seconds=2", "--loss=10", "--reorder=10", "--duplicate=10",
                                 "--no-rtcp", "--ssrc-change-after=1000", "--dtmf=17",
                                 consumer=c)
        for what in "lost", "reordered", "duplicated":
            self.assertGreater(total[what], 5)
        packets = self.rtp_of(c, calls[0], 0)
        self.assertEqual(len({p["ssrc"] for p in packets}), 2)
        events = {p["payload"][0] for p in packets if p["pt"] == 101}
        self.assertEqual(events, {1, 7})
        self.assertEqual(len({p["ssrc"] for p in self.rtp_of(c, calls[0], 1)}), 1)

    def test_remade_call_goes_on(self):
        c = Consumer(self.spool, self.root)
        calls, total = self.feed("--seconds=1.5", "--remake-after=500", "--no-rtcp", consumer=c)
        self.assertEqual((total["calls"], len(c.metas)), (1, 2))
        first, second = (dict(m) for m in c.metas.values())
        self.assertEqual(first["PARENT"], second["PARENT"])
        self.assertEqual(len({p["ssrc"] for p in self.rtp_of(c, calls[0], 0)}), 1)
        self.assertGreater(len(self.rtp_of(c, calls[0], 0)), 60)

    def test_ipv6(self):
        c = Consumer(self.spool, self.root)
        calls, _ = self.feed("--seconds=0.5", "--ipv6", "--no-rtcp", consumer=c)
        packets = self.rtp_of(c, calls[0], 0)
        self.assertEqual({len(p["payload"]) for p in packets}, {160})

    def test_usage_errors(self):
        for args in ["proc"], ["proc", "--calls=x"], ["nothing"], ["proc", "--no-such"]:
            done = subprocess.run([FEED, *args], stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertTrue(done.stderr)


if __name__ == "__main__":
    if not os.access(FEED, os.X_OK):
        print(f"{FEED} is not there: skipped")
        sys.exit(77)
    unittest.main(verbosity=2)
