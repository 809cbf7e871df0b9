#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same calls to Debian's rtpengine-recording and to spoolwire: an endpoint gets the same bytes
from both. Where it does not, the test says what is different, and docs/wire.md says why.

rtpengine-recording reads the FIFOs of spoolwire-feed through tests/bench/shim.c."""
import struct

from theirs import *  # noqa: F403

TONES = (500, 1300) # [Hz] of the two who are mixed


def split(raw):
    """(header, samples) of what came over a connection."""
    header, pcm = raw.split(b"\0", 1)
    return header, struct.unpack(f"<{len(pcm) // 2}h", pcm[:len(pcm) // 2 * 2])


class WireTest(TheirsCase):
    def raw(self, receiver):
        """All that came, by connection, sorted: the order of connections means nothing."""
        return sorted(read(c["path"][:-len(".json")] + ".raw") for c in receiver.connections())

    def place(self, name):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        return path

    def both(self, feed, theirs=(), ours=(), tcp=False):
        """What the endpoint got from rtpengine-recording and from spoolwire. On a busy machine 10.5
        may leave packets unread at the end of a stream (see test_reordered_packets): then both
        get other calls."""
        for attempt in range(3):
            got = self.once(feed, theirs, ours, tcp, f"-{attempt}")
            if not any(len(their) < len(our) and our.startswith(their)
                    for their, our in zip(*got)):
                break
        return got

    def once(self, feed, theirs=(), ours=(), tcp=False, suffix=""):
        feed = ["--seed=11", "--call-id=wire", "--seconds=1.5", *feed]
        dirs = self.place("theirs" + suffix), self.place("ours" + suffix)
        receivers = [self.keep(Receiver(d, tcp=tcp and d == dirs[1], options=["--raw"]))
            for d in dirs]
        self.recording = self.keep(Recording(dirs[0], receivers[0], self.shim, theirs))
        spoolwire = self.keep(Spoolwire(dirs[1], receivers[1], ["--tls-header=metadata", *ours],
            plain=tcp))
        # 10.5 never sees the end of a stream that comes together with the last packet; as in the
        # kernel, what waits is gone then.
        feeds = [self.keep(Feed(self.recording, [*feed, "--lose-queue"])),
            self.keep(Feed(spoolwire, feed))]
        self.fed = [f.result() for f in feeds][1]
        spoolwire.wait_accounts(self.fed["calls"])
        wait_for("the end of its streams", lambda: self.recording.streams() == 0)
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
        theirs, ours = self.once(["--vad=dtx", "--seconds=4"])
        self.assertEqual({len(split(x)[1]) for x in ours}, {32000})
        half_a_second = b"\0" * 8000
        self.assertEqual({x.count(half_a_second) for x in ours}, {2})
        self.assertSame(theirs, [x.replace(half_a_second, b"") for x in ours], 2)

    def test_reordered_packets(self):
        """rtpengine-recording 10.5 reads one packet for each edge of epoll: of two packets that
        come at once the second waits for the next, and the last ones are lost at the end."""
        theirs, ours = self.once(["--reorder=5"])
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
        _, ours = self.once(["--tones=" + ",".join(map(str, TONES)), "--seconds=2"],
            ["--output-mixed", "--output-format=wav", f"--mix-method={method}",
            "--resample-to=8000"], ["--tls-mixed", f"--mix-method={method}"])
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
        self.assertGreater(len(theirs), len(ours) - rate // 2 - rate * UNREAD)

    def test_mixed_direct(self):
        """Each tone is laid over its counterpart: 10.5 begins the second participant late."""
        rate, channels, theirs, ours = self.mixed("direct")
        self.assertEqual((rate, channels), (8000, 1))
        self.assertDuration(theirs[0], ours[0], rate)
        self.assertGreater(Tones(ours[0], rate, TONES).like(Tones(theirs[0], rate, TONES)), 0.99)

    def test_mixed_channels(self):
        """Four channels, a participant in each. Theirs numbers them from the second channel on, in
        the order of the first packets; ours from the first on, in the order of the tags."""
        rate, channels, theirs, ours = self.mixed("channels")
        self.assertEqual((rate, channels), (8000, 4))
        for sound_ in theirs + ours:
            self.assertDuration(sound_, ours[0], rate)
        for channel, hz in enumerate(TONES):
            our = Tones(ours[channel], rate, [hz])
            like = [our.like(Tones(c, rate, [hz])) for c in theirs if max(map(abs, c)) > 100]
            self.assertEqual([x > 0.99 for x in like].count(True), 1, like)
        self.assertEqual({max(map(abs, c)) for c in ours[2:]}, {0})

    def test_forwarding_off(self):
        theirs, ours = self.both(["--forwarding=off"])
        self.assertSame(theirs, ours, 0)

    def test_forwarding_of_one_stream(self):
        theirs, ours = self.both(["--forwarding=per-stream"])
        self.assertSame(theirs, ours, 1)


if __name__ == "__main__":
    main_with_theirs()
