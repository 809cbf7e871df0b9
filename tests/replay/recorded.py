# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of recordings have in common: who speaks, a daemon that records, and what its files
and sidecars have to be."""
import hashlib
import json
import os
import subprocess
import time

from harness import *  # noqa: F403
from heard import HeardCase, tone
from schema import Schema

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
