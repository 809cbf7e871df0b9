#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spoolwire-feed ng through a real rtpengine: what it recorded must be what was sent.
Python's standard library only; skipped where there is no rtpengine."""
import glob
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
import test_feed  # noqa: E402  (the tone detector and the RTP reader)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def packets(path):
    """(time, source port, RTP) of a pcap of raw IPv4; no RTCP."""
    with open(path, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        sec, usec, size, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16:at + 16 + size]
        at += 16 + size
        if not 200 <= packet[29] <= 207:
            yield sec + usec / 1e6, struct.unpack_from(">H", packet, 20)[0], test_feed.rtp(packet)


class NgTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="feed-ng-")
        self.ng = f"127.0.0.1:{free_port()}"
        base = 42000 + os.getpid() % 80 * 100
        self.rtpengine = subprocess.Popen(
            ["rtpengine", "--config-file=none", "--foreground", "--log-stderr", "--log-level=3",
             "--table=-1",
             "--recording-method=pcap", f"--recording-dir={self.dir.name}", "--num-threads=2",
             "--interface=127.0.0.1", f"--listen-ng={self.ng}", "--delete-delay=0",
             f"--port-min={base}", f"--port-max={base + 99}"], stderr=subprocess.DEVNULL)
        host, port = self.ng.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((host, int(port)))
            s.settimeout(0.1)
            for _ in range(100):
                try:
                    s.send(b"test.1 d7:command4:pinge")
                    s.recv(100)
                    return
                except OSError:
                    time.sleep(0.05)
        self.fail("rtpengine does not answer")

    def tearDown(self):
        self.rtpengine.terminate()
        self.rtpengine.wait(10)
        self.dir.cleanup()

    def feed(self, *args):
        done = subprocess.run([test_feed.FEED, "ng", "--ng", self.ng, "--json", *args],
                              stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[:-1], lines[-1]

    def recorded(self, call):
        prefix = call["call_id"].replace("@", "%40")
        for _ in range(50):
            found = glob.glob(os.path.join(self.dir.name, "pcaps", prefix + "-*.pcap"))
            if found and glob.glob(os.path.join(self.dir.name, "metadata", f"*{prefix}-*")):
                return list(packets(found[0]))
            time.sleep(0.1)
        self.fail("no recording")

    def test_tones_of_both(self):
        calls, total = self.feed("--calls=2", "--seconds=1.5", "--same-ssrc")
        self.assertEqual((total["calls"], total["failed"], total["pings_unanswered"]), (2, 0, 0))
        self.assertEqual(total["deletes"]["n"], 2)
        for call in calls:
            found = self.recorded(call)
            for side in "caller", "callee":
                mine = [p for _, port, p in found if port == call[side]["port"]]
                self.assertEqual(len(mine), call[side]["sent"])
                self.assertEqual({f"{p['ssrc']:08x}" for p in mine}, {"5eed5eed"})
                samples = [test_feed.alaw(b) for p in mine[:50] for b in p["payload"]]
                tone = test_feed.share_of_tone(samples, 8000, call[side]["tone_hz"])
                self.assertGreater(tone, 0.99)

    def test_script(self):
        script = os.path.join(self.dir.name, "script")
        with open(script, "w", encoding="utf-8") as f:
            f.write("# three kinds\n--seconds=2 --reinvite-after=1000\n"
                    '--seconds=2 --hold-from=500 --hold-for=1000 --metadata="a:b c"\n'
                    "--seconds=2 --dtmf=5 --codec=opus\n")
        calls, total = self.feed("--script", script)
        self.assertEqual((total["calls"], total["failed"]), (3, 0))
        by_id = {c["call_id"].split("@")[0].split("-")[1]: c for c in calls}
        moved = self.recorded(by_id["0"])
        self.assertEqual(len({port for _, port, _ in moved}), 3)
        self.assertEqual(len({p["ssrc"] for _, _, p in moved}), 3)
        times = [t for t, _, _ in self.recorded(by_id["1"])]
        self.assertGreater(max(b - a for a, b in zip(times, times[1:])), 0.9)
        self.assertEqual(by_id["1"]["metadata"], "a:b c")
        events = [p for _, _, p in self.recorded(by_id["2"]) if p["pt"] == 101]
        self.assertEqual({p["payload"][0] for p in events}, {5})


if __name__ == "__main__":
    if not shutil.which("rtpengine") or not os.access(test_feed.FEED, os.X_OK):
        print("no rtpengine, or no spoolwire-feed: skipped")
        sys.exit(77)
    unittest.main(verbosity=2)
