#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start makes of what a crash has left: of every format, half encoded, after a power cut, with
notes that are none."""
import concurrent.futures
import random

from crash import *

LAME = (1105 + 2 * 576) / 8000 # [s] its delay and the rest of the last frames
CUTS = 6 # of the power
AFTER_A_CUT = 7.0 # [s] the most that is missing then: files are synced together every 2 to 4 s
SEED = int(os.environ.get("SPOOLWIRE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


class RecordRepair(CrashCase):
    # ---- the sidecar

    def test_what_is_known_of_a_recovered_call(self):
        """All that was known of it by then, with or without the call in the spool."""
        redis = self.redis()
        url = f"--redis-url=redis://127.0.0.1:{redis.port}/0"
        for ended in True, False:
            call_id = f"ended-{ended}"
            parent = call_id + "-0123456789abcdef"
            redis.push(call_id, {"caller": "4711", "tenant": "ä"})
            self.out = os.path.join(self.dir, f"out-{ended}")
            options = "--output-mixed", "--mix-method=channels", url
            daemon = self.recorder(None, *options, name=f"spoolwire-{ended}")
            speaker = Speaker(daemon, parent)
            speaker.speak(60)
            wait_for("the memo", lambda: b"4711" in read(
                os.path.join(daemon.state, "recordings", parent + ".call")))
            speaker.speak(100)
            daemon.kill()
            redis.command("DEL", "call-mq:" + call_id)
            if ended:
                speaker.end()
            again = self.recorder(None, *options, name=f"again-{ended}")
            if not ended:
                speaker.speak(60)
                speaker.end()
            self.wait_published(3)
            self.assertEqual(again.stop(), 0)
            self.check_known(ended, call_id)

    def check_known(self, recovered, call_id):
        for path, sidecar in self.sidecars().items():
            [f], call = sidecar["files"], sidecar["call"]
            self.assertEqual(sidecar["recovered"], recovered, path)
            self.assertEqual(call["call-id"], call_id)
            if recovered:
                self.assertEqual((call["end"], call["ended"]), ("running", None))
            self.assertEqual(call["metadata"]["parsed"], {"a": "b", "c": "d"})
            self.assertEqual(call["data"]["merged"], {"caller": "4711", "tenant": "ä"})
            self.assertEqual({t["tag"] for t in call["tags"]}, {"tag0", "tag1"})
            self.assertEqual({s["ssrcs"][0]["codec"] for s in call["streams"]}, {"PCMA"})
            self.assertAlmostEqual(File(path).seconds, f["duration"], delta=0.001)
            self.assertGreater(f["duration"], 2)
            self.assertAlmostEqual(clock(f["end"]) - clock(f["start"]), f["duration"],
                delta=0.001)
            self.assertLess(clock(call["seen"]), clock(f["start"]) + 0.5, path)
            who = {"stream 0": ["tag0"], "stream 1": ["tag1"], "mixed": ["tag0", "tag1"]}
            self.assertEqual([w for w in f["channel-map"] if w], who[f["label"]])

    def test_another_format_is_configured(self):
        """What was begun as WAV is published as that, and its sidecar says so."""
        daemon = self.recorder(None)
        speaker = Speaker(daemon, streams=1)
        speaker.speak(150)
        daemon.kill()
        speaker.end()
        again = self.recorder(None, "--output-format=opus", name="again")
        [f] = self.wait_published(1)
        self.assertEqual(f.said["format"], "wav")
        self.assertEqual(again.stop(), 0)
        self.assertEqual(len(self.sidecars()), 1)

    def test_channels_of_media(self):
        """Those of the crashed run, whatever is configured now."""
        options = "--output-mixed", "--mix-method=channels", "--mix-num-inputs=2"
        daemon = self.recorder(None, *options, "--output-mixed-per-media")
        speaker = Speaker(daemon, streams=3)
        for n, section in (0, 1), (1, 0), (2, 1):
            speaker.hand.section(f"STREAM {n} details", f"TAG {n} MEDIA {n} COMPONENT 1 FLAGS 0 "
                f"MEDIA-SDP-ID {section}")
        speaker.speak(100)
        wait_for("the memo", lambda: read(os.path.join(daemon.state, "recordings",
            "by-hand-0123456789abcdef.call")).count(b'"channel":1') == 2)
        daemon.kill()
        speaker.end()
        again = self.recorder(None, *options, name="again")
        self.wait_published(4)
        who = {f["label"]: f["channel-map"] for s in self.sidecars().values() for f in s["files"]}
        self.assertEqual(who["mixed"], ["tag1", "tag0+tag2"])
        self.assertEqual(who["stream 2"], ["tag2"])
        self.assertEqual(again.stop(), 0)

    # ---- formats

    FORMATS = [(f, g) for f in ("wav", "raw", "mp3") for g in (False, True)] + [
        ("opus", False), ("flac", False)]

    def test_every_format(self):
        """Killed in mid-call; one call has ended meanwhile, the other goes on."""
        need("ffmpeg", "ffprobe")
        runs = []
        for format_, growing in self.FORMATS:
            place = os.path.join(self.dir, f"{format_}-{growing}")
            os.makedirs(place)
            options = ["--output-storage=file", f"--output-dir={place}/out", "--output-single",
                f"--output-format={format_}", "--output-mixed",
                "--mix-method=" + ("channels" if growing or format_ == "flac" else "direct"),
                "--mix-num-inputs=2",
                *["--flush-packets"] * growing]
            daemon = self.keep(Spoolwire(place, None, options))
            runs.append((place, options, daemon,
                [Speaker(daemon, f"{name}-0123456789abcdef") for name in ("ended", "running")]))
        everybody = [s for r in runs for s in r[3]]
        speak = concurrent.futures.ThreadPoolExecutor(len(everybody))
        list(speak.map(lambda s: s.speak(200), everybody))
        for _, _, daemon, (ended, _) in runs:
            daemon.kill()
            ended.end()
        again = [self.keep(Spoolwire(place, None, options, name="again"))
            for place, options, _, _ in runs]
        running = [s[1] for _, _, _, s in runs]
        list(speak.map(lambda s: s.speak(100), running))
        for s in running:
            s.end()
        for (place, options, _, _), daemon, (format_, growing) in zip(runs, again, self.FORMATS):
            with self.subTest(format=format_, growing=growing):
                wait_for("six recordings", lambda: len(glob.glob(place + "/out/*.json")) == 6
                    and not unfinished(place))
                self.check_format(place + "/out", format_, growing)
                self.assertEqual(daemon.stop(), 0)

    def check_format(self, out, format_, growing):
        sidecars = self.sidecars(out)
        self.assertEqual(len(glob.glob(out + "/*")), 12, os.listdir(out))
        for path, sidecar in sidecars.items():
            [f] = sidecar["files"]
            ended = "ended" in f["name"]
            self.assertEqual(sidecar["recovered"], ended, path)
            self.assertEqual(sidecar["call"]["call-id"], "ended" if ended else "running", path)
            if ended:
                self.assertLessEqual(f["duration"], 4.1, path)
                self.assertGreater(f["duration"], 2.5, path)
            else:
                self.assertGreater(f["duration"], 5.9, path)
            raw = ["-f", "s16le", "-ar", "8000", "-ac", str(f["channels"])]
            source = raw if format_ == "raw" else []
            pcm = subprocess.run(["ffmpeg", "-v", "error", *source, "-i", path, "-f", "s16le",
                "-ar", "8000", "-"], capture_output=True, check=False)
            self.assertEqual((pcm.returncode, pcm.stderr), (0, b""), path)
            heard = array.array("h", pcm.stdout)[::f["channels"]]
            self.assertAlmostEqual(len(heard) / 8000, f["duration"],
                delta=LAME if format_ == "mp3" else 0.021, msg=path)
            hz = [1000] if f["label"] == "stream 1" else [440]
            hz += [1000] if f["label"] == "mixed" and f["channels"] == 1 else []
            for part in heard[4000:8000], heard[-8000:-4000]:
                self.assertGreater(sum(level(part, 8000, h) for h in hz), 0.9, path)

    def test_killed_while_encoding(self):
        """An hour of it, so that there is time to be killed; the PCM is what stays."""
        daemon = self.recorder(None, "--output-format=flac")
        speaker = Speaker(daemon, streams=1)
        speaker.speak(150)
        daemon.kill()
        speaker.end()
        [part] = glob.glob(self.out + "/*.part")
        hours = 80 + 2 * 8000 * 3600
        os.truncate(part, hours)
        for i in range(3):
            again = self.recorder(None, "--output-format=flac", name=f"again{i}")
            part2 = part + "2"
            wait_for("the encoder", lambda: os.path.exists(part2) and os.path.getsize(part2))
            again.kill()
            self.assertEqual(os.path.getsize(part), hours)
            self.assertEqual(read(part)[:4], b"RIFF")
        again = self.recorder(None, "--output-format=flac", name="again")
        wait_for("the recording", lambda: not self.left() and glob.glob(self.out + "/*.flac"))
        [(path, sidecar)] = self.sidecars().items()
        self.assertEqual(sidecar["files"][0]["duration"], 3600)
        self.assertEqual(len(os.listdir(self.out)), 2)
        self.assertTrue(sidecar["recovered"])
        self.assertEqual(again.stop(), 0)

    # ---- power

    def block_state(self, image):
        """What a power cut leaves of a file system: what has reached its device by now, and all of
        that at one moment: twice the same was there all the while between."""
        data = None
        for _ in range(50):
            before, data = data, read(image)
            if data == before:
                return data
        raise AssertionError("the device was never still")

    def test_power_cut(self):
        """The block state at random moments, mounted and recovered: what was published is whole,
        of what was recorded no more is missing than docs/recording.md says."""
        need("mkfs.ext4", "e2fsck")
        disk, image = os.path.join(self.dir, "disk"), os.path.join(self.dir, "image")
        with open(image, "wb") as f:
            f.truncate(24 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.mount("-o", "loop", image, to=disk)
        self.out = disk + "/out"
        options = f"--output-dir={self.out}", f"--state-dir={disk}/state"
        os.mkdir(disk + "/state")
        daemon = self.recorder(None, *options)
        short = self.feed(daemon, "--calls", "10", "--rate", "3", "--seconds", "3",
            "--call-id", "short", name="short")
        long = self.feed(daemon, "--calls", "3", "--seconds", "15", "--call-id", "long")
        begin, chance, cuts = time.time(), random.Random(SEED), []
        for when in sorted(chance.uniform(2, 15) for _ in range(CUTS)):
            time.sleep(max(0, begin + when - time.time()))
            published = glob.glob(self.out + "/*.wav")
            taken = time.time()
            cuts.append((taken, published, self.block_state(image)))
        for p in short, long, daemon:
            p.kill()
        subprocess.run(["umount", disk], check=True)
        behind = sorted(b for cut in cuts for b in self.after_the_cut(disk, options, *cut))
        print(f"{CUTS} power cuts, {len(behind)} unfinished recordings: missing [s] "
            f"p50 {behind[len(behind) // 2]:.2f} max {behind[-1]:.2f}", file=sys.stderr)

    def after_the_cut(self, disk, options, taken, published, state):
        """[seconds missing] of what was unfinished then."""
        # A file of its own: a loop device that is not quite gone yet would show its old content.
        image = os.path.join(self.dir, f"image{taken}")
        with open(image, "wb") as f:
            f.write(state)
        checked = subprocess.run(["e2fsck", "-fp", image], capture_output=True, check=False)
        self.assertLess(checked.returncode, 4, checked.stdout)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        place = os.path.join(self.dir, f"cut{taken}") # of the spool, which is empty now
        os.mkdir(place)
        again = self.keep(Spoolwire(place, None, ["--output-storage=file", "--output-single",
            *options]))
        # What was not even noted then has no sound: its .part is an empty WAV that nobody knows.
        wait_for("recovery", lambda: not os.listdir(disk + "/state/recordings"))
        for part in glob.glob(self.out + "/*.part"):
            self.assertLessEqual(os.path.getsize(part), 80, part)
        self.assertEqual(again.stop(), 0)
        self.assertEqual(again.last_status().get("rec_unrecoverable", 0), 0)
        for name in published:
            self.assertTrue(os.path.exists(name), name)
        behind = []
        for path, sidecar in self.sidecars().items():
            f = File(path)
            self.assertEqual(f.frames, sidecar["files"][0]["frames"])
            if not sidecar["recovered"]:
                self.assertAlmostEqual(f.seconds, 3, delta=0.1)
                continue
            end = min(taken, clock(f.said["start"]) + (3 if f.call.startswith("short") else 15))
            self.assertLess(clock(f.said["end"]), taken + 0.5, "of after the cut: " + path)
            behind.append(max(0, end - clock(f.said["end"])))
            self.assertLess(behind[-1], AFTER_A_CUT, path)
            if f.seconds > 0.5:
                self.assertGreater(f.share_at(0), 0.9, path)
        subprocess.run(["umount", disk], check=True)
        return behind

    def test_not_mounted(self):
        """The disk is mounted after the daemon has started: the next start publishes what is there."""
        daemon = self.recorder(None)
        speaker = Speaker(daemon)
        speaker.speak(150)
        daemon.kill()
        speaker.end()
        away = self.out + "-away"
        os.rename(self.out, away)
        os.mkdir(self.out)
        early = self.recorder(None, name="early")
        wait_for("a word of both", lambda: early.status().get("rec_unrecoverable") == 2)
        self.assertIn("mounted", early.text())
        self.assertEqual(early.stop(), 0)
        os.rmdir(self.out)
        os.rename(away, self.out)
        again = self.recorder(None, name="again")
        self.wait_published(2)
        for sidecar in self.sidecars().values():
            self.assertTrue(sidecar["recovered"])
            self.assertEqual(sidecar["call"]["call-id"], "by-hand")
        self.assertEqual(again.stop(), 0)

    # ---- notes

    def note(self, **kw):
        return json.dumps({"version": 1, "path": self.out + "/gone.wav", "parent": "gone-01",
            "label": "mixed", "format": "wav", "growing": False, "channels": 1,
            "rate_hz": 8000, "mp3_bitrate": 0, "started": 1795243720801310, "frames": -1,
            "mode": -1, "owner": -1, "group": -1, **kw}).encode()

    def records(self, daemon):
        before = len(glob.glob(self.out + "/*.wav"))
        self.feed(daemon, "--seconds", "2", "--call-id", "new",
            name=os.path.basename(daemon.log) + "-feed").result()
        wait_for("recordings", lambda: len(glob.glob(self.out + "/*.wav")) == before + 2)

    def test_bad_notes(self):
        """None of them is fatal; what cannot be recovered is counted, and said once."""
        other = os.path.join(self.dir, "other-dir")
        folder = os.path.join(self.dir, "state", "recordings")
        os.makedirs(folder)
        os.makedirs(other)
        with open(other + "/old.wav.part", "wb") as f:
            f.write(bytes(80 + 16000))
        for name in "a", "b":
            with open(f"{other}/{name}.wav.part", "wb") as f:
                f.write(b"this is no recording" * 10)
        good = {"other-dir": self.note(path=other + "/old.wav", parent="old-01"),
            "gone": self.note()}
        bad = {"empty": b"", "zeros": bytes(500), "torn": self.note()[:80],
            "array": b"[]", "deep": b"[" * 60000, "version": self.note(version=2),
            "upwards": self.note(path="/tmp/../etc/x"), "not-ours": self.note(path=other + "/a.wav"),
            "no-wave": self.note(path=other + "/b.wav", channels=2), "huge": self.note() + b" " * 70000}
        for name, content in {**good, **bad}.items():
            with open(f"{folder}/{name}.json", "wb") as f:
                f.write(content)
        with open(folder + "/sparse.json", "wb") as f:
            f.truncate(1 << 40)
        os.symlink("/dev/zero", folder + "/link.json")
        os.mkfifo(folder + "/fifo.json")
        os.makedirs(folder + "/directory.json")
        for name, content in ("dead-01.call", b"{}"), ("x.call", b"[" * 100000), ("1-0.tmp", b""):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(content)
        daemon = self.recorder(None)
        wait_for("the old one", lambda: os.path.exists(other + "/old.wav"))
        self.records(daemon)
        status = daemon.status()
        self.assertEqual(status["rec_recovered"], 1)
        self.assertEqual(status["rec_unrecoverable"], len(bad) + 4, daemon.text())
        said = [l for l in daemon.text().splitlines() if "cannot be recovered" in l]
        self.assertEqual(len(said), 1, said)
        self.assertEqual(json.loads(read(other + "/old.json"))["call"], None)
        self.assertEqual(File(other + "/old.wav").seconds, 1)
        names = os.listdir(folder)
        for gone in "gone.json", "other-dir.json", "dead-01.call", "x.call", "1-0.tmp":
            self.assertNotIn(gone, names)
        for stays in "a.wav.part", "b.wav.part":
            self.assertEqual(read(f"{other}/{stays}")[:20], b"this is no recording")
        self.assertEqual(daemon.stop(), 0)

    def test_no_place_for_notes(self):
        """Recording goes on; that a crash would not be made good is said."""
        os.makedirs(os.path.join(self.dir, "state"))
        with open(os.path.join(self.dir, "state", "recordings"), "w") as f:
            f.write("no directory")
        daemon = self.recorder(None)
        self.records(daemon)
        said = [l for l in daemon.text().splitlines() if "a crash of now would orphan" in l]
        self.assertEqual(len(said), 1, daemon.text())
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
