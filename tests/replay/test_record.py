#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings in files: what is heard in them, in each format; and that sidecars say what is so."""
import os
import sys
import wave

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recorded import *  # noqa: E402,F403
from heard import sine  # noqa: E402


class ContentTest(RecordCase):
    def test_single_and_mixed(self):
        files = self.record(())
        self.assertEqual(len(files), 3)
        self.assertEqual({hz: len(paths) for hz, paths in self.by_tone(files).items()},
            {CALLER: 1, CALLEE: 1})
        self.assertAudio(self.one(files, "mix"), (CALLER, CALLEE), 2, share=0.4)
        for hz, paths in self.by_tone(files).items():
            self.assertAudio(paths[0], hz, 2)

    def test_formats(self):
        need("ffmpeg", "ffprobe")
        for format_, within in ("opus", 0.03), ("flac", 0.03), ("raw", 0.03), ("mp3", 0.2):
            with self.subTest(format_):
                self.out = os.path.join(self.dir, format_)
                os.makedirs(self.out + "/accounts")
                daemon = self.daemon(None, "--output-storage=file", f"--output-dir={self.out}",
                    f"--output-format={format_}", name=format_)
                done = len(daemon.accounts())
                self.feed(daemon, "--seconds=2", TONES, "--call-id=" + format_,
                    name="feed-" + format_).result()
                files = self.finish(daemon, done + 1)
                self.assertEqual(len(files), 3)
                self.assertAudio(self.one(files, "mix"), (CALLER, CALLEE), 2, 0.4, within)
                for hz, paths in self.by_tone(files).items():
                    self.assertAudio(paths[0], hz, 2, within=within)
                for path in files.values():
                    self.check_sidecar(path, format_, within)

    def test_more_channels_than_a_format_has(self):
        """MP3 has two: the first keeps its own, the others share the second; the mix has them all."""
        need("ffmpeg")
        tones, pcm = (500, 900, 1300, 1700), os.path.join(self.dir, "pcm")
        flat = [x for frame in zip(*map(sine, tones)) for x in frame] * 2
        os.mkdir(pcm)
        for name, options in ("encoded", []), ("growing", ["--flush-packets"]):
            with self.subTest(name):
                self.out = os.path.join(self.dir, name)
                daemon = self.daemon(None, "--output-storage=file", f"--output-dir={self.out}",
                    "--output-format=mp3", f"--pcm-dir={pcm}", *options, name=name)
                done = len(daemon.accounts())
                with wave.open(os.path.join(pcm, name + ".wav"), "wb") as w:
                    w.setparams((4, 2, 8000, 0, "NONE", ""))
                    w.writeframes(struct.pack(f"<{len(flat)}h", *flat))
                files = self.finish(daemon, done + 1)
                self.assertEqual(len(files), 2)
                mixed = self.one(files, "mix")
                (single,) = set(files.values()) - {mixed}
                self.assertAudio(mixed, tones, 2, share=0.2, within=0.2)
                rate, (own, shared) = sounds(single)
                self.assertAlmostEqual(len(own) / rate, 2, delta=0.2)
                self.assertGreater(level(own[800:-800], rate, tones[0]), 0.9)
                for hz in tones[1:]:
                    self.assertGreater(level(shared[800:-800], rate, hz), 0.28)
                self.assertEqual(self.check_sidecar(single, "mp3", 0.2)["channels"], 2)

    def test_gaps(self):
        """output-single-gaps: a pause of the sender is silence, or is left out."""
        for gaps, seconds in ("silence", 4), ("cut", 3):
            with self.subTest(gaps):
                self.out = os.path.join(self.dir, gaps)
                os.mkdir(self.out)
                daemon = self.daemon(None, "--output-storage=file", f"--output-dir={self.out}",
                    "--output-single", f"--output-single-gaps={gaps}", name=gaps)
                done = len(daemon.accounts())
                self.feed(daemon, "--seconds=4", "--vad=dtx", "--call-id=" + gaps,
                    name="feed-" + gaps).result()
                for path in self.finish(daemon, done + 1).values():
                    rate, (audio,) = sounds(path)
                    self.assertAlmostEqual(len(audio) / rate, seconds, delta=0.1)

    def test_ssrc_change(self):
        files = self.record(["--output-single"], ["--ssrc-change-after=1000"])
        self.assertEqual(len(files), 3)
        found = self.by_tone(files)
        self.assertEqual([len(found[hz]) for hz in (CALLER, CALLEE)], [2, 1])
        lengths = [len(sounds(path)[1][0]) / 8000 for path in found[CALLER]]
        self.assertAlmostEqual(sum(lengths), 2, delta=0.06)
        self.assertAudio(found[CALLEE][0], CALLEE, 2)
        account = self.sidecar(found[CALLER][0])["call"]
        ssrcs = {s["ssrc"][2:] for leg in account["streams"] for s in leg["ssrcs"]}
        self.assertEqual({name.rsplit("-", 1)[1][:8] for name in files}, ssrcs)

    def test_more_ssrcs_than_an_account_lists(self):
        """Each has its own name and its own sound; the last file goes on with the rest."""
        daemon = self.recorder("--output-single")
        hand, (voice, _) = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        for i in range(40):
            voice.ssrc = 0x2000 + i
            speak(0.06, voice)
        hand.end()
        files = self.finish(daemon)
        self.assertEqual(sorted(name.rsplit("-", 1)[1] for name in files),
            [f"{0x2000 + i:08x}.wav" for i in range(32)])
        for name, path in files.items():
            self.assertEqual(len(sounds(path)[1][0]), 9 * 480 if "-0000201f" in name else 480)

    def test_forwarded_and_recorded(self):
        endpoint = self.receiver()
        daemon = self.recorder("--tls-header=json", receiver=endpoint)
        self.feed(daemon, "--calls=3", "--seconds=2").result()
        files = self.finish(daemon, 3)
        wait_for("6 connections", lambda: len(endpoint.connections()) >= 6)
        self.assertEqual(len(files), 9)
        for connection in endpoint.connections():
            self.assertEqual(len(sound(connection)[2][0]), 16000)
        for path in files.values():
            rate, (audio,) = sounds(path)
            self.assertEqual(len(audio), 2 * rate, path)
        for account in daemon.accounts():
            self.assertBalanced(account)

    # ---- sidecars -------------------------------------------------------------------------

    def test_sidecar(self):
        files = self.record(["--mix-method=channels", "--mix-num-inputs=2"], ["--dtmf=12"])
        for name, path in files.items():
            file = self.check_sidecar(path, "wav")
            self.assertEqual(file["channels"], 2 if "mix" in name else 1)
            self.assertEqual(file["rate"], 8000)
        call = self.sidecar(self.one(files, "mix"))["call"]
        self.assertEqual([e["text"] for e in call["events"] if e["kind"] == "digit"][:2],
            ["1", "2"])

    def test_sidecar_is_for_who_reads_the_recording(self):
        if os.geteuid() != 0:
            self.skipTest("only root gives files away")
        self.record(["--output-single", "--output-chmod=0604", "--output-chown=65534",
            "--output-chgrp=65533"])
        self.assertEqual({os.path.splitext(name)[1] for name in os.listdir(self.out)},
            {".wav", ".json"})
        for path in os.scandir(self.out):
            at = path.stat()
            self.assertEqual((at.st_mode & 0o7777, at.st_uid, at.st_gid), (0o604, 65534, 65533),
                path.name)

    def test_no_sidecar(self):
        daemon = self.recorder("--output-sidecar=false")
        self.feed(daemon, "--seconds=1").result()
        daemon.wait_accounts(1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual({os.path.splitext(name)[1] for name in os.listdir(self.out)}, {".wav"})


if __name__ == "__main__":
    main()
