#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that refuses recordings: full, read-only, or with errors."""
import errno
import glob

from faults import *


class DiskFaults(FaultCase):
    def fill(self, folder):
        """All of a file system; what to remove to make space."""
        path = os.path.join(folder, "filler")
        with open(path, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                return path

    def test_full_disk(self):
        self.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", to=self.out)
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--output-buffer-ms=2000")
        feed = self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "9")
        wait_for("files", lambda: len(self.left()) >= 16)
        time.sleep(1)
        filler = self.fill(self.out)
        daemon.wait_text("No space left")
        wait_for("losses", lambda: daemon.status().get("rec_ms_dropped", 0) > 3000)
        os.unlink(filler)
        result = feed.result()
        found = self.wait_published(8)
        daemon.wait_accounts(4)
        status = daemon.status()
        self.assertCloses(result, status)
        self.assertEqual(daemon.text().count("No space left"), 1, daemon.text())
        self.assertHeardAll(endpoint, 8, 9)
        silent = 0
        for f in found:
            self.assertAlmostEqual(f.seconds, 9, delta=0.1)
            gaps = f.gaps()
            self.assertEqual(len(gaps), 1, gaps)
            silent += gaps[0][1] - gaps[0][0]
        self.assertAlmostEqual(silent * 1000, status["rec_ms_dropped"], delta=8 * 60)
        for account in daemon.accounts():
            self.assertBalanced(account)
        self.assertEqual(daemon.stop(), 0)

    def test_full_disk_with_fallback(self):
        self.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", to=self.out)
        fallback = os.path.join(self.dir, "fallback")
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, f"--output-fallback-dir={fallback}")
        feed = self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "9")
        wait_for("files", lambda: len(self.left()) >= 16)
        time.sleep(1)
        filler = self.fill(self.out)
        self.assertCloses(feed.result(), daemon.status())
        daemon.wait_accounts(4)
        self.assertEqual(daemon.status()["rec_fallbacks"], 8)
        os.unlink(filler)
        self.assertEqual(daemon.stop(), 0)
        # What was begun where it was full is published at the latest by the next start.
        again = self.recorder(endpoint, name="again")
        first = {f.said["label"] + f.call: f for f in self.wait_published(8)}
        for f in self.files(fallback):
            before = first.pop(f.said["label"] + f.call)
            self.assertAlmostEqual(clock(f.said["start"]) + f.seconds - clock(
                before.said["start"]), 9, delta=0.1)
            gap = clock(f.said["start"]) - clock(before.said["start"]) - before.seconds
            self.assertLess(abs(gap), 0.1, f.path) # nothing is missing, nothing is there twice
            self.assertEqual(f.gaps(), [])
        self.assertEqual(first, {})
        self.assertEqual(again.stop(), 0)

    def test_full_from_the_start(self):
        """A file without a header can be made, and nothing written to it: it does not stay."""
        self.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", to=self.out)
        self.fill(self.out)
        fallback = os.path.join(self.dir, "fallback")
        options = "--output-format=raw", f"--output-fallback-dir={fallback}"
        daemon = self.recorder(None, *options)
        feed = self.feed(daemon, "--calls", "2", "--seconds", "6")
        wait_for("the fallback", lambda: daemon.status().get("rec_fallbacks") == 4)
        wait_for("no file", lambda: os.listdir(self.out) == ["filler"]) # nor after a crash of now
        feed.result()
        wait_for("the end", lambda: len(glob.glob(fallback + "/*.raw")) == 4 and not self.left())
        daemon.wait_accounts(2)
        self.assertEqual(daemon.stop(), 0)
        again = self.recorder(None, *options, name="again")
        self.assertEqual(again.stop(), 0)
        self.assertEqual(again.last_status().get("rec_recovered", 0), 0)
        self.assertEqual(os.listdir(self.out), ["filler"])

    def test_read_only_disk(self):
        self.mount("-t", "tmpfs", "-o", "ro", "tmpfs", to=os.path.join(self.dir, "ro"))
        self.out = os.path.join(self.dir, "ro")
        for self.out in self.out, os.path.join(self.out, "below"):
            daemon = self.recorder(None, name=os.path.basename(self.out), start=False)
            self.assertEqual(daemon.wait(), 1)
            said = [l for l in daemon.text().splitlines() if "Read-only" in l]
            self.assertEqual(len(said), 1, daemon.text())
            self.assertIn("output-dir", said[0])
            self.fall_back(self.out)

    def fall_back(self, out):
        fallback = os.path.join(self.dir, "fallback-" + os.path.basename(out))
        daemon = self.recorder(None, f"--output-fallback-dir={fallback}",
            name="falls-" + os.path.basename(out))
        self.feed(daemon, "--seconds", "4", name="feed-" + os.path.basename(out)).result()
        wait_for("both", lambda: len(glob.glob(fallback + "/*.json")) == 2)
        for f in self.files(fallback):
            self.assertAlmostEqual(f.seconds, 4, delta=0.1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.left(), [])

    def test_errors(self):
        """Whatever the disk says: said, tried again, and nothing is missing when it works again."""
        env = self.shim()
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, env=env)
        feed = self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "9")
        wait_for("files", lambda: len(self.left()) >= 16)
        for number in errno.EIO, errno.EROFS, errno.ENOSPC:
            before = daemon.status().get("rec_errors", 0)
            self.refuse(number)
            wait_for("errors", lambda: daemon.status().get("rec_errors", 0) >= before + 8)
            self.hang(False)
        self.assertCloses(feed.result(), daemon.status())
        for f in self.wait_published(8):
            self.assertAlmostEqual(f.seconds, 9, delta=0.1)
            self.assertEqual(f.gaps(), [], f.path)
        daemon.wait_accounts(4)
        self.assertHeardAll(endpoint, 8, 9)
        self.assertIn("Input/output error", daemon.text())
        self.assertLess(daemon.text().count("recording to "), 4, daemon.text())
        self.assertEqual(daemon.status().get("rec_ms_dropped", 0), 0)
        self.assertEqual(daemon.stop(), 0)

if __name__ == "__main__":
    main()
