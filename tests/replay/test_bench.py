#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measuring instruments: that a small case gives every figure, and that what is missing in a
recording is heard to be missing."""
import struct
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

    def test_of_recordings(self):
        f = self.small("try-wav")
        self.assertEqual((f["packets"], f["files"]), (3000, 10), f)
        self.assertAlmostEqual(f["heard_ms"], 60000, delta=60)

    def test_restart(self):
        f = self.small("try-restart")
        self.assertEqual(f["came_back"], 10, f)
        self.assertGreater(f["came_back_max_ms"], 0)
        self.assertLess(f["lost_share"], 0.1)


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
