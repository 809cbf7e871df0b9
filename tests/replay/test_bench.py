#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measuring instruments: that a small case gives every figure, and that what is missing in a
recording is heard to be missing."""
import importlib.machinery
import importlib.util
import struct
import unittest
import wave

from harness import *

BENCH = os.path.join(SOURCE, "tests", "bench")
RATE = 8000


def tone(hz, seconds, level=8000):
    return [level * math.sin(2 * math.pi * hz * i / RATE) for i in range(int(seconds * RATE))]


class Bench(Case):
    def small(self, name):
        """The figures of one run of that case with spoolwire."""
        results = os.path.join(self.dir, "results")
        p = subprocess.run([sys.executable, os.path.join(BENCH, "bench"), "--case", name, "--runs=1",
            "--only=spoolwire", "--results", results], capture_output=True, text=True, check=False)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(len(os.listdir(results)), 1, p.stderr)
        self.page = p.stdout
        return json.loads(read(os.path.join(results, os.listdir(results)[0])))["figures"]

    def test_over_tls(self):
        f = self.small("try-tls")
        self.assertEqual((f["packets"], f["heard_ms"], f["lost"]), (3000, 60000, 0), f)
        self.assertEqual((f["connections"], f["displaced"], f["unbalanced"]), (20, 0, 0), f)
        self.assertGreater(f["latency_p50_ms"], 1)
        self.assertLess(f["latency_p50_ms"], f["latency_max_ms"])
        for what in ("cpu_s", "peak_mib", "switches_per_packet", "opening_p99_ms", "closing_p99_ms"):
            self.assertGreater(f[what], 0, what)
        self.assertIn("TLS, 20 streams", self.page)

    def test_kept_runs_are_of_the_same_options(self):
        self.small("try-tls")
        p = subprocess.run([sys.executable, os.path.join(BENCH, "bench"), "--case", "try-tls",
            "--runs=1", "--only=spoolwire", "--results", os.path.join(self.dir, "results"),
            "--option=--tls-latency-ms=20"], capture_output=True, text=True, check=False)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("another options", p.stderr)

    def test_of_recordings(self):
        f = self.small("try-wav")
        self.assertEqual((f["packets"], f["files"]), (3000, 10), f)
        self.assertAlmostEqual(f["heard_ms"], 60000, delta=60)

    def test_restart(self):
        f = self.small("try-restart")
        self.assertEqual(f["came_back"], 10, f)
        self.assertGreater(f["came_back_max_ms"], 0)
        self.assertLess(f["lost_share"], 0.1)


class Scale(Case):
    """The computation of docs/scaling.md, from runs that never were."""

    def run_of(self, daemons, calls, seconds=10):
        """A daemon's workers take 50 ms a second, 2 µs a packet, 3 ms a connection."""
        streams = calls * 2
        packets = streams * seconds * 50
        worker = .05 * (2 + seconds) + packets * 2e-6 + streams * 3e-3
        node = {"cpu": {"worker": worker, "intake": packets * 1e-6},
            "wire": dict.fromkeys(("out_bytes", "out_packets", "in_bytes"), streams * seconds),
            "io": {"syscw": 0, "wchar": 0}, "base_mib": 30, "peak_mib": 30 + streams / 10,
            "count": {"packets_in": packets, "tls_connected": streams, "sources_opened": 2 * streams},
            "queued_bytes": 0, "calls_when_asked": calls, "account_bytes": calls * 4000,
            "time_wait": streams, "fed": {"overruns": 0}}
        return {"load": {"name": f"d{daemons}-s{calls}-{seconds}", "daemons": daemons,
            "calls": calls, "rate": calls / 2, "seconds": seconds, "streams": 2, "kind": "tls",
            "files": ""}, "lasted_s": 4 + seconds, "nodes": [node] * daemons,
            "endpoints": [{"cpu_s": streams * daemons * 1e-3}],
            "redis": {"cpu_s": 0, "total_net_input_bytes": 0, "total_net_output_bytes": 0}}

    def page(self, runs):
        for name in ("scale.json", "page.md"):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(json.dumps({"machine": {"cores": 2, "cpu": "x", "memory_mib": 1024,
                    "kernel": "6"}, "runs": runs}) if name == "scale.json" else
                    "before\n<!-- figures: begin -->\nof then\n<!-- figures: end -->\nafter\n")
        p = subprocess.run([sys.executable, os.path.join(BENCH, "scale"), "--print",
            os.path.join(self.dir, "scale.json"), "--bench", os.path.join(self.dir, "none"), "--write",
            os.path.join(self.dir, "page.md")], capture_output=True, text=True, check=False)
        self.assertNotIn("Traceback", p.stderr)
        return p.returncode, read(os.path.join(self.dir, "page.md")).decode()

    def test_of_linear_runs(self):
        """What they were made of is found again; one daemon predicts two; the rest stays."""
        status, page = self.page([self.run_of(*x) for x in ((1, 50), (1, 100), (1, 200), (1, 50, 20),
            (2, 50), (2, 100, 20))])
        self.assertEqual(status, 0, page)
        self.assertTrue(page.startswith("before\n") and page.endswith("after\n"), page)
        self.assertNotIn("of then", page)
        self.assertIn("active second: 50 m, packet: 2 µ, connection: 3 m |", page)
        self.assertRegex(page, r"\| d2-s50-10 \|[^|]*\| 2 / 2 \([+-]0%\)")
        self.assertIn("| worker: to connect and shake hands | 3,000 µs a connection |", page)

    def test_of_runs_that_are_not(self):
        runs = [self.run_of(*x) for x in ((1, 50), (1, 100), (1, 200), (1, 50, 20), (2, 200))]
        runs[-1]["nodes"][0]["cpu"]["worker"] *= 3
        status, page = self.page(runs)
        self.assertEqual(status, 1)
        self.assertIn("**passed**", page)

    @unittest.skipUnless(TIMES, "linked without a sanitizer")
    def test_intake_alone(self):
        loader = importlib.machinery.SourceFileLoader("scale", os.path.join(BENCH, "scale"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("scale", loader))
        loader.exec_module(module)
        said = subprocess.run([module.intake_program(self.dir), "20", "1", "1"], check=True,
            capture_output=True, text=True).stdout.split()
        self.assertGreater(int(said[0]), 1000)
        self.assertEqual(said[1], "0") # refused: a copy that was not paid for

    def test_of_no_runs(self):
        _, page = self.page([])
        self.assertIn("| worker over TLS, 2000 streams | not measured |", page)


class Hear(Case):
    def setUp(self):
        super().setUp()
        self.ears = os.path.join(self.dir, "hear")
        subprocess.run([*os.environ.get("CC", "cc").split(), "-D_GNU_SOURCE", "-O1", "-o", self.ears,
            os.path.join(BENCH, "hear.c"), "-lm"], check=True)

    def hear(self, pcm, first, second):
        """Milliseconds of the two tones."""
        path = os.path.join(self.dir, "x.wav")
        with wave.open(path, "wb") as w:
            w.setparams((1, 2, RATE, 0, "NONE", ""))
            w.writeframes(struct.pack(f"<{len(pcm)}h", *map(int, pcm)))
        said = subprocess.run([self.ears], input=f"{path}\t{first} {second}\n", capture_output=True,
            text=True, check=True).stdout.split()
        return float(said[3]), float(said[4])

    def test_all_of_two_tones(self):
        """At frequencies that do not fit a window."""
        mixed = [a + b for a, b in zip(tone(410, 5), tone(1210, 5))]
        self.assertEqual(self.hear(mixed, 410, 1210), (5000, 5000))

    def test_one_is_missing(self):
        self.assertEqual(self.hear(tone(410, 5), 410, 1210), (5000, 0))
        self.assertEqual(self.hear(tone(410, 5), 1210, 410), (0, 5000))

    def test_holes(self):
        """Of a packet each, not where the windows are."""
        a, b = tone(430, 5), tone(1230, 5)
        for k in range(50):
            at = 77 + k * 800
            a[at:at + 160] = [0] * 160
        found = self.hear([x + y for x, y in zip(a, b)], 430, 1230)
        self.assertAlmostEqual(found[0], 4000, delta=60)
        self.assertAlmostEqual(found[1], 5000, delta=60)

    def test_silence_and_rubbish(self):
        self.assertEqual(self.hear([0] * RATE, 410, 1210), (0, 0))
        path = os.path.join(self.dir, "empty.wav")
        open(path, "wb").close()
        said = subprocess.run([self.ears], input=f"{path}\t410 1210\n", capture_output=True,
            text=True, check=True).stdout
        self.assertEqual(said, "0 0 0 0 0\n")


if __name__ == "__main__":
    main()
