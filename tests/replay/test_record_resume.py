#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call across kill -9: its recordings go on in their files, and their time stays true."""
import operator
import random

from crash import *
from heard import alaw


class RecordResume(CrashCase):
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


if __name__ == "__main__":
    main()
