#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kills a recording: kill -9 at any time. SPOOLWIRE_ROUNDS: how often (6; 50 before a release);
SPOOLWIRE_SEED."""
import glob
import random
import wave

from faults import *

ROUNDS = int(os.environ.get("SPOOLWIRE_ROUNDS", "6"))
SEED = int(os.environ.get("SPOOLWIRE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
PROMISE = 5.0  # [s] the most that a kill may take of a call


def note_of(path):
    """What is needed to go on with a recording."""
    note = json.loads(read(path))
    part = note["path"].replace("%25", "%") + ".part"
    try:
        frames = max(os.path.getsize(part) - 80, 0) // (2 * note["channels"])
    except FileNotFoundError:
        return None
    return {"path": part, "parent": note["parent"].replace("%25", "%"), "label": note["label"],
        "begin": note["started"] / 1e6, "end": note["started"] / 1e6 + frames / note["rate_hz"]}


class RecordFaults(FaultCase):
    # ---- kill -9

    def round(self, number, chance):
        """Kills at a random time while calls run; [seconds missing] of each file at that time."""
        name, calls, seconds = f"round{number}", 6, 7
        when, down = chance.uniform(1.5, 8), chance.uniform(0.1, 1.2)
        self.out = os.path.join(self.dir, name)
        endpoint = self.receiver(name=name + "-receive", options=["--quiet"])
        daemon = self.recorder(endpoint, name=name)
        begin = time.time()
        feed = self.feed(daemon, "--calls", str(calls), "--rate", "3", "--seconds", str(seconds),
            "--call-id", name, name=name + "-feed")
        time.sleep(max(0, begin + when - time.time()))
        killed = time.time()
        daemon.kill()
        notes = [n for n in map(note_of, glob.glob(daemon.state + "/recordings/*.json")) if n]
        time.sleep(down)
        again = self.recorder(endpoint, name=name + "-again")
        back = time.time()
        feed.wait(DEADLINE)
        wait_for("the end of all calls", lambda: not os.listdir(again.spool))
        self.assertEqual(len({(n["parent"], n["label"]) for n in notes}), len(notes))
        found = self.wait_published(2 * calls)
        missing = self.check_files(found, notes, killed, back, seconds)
        self.assertEqual(again.stop(), 0)
        print(f"round {number}: killed after {when:.2f} s for {down:.2f} s, missing at most "
            f"{max(missing, default=0):.2f} s of {len(missing)} files", file=sys.stderr)
        return missing

    def check_files(self, found, notes, killed, back, seconds):
        missing = []
        by_path = {f.path + ".part": f for f in found}
        for f in found:
            self.assertIsNotNone(f.sidecar, f.path)
            self.assertEqual((f.said["frames"], f.said["bytes"]), (f.frames, f.size), f.path)
            self.assertGreater(f.share_at(0), 0.9, f.path)
            self.assertGreater(f.share_at(f.seconds - 0.12, 0.1), 0.6, f.path)
        for n in notes:
            f = by_path[n["path"]]
            end = n["begin"] + seconds
            missing.append(max(0, min(end, killed) - n["end"]))
            self.assertLess(missing[-1], PROMISE, n)
            start = f.said["start"]
            self.assertAlmostEqual(clock(start), n["begin"], delta=0.002, msg=f.path)
            if f.sidecar["recovered"]:
                self.assertLess(end, back + 1, f.path)
                self.assertGreater(f.seconds, min(end, killed) - n["begin"] - PROMISE)
            else:  # gone on with, in its own time
                self.assertGreater(end, killed - 1, f.path)
                if end > back + 0.5:
                    # What lay in the stream's queue (16 packets) is heard as of the restart.
                    self.assertAlmostEqual(f.seconds, seconds, delta=0.4, msg=f.path)
                    gaps = f.gaps()
                    self.assertEqual(len(gaps), 1, (f.path, gaps))
                    self.assertAlmostEqual(gaps[0][0], n["end"] - n["begin"], delta=0.05)
                    self.assertLess(gaps[0][1] + n["begin"], back + 0.5)
        return missing

    def test_killed_at_any_time(self):
        print(f"SPOOLWIRE_SEED={SEED}", file=sys.stderr)
        chance = random.Random(SEED)
        missing = sorted(m for i in range(ROUNDS) for m in self.round(i, chance))
        n = len(missing)
        print(f"{ROUNDS} times kill -9, {n} open recordings: missing [s] p50 "
            f"{missing[n // 2]:.2f} p90 {missing[n * 9 // 10]:.2f} max {missing[-1]:.2f}",
            file=sys.stderr)

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
            self.assertIsNotNone(f.sidecar, f.path)
        self.assertEqual(again.stop(), 0)

    def test_killed_and_silent_since(self):
        """Who says nothing any more after the restart has a recording, too, when the call ends."""
        daemon = self.recorder(None)
        hand = Hand(daemon)
        hand.section("METADATA", "a")
        stream = hand.stream(0, "tag-0-media-0-component-1-RTP-id-0")
        hand.section("MEDIA 0 PAYLOAD TYPE 8", "PCMA/8000")
        hand.section("RECORDING 1")
        hand.speak(stream, 150)
        daemon.kill()
        again = self.recorder(None, "--empty-calls=drop", name="again")
        wait_for("the stream", lambda: again.status().get("sources_opened"))
        hand.end()
        again.wait_accounts(1)
        wait_for("the recording", lambda: not self.left())
        found = self.files()
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].sidecar["recovered"])
        self.assertEqual(again.stop(), 0)

    # ---- growing

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
