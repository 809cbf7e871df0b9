#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real rtpengine (pcap) and calls of many codecs: what is in their recordings, and that others
read there what the sidecar says. Skipped where there is no rtpengine."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import EngineCase, level, need  # noqa: E402
from recorded import RecordCase, sounds  # noqa: E402

SECONDS = 3
# What each decodes to: [Hz].
CODECS = {"PCMA": 8000, "PCMU": 8000, "G722": 16000, "GSM": 8000, "G723 --ptime=30": 8000, "G726-16": 8000,
    "G726-24": 8000, "G726-32": 8000, "G726-40": 8000, "AAL2-G726-16": 8000,
    "AAL2-G726-24": 8000, "AAL2-G726-32": 8000, "AAL2-G726-40": 8000, "opus": 48000,
    "speex": 8000, "L16/8000": 8000, "L16/16000": 16000, "L16/48000": 48000,
    "PCMA --dtmf=7": 8000, "PCMU --ptime=40": 8000}


class RecordedCalls(EngineCase, RecordCase):
    def setUp(self):
        super().setUp()
        need("ffprobe", "sox")

    def test_twenty_codecs(self):
        daemon = self.recorder("--output-single", "--output-mixed", "--mix-method=channels",
            "--mix-num-inputs=2")
        calls = self.feed_calls(self.rtpengine(), f"--seconds={SECONDS}", "--call-id=codec",
            script=[f"--codec={codec} --at={i * 0.1}" for i, codec in enumerate(CODECS)])
        files = self.finish(daemon, len(CODECS))
        self.assertEqual(len(calls), len(CODECS))
        self.assertEqual(len(files), 3 * len(CODECS))
        for call in calls:
            number = int(call["call_id"].split("@")[0].split("-")[1])
            codec, rate = list(CODECS.items())[number]
            mine = [path for path in files.values()
                if self.sidecar(path)["call"]["call-id"] == call["call_id"]]
            with self.subTest(codec):
                self.assertEqual(len(mine), 3)
                for path in mine:
                    self.check_file(path, call, codec, rate)

    def check_file(self, path, call, codec, rate):
        file = self.check_sidecar(path, "wav")
        mixed = file["label"] == "mixed"
        who = file["channel-map"]
        self.assertEqual(file["rate"], rate)
        self.assertEqual(who, ["caller", "callee"] if mixed else who[:1] * file["channels"])
        # a busy machine begins later, or loses before us; what came is there to the frame
        self.assertAlmostEqual(file["duration"], SECONDS, delta=0.3)
        if not mixed and "dtmf" not in codec:
            (stream,) = [s for s in self.sidecar(path)["call"]["streams"]
                if file["label"] == f"stream {s['number']}"]
            self.assertAlmostEqual(file["duration"],
                (stream["decoded-ms"] + stream["concealed-ms"]) / 1000, delta=0.041)
        said, channels = sounds(path)
        self.assertEqual((said, len(channels)), (rate, len(who)))
        for role, audio in zip(who, channels):
            middle = audio[rate // 5:-rate // 5]
            if "dtmf" in codec and role == "caller":
                middle = middle[:rate // 2] # before the digit
            # low bit rates are noisy
            self.assertGreater(level(middle, rate, call[role]["tone_hz"]), 0.7, (role, path))


if __name__ == "__main__":
    if not shutil.which("rtpengine"):
        print("no rtpengine to record: skipped")
        sys.exit(77)
    from harness import main
    main()
