#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same calls recorded by Debian's rtpengine-recording and by spoolwire: the same file names, the
same durations, the same sound. Where they differ the test says how, and the manual page says why.

With SPOOLWIRE_TABLE=FILE a row for each comparison is appended there."""
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import *  # noqa: E402,F403
from test_wire import Recording, correlation  # noqa: E402

FRAME = 0.02 # [s]


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


class ParityTest(Case):
    @classmethod
    def setUpClass(cls):
        cls.tools = tempfile.mkdtemp(prefix="spoolwire-")
        cls.addClassCleanup(shutil.rmtree, cls.tools, ignore_errors=True)
        cls.shim = os.path.join(cls.tools, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", cls.shim,
            os.path.join(SOURCE, "tests/bench/shim.c"), "-ldl"], check=True)

    def files(self, folder):
        """{name below folder, without the random tag of the call: path}. The call-id of 10.5's
        patterns has that tag behind it, and it knows neither %r nor %{key}."""
        return {re.sub(r"-[0-9a-f]{16}(?=[-_])", "", os.path.relpath(os.path.join(at, name),
            folder)): os.path.join(at, name) for at, _, names in os.walk(folder)
            for name in names if not name.endswith(".json")}

    def both(self, *options, feed=(), ours=()):
        """The files of rtpengine-recording and of spoolwire."""
        feed = ["--seed=11", "--call-id=wire", "--seconds=3", *feed]
        dirs = [os.path.join(self.dir, name) for name in ("theirs", "ours")]
        for d in dirs:
            os.makedirs(os.path.join(d, "output"))
        receiver = self.keep(Receiver(self.dir))
        theirs = self.keep(Recording(dirs[0], receiver, self.shim, options or ["--output-single",
            "--output-mixed"]))
        spoolwire = self.keep(Spoolwire(dirs[1], None, ["--output-storage=file",
            f"--output-dir={dirs[1]}/output", *options, *ours]))
        feeds = [self.keep(Feed(d, feed)) for d in (theirs, spoolwire)]
        fed = [f.result() for f in feeds][1]
        spoolwire.wait_accounts(fed["calls"])
        wait_for("the end of its streams", lambda: theirs.text().count("EOF on stream") >=
            fed["streams"])
        self.assertEqual(spoolwire.stop(), 0)
        theirs.stop()
        return [self.files(os.path.join(d, "output")) for d in dirs]

    def assertSame(self, theirs, ours, seconds=3.0, least=0.99, least_mixed=0.85, case=""):
        """Names, rate, channels, durations, sound."""
        self.assertTrue(ours)
        self.assertEqual(sorted(theirs), sorted(ours))
        off, alike, alike_mixed = 0.0, [], []
        for name in ours:
            rate, channels, our = decode(ours[name])
            their_rate, their_channels, their = decode(theirs[name])
            self.assertEqual((rate, channels), (their_rate, their_channels), name)
            mixed = "mix" in name
            padding = 0.12 if ".mp3" in name else 0 # an encoder's frame and delay at both ends
            self.assertAlmostEqual(len(our[0]) / rate, seconds, delta=FRAME + padding, msg=name)
            unflushed = 0.5 if padding else 0 # 10.5 leaves the end of an MP3 in its encoder
            if mixed: # what its mixer holds at the end its recording never gets
                self.assertLess(len(their[0]) / rate, seconds + 2 * FRAME + padding, name)
                self.assertGreater(len(their[0]) / rate, seconds - 0.6 - unflushed, name)
            else:
                off = max(off, abs(len(their[0]) - len(our[0])) / rate)
                self.assertLessEqual(off, FRAME + unflushed, name)
            for ours_, theirs_ in self.pair(our, their, rate):
                like = best_correlation(ours_, theirs_, rate)
                (alike_mixed if mixed else alike).append(like)
                self.assertGreater(like, least_mixed if mixed else least, name)
        self.say(case or self.id().rsplit(".", 1)[-1], ours, off, alike, alike_mixed)

    def pair(self, ours, theirs, rate):
        """Channels that hold a participant: theirs are in the order of the first packets."""
        sounding = [[c for c in side if max(map(abs, c)) > 100] for side in (ours, theirs)]
        self.assertEqual(*map(len, sounding))
        for our in sounding[0]:
            yield our, max(sounding[1], key=lambda c: best_correlation(our, c, rate))

    def say(self, case, files, off, alike, alike_mixed):
        if "SPOOLWIRE_TABLE" in os.environ:
            with open(os.environ["SPOOLWIRE_TABLE"], "a") as f:
                f.write(f"{case} | {len(files)} | {off * 1000:.1f} | "
                    f"{min(alike, default=0):.4f} | {min(alike_mixed, default=0):.4f}\n")

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

    # ---- formats and rates ----------------------------------------------------------------

    def test_mp3(self):
        need("ffmpeg")
        theirs, ours = self.both("--output-format=mp3", "--output-single", "--resample-to=8000",
            "--mp3-bitrate=64000")
        self.assertSame(theirs, ours, least=0.98)

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

    def test_format_none(self):
        theirs, ours = self.both("--output-format=none")
        self.assertEqual((theirs, ours), ({}, {}))


if __name__ == "__main__":
    if not shutil.which("rtpengine-recording") or not shutil.which("cc"):
        print("no rtpengine-recording to compare with, or no cc for the shim: skipped")
        sys.exit(77)
    main()
