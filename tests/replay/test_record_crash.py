#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings and kill -9: what a start finds is gone on with, or published. SPOOLWIRE_ROUNDS: of kill
-9 at random times (4; 50 before a release), four at a time; SPOOLWIRE_SEED."""
import concurrent.futures
import operator
import random

from crash import *
from heard import alaw

ROUNDS = int(os.environ.get("SPOOLWIRE_ROUNDS", "4"))
SEED = int(os.environ.get("SPOOLWIRE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
LATE = 0.04    # [s] how wrong the length of a recording may be after a restart


class RecordCrash(CrashCase):
    # ---- at any time

    def round(self, number, when, down):
        """[seconds missing] of each file that was open when it was killed."""
        place = os.path.join(self.dir, f"round{number}")
        os.makedirs(place)
        out, calls, seconds = os.path.join(place, "out"), 6, 7
        options = ["--output-storage=file", "--output-single", f"--output-dir={out}"]
        daemon = self.keep(Spoolwire(place, None, options))
        begin = time.time()
        feed = self.keep(Feed(daemon, ["--calls", str(calls), "--rate", "3",
            "--seconds", str(seconds), "--call-id", f"round{number}"]))
        time.sleep(max(0, begin + when - time.time()))
        daemon.kill()
        killed = time.time()
        notes = notes_of(daemon)
        time.sleep(down)
        again = self.keep(Spoolwire(place, None, options, name="again"))
        back = time.time()
        feed.wait(DEADLINE)
        wait_for("the end of all calls", lambda: not os.listdir(again.spool))
        self.assertEqual(len({(n["parent"], n["label"]) for n in notes}), len(notes))
        found = self.wait_published(2 * calls, place)
        missing = self.check_files(found, notes, killed, back, seconds)
        self.assertEqual(len(self.sidecars(out)), 2 * calls)
        self.assertEqual(again.stop(), 0)
        print(f"round {number}: killed after {when:.2f} s for {down:.2f} s, missing at most "
            f"{max(missing, default=0):.2f} s of {len(missing)} files", file=sys.stderr)
        return len(found), missing

    def check_files(self, found, notes, killed, back, seconds):
        missing = []
        by_path = {f.path + ".part": f for f in found}
        for f in found:
            self.assertIsNotNone(f.sidecar["call"], f.path)
            self.assertEqual((f.said["frames"], f.said["bytes"]), (f.frames, f.size), f.path)
            self.assertGreater(f.share_at(0), 0.9, f.path)
            self.assertGreater(f.share_at(f.seconds - 0.12, 0.1), 0.6, f.path)
        for n in notes:
            f = by_path[n["path"]]
            end = n["begin"] + seconds
            missing.append(max(0, min(end, killed) - n["end"]))
            self.assertLess(missing[-1], PROMISE, n)
            self.assertAlmostEqual(clock(f.said["start"]), n["begin"], delta=0.002, msg=f.path)
            if f.sidecar["recovered"]:
                self.assertLess(end, back + 1, f.path)
                self.assertGreater(f.seconds, min(end, killed) - n["begin"] - PROMISE)
            else:  # gone on with, in its own time
                self.assertGreater(end, killed - 1, f.path)
                if end > back + 0.5:
                    self.assertAlmostEqual(f.seconds, seconds, delta=LATE, msg=f.path)
                    gaps = f.gaps()
                    if not gaps: # filled by what lay in the stream's queue, 16 packets
                        self.assertLess(back - n["end"], 0.4, f.path)
                        continue
                    self.assertEqual(len(gaps), 1, (f.path, gaps))
                    self.assertAlmostEqual(gaps[0][0], n["end"] - n["begin"], delta=0.05)
                    self.assertLess(gaps[0][1] + n["begin"], back + 0.5)
        return missing

    def test_killed_at_any_time(self):
        print(f"SPOOLWIRE_SEED={SEED}", file=sys.stderr)
        chance = random.Random(SEED)
        plan = [(i, chance.uniform(1.5, 8), chance.uniform(0.1, 1.2)) for i in range(ROUNDS)]
        with concurrent.futures.ThreadPoolExecutor(4 if TIMES else 1) as pool:
            rounds = list(pool.map(lambda p: self.round(*p), plan))
        missing = sorted(m for _, of in rounds for m in of)
        n = len(missing)
        print(f"{ROUNDS} times kill -9, {sum(r[0] for r in rounds)} recordings, {n} of them open: "
            f"missing [s] p50 {missing[n // 2]:.2f} p99 {missing[n * 99 // 100]:.2f} "
            f"max {missing[-1]:.2f}", file=sys.stderr)

    def test_killed_after_the_end(self):
        """What was not yet published then is published by the next start."""
        endpoint = self.receiver()
        daemon = self.recorder(endpoint)
        feed = self.feed(daemon, "--calls", "20", "--rate", "100", "--seconds", "3")
        feed.wait(DEADLINE)
        daemon.kill()
        again = self.recorder(endpoint, name="again")
        found = self.wait_published(40)
        for f in found:
            self.assertGreater(f.seconds, 2, f.path) # and at most 5 s of each call
            self.assertIsNotNone(f.sidecar["call"], f.path)
        self.assertEqual(again.stop(), 0)

    # ---- one call, by hand

    def test_silent_since(self):
        """Who says nothing any more after the restart has a recording, too, when the call ends:
        that one, and none for an empty call."""
        for empty in "drop", "keep":
            with self.subTest(empty):
                self.out = os.path.join(self.dir, empty)
                daemon = self.recorder(None, name=empty)
                speaker = Speaker(daemon, f"{empty}-0123456789abcdef", 1)
                speaker.speak(100)
                wait_for("all of it", lambda: daemon.status().get("packets_in") == 100)
                daemon.kill()
                again = self.speaks_again(f"--empty-calls={empty}")
                [f] = self.ends(again, speaker, 1)
                self.assertTrue(f.sidecar["recovered"])
                shutil.rmtree(again.accounts_dir)

    def test_published_before(self):
        """What is finished already is no empty call either."""
        daemon = self.recorder(None, "--on-pause=new-file")
        speaker = Speaker(daemon, streams=1)
        speaker.speak(60)
        wait_for("all of it", lambda: daemon.status().get("packets_in") == 60)
        speaker.hand.section("RECORDING 0")
        wait_for("the first file", lambda: glob.glob(self.out + "/*.wav"))
        daemon.kill()
        again = self.speaks_again("--on-pause=new-file", "--empty-calls=keep")
        speaker.hand.section("RECORDING 1")
        wait_for("the switch", lambda: again.status())
        [f] = self.ends(again, speaker, 1)
        self.assertAlmostEqual(f.seconds, 1.2, delta=0.03)

    def check_second(self, interrupt, *options):
        """The second recording of a stream goes on in its file, too."""
        daemon = self.recorder(None, *options)
        speaker = Speaker(daemon)
        speaker.speak(60)
        interrupt(speaker)
        ssrc = 0x9999
        speaker.speak(150, ssrc)
        daemon.kill()
        notes = {n["path"]: n for n in notes_of(daemon)}
        self.assertEqual(len(notes), 2)
        again = self.restarted(speaker, ssrc, *options)
        found = self.ends(again, speaker, 4)
        went_on = [f for f in found if f.path + ".part" in notes]
        self.assertEqual(len(went_on), 2, [f.path for f in found])
        for f in went_on:
            n = notes[f.path + ".part"]
            self.assertFalse(f.sidecar["recovered"], f.path)
            self.assertEqual(f.said["label"], n["label"])
            self.assertAlmostEqual(clock(f.said["start"]), n["begin"], delta=0.002)
            [(begin, end)] = f.gaps()
            self.assertAlmostEqual(begin, n["end"] - n["begin"], delta=0.05)
            self.assertGreater(f.seconds - end, 1.5)
        for f in set(found) - set(went_on):
            self.assertAlmostEqual(f.seconds, 1.2, delta=0.05)

    def test_second_after_a_pause(self):
        def pause(speaker):
            speaker.hand.section("RECORDING 0")
            wait_for("the first files", lambda: len(glob.glob(self.out + "/*.wav")) == 2)
            speaker.hand.section("RECORDING 1")
            speaker.sent += 50
            speaker.begin = time.time() - speaker.sent * 0.02
        self.check_second(pause, "--on-pause=new-file")

    def test_second_after_a_new_ssrc(self):
        self.check_second(lambda speaker: None)

    def test_time_is_true_after_a_restart(self):
        """Where noise is heard, before and after the gap, by cross-correlation with what was said."""
        options = "--output-mixed", "--mix-method=channels"
        daemon = self.recorder(None, *options)
        speaker = Speaker(daemon)
        chance = random.Random(1)
        said = [[chance.randint(-12000, 12000) for _ in range(400 * 160)] for _ in range(2)]
        speaker.packet = lambda n, ssrc: rtp(speaker.sent, 8, bytes(map(alaw,
            said[n][speaker.sent * 160:(speaker.sent + 1) * 160])), ssrc=ssrc)
        speaker.speak(150)
        daemon.kill()
        notes = {n["path"]: n for n in notes_of(daemon)}
        again = self.restarted(speaker, 0x1234, *options)
        for f in self.ends(again, speaker, 3):
            n = notes[f.path + ".part"]
            begin, end = f.gaps()[0]
            self.assertAlmostEqual(begin, n["end"] - n["begin"], delta=0.05, msg=f.path)
            self.assertAlmostEqual(f.seconds, speaker.sent * 0.02, delta=0.04, msg=f.path)
            who = int(n["label"][-1]) if n["label"] != "mixed" else 0
            for second in 0.5, f.seconds - 0.5:
                late = self.lag(f, said[who], second)
                print(f"{n['label']} at {second:.2f} s: off by {late / 8:.1f} ms",
                    file=sys.stderr)
                self.assertLessEqual(abs(late), 2 * 160, f.path)

    def lag(self, f, said, second):
        """How many samples later than it was said a part of it is heard."""
        at, n = int(second * f.rate), 400
        part = f.samples[at:at + n]
        return -max(range(-3200, 3200), key=lambda lag: sum(map(operator.mul, part,
            said[max(at + lag, 0):max(at + lag, 0) + n])))

    # ---- headers

    def test_header_is_right_at_any_moment(self):
        """Of a .part that grows: valid, and never older than 5 s."""
        need("soxi")
        daemon = self.recorder(None)
        feed = self.feed(daemon, "--calls", "1", "--seconds", "12")
        parts = wait_for("both", lambda: len(glob.glob(self.out + "/*.part")) == 2 and
            glob.glob(self.out + "/*.part"))
        begin, seen, behind = time.time(), {p: set() for p in parts}, 0
        while time.time() < begin + 11:
            for p in parts:
                with wave.open(p) as w:
                    frames = w.getnframes()
                    self.assertEqual(len(w.readframes(frames)), 2 * frames)
                seen[p].add(frames)
                behind = max(behind, time.time() - begin - frames / 8000)
            time.sleep(0.05)
        os.link(parts[0], self.dir + "/now.wav") # sox goes by names
        said = subprocess.run(["soxi", "-D", self.dir + "/now.wav"], capture_output=True,
            text=True, check=True)
        self.assertGreater(float(said.stdout), 11 - PROMISE)
        print(f"a header was behind by at most {behind:.2f} s: {seen}", file=sys.stderr)
        self.assertGreaterEqual(min(map(len, seen.values())), 3)
        if TIMES:
            self.assertLess(behind, PROMISE)
        feed.wait(DEADLINE)
        self.wait_published(2)
        self.assertEqual(daemon.stop(), 0)

    def test_growing_files(self):
        """flush-packets: the final name from the start, and a header that is right all the while."""
        daemon = self.recorder(None, "--flush-packets")
        feed = self.feed(daemon, "--calls", "1", "--seconds", "7")
        names = wait_for("both", lambda: len(glob.glob(self.out + "/*.wav")) == 2 and
            set(glob.glob(self.out + "/*.wav")))
        seen = set()
        while feed.alive():
            self.assertEqual(set(glob.glob(self.out + "/*.wav")), names)
            self.assertEqual(glob.glob(self.out + "/*.part"), [])
            for name in names:
                with wave.open(name) as w:
                    frames = w.getnframes()
                    self.assertEqual(len(w.readframes(frames)), 2 * frames)
                    seen.add(frames)
            time.sleep(0.1)
        self.assertGreater(len(seen), 3, seen)
        wait_for("both sidecars", lambda: len(glob.glob(self.out + "/*.json")) == 2)
        for f in self.files():
            self.assertAlmostEqual(f.seconds, 7, delta=0.1)
            self.assertIn(f.path, names)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
