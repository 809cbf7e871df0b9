#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What endpoints do wrong, all at the same time in many calls: every account says what became of
the audio, memory keeps its bound, and the descriptors of every call are closed in time."""
from concurrent.futures import ThreadPoolExecutor

from harness import *

CALLS, SECONDS = 16, 2
BUFFER_MEMORY = 4 * 1024 # [KiB]
FEEDS = {"call": ["--calls", str(CALLS), "--rate", "50", "--seconds", str(SECONDS)]}
# Bounds of a test's size; many samples, so that no kernel buffer hides an endpoint's slowness.
LOUD = ["--tls-resample=192000", "--tls-buffer-ms=1000"]
DEAF = ["--small-buffers"]

FAULTS = {  # name: (receiver's options, the daemon's)
    "none": ([], []),
    "none, much audio": ([], ["--tls-resample=192000"]),
    # So small that TCP needs its timers to go on.
    "small buffers": (["--small-buffers"], ["--tls-linger=90"]),
    "sends rubbish": (["--send-rubbish"], []),
    "stalls": ([*DEAF, "--stall-after", "300", "--stall-for", "1000"],
        ["--tls-resample=48000", "--buffer-memory=64M"]),
    "slow handshakes": (["--slow-handshake", "700"], []),
    "refuses": ([], []),
    "no handshake": (["--slow-handshake", "never"], ["--tls-handshake-timeout=1"]),
    "never reads": ([*DEAF, "--no-read"], LOUD),
    "a byte a second": ([*DEAF, "--rate", "1"], LOUD),
    "closes": (["--close-after", "400"], []),
    "resets": (["--reset-after", "400"], []),
    "untrusted": ([], ["--tls-ca-file="]), # another's, below
    "wrong name": ([], ["--tls-server-name=other.example"]),
    "no TLS": (["--tcp", "--send-rubbish"], []),
    "drop-newest": ([*DEAF, "--no-read"], [*LOUD, "--tls-when-full=drop-newest"]),
    "disconnect": ([*DEAF, "--no-read"], [*LOUD, "--tls-when-full=disconnect"]),
}
# All audio comes, however the endpoint behaves.
WHOLE = "none", "small buffers", "sends rubbish", "stalls", "slow handshakes"
# None at all.
NOTHING = "refuses", "no handshake", "untrusted", "wrong name", "no TLS"
# The one line that tells the operator.
SAID = {
    "refuses": "connection refused (nothing listens there)",
    "no handshake": "within 1000 ms",
    "untrusted": "name its CA in tls-ca-file, or set tls-no-verify",
    "wrong name": "set tls-server-name to a name in it",
    "no TLS": "it does not speak TLS",
}


def endure(name, other_ca):
    receiver, daemon = FAULTS[name]
    if name == "untrusted":
        daemon = ["--tls-ca-file=" + other_ca]
    if name == "no TLS":
        daemon = [*daemon, "--tls-ca-file=" + other_ca]
    run = Run(FEEDS, [f"--buffer-memory={BUFFER_MEMORY}K", "--tls-linger=1", *daemon],
        [*receiver, "--quiet"], dead=name == "refuses")
    try:
        return run.finish()
    except BaseException:
        run.remove()
        raise


def under(names=FAULTS):
    """The test is made with each of these faults."""
    def decorate(test):
        def each(self):
            for name in names:
                with self.subTest(name):
                    test(self, self.runs[name], name)
        return each
    return decorate


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="spoolwire-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        other = Receiver(cls.dir, "other")
        other.stop()
        # A few at once: the times of each are measured.
        with ThreadPoolExecutor(3) as pool:
            cls.runs = dict(zip(FAULTS, pool.map(lambda f: endure(f, other.ca), FAULTS)))
        for run in cls.runs.values():
            cls.addClassCleanup(run.remove)

    def sinks(self, run):
        return [s for _, account, _ in run.calls("call") for s in account["sinks"]]

    @under()
    def test_ends_of_streams_are_not_delayed(self, run, name):
        Case.assertCloses(self, run.results["call"], run.status)

    @under()
    def test_intake_takes_everything(self, run, name):
        self.assertEqual(run.status["packets_in"], run.results["call"]["packets"])
        self.assertEqual(run.status.get("packets_dropped_queue", 0), 0)
        self.assertEqual(run.status["ms_decoded"], CALLS * SECONDS * 2 * 1000)

    @under()
    def test_accounts_balance(self, run, name):
        for sink in self.sinks(run):
            self.assertTrue(sink["balances"], sink)
            frames = sink["frames"]
            self.assertEqual(frames["put"], frames["forwarded"] + frames["dropped"], sink)
            # A resampler keeps its last 2 ms.
            self.assertAlmostEqual(sink["put-ms"], SECONDS * 1000, delta=2)
        dropped = sum(s["dropped-ms"] for s in self.sinks(run))
        self.assertAlmostEqual(run.status.get("ms_dropped_sink", 0), dropped,
            delta=len(self.sinks(run)))

    @under()
    def test_daemon_ends_in_order(self, run, name):
        self.assertEqual(run.status_code, 0)

    @under()
    def test_memory_keeps_its_bound(self, run, name):
        loud = "--tls-resample=192000" in FAULTS[name][1]
        usual = self.runs["none, much audio" if loud else "none"].peak_kib
        if TIMES and name != "stalls": # sanitizers have their own idea of memory
            self.assertLess(run.peak_kib, usual + BUFFER_MEMORY + 4096)

    @under(WHOLE)
    def test_patience_gets_every_sample(self, run, name):
        for fed, seen, connections in run.streams("call"):
            self.assertEqual(len(connections), 1)
            self.assertAlmostEqual(connections[0]["duration_s"], fed["packets"] / 50,
                delta=0.003 if name == "stalls" else 0)
            self.assertEqual([c["end"] for c in connections], ["close_notify"])
        self.assertEqual({s["frames"]["silence"] for s in self.sinks(run)}, {0})

    @under(NOTHING)
    def test_nothing_reaches_whom_we_must_not_trust(self, run, name):
        self.assertEqual(run.status.get("tls_bytes_out", 0), 0)
        self.assertEqual(sum(s["frames"]["forwarded"] for s in self.sinks(run)), 0)

    @under(SAID)
    def test_said_once_with_the_cure(self, run, name):
        self.assertEqual(run.log.count(SAID[name]), 1, run.log[-4000:])

    @under(["refuses", "untrusted", "wrong name", "no TLS"])
    def test_no_storm(self, run, name):
        """The back-off is that of the destination: a try now and then, not one for each call."""
        self.assertGreater(run.status["tls_connects"], 1)
        self.assertLess(run.status["tls_connects"], CALLS * 2)

    @under(["never reads", "a byte a second", "drop-newest", "disconnect"])
    def test_slow_ones_lose_what_is_beyond_the_bound(self, run, name):
        for sink in self.sinks(run):
            self.assertGreater(sink["dropped-ms"], 0, sink)
            self.assertGreater(sink["full-episodes"], 0, sink)
        self.assertGreater(run.status["tls_full"], 0)

    @under(["closes", "resets"])
    def test_lost_connections_are_made_again(self, run, name):
        self.assertGreater(run.status["tls_lost"], CALLS)
        for sink in self.sinks(run):
            self.assertGreater(sink["connects"], 1, sink)
        for fed, seen, connections in run.streams("call"):
            # What the kernel had taken when the connection went is gone.
            self.assertGreater(sum(c["samples"] for c in connections), SECONDS * 8000 // 2)

    def test_disconnect_hangs_up(self):
        run = self.runs["disconnect"]
        self.assertGreater(run.status["tls_lost"], 0)
        self.assertIn("its queue was full (tls-when-full)", run.log)

    def test_rubbish_is_thrown_away(self):
        self.assertGreater(self.runs["sends rubbish"].status["tls_bytes_refused"], 0)


if __name__ == "__main__":
    main()
