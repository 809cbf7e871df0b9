#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings and kill -9 at any time: what is there of them, and what becomes of it.
SPOOLWIRE_ROUNDS: of kill -9 at random times (4; 50 before a release), four at a time;
SPOOLWIRE_SEED."""
import concurrent.futures
import random

from crash import *

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
            self.assertGreater(f.seconds, 1.9, f.path) # of 3 s, 1 s of which waits in memory
            self.assertIsNotNone(f.sidecar["call"], f.path)
        self.assertEqual(again.stop(), 0)

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
