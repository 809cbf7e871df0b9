#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that does not answer recordings: one that hangs, is frozen, or is another one's."""
import glob

from faults import *


class DiskHangs(FaultCase):
    def check_hang(self, hang, env=None):
        """Calls that run and calls that end while the disk hangs for 7 s, 3 s of which may wait."""
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--output-buffer-ms=3000", env=env)
        long = self.feed(daemon, "--call-id", "long", "--calls", "5", "--rate", "100",
            "--seconds", "11", name="long")
        short = self.feed(daemon, "--call-id", "short", "--calls", "5", "--rate", "100",
            "--seconds", "5", name="short")
        wait_for("files", lambda: len(self.left()) >= 40)
        time.sleep(1)
        hung = time.time()
        hang(True)
        self.assertCloses(short.result(), daemon.status())
        time.sleep(max(0, hung + 7 - time.time()))
        hang(False)
        released = time.time()
        self.assertCloses(long.result(), daemon.status())
        found = self.wait_published(20)
        daemon.wait_accounts(10)
        self.assertEqual(daemon.status().get("ms_dropped_sink", 0), 0)
        for f in found:
            begin, gaps = clock(f.said["start"]), f.gaps()
            if f.call.startswith("short"):
                self.assertAlmostEqual(f.seconds, 5, delta=0.1, msg=f.path)
                self.assertEqual(gaps, [], f.path) # less than may wait
                continue
            self.assertAlmostEqual(f.seconds, 11, delta=0.1, msg=f.path)
            self.assertEqual(len(gaps), 1, (f.path, gaps))
            self.assertGreater(begin + gaps[0][0], hung - 1.5, f.path)
            self.assertAlmostEqual(begin + gaps[0][1], released - 3, delta=0.4, msg=f.path)
        lost = sum(b - a for f in found for a, b in f.gaps())
        self.assertAlmostEqual(lost * 1000, daemon.status()["rec_ms_dropped"], delta=10 * 60)
        return daemon, endpoint

    def test_hung_disk(self):
        daemon, endpoint = self.check_hang(self.hang, self.shim())
        self.assertEqual(daemon.stop(), 0)
        lengths = sorted(round(len(sound(c)[2][0]) / sound(c)[0]) for c in endpoint.connections())
        self.assertEqual(lengths, [5] * 10 + [11] * 10)
        for c in endpoint.connections():
            self.assertEqual(silent_runs(sound(c)[2][0], 8000, 20), [])

    def freezer(self):
        """Output-dir becomes a file system of its own; what freezes and thaws it."""
        need("fsfreeze", "mkfs.ext4")
        if not TIMES:
            raise unittest.SkipTest("times are all that this is about")
        image = os.path.join(self.dir, "image")
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.mount("-o", "loop", image, to=self.out)
        os.rmdir(os.path.join(self.out, "lost+found"))
        self.mounted.append(["fsfreeze", "-u", self.out])

        def freeze(on):
            done = subprocess.run(["fsfreeze", "-f" if on else "-u", self.out],
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(f"fsfreeze: {done.stderr.strip()}")
        return freeze

    def test_frozen_disk(self):
        daemon, _ = self.check_hang(self.freezer())
        self.assertEqual(daemon.stop(), 0)

    def test_restart_while_the_disk_is_frozen(self):
        """The kernel keeps the old process; the new one does not wait for it."""
        freeze = self.freezer()
        endpoint = self.receiver()
        options = ["--shutdown-timeout=1", f"--pidfile={self.dir}/same.pid"]
        daemon = self.recorder(endpoint, *options)
        feed = self.feed(daemon, "--calls", "3", "--rate", "100", "--seconds", "60")
        wait_for("files", lambda: len(self.left()) >= 12)
        time.sleep(1)
        freeze(True)
        time.sleep(1.5)
        daemon.send(signal.SIGTERM)
        daemon.wait_text("6 recordings are unfinished")
        wait_for("all connections", lambda: len(endpoint.connections()) == 6)
        feed.kill()
        shutil.rmtree(daemon.spool)
        wait_for("the process id file", lambda: not os.path.exists(f"{self.dir}/same.pid"))
        again = self.recorder(endpoint, *options, name="again")
        result = self.feed(again, "--calls", "3", "--rate", "100", "--seconds", "3",
            name="feed-again").result()
        self.assertCloses(result, again.status())
        wait_for("all connections", lambda: len(endpoint.connections()) == 12)
        again.send(signal.SIGTERM)
        again.wait_text("6 recordings are unfinished")
        freeze(False)
        daemon.wait()
        again.wait()
        last = self.recorder(endpoint, *options, name="last")
        wait_for("recovery", lambda: not os.listdir(last.state + "/recordings"))
        files = self.files() # and what the one in between had begun when the disk went on
        self.assertEqual(len([f for f in files if f.seconds >= 1]), 6)
        for f in files:
            self.assertTrue(f.sidecar["recovered"])
            self.assertEqual(f.gaps(), [])
        self.assertEqual(last.stop(), 0)

    def say(self, daemon, parent, *sections):
        """A call by hand, of a second."""
        hand = Hand(daemon, parent)
        hand.section("METADATA", "a")
        for section in sections:
            hand.section(*section)
        stream = hand.stream(0, "tag-0-media-0-component-1-RTP-id-0")
        hand.section("MEDIA 0 PAYLOAD TYPE 8", "PCMA/8000")
        hand.section("RECORDING 1")
        hand.speak(stream, 50)
        hand.end()

    def test_another_disk_hangs(self):
        """However many recordings wait for it."""
        other = os.path.join(self.dir, "other")
        daemon = self.recorder(None, f"--output-allow-dir={other}", env=self.shim())
        feed = self.feed(daemon, "--calls", "10", "--rate", "100", "--seconds", "6")
        wait_for("files", lambda: len(self.left()) >= 40)
        self.hang()
        feed.result()
        self.say(daemon, "elsewhere-0123456789abcdef", ("RECORDING_PATH", other))
        wait_for("its recording", lambda: len(glob.glob(other + "/*.wav")) == 1 and
            len(glob.glob(other + "/*.json")) == 1)
        self.assertEqual(len(glob.glob(self.out + "/*.wav")), 0)
        self.hang(False)
        daemon.wait_accounts(11)
        self.assertEqual(len(self.files()), 20)
        self.assertEqual(daemon.stop(), 0)

    def test_hung_disk_with_fallback(self):
        """It takes over after 5 s, for what runs and at once for what begins; and no longer when the
        disk is back."""
        fallback = os.path.join(self.dir, "fallback")
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, f"--output-fallback-dir={fallback}", env=self.shim())
        long = self.feed(daemon, "--call-id", "long", "--calls", "5", "--rate", "100",
            "--seconds", "14", name="long")
        wait_for("files", lambda: len(self.left()) >= 20)
        time.sleep(1)
        hung = time.monotonic()
        self.hang()
        wait_for("the fallback", lambda: daemon.status().get("rec_fallbacks", 0) == 10)
        self.assertLess(time.monotonic() - hung, 7)
        self.feed(daemon, "--call-id", "new", "--seconds", "2", name="new").result()
        wait_for("what began since", lambda: len(glob.glob(fallback + "/new*.wav")) == 2)
        self.assertLess(time.monotonic() - hung, 11)
        self.hang(False)
        self.assertCloses(long.result(), daemon.status())
        self.feed(daemon, "--call-id", "after", "--seconds", "2", name="after").result()
        daemon.wait_accounts(7)
        self.assertEqual(self.left(), [])
        found = {f.said["label"] + f.call: f for f in self.files()}
        for f in self.files(fallback):
            self.assertEqual(f.gaps(), [], f.path)
            if f.call.startswith("new"):
                self.assertAlmostEqual(f.seconds, 2, delta=0.1, msg=f.path)
                continue
            first = found.pop(f.said["label"] + f.call)
            begin, end = clock(first.said["start"]), clock(f.said["start"]) + f.seconds
            self.assertEqual(first.gaps(), [], first.path)
            self.assertAlmostEqual(end - begin, 14, delta=0.1, msg=f.path)
            over = begin + first.seconds - clock(f.said["start"])
            self.assertGreater(over, -0.01, f.path) # nothing is missing
            self.assertLess(over, 2.1, f.path)
        self.assertEqual([round(f.seconds) for f in found.values()], [2, 2]) # after
        status = daemon.status()
        self.assertEqual((status.get("rec_ms_dropped", 0), status["rec_fallbacks"]), (0, 12))
        self.assertEqual(daemon.stop(), 0)

    def check_slow_sync(self, *options, name):
        daemon = self.recorder(None, "--output-buffer-ms=2000", *options, name=name,
            env=self.shim())
        open(self.hold_syncs, "w").close()
        feed = self.feed(daemon, "--call-id", name, "--calls", "20", "--rate", "100", "--seconds",
            "9", name="feed-" + name)
        result, status = feed.result(), daemon.status()
        self.assertCloses(result, status)
        self.assertEqual(status.get("rec_ms_dropped", 0), 0, status)
        self.assertEqual(status.get("rec_fallbacks", 0), 0, status)
        daemon.wait_accounts(20)
        self.assertEqual(len(read(self.hold_syncs)), 1)
        os.unlink(self.hold_syncs)
        self.assertEqual(daemon.stop(), 0)
        for f in self.files():
            self.assertAlmostEqual(f.seconds, 9, delta=0.1, msg=f.path)
            self.assertEqual(f.gaps(), [], f.path)
        shutil.rmtree(self.out)
        shutil.rmtree(daemon.accounts_dir)

    def test_slow_sync(self):
        """Of all that anybody has written there: it may take longer than audio may wait."""
        self.check_slow_sync(name="alone")
        self.check_slow_sync(f"--output-fallback-dir={self.dir}/fallback", name="beside")

    def test_sigterm_while_the_disk_hangs(self):
        env = self.shim()
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--shutdown-timeout=2", env=env)
        self.feed(daemon, "--calls", "10", "--rate", "100", "--seconds", "60")
        wait_for("files", lambda: len(self.left()) >= 40)
        time.sleep(1)
        self.hang()
        time.sleep(1.5)
        begin = time.monotonic()
        daemon.send(signal.SIGTERM)
        self.assertIn(daemon.wait(), (0, 1))
        self.assertLess(time.monotonic() - begin, 6)
        self.assertIn("20 recordings are unfinished, a disk does not answer", daemon.text())
        self.hang(False)
        wait_for("all connections", lambda: len(endpoint.connections()) == 20)
        self.assertEqual({c["end"] for c in endpoint.connections()}, {"close_notify"})

    def test_sigterm_while_a_pcm_disk_hangs(self):
        """Who reads files may wait for ever: the end comes, and the next start finishes what is there."""
        pcm = os.path.join(self.dir, "pcm")
        os.mkdir(pcm)
        daemon = self.recorder(None, f"--pcm-dir={pcm}", "--shutdown-timeout=1",
            env=self.shim(pcm, reads=True))
        second = array.array("h", [1000] * 8000).tobytes()
        with open(os.path.join(pcm, "call.pcm"), "wb", buffering=0) as f:
            f.write(2 * second)
            wait_for("its recording", lambda: sum(map(os.path.getsize, unfinished(self.out))) >
                2 * len(second))
            self.hang()
            f.write(second)
            self.feed(daemon, "--seconds", "2").result()
            daemon.wait_accounts(1)
            begin = time.monotonic()
            daemon.send(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
            self.assertLess(time.monotonic() - begin, 6)
        self.assertIn("finished by the next start", daemon.text())
        self.assertTrue(self.left())
        self.hang(False)
        daemon = self.recorder(None, name="next")
        for f in self.wait_published(3):
            self.assertAlmostEqual(f.seconds, 2, delta=0.1, msg=f.path)
        self.assertEqual(daemon.stop(), 0)

    def test_start_while_the_disk_hangs(self):
        """rtpengine does not wait for a disk, neither does whoever reads its streams."""
        state, accounts = (os.path.join(self.dir, n) for n in ("state", "accounts"))
        env = self.shim(self.out, state, accounts, looks=True)
        os.makedirs(self.out)
        self.hang()
        endpoint = self.receiver()
        begin = time.monotonic()
        daemon = self.recorder(endpoint, env=env)
        self.assertLess(time.monotonic() - begin, 2)
        for folder in self.out, state, accounts:
            self.assertRegex(daemon.text(), re.escape(folder) + " does not answer")
        result = self.feed(daemon, "--calls", "3", "--seconds", "3", "--rate", "100").result()
        self.assertCloses(result, daemon.status())
        self.hang(False)
        for f in self.wait_published(6):
            self.assertAlmostEqual(f.seconds, 3, delta=0.1)
            self.assertEqual(f.gaps(), [])
        daemon.wait_accounts(3)
        self.assertHeardAll(endpoint, 6, 3)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
