#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same calls to Debian's rtpengine-recording and to spoolwire: an endpoint gets the same bytes
from both. Where it does not, the test says what is different, and docs/wire.md says why.

rtpengine-recording reads the FIFOs of spoolwire-feed through tests/bench/shim.c."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import *  # noqa: E402,F403


class Recording(Process):
    """Debian's rtpengine-recording, which forwards (and records, if told to)."""

    def __init__(self, dir, receiver, shim, options=()):
        self.dir = dir
        self.spool, self.proc = os.path.join(dir, "spool"), os.path.join(dir, "proc")
        self.output = os.path.join(dir, "output")
        for d in (self.spool, self.proc, self.output):
            os.makedirs(d, exist_ok=True)
        super().__init__(["rtpengine-recording", "--config-file=none", "--foreground",
            "--log-stderr", "--log-level=7", "--table=0", "--output-storage=file",
            *([] if options else ["--output-format=none"]), f"--spool-dir={self.spool}",
            f"--output-dir={self.output}", f"--pidfile={dir}/recording.pid",
            f"--tls-send-to=127.0.0.1:{receiver.port}", *options],
            os.path.join(dir, "recording.log"),
            {"LD_PRELOAD": shim, "SPOOLWIRE_PROC_ROOT": self.proc})
        # It says nothing when it is ready; before its inotify watch it would miss our calls.
        wait_for("its inotify watch", self.watches)

    def streams(self):
        """How many it has opened."""
        fds = f"/proc/{self.pid}/fd"
        return [os.path.realpath(os.path.join(fds, fd)).startswith(os.path.realpath(self.proc))
            for fd in os.listdir(fds)].count(True)

    def watches(self):
        for fd in os.listdir(f"/proc/{self.pid}/fdinfo"):
            if b"inotify wd:" in read(f"/proc/{self.pid}/fdinfo/{fd}"):
                return True
        return False


def split(raw):
    """(header, samples) of what came over a connection."""
    header, pcm = raw.split(b"\0", 1)
    return header, struct.unpack(f"<{len(pcm) // 2}h", pcm[:len(pcm) // 2 * 2])


def correlation(a, b):
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    power = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b)) / power if power else 0.0


class WireTest(Case):
    @classmethod
    def setUpClass(cls):
        cls.tools = tempfile.mkdtemp(prefix="spoolwire-")
        cls.addClassCleanup(shutil.rmtree, cls.tools, ignore_errors=True)
        cls.shim = os.path.join(cls.tools, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", cls.shim,
            os.path.join(SOURCE, "tests/bench/shim.c"), "-ldl"], check=True)

    def raw(self, receiver):
        """All that came, by connection, sorted: the order of connections means nothing."""
        return sorted(read(c["path"][:-len(".json")] + ".raw") for c in receiver.connections())

    def place(self, name):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        return path

    def both(self, feed, theirs=(), ours=(), tcp=False):
        """What the endpoint got from rtpengine-recording and from spoolwire."""
        feed = ["--seed=11", "--call-id=wire", "--seconds=1.5", *feed]
        dirs = self.place("theirs"), self.place("ours")
        receivers = [self.keep(Receiver(d, tcp=tcp and d == dirs[1], options=["--raw"]))
            for d in dirs]
        self.recording = self.keep(Recording(dirs[0], receivers[0], self.shim, theirs))
        spoolwire = self.keep(Spoolwire(dirs[1], receivers[1], ["--tls-header=metadata", *ours],
            plain=tcp))
        feeds = [self.keep(Feed(d, feed)) for d in (self.recording, spoolwire)]
        self.fed = [f.result() for f in feeds][1]
        spoolwire.wait_accounts(self.fed["calls"])
        wait_for("the end of its streams", lambda: self.recording.text().count("EOF on stream") >=
            self.fed["streams"])
        self.assertEqual(spoolwire.stop(), 0)
        self.recording.stop()
        for r in receivers:
            r.stop()
        self.ends = [{c["end"] for c in r.connections()} for r in receivers]
        return tuple(self.raw(r) for r in receivers)

    def assertSame(self, theirs, ours, connections):
        self.assertEqual(len(theirs), connections)
        self.assertEqual([(split(x)[0], len(x)) for x in theirs],
            [(split(x)[0], len(x)) for x in ours])
        self.assertEqual(theirs, ours)

    # ---- the same bytes -------------------------------------------------------------------

    def test_pcma(self):
        theirs, ours = self.both(["--calls=3"])
        self.assertSame(theirs, ours, 6)
        self.assertEqual({len(split(x)[1]) for x in ours}, {12000})

    def test_pcmu_over_tcp(self):
        """rtpengine-recording 10.5 has no tcp-send-to: its bytes inside TLS are ours without."""
        theirs, ours = self.both(["--codec=PCMU"], tcp=True)
        self.assertSame(theirs, ours, 2)

    def test_metadata_of_the_tag_before_that_of_the_call(self):
        theirs, ours = self.both(["--metadata=of:call", "--tag-metadata=of:tag|a:b"])
        self.assertSame(theirs, ours, 2)
        self.assertEqual({split(x)[0] for x in ours}, {b"of:tag|a:b"})

    def test_metadata_of_the_call_without_that_of_a_tag(self):
        theirs, ours = self.both(["--metadata=of:call", "--tag-metadata="])
        self.assertSame(theirs, ours, 2)
        self.assertEqual({split(x)[0] for x in ours}, {b"of:call"})

    def test_no_metadata_is_a_lone_nul(self):
        theirs, ours = self.both(["--metadata="])
        self.assertSame(theirs, ours, 2)
        self.assertEqual({x[:1] for x in ours}, {b"\0"})

    def test_pauses_of_the_sender(self):
        """rtpengine-recording 10.5 sends nothing for a pause (later versions send zeros)."""
        theirs, ours = self.both(["--vad=dtx", "--seconds=4"])
        self.assertEqual({len(split(x)[1]) for x in ours}, {32000})
        half_a_second = b"\0" * 8000
        self.assertEqual({x.count(half_a_second) for x in ours}, {2})
        self.assertSame(theirs, [x.replace(half_a_second, b"") for x in ours], 2)

    def test_reordered_packets(self):
        """rtpengine-recording 10.5 reads one packet for each edge of epoll: of two packets that
        come at once the second waits for the next, and the last ones are lost at the end."""
        theirs, ours = self.both(["--reorder=5", "--lose-queue"])
        self.assertEqual({len(split(x)[1]) for x in ours}, {12000})
        self.assertEqual(len(theirs), len(ours))
        for their, our in zip(theirs, ours):
            self.assertTrue(our.startswith(their))
            self.assertGreater(len(their), len(our) * 0.8)

    def test_g722(self):
        theirs, ours = self.both(["--codec=G722"], ["--tls-resample=16000"],
            ["--tls-resample=16000"])
        self.assertSame(theirs, ours, 2)

    def test_g722_down_to_8000(self):
        theirs, ours = self.both(["--codec=G722"])
        self.assertSame(theirs, ours, 2)

    def test_pcma_up_to_16000(self):
        theirs, ours = self.both([], ["--tls-resample=16000"], ["--tls-resample=16000"])
        self.assertSame(theirs, ours, 2)

    # ---- mixed: 10.5 cannot forward it, so it is held against its recording ----------------

    def mixed(self, method):
        """(rate, channels, samples of each) of the recording, and ours."""
        _, ours = self.both(["--codec=PCMA", "--tones=500,1300", "--seconds=2"], ["--output-mixed",
            "--output-format=wav", f"--mix-method={method}", "--resample-to=8000"],
            ["--tls-mixed", f"--mix-method={method}"])
        self.assertEqual(len(ours), 1)
        folder = self.recording.output
        found = [f for f in os.listdir(folder) if f.endswith("-mix.wav")]
        self.assertEqual(len(found), 1, os.listdir(folder))
        rate, channels, theirs = samples(os.path.join(folder, found[0]))
        flat = split(ours[0])[1]
        self.assertEqual(len(flat) % channels, 0)
        return rate, channels, theirs, [flat[c::channels] for c in range(channels)]

    def assertDuration(self, theirs, ours, rate):
        """What its mixer holds at the end, up to half a second, their recording never gets."""
        self.assertEqual(len(ours), 2 * rate)
        self.assertLess(len(theirs), len(ours) + rate // 20)
        self.assertGreater(len(theirs), len(ours) - rate * 6 // 10)

    def best_correlation(self, a, b, rate):
        """Both begin at the first packet, give or take two packets."""
        n = min(len(a), len(b)) - rate // 10
        return max(correlation(a[lag:lag + n], b[:n]) for lag in range(0, rate // 25, rate // 2000))

    def test_mixed_direct(self):
        """Ours is the sum, saturated; theirs is scaled, and not by the same factor everywhere."""
        rate, channels, theirs, ours = self.mixed("direct")
        self.assertEqual((rate, channels), (8000, 1))
        self.assertDuration(theirs[0], ours[0], rate)
        for heard in theirs[0], ours[0]:
            for hz in 500, 1300:
                self.assertGreater(level(heard[800:-800], rate, hz), 0.4)
        self.assertGreater(self.best_correlation(theirs[0], ours[0], rate), 0.85)

    def test_mixed_channels(self):
        """Four channels, a participant in each. Theirs numbers them from the second channel on, in
        the order of the first packets; ours from the first on, in the order of the tags."""
        rate, channels, theirs, ours = self.mixed("channels")
        self.assertEqual((rate, channels), (8000, 4))
        for sound_ in theirs + ours:
            self.assertDuration(sound_, ours[0], rate)
        for hz, channel in (500, 0), (1300, 1):
            self.assertGreater(level(ours[channel][800:-800], rate, hz), 0.95)
            self.assertEqual([level(c[800:-800], rate, hz) > 0.95 for c in theirs].count(True), 1)
            their = max(theirs, key=lambda c: level(c[800:-800], rate, hz))
            self.assertGreater(self.best_correlation(ours[channel], their, rate), 0.85)
        self.assertEqual({max(map(abs, c)) for c in ours[2:]}, {0})

    def test_forwarding_off(self):
        theirs, ours = self.both(["--forwarding=off"])
        self.assertSame(theirs, ours, 0)

    def test_forwarding_of_one_stream(self):
        theirs, ours = self.both(["--forwarding=per-stream"])
        self.assertSame(theirs, ours, 1)


if __name__ == "__main__":
    if not shutil.which("rtpengine-recording") or not shutil.which("cc"):
        print("no rtpengine-recording to compare with, or no cc for the shim: skipped")
        sys.exit(77)
    main()
