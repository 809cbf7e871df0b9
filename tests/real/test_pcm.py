#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PCM layout: files of samples that other programs write, forwarded while they grow. ffmpeg and
sox write some of them where they are installed, Python the others."""
import math
import os
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import Process, main, need, wait_for  # noqa: E402
from heard import HeardCase  # noqa: E402


def sine(hz, rate, seconds, begin=0.0, at=0.25):
    first = round(begin * rate)
    return [int(32767 * at * math.sin(2 * math.pi * hz * (first + i) / rate))
        for i in range(round(seconds * rate))]


def s16(*channels):
    """Interleaved, little-endian."""
    flat = [x for frame in zip(*channels) for x in frame]
    return struct.pack(f"<{len(flat)}h", *flat)


def wav_header(rate, channels, data_bytes=0xffffffff):
    riff = min(data_bytes + 36, 0xffffffff)
    return (b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " +
        struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16) +
        b"data" + struct.pack("<I", data_bytes))


class PcmTest(HeardCase):
    def setUp(self):
        super().setUp()
        self.pcm = os.path.join(self.dir, "pcm")
        os.makedirs(self.pcm)
        self.endpoint = self.receiver()

    def start(self, *options, **kw):
        return self.daemon(self.endpoint, f"--pcm-dir={self.pcm}", "--tls-header=json", *options,
            **kw)

    def path(self, name):
        return os.path.join(self.pcm, name)

    def write(self, f, hz, rate, seconds, channels=1):
        """In pieces of 50 ms, as time goes by, of a length that cuts samples."""
        data = b"".join(s16(*[sine(hz, rate, 0.05, i * 0.05)] * channels)
            for i in range(round(seconds * 20)))
        step, begin = rate * channels // 10 + 1, time.monotonic()
        for at in range(0, len(data), step):
            time.sleep(max(0, begin + at / (rate * channels * 2) - time.monotonic()))
            f.write(data[at:at + step])
            f.flush()

    def assertHeardAs(self, call_id, hz, seconds, n=1):
        """One connection of n, of nobody in particular."""
        return self.assertHeard(self.received(self.endpoint, n), call_id, "", hz, seconds)[1]

    def audio_bytes(self):
        return sum(os.path.getsize(os.path.join(self.endpoint.out, n))
            for n in os.listdir(self.endpoint.out) if n.endswith(".wav"))

    def test_samples_go_out_while_they_are_written(self):
        daemon = self.start()
        with open(self.path("growing.pcm"), "wb") as f:
            self.write(f, 440, 8000, 1)
            wait_for("the begin of it", lambda: self.audio_bytes() > 8000, 2)
            self.write(f, 440, 8000, 1)
        connection = self.assertHeardAs("growing", 440, 2)
        self.assertLess(connection["longest_pause_ms"], 500)
        account = daemon.wait_accounts(1)[0]
        self.assertEqual((account["layout"], account["end"]), ("pcm", "ended"))
        self.assertBalanced(account)

    def test_rate_and_channels_of_the_options(self):
        self.start("--pcm-rate=16000", "--pcm-channels=2", "--tls-resample=16000")
        with open(self.path("wide%20name.pcm"), "wb") as f:
            self.write(f, 3000, 16000, 1.5, channels=2)
        self.assertHeardAs("wide name", 3000, 1.5)

    def test_wav_with_an_unfinished_header(self):
        self.start()
        for i, size in enumerate((0, 0xffffffff)):
            with open(self.path(f"w{i}.wav"), "wb") as f:
                f.write(wav_header(16000, 1, size)[:20])
                f.flush()
                time.sleep(0.1)
                f.write(wav_header(16000, 1, size)[20:])
                self.write(f, 1000 + 100 * i, 16000, 1.5)
            self.assertHeardAs(f"w{i}", 1000 + 100 * i, 1.5, n=i + 1)

    def test_header_finished_at_the_end(self):
        self.start()
        with open(self.path("late.wav"), "wb") as f:
            f.write(wav_header(8000, 1, 0))
            self.write(f, 700, 8000, 1.5)
            f.seek(0)
            f.write(wav_header(8000, 1, 24000))
        self.assertHeardAs("late", 700, 1.5)

    def test_ends_when_idle(self):
        daemon = self.start("--pcm-idle-timeout=2")
        with open(self.path("idle.pcm"), "wb") as f:
            self.write(f, 600, 8000, 1)
            begin = time.monotonic()
            daemon.wait_accounts(1, 10)
            self.assertGreater(time.monotonic() - begin, 1)
        self.assertHeardAs("idle", 600, 1)

    def test_what_is_no_sound_costs_only_itself(self):
        daemon = self.start()
        with open(self.path("rubbish.wav"), "wb") as f:
            f.write(b"RIFF\0\0\0\0WAVEfmt " + os.urandom(4000))
        os.symlink("/etc/passwd", self.path("link.pcm"))
        os.mkfifo(self.path("fifo.pcm"))
        os.mkdir(self.path("directory.pcm"))
        with open(self.path("good.pcm"), "wb") as f:
            self.write(f, 800, 8000, 1)
        self.assertHeardAs("good", 800, 1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(set(self.received(self.endpoint, 1)), {"good"})

    def test_restarted_daemon_goes_on_where_it_was(self):
        daemon = self.start()
        with open(self.path("whole.pcm"), "wb") as f:
            self.write(f, 500, 8000, 1)
        self.assertHeardAs("whole", 500, 1)
        with open(self.path("long.pcm"), "wb") as f:
            self.write(f, 900, 8000, 2)
            daemon.kill()
            daemon = self.start(name="again")
            self.write(f, 900, 8000, 1)
        daemon.wait_accounts(2)
        found = self.received(self.endpoint, 3)
        self.assertEqual(len(found["whole"][""]), 1)
        self.assertAlmostEqual(sum(len(a) / r for _, _, a, r in found["long"][""]), 3, delta=1)

    def test_ffmpeg(self):
        need("ffmpeg")
        self.start()
        for name, codec in (("f.wav", []), ("f2.pcm", ["-f", "s16le"])):
            subprocess.run(["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i",
                "sine=frequency=1200:duration=2:sample_rate=8000", "-flush_packets", "1", *codec,
                self.path(name)], check=True, stdin=subprocess.DEVNULL)
        self.assertHeardAs("f", 1200, 2, n=2)
        self.assertHeardAs("f2", 1200, 2, n=2)

    def test_sox(self):
        need("sox")
        self.start()
        sox = self.keep(Process(["sox", "-q", "-n", "-r", "8000", "-b", "16", "-c", "1",
            self.path("s.wav"), "synth", "2", "sine", "1400", "gain", "-6"],
            os.path.join(self.dir, "sox.log")))
        self.assertEqual(sox.wait(), 0, sox.text())
        self.assertHeardAs("s", 1400, 2)


if __name__ == "__main__":
    main()
