#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same calls recorded by Debian's rtpengine-recording and by spoolwire: the same file names, the
same durations, the same sound. Where they differ the test says how, and the manual page says why.

With SPOOLWIRE_TABLE=FILE a row for each comparison is appended there."""
import grp
import pwd
import stat

from theirs import *  # noqa: F403
from recorded import Voice, speak  # noqa: E402

FRAME = 0.02 # [s]
TONES = (400, 1200) # [Hz] of caller and callee


def decode(path):
    """(rate, channels, samples of each) of a file of any format."""
    if not path.endswith(".wav"):
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", path, path + ".wav"], check=True)
        path += ".wav"
    return samples(path)


def best_correlation(a, b, rate):
    """Greatest over shifts of up to 50 ms either way: encoders delay."""
    reach, most = rate // 20, min(len(a), len(b), 2 * rate)
    a = a[reach:most - reach]
    coarse = max(range(2 * reach), key=lambda lag: correlation(a[:rate // 8], b[lag:]))
    near = range(max(coarse - 40, 0), min(coarse + 41, 2 * reach))
    return max(correlation(a, b[lag:]) for lag in near)


class ParityTest(TheirsCase):
    def files(self, folder):
        """{name below folder, without the random tag of the call: path}. The call-id of 10.5's
        patterns has that tag behind it, and it knows neither %r nor %{key}."""
        return {re.sub(r"-[0-9a-f]{16}(?=[-_])", "", os.path.relpath(os.path.join(at, name),
            folder)): os.path.join(at, name) for at, _, names in os.walk(folder)
            for name in names if not name.endswith(".json")}

    def start(self, options, ours=()):
        """rtpengine-recording and spoolwire, and where they record to."""
        dirs = [os.path.join(self.dir, name) for name in ("theirs", "ours")]
        for d in dirs:
            os.makedirs(os.path.join(d, "output"))
        receiver = self.keep(Receiver(self.dir))
        theirs = self.keep(Recording(dirs[0], receiver, self.shim, options or ["--output-single",
            "--output-mixed"]))
        spoolwire = self.keep(Spoolwire(dirs[1], None, ["--output-storage=file",
            f"--output-dir={dirs[1]}/output", *options, *ours]))
        return theirs, spoolwire

    def finish(self, theirs, spoolwire, calls):
        spoolwire.wait_accounts(calls)
        # It says EOF of those only that end before it has seen the metafile go.
        wait_for("the end of its streams", lambda: theirs.streams() == 0)
        self.assertEqual(spoolwire.stop(), 0)
        theirs.stop()
        return [self.files(os.path.join(d.dir, "output")) for d in (theirs, spoolwire)]

    def both(self, *options, feed=(), ours=()):
        """The files of rtpengine-recording and of spoolwire."""
        feed = ["--seed=11", "--call-id=wire", "--seconds=3",
            "--tones=" + ",".join(map(str, TONES)), *feed]
        theirs, spoolwire = self.start(options, ours)
        # 10.5 reads once for each edge of epoll: where the last packet and the end come together it
        # never sees the end. As in the kernel, what waits is gone then.
        feeds = [self.keep(Feed(*of)) for of in ((theirs, [*feed, "--lose-queue"]),
            (spoolwire, feed))]
        fed = [f.result() for f in feeds][1]
        return self.finish(theirs, spoolwire, fed["calls"])

    def lose_queue(self, hand):
        """As in both()."""
        for fd in hand.streams:
            try:
                while os.read(fd, 65536):
                    pass
            except BlockingIOError:
                pass

    def by_hand(self, *options, sections=(), seconds=1):
        """The same of a call of two participants with sections of its own."""
        theirs, spoolwire = self.start(options)
        hands = [Hand(d, "hand-0123456789abcdef") for d in (theirs, spoolwire)]
        voices = []
        for d, hand in zip((theirs, spoolwire), hands):
            for label, text in sections:
                hand.section(label, text)
            voices += [Voice(hand.stream(n, f"stream{n}", f"tag{n}"), hz, 0x1000 + n)
                for n, hz in enumerate(TONES)]
            for n in range(2): # as rtpengine 10.5 writes it: it takes nothing else
                hand.section(f"STREAM {n} details",
                    f"TAG {n} MEDIA {n + 1} TAG-MEDIA 1 COMPONENT 1 FLAGS 65536")
        wait_for("both streams", lambda: spoolwire.status()["sources_opened"] == 2)
        wait_for("their streams", lambda: theirs.streams() == 2)
        speak(seconds, *voices)
        self.lose_queue(hands[0])
        for hand in hands:
            hand.end()
        return self.finish(theirs, spoolwire, 1)

    def assertSame(self, theirs, ours, seconds=3.0, case=""):
        """Names, rate, channels, durations, sound."""
        self.assertTrue(ours)
        self.assertEqual(sorted(theirs), sorted(ours))
        off, alike = {False: 0.0, True: 0.0}, {False: [], True: []} # True: mixed
        for name in ours:
            rate, channels, our = decode(ours[name])
            their_rate, their_channels, their = decode(theirs[name])
            self.assertEqual((rate, channels), (their_rate, their_channels), name)
            mixed = "mix" in name
            padding = 0.12 if ".mp3" in name else 0 # an encoder's frame and delay at both ends
            self.assertAlmostEqual(len(our[0]) / rate, seconds, delta=FRAME + padding, msg=name)
            off[mixed] = max(off[mixed], (len(our[0]) - len(their[0])) / rate, key=abs)
            alike[mixed] += self.alike(our, their, rate, mixed)
        # 10.5 leaves the end of an MP3 in its encoder, and up to half a second in its mixer.
        unflushed = 0.5 if any(".mp3" in name for name in ours) else 0
        self.assertGreater(off[False], -1.1 * FRAME)
        self.assertLess(off[False], UNREAD + unflushed)
        self.assertGreater(off[True], -2 * FRAME - 0.12)
        self.assertLess(off[True], 0.5 + FRAME + UNREAD + unflushed)
        for likes in alike.values():
            self.assertGreater(min(likes, default=1), 0.99)
        self.say(case or self.id().rsplit(".", 1)[-1], ours, off, alike)

    def alike(self, ours, theirs, rate, mixed):
        """Correlations of channels; in a mono mix 10.5 begins the second participant late, so that
        each of them is laid over its counterpart (see test_mix_keeps_time)."""
        if mixed and len(ours) == 1:
            return [Tones(ours[0], rate, TONES).like(Tones(theirs[0], rate, TONES))]
        return [best_correlation(a, b, rate) for a, b in self.pair(ours, theirs, rate)]

    def pair(self, ours, theirs, rate):
        """Channels that hold a participant: theirs are in the order of the first packets."""
        sounding = [[c for c in side if max(map(abs, c)) > 100] for side in (ours, theirs)]
        self.assertEqual(*map(len, sounding))
        for our in sounding[0]:
            yield our, max(sounding[1], key=lambda c: best_correlation(our, c, rate))

    def say(self, case, files, off, alike):
        if "SPOOLWIRE_TABLE" not in os.environ:
            return
        with open(os.environ["SPOOLWIRE_TABLE"], "a") as f:
            f.write(f"| {case} | {len(files)}, equal |" + "|".join(
                f" {1000 * off[mixed]:+.1f} ms | {min(alike[mixed]):.4f} " if alike[mixed] else
                " - | - " for mixed in (False, True)) + "|\n")

    # ---- what is written ------------------------------------------------------------------

    def test_single_and_mixed(self):
        theirs, ours = self.both()
        self.assertEqual(len(ours), 3)
        self.assertSame(theirs, ours)

    def test_neither_is_both(self):
        theirs, ours = self.both("--output-format=wav")
        self.assertEqual(len(ours), 3)
        self.assertSame(theirs, ours)

    def test_single_only(self):
        theirs, ours = self.both("--output-single")
        self.assertEqual(len(ours), 2)
        self.assertSame(theirs, ours)

    def test_mixed_only(self):
        theirs, ours = self.both("--output-mixed")
        self.assertEqual(len(ours), 1)
        self.assertSame(theirs, ours)

    def test_several_calls(self):
        theirs, ours = self.both("--output-single", feed=["--calls=3"])
        self.assertEqual(len(ours), 6)
        self.assertSame(theirs, ours)

    def test_channels(self):
        theirs, ours = self.both("--output-mixed", "--mix-method=channels")
        self.assertSame(theirs, ours)

    def test_more_participants(self):
        theirs, ours = self.both("--output-single", "--output-mixed", "--mix-method=channels",
            feed=["--streams=4", "--tones=400,900,1200,1700"])
        self.assertEqual(len(ours), 5)
        self.assertSame(theirs, ours)

    def test_mix_keeps_time(self):
        """Two who begin at once. 10.5 puts the one whose first packet it reads second behind that
        first packet of the other; ours has both where they were. Low tones, so that a
        millisecond of the machine's is no matter and 20 of them are to be seen."""
        tones = (20, 30)
        for options in [], ["--resample-to=16000"]:
            with self.subTest(options):
                folder, self.dir = self.dir, os.path.join(self.dir, f"mix{len(options)}")
                theirs, ours = self.both("--output-mixed", *options, feed=["--tones=20,30"])
                self.dir = folder
                their, our = [Tones(channels[0], rate, tones) for rate, _, channels in
                    (decode(*files.values()) for files in (theirs, ours))]
                self.assertGreater(our.like_fed(), 0.99)
                self.assertLess(their.like_fed(), 0.9)
                self.assertGreater(our.like(their), 0.99)
                first, second = their.delays()
                apart = (second - first + 1000 / 60) % (1000 / 30) - 1000 / 60
                self.assertGreater(abs(apart), 10, (their.delays(), our.delays()))

    def test_gaps_that_are_cut(self):
        """As 10.5 does it; ours unless told so keeps the time."""
        theirs, ours = self.both("--output-single", feed=["--vad=dtx", "--seconds=4"],
            ours=["--output-single-gaps=cut"])
        self.assertSame(theirs, ours)

    # ---- formats and rates ----------------------------------------------------------------

    def test_mp3(self):
        need("ffmpeg")
        theirs, ours = self.both("--output-format=mp3", "--output-single", "--resample-to=8000",
            "--mp3-bitrate=64000")
        self.assertSame(theirs, ours)

    def test_mp3_mixed(self):
        need("ffmpeg")
        self.assertSame(*self.both("--output-format=mp3", "--output-mixed"))

    def test_resample_up(self):
        self.assertSame(*self.both("--output-single", "--output-mixed", "--resample-to=16000"))

    def test_resample_44100(self):
        self.assertSame(*self.both("--output-single", "--resample-to=44100"))

    def test_g722(self):
        self.assertSame(*self.both("--output-single", "--output-mixed", feed=["--codec=G722"]))

    def test_g722_down(self):
        self.assertSame(*self.both("--output-single", "--resample-to=8000",
            feed=["--codec=G722"]))

    def test_pcmu(self):
        self.assertSame(*self.both("--output-single", "--output-mixed", feed=["--codec=PCMU"]))

    # ---- names and access -----------------------------------------------------------------

    def test_pattern(self):
        theirs, ours = self.both("--output-single", "--output-mixed",
            "--output-pattern=%Y/%m/%d/%%/%c_%t_x")
        self.assertEqual({len(name.split("/")) for name in ours}, {5})
        self.assertSame(theirs, ours)

    def test_pattern_prefix(self):
        theirs, ours = self.both("--output-single", "--output-pattern=%2/%3/%c-%t")
        self.assertTrue(all(name.startswith("wi/re-/") for name in ours), ours)
        self.assertSame(theirs, ours)

    def test_chmod(self):
        theirs, ours = self.both("--output-single", "--output-chmod=0604",
            "--output-chmod-dir=0711", "--output-pattern=%2/%c-%t")
        self.assertSame(theirs, ours)

        def modes(files):
            return {stat.S_IMODE(os.stat(p).st_mode) for path in files.values()
                for p in (path, os.path.dirname(path))}
        self.assertEqual(modes(theirs), modes(ours))
        self.assertEqual(modes(ours), {0o604, 0o711})

    def test_owner(self):
        if os.geteuid() != 0:
            self.skipTest("only root gives files away")
        theirs, ours = self.both("--output-single", "--output-chown=nobody",
            "--output-chgrp=nogroup", "--output-pattern=%2/%c-%t")
        self.assertSame(theirs, ours)
        owners = [{(os.stat(p).st_uid, os.stat(p).st_gid) for p in files.values()}
            for files in (theirs, ours)]
        self.assertEqual(owners[0], owners[1])
        self.assertEqual(owners[1],
            {(pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid)})

    def test_pattern_time(self):
        """10.5's time is that of the file, ours that of the first sample in it."""
        theirs, ours = self.both("--output-single", "--output-pattern=%H-%M-%S-%u/%c-%t")
        times = []
        for files in theirs, ours:
            for name in list(files):
                clock, rest = name.split("/")
                hour, minute, second, usec = map(int, clock.split("-"))
                self.assertEqual(len(clock), 15)
                times.append((hour * 60 + minute) * 60 + second + usec / 1e6)
                files[rest] = files.pop(name)
        self.assertLess(max(times) - min(times), 2)
        self.assertSame(theirs, ours)

    def test_pattern_label(self):
        labels = [("LABEL 0", "agent 7"), ("LABEL 1", "guest")]
        theirs, ours = self.by_hand("--output-single", "--output-mixed",
            "--output-pattern=%c-<%l>-%t", sections=labels)
        self.assertEqual({name.split("-")[1] for name in ours}, {"<agent 7>", "<guest>", "<mix>"})
        self.assertSame(theirs, ours, seconds=1.0)

    def test_output_destination(self):
        """The older name of RECORDING_FILE; two files of one name."""
        theirs, ours = self.by_hand("--output-single",
            sections=[("OUTPUT_DESTINATION", "named")])
        self.assertEqual(sorted(theirs), ["named-1.wav", "named.wav"])
        self.assertEqual(sorted(ours), sorted(theirs))
        for files in theirs, ours: # whoever was first
            for hz in TONES:
                self.assertGreater(max(level(decode(path)[2][0], 8000, hz)
                    for path in files.values()), 0.99)

    def test_pattern_label_directory(self):
        """An empty label makes no directory in 10.5; in ours that is _."""
        theirs, ours = self.by_hand("--output-single", "--output-pattern=%l/%c-%t",
            sections=[("LABEL 1", "guest")])
        self.assertEqual({name.split("/")[0] for name in ours}, {"_", "guest"})
        self.assertSame(theirs, {name.replace("_/", ""): path for name, path in ours.items()},
            seconds=1.0)

    def test_format_none(self):
        theirs, ours = self.both("--output-format=none")
        self.assertEqual((theirs, ours), ({}, {}))


if __name__ == "__main__":
    main_with_theirs()
