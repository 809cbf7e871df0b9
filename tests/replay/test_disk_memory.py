#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for a disk, for endpoints and for workers has memory within a bound, each its own."""
from faults import *


class DiskMemory(FaultCase):
    def test_memory_with_a_hung_disk(self):
        """300 calls, recorded thrice each, within buffer-memory and what calls take without it."""
        calls, bound_mib = 300, 16
        env = self.shim()
        daemon = self.recorder(None, f"--buffer-memory={bound_mib}M", "--output-mixed",
            "--output-buffer-ms=60000", env=env)
        feed = self.feed(daemon, "--calls", str(calls), "--rate", "150", "--seconds", "14")
        wait_for("the calls to run", lambda: daemon.status().get("sources_opened", 0) >=
            4 * calls)
        base = daemon.memory_kib()
        self.hang()
        result = feed.result()
        status = daemon.status()
        peak = daemon.memory_kib("VmHWM")
        print(f"{calls} calls: {base >> 10} MiB before, {peak >> 10} MiB at most",
            file=sys.stderr)
        self.assertGreater(status.get("rec_ms_dropped", 0), 0, status)
        self.assertLess(peak, base + (bound_mib << 10) + (32 << 10))
        self.assertCloses(result, status)
        self.hang(False)
        daemon.wait_accounts(calls)
        self.assertEqual(daemon.stop(), 0)

    def test_a_hung_disk_takes_no_memory_of_endpoints(self):
        """Calls that it holds, although they have ended, fill what recordings may have, and no more."""
        env = self.shim()
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--num-threads=1", "--buffer-memory=6M", env=env)
        self.hang()
        short = self.feed(daemon, "--call-id", "short", "--calls", "20", "--rate", "50",
            "--seconds", "2", name="short")
        long = self.feed(daemon, "--call-id", "long", "--calls", "20", "--rate", "50",
            "--seconds", "11", name="long")
        short.result()
        wait_for("losses", lambda: daemon.status().get("rec_ms_dropped", 0) > 0)
        self.feed(daemon, "--call-id", "new", "--calls", "3", "--rate", "50", "--seconds", "3",
            name="new").result()
        result, status = long.result(), daemon.status()
        self.assertEqual(status.get("ms_dropped_sink", 0), 0, status)
        self.assertEqual(status["calls_running"], 43)
        self.assertCloses(result, status)
        wait_for("all connections", lambda: len(endpoint.connections()) == 86)
        for c in endpoint.connections():
            rate, _, (audio,) = sound(c)
            self.assertIn(round(len(audio) / rate, 1), (2, 3, 11))
            self.assertEqual(silent_runs(audio, rate, 20), [])
        self.hang(False)
        daemon.wait_accounts(43)
        self.assertEqual(daemon.stop(), 0)

    def test_an_endpoint_that_is_away_takes_no_memory_of_recordings(self):
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--num-threads=1", "--buffer-memory=6M",
            "--tls-resample=48000", "--tls-linger=1")
        endpoint.stop()
        long = self.feed(daemon, "--call-id", "long", "--calls", "10", "--rate", "100",
            "--seconds", "7", name="long")
        wait_for("losses", lambda: daemon.status().get("ms_dropped_sink", 0) > 0)
        self.feed(daemon, "--call-id", "new", "--calls", "3", "--rate", "100", "--seconds", "3",
            name="new").result()
        self.assertCloses(long.result(), daemon.status())
        for f in self.wait_published(26):
            self.assertAlmostEqual(f.seconds, 7 if f.call.startswith("long") else 3, delta=0.1)
            self.assertEqual(f.gaps(), [], f.path)
        self.assertEqual(daemon.status().get("rec_ms_dropped", 0), 0)
        self.assertEqual(daemon.stop(), 0)

    def test_many_workers_leave_memory_for_both(self):
        """Packets on their way to each of them hold more than a megabyte."""
        if not TIMES:
            raise unittest.SkipTest("what is slow needs more memory")
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--num-threads=24", "--buffer-memory=44M")
        long = self.feed(daemon, "--call-id", "long", "--calls", "48", "--rate", "100",
            "--seconds", "6", name="long")
        wait_for("packets", lambda: daemon.status()["queue_memory"] > 22 << 20)
        self.feed(daemon, "--call-id", "new", "--calls", "3", "--rate", "100", "--seconds", "2",
            name="new").result()
        result, status = long.result(), daemon.status()
        self.assertCloses(result, status)
        self.assertEqual(status.get("ms_dropped_sink", 0), 0, status)
        self.assertEqual(status.get("rec_ms_dropped", 0), 0, status)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
