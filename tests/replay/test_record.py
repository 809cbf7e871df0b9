#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings in files: who is heard, in which channel and when; what is switched off, discarded or
empty; where files may go; and that sidecars say what is so."""
import hashlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *  # noqa: E402,F403
from heard import HeardCase, tone  # noqa: E402
from schema import Schema  # noqa: E402

CALLER, CALLEE = 500, 1300 # [Hz]
TONES = f"--tones={CALLER},{CALLEE}"


class Voice:
    """Packets with a tone, 20 ms each; to sit out a packet is a gap in sequence and time."""

    def __init__(self, stream, hz, ssrc):
        self.stream, self.ssrc, self.audio, self.seq = stream, ssrc, tone(hz), 0

    def next(self, heard=True):
        at = self.seq * 160 % len(self.audio)
        if heard:
            os.write(self.stream, rtp(self.seq, 8, self.audio[at:at + 160], self.ssrc))
        self.seq += 1


def speak(seconds, *voices):
    """All at once, as fast as it would be spoken."""
    begin = time.monotonic()
    for i in range(round(seconds * 50)):
        time.sleep(max(begin + i * 0.02 - time.monotonic(), 0))
        for voice in voices:
            voice.next()
    time.sleep(max(begin + seconds - time.monotonic(), 0))


def sounds(path):
    """(rate, [samples of a channel]) of any format."""
    if path.endswith(".raw"): # s16le, mono here
        data = read(path)
        return 8000, [struct.unpack(f"<{len(data) // 2}h", data)]
    if not path.endswith(".wav"):
        wav = path + ".decoded"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, "-f", "wav", "-bitexact", wav],
            check=True)
        path = wav
    rate, _, channels = samples(path)
    if path.endswith(".decoded"):
        os.unlink(path)
    return rate, channels


class RecordCase(HeardCase):
    def setUp(self):
        super().setUp()
        self.out = os.path.join(self.dir, "output")
        os.mkdir(self.out)

    def recorder(self, *options, receiver=None):
        return self.daemon(receiver, "--output-storage=file", f"--output-dir={self.out}", *options)

    def files(self, folder=None):
        """{name below the folder: path}, sidecars not among them."""
        folder = folder or self.out
        return {os.path.relpath(os.path.join(at, name), folder): os.path.join(at, name)
            for at, _, names in os.walk(folder) for name in names if not name.endswith(".json")}

    def sidecar(self, path):
        return json.loads(read(os.path.splitext(path)[0] + ".json"))

    def finish(self, daemon, accounts=1):
        """{name: path} of what is there at the end."""
        daemon.wait_accounts(accounts)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(os.listdir(os.path.join(daemon.state, "recordings"))
            if os.path.isdir(os.path.join(daemon.state, "recordings")) else [], [])
        files = self.files()
        self.assertFalse([name for name in files if ".part" in name])
        for path in files.values():
            self.assertTrue(os.path.exists(os.path.splitext(path)[0] + ".json"), path)
        return files

    def record(self, options, feed=(), calls=1):
        daemon = self.recorder(*options)
        self.fed = self.feed(daemon, "--seconds=2", TONES, "--call-id=rec", *feed)
        self.fed.result()
        return self.finish(daemon, calls)

    def one(self, files, part):
        found = [path for name, path in files.items() if part in name]
        self.assertEqual(len(found), 1, (part, sorted(files)))
        return found[0]

    def assertAudio(self, path, hz, seconds, share=0.9, within=0.03):
        rate, (audio,) = sounds(path)
        self.assertAlmostEqual(len(audio) / rate, seconds, delta=within, msg=path)
        for tone_ in hz if isinstance(hz, tuple) else (hz,):
            self.assertGreater(level(audio[800:-800], rate, tone_), share, path)

    def check_sidecar(self, path, format_, within=0.001):
        sidecar, data = self.sidecar(path), read(path)
        schema = Schema(os.path.join(SOURCE, "docs", "recording.schema.json"))
        self.assertEqual(schema.errors(sidecar), [])
        (file,) = sidecar["files"]
        self.assertEqual(file["path"], path)
        self.assertEqual(file["name"], os.path.basename(path))
        self.assertEqual(file["format"], format_)
        self.assertEqual(file["bytes"], len(data))
        self.assertEqual(file["sha256"], hashlib.sha256(data).hexdigest())
        self.assertAlmostEqual(file["duration"], file["frames"] / file["rate"], delta=1e-4)
        self.assertEqual(len(file["channel-map"]), file["channels"])
        self.assertFalse(sidecar["recovered"])
        self.assertTrue(sidecar["call"]["call-id"])
        if format_ == "raw":
            self.assertEqual(len(data), file["frames"] * file["channels"] * 2)
            return file
        if shutil.which("ffprobe"):
            said = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_streams",
                "-show_format", "-of", "json", path], check=True, capture_output=True).stdout)
            self.assertEqual(said["streams"][0]["channels"], file["channels"])
            self.assertEqual(int(said["streams"][0]["sample_rate"]),
                48000 if format_ == "opus" else file["rate"])
            self.assertAlmostEqual(float(said["format"]["duration"]), file["duration"],
                delta=within)
        if shutil.which("soxi") and format_ in ("wav", "flac"):
            seconds, rate, channels, frames = [subprocess.run([*words, path], check=True,
                capture_output=True).stdout for words in (["soxi", "-D"], ["sox", "--i", "-r"],
                ["sox", "--i", "-c"], ["sox", "--i", "-s"])]
            self.assertAlmostEqual(float(seconds), file["duration"], delta=within)
            self.assertEqual([int(rate), int(channels), int(frames)],
                [file["rate"], file["channels"], file["frames"]])
        return file

    def assertSilent(self, audio):
        self.assertLess(max(map(abs, audio)), 20)

    def assertPart(self, audio, rate, begin, end, hz):
        """A tone, or silence where hz is None, but for 60 ms at both ends."""
        part = audio[int((begin + 0.06) * rate):int((end - 0.06) * rate)]
        if hz is None:
            self.assertSilent(part)
        else:
            self.assertGreater(level(part, rate, hz), 0.9, (begin, end))

    def by_tone(self, files):
        """{Hz: [path]} of single files."""
        found = {CALLER: [], CALLEE: []}
        for name, path in sorted(files.items()):
            if "mix" in name:
                continue
            rate, (audio,) = sounds(path)
            for hz, paths in found.items():
                if level(audio, rate, hz) > 0.5:
                    paths.append(path)
        return found

    # ---- a call by hand: caller and callee, both mono A-law

    def hand(self, daemon, name="hand", before=()):
        hand = Hand(daemon, f"{name}-0123456789abcdef")
        for label, content in before:
            hand.section(label, content)
        return hand, [Voice(hand.stream(n, f"{name}-{n}", f"tag{n}"), hz, 0x1000 + n)
            for n, hz in enumerate((CALLER, CALLEE))]


class ContentTest(RecordCase):
    def test_single_and_mixed(self):
        files = self.record(())
        self.assertEqual(len(files), 3)
        self.assertEqual({hz: len(paths) for hz, paths in self.by_tone(files).items()},
            {CALLER: 1, CALLEE: 1})
        self.assertAudio(self.one(files, "mix"), (CALLER, CALLEE), 2, share=0.4)
        for hz, paths in self.by_tone(files).items():
            self.assertAudio(paths[0], hz, 2)

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
        """Each has its own name and its own sound."""
        daemon = self.recorder("--output-single")
        hand, (voice, _) = self.hand(daemon)
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        for i in range(40):
            voice.ssrc = 0x2000 + i
            speak(0.06, voice)
        hand.end()
        files = self.finish(daemon)
        self.assertEqual(sorted(name.rsplit("-", 1)[1] for name in files),
            [f"{0x2000 + i:08x}.wav" for i in range(40)])
        for path in files.values():
            self.assertEqual(len(sounds(path)[1][0]), 480)

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

    def test_no_sidecar(self):
        daemon = self.recorder("--output-sidecar=false")
        self.feed(daemon, "--seconds=1").result()
        daemon.wait_accounts(1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual({os.path.splitext(name)[1] for name in os.listdir(self.out)}, {".wav"})


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


class NameTest(RecordCase):
    def calls(self, daemon, befores):
        """A second of audio in each of some calls at once, with sections before their streams."""
        hands = [self.hand(daemon, f"call{i}", before) for i, before in enumerate(befores)]
        wait_for("all streams", lambda: daemon.status().get("sources_opened") == 2 * len(hands))
        speak(0.5, *(voice for _, voices in hands for voice in voices))
        for hand, _ in hands:
            hand.end()
        return self.finish(daemon, len(hands))

    def test_overrides(self):
        files = self.calls(self.recorder("--output-mixed"), [
            [("RECORDING_FILE", "mine")],
            [("RECORDING_PATH", os.path.join(self.out, "deep", "er"))],
            [("RECORDING_PATTERN", "p/%c_%t")],
        ])
        self.assertIn("mine.wav", files)
        self.assertIn("p/call2_mix.wav", files)
        self.assertEqual([n.startswith("deep/er/call1-") for n in files].count(True), 1)
        self.assertEqual(len(files), 3)

    def test_overrides_outside(self):
        """Refused, said, and recorded under the usual name."""
        elsewhere, allowed = [os.path.join(self.dir, n) for n in ("elsewhere", "allowed")]
        for folder in elsewhere, allowed:
            os.mkdir(folder)
        daemon = self.recorder("--output-mixed", f"--output-allow-dir={allowed}")
        files = self.calls(daemon, [
            [("RECORDING_FILE", elsewhere + "/x.wav")],
            [("RECORDING_PATH", elsewhere)],
            [("RECORDING_PATH", self.out + "/../elsewhere")],
            [("RECORDING_FILE", "../elsewhere/x.wav")],
            [("RECORDING_PATTERN", "../elsewhere/%c-%t")],
            [("RECORDING_PATH", allowed)],
        ])
        self.assertEqual(os.listdir(elsewhere), [])
        self.assertEqual(sorted(n[:5] for n in files), [f"call{i}" for i in range(5)])
        self.assertEqual(len(self.files(allowed)), 1)
        self.assertEqual(daemon.last_status()["rec_names_refused"], 5)
        self.assertIn("its own name for a recording is not followed", daemon.text())

    def test_links(self):
        """Somebody has put links into output-dir: they are followed into allowed directories only."""
        elsewhere, allowed = [os.path.join(self.dir, n) for n in ("elsewhere", "allowed")]
        for folder in elsewhere, allowed, self.out:
            os.makedirs(folder, exist_ok=True)
        os.symlink(elsewhere, os.path.join(self.out, "out"))
        os.symlink(allowed, os.path.join(self.out, "in"))
        os.symlink("/", os.path.join(self.out, "root"))
        daemon = self.recorder("--output-mixed", f"--output-allow-dir={allowed}",
            "--output-pattern=%c/%r-%t")
        files = self.calls(daemon, [
            [("RECORDING_PATH", self.out + "/out/deep")],
            [("RECORDING_PATH", "out")],
            [("RECORDING_FILE", self.out + "/out/x.wav")],
            [("CALL-ID", "out")],
            [("RECORDING_PATH", "root" + elsewhere)],
            [("RECORDING_PATH", self.out + "/in")],
            [("CALL-ID", "in")],
        ])
        self.assertEqual(os.listdir(elsewhere), [])
        self.assertEqual(len(self.files(allowed)), 2)
        self.assertEqual(len([n for n in files if "/" not in n]), 5, files)
        self.assertIn("x.wav", files)
        self.assertEqual(daemon.last_status()["rec_links_refused"], 5)
        self.assertIn("a link in it leads elsewhere", daemon.text())

    def test_hostile_call_ids(self):
        ids = [b"..", b".", b"../../etc/passwd", b"/etc/cron.d/x", b"a/b\\c", b"x" * 300,
            "grüße-\u260e".encode(), b"\xff\xfe", b"%2e%2e%2f", b"a b;rm -rf ~|$(x)", b"-rf",
            b"new\nline", b"\x1b[2J", b"nul\0byte", b"%", b"..%2f..%2f"]
        daemon = self.recorder("--output-mixed", "--output-pattern=%c/%l/%c-%t")
        before = set(self.files(self.dir))
        files = self.calls(daemon, [[("CALL-ID", i), ("LABEL 0", "../" * 5 + "up")] for i in ids])
        self.assertEqual(len(files), len(ids))
        outside = set(self.files(self.dir)) - before - {f"output/{name}" for name in files}
        self.assertFalse([n for n in outside if n.endswith((".wav", ".part"))], outside)
        for name in files:
            self.assertFalse({"..", "."} & set(name.split("/")), name)
            name.encode() # is text

    def test_labels(self):
        daemon = self.recorder("--output-single", "--output-pattern=%l/%c-%t")
        files = self.calls(daemon, [[("LABEL 0", "agent 7"), ("LABEL 1", "customer")]])
        self.assertEqual({name.split("/")[0] for name in files}, {"agent 7", "customer"})

    def test_repeated_names(self):
        daemon = self.recorder("--output-mixed")
        files = self.calls(daemon, [[("RECORDING_FILE", "same")]] * 23)
        self.assertEqual(set(files), {"same.wav"} | {f"same-{i}.wav" for i in range(1, 23)})
        self.assertEqual({self.sidecar(path)["files"][0]["path"] for path in files.values()},
            set(files.values()))


if __name__ == "__main__":
    main()
