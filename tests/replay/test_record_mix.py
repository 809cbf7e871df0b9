#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mix of a recorded call: who is heard, in which channel and when."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recorded import *  # noqa: E402,F403


class MixTest(RecordCase):
    def test_channels(self):
        """The caller is on the left, the callee on the right."""
        files = self.record(["--output-mixed", "--mix-method=channels", "--mix-num-inputs=2"])
        path = self.one(files, "mix")
        rate, (left, right) = sounds(path)
        self.assertEqual(len(left), 2 * rate)
        self.assertPart(left, rate, 0, 2, CALLER)
        self.assertPart(right, rate, 0, 2, CALLEE)
        self.assertEqual(len(self.sidecar(path)["files"][0]["channel-map"]), 2)

    def test_channels_after_an_ssrc_change(self):
        files = self.record(["--output-mixed", "--mix-method=channels", "--mix-num-inputs=2"],
            ["--ssrc-change-after=1000"])
        rate, (left, right) = sounds(self.one(files, "mix"))
        self.assertAlmostEqual(len(left) / rate, 2, delta=0.03)
        self.assertPart(left, rate, 0, 0.95, CALLER)
        self.assertPart(left, rate, 1.05, 2, CALLER)
        self.assertPart(right, rate, 0, 2, CALLEE)

    def test_later_participant(self):
        daemon = self.recorder("--mix-method=channels", "--mix-num-inputs=2")
        hand, (caller, callee) = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        speak(1, caller)
        speak(1, caller, callee)
        hand.end()
        files = self.finish(daemon)
        rate, (left, right) = sounds(self.one(files, "mix"))
        self.assertAlmostEqual(len(left) / rate, 2, delta=0.05)
        self.assertPart(left, rate, 0, 2, CALLER)
        self.assertPart(right, rate, 0, 1, None)
        self.assertPart(right, rate, 1, 2, CALLEE)
        starts = [self.sidecar(self.one(files, name))["files"][0]["start"]
            for name in ("00001000", "00001001")]
        self.assertAlmostEqual(float(starts[1][17:26]) - float(starts[0][17:26]), 1, delta=0.1) \
            if starts[0][:16] == starts[1][:16] else None
        self.assertAudio(self.one(files, "00001001"), CALLEE, 1, within=0.05)

    def test_one_who_stops(self):
        """The mix is as long as the call, with one of them silent from the middle on."""
        daemon = self.recorder("--mix-method=channels", "--mix-num-inputs=2")
        hand, (caller, callee) = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        speak(1, caller, callee)
        speak(2, caller)
        hand.end()
        files = self.finish(daemon)
        rate, (left, right) = sounds(self.one(files, "mix"))
        self.assertAlmostEqual(len(left) / rate, 3, delta=0.05)
        self.assertPart(left, rate, 0, 3, CALLER)
        self.assertPart(right, rate, 0, 1, CALLEE)
        self.assertPart(right, rate, 1.15, 3, None)

    def test_more_participants_than_inputs(self):
        """The surplus shares the last channel, and the sidecar says so."""
        files = self.record(["--output-mixed", "--mix-method=channels", "--mix-num-inputs=2"],
            ["--streams=4", "--tones=500,900,1300,1700"])
        path = self.one(files, "mix")
        rate, (left, right) = sounds(path)
        self.assertPart(left, rate, 0, 2, 500)
        for hz in 900, 1300, 1700:
            self.assertGreater(level(right, rate, hz), 0.3)
        tags = [t["tag"] for t in sorted(self.sidecar(path)["call"]["tags"],
            key=lambda t: t["number"])]
        self.assertEqual(self.sidecar(path)["files"][0]["channel-map"],
            [tags[0], "+".join(tags[1:])])

    def test_more_participants_mixed_direct(self):
        files = self.record(["--output-mixed", "--mix-num-inputs=2"],
            ["--streams=6", "--tones=500,900,1300,1700,2100,2500"])
        rate, (audio,) = sounds(self.one(files, "mix"))
        self.assertEqual(len(audio), 2 * rate)
        for hz in 500, 900, 1300, 1700, 2100, 2500:
            self.assertGreater(level(audio, rate, hz), 0.12)

    def test_mixed_per_media(self):
        """A channel for each section of the SDP; who is heard there is in the channel map."""
        for dialect, sections in ("10", ("TAG-MEDIA 1", "TAG-MEDIA 2")), \
                ("26", ("MEDIA-SDP-ID 0", "MEDIA-SDP-ID 1")):
            with self.subTest(dialect):
                self.out = os.path.join(self.dir, dialect)
                os.mkdir(self.out)
                daemon = self.daemon(None, "--output-storage=file", f"--output-dir={self.out}",
                    "--output-mixed", "--output-mixed-per-media", "--mix-method=channels",
                    "--mix-num-inputs=2", name=dialect)
                done = len(daemon.accounts())
                hand, voices = self.hand(daemon, "media" + dialect)
                voices.append(Voice(hand.stream(2, "third", "tag2"), 2100, 0x1002))
                for stream, tag, section in (0, 0, 0), (1, 0, 1), (2, 1, 1):
                    hand.section(f"STREAM {stream} details", f"TAG {tag} MEDIA {stream} "
                        f"COMPONENT 1 FLAGS 0 {sections[section]}")
                wait_for("the streams", lambda: daemon.status().get("sources_opened") == 3)
                speak(0.5, *voices)
                hand.end()
                path = self.one(self.finish(daemon, done + 1), "mix")
                rate, (first, second) = sounds(path)
                self.assertPart(first, rate, 0, 0.5, CALLER)
                for hz in CALLEE, 2100:
                    self.assertGreater(level(second, rate, hz), 0.4)
                self.assertEqual(self.sidecar(path)["files"][0]["channel-map"],
                    ["tag0", "tag0+tag1"])


if __name__ == "__main__":
    main()
