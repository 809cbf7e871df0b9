#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not recorded: recording that is switched off, discarded calls, calls without packets."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recorded import *  # noqa: E402,F403


class SwitchTest(RecordCase):
    def paused(self, how):
        daemon = self.recorder(f"--on-pause={how}", "--mix-method=channels", "--mix-num-inputs=2")
        hand, voices = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        speak(1, *voices)
        hand.section("RECORDING 0")
        speak(1.5, *voices)
        hand.section("RECORDING 1")
        speak(1, *voices)
        hand.end()
        return self.finish(daemon)

    def test_pause_is_silence(self):
        files = self.paused("silence")
        self.assertEqual(len(files), 3)
        for part, tones in ("00001000", (CALLER,)), ("00001001", (CALLEE,)), \
                ("mix", (CALLER, CALLEE)):
            rate, channels = sounds(self.one(files, part))
            for audio, hz in zip(channels, tones):
                self.assertAlmostEqual(len(audio) / rate, 3.5, delta=0.05)
                self.assertPart(audio, rate, 0, 0.95, hz)
                self.assertPart(audio, rate, 1.15, 2.45, None)
                self.assertPart(audio, rate, 2.65, 3.5, hz)

    def test_pause_is_cut(self):
        files = self.paused("cut")
        self.assertEqual(len(files), 3)
        for part, tones in ("00001000", (CALLER,)), ("00001001", (CALLEE,)), \
                ("mix", (CALLER, CALLEE)):
            rate, channels = sounds(self.one(files, part))
            for audio, hz in zip(channels, tones):
                self.assertAlmostEqual(len(audio) / rate, 2, delta=0.2, msg=part)
                self.assertPart(audio, rate, 0, 0.95, hz)
                self.assertPart(audio, rate, 1.2, 2, hz)

    def test_pause_ends_the_file(self):
        files = self.paused("new-file")
        self.assertEqual(len(files), 6, sorted(files))
        for path in files.values():
            rate, channels = sounds(path)
            for audio in channels:
                self.assertAlmostEqual(len(audio) / rate, 1, delta=0.2, msg=path)
                self.assertPart(audio, rate, 0.1, 0.9,
                    max((CALLER, CALLEE), key=lambda hz: level(audio, rate, hz)))

    def ended_in_pause(self, how):
        """(seconds, samples) of each file of a call that ends while recording is off."""
        daemon = self.recorder(f"--on-pause={how}", "--mix-method=channels", "--mix-num-inputs=2")
        hand, voices = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        speak(1, *voices)
        hand.section("RECORDING 0")
        speak(1, *voices)
        hand.end()
        files = self.finish(daemon)
        self.assertEqual(len(files), 3)
        for path in files.values():
            rate, channels = sounds(path)
            self.assertEqual(self.sidecar(path)["files"][0]["frames"], len(channels[0]))
            for audio in channels:
                self.assertPart(audio, rate, 0, 0.95,
                    max((CALLER, CALLEE), key=lambda hz: level(audio[:7200], rate, hz)))
                yield len(audio) / rate, audio[int(1.15 * rate):]

    def test_end_in_a_pause_of_silence(self):
        for seconds, rest in self.ended_in_pause("silence"):
            self.assertAlmostEqual(seconds, 2, delta=0.03)
            self.assertSilent(rest)

    def test_end_in_a_pause_that_is_cut(self):
        for seconds, _ in self.ended_in_pause("cut"):
            self.assertAlmostEqual(seconds, 1, delta=0.1)

    def test_end_behind_a_finished_file(self):
        for seconds, _ in self.ended_in_pause("new-file"):
            self.assertAlmostEqual(seconds, 1, delta=0.1)

    def test_never_switched_on(self):
        self.assertEqual(self.record((), ["--recording=0"]), {})

    def test_discard(self):
        """No file, nothing of it, no sidecar."""
        self.record((), ["--discard", "--calls=3"], 3)
        self.assertEqual(os.listdir(self.out), [])

    def test_discard_of_finished_files(self):
        """What was published in mid-call goes, too."""
        self.record(["--output-single"], ["--discard", "--ssrc-change-after=500"])
        self.assertEqual(os.listdir(self.out), [])

    def test_call_without_packets(self):
        for empty in "keep", "drop":
            with self.subTest(empty):
                self.out = os.path.join(self.dir, empty)
                os.mkdir(self.out)
                daemon = self.daemon(None, "--output-storage=file", f"--output-dir={self.out}",
                    f"--empty-calls={empty}", name=empty)
                done = len(daemon.accounts())
                hand, _ = self.hand(daemon, empty)
                wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
                hand.end()
                files = self.finish(daemon, done + 1)
                self.assertEqual(len(files), empty == "keep")
                for path in files.values():
                    self.assertEqual(sounds(path)[1], [()])
                (sidecar,) = [n for n in os.listdir(self.out) if n.endswith(".json")]
                sidecar = json.loads(read(os.path.join(self.out, sidecar)))
                schema = Schema(os.path.join(SOURCE, "docs", "recording.schema.json"))
                self.assertEqual(schema.errors(sidecar), [])
                self.assertEqual(sidecar["call"]["call-id"], empty)
                self.assertEqual(len(sidecar["files"]), empty == "keep")

    def test_calls_without_packets_of_one_name(self):
        """Each has its sidecar; none of them is another one's."""
        daemon = self.recorder("--empty-calls=drop")
        for i in range(3):
            hand, voices = self.hand(daemon, f"empty{i}", [("RECORDING_FILE", "same")])
            wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2 * i + 2)
            if i == 1:
                speak(0.5, *voices[:1])
            hand.end()
            daemon.wait_accounts(i + 1)
        daemon.wait_accounts(3)
        self.assertEqual(daemon.stop(), 0)
        names = {name for name in os.listdir(self.out)}
        self.assertEqual(names, {"same.json", "same-1.wav", "same-1.json", "same-2.wav",
            "same-2.json", "same-3.json"})
        self.assertEqual({json.loads(read(os.path.join(self.out, name)))["call"]["call-id"]
            for name in names if name.endswith(".json")}, {f"empty{i}" for i in range(3)})


if __name__ == "__main__":
    main()
