#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where recordings go, and what others have to say in it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recorded import *  # noqa: E402,F403


class NameTest(RecordCase):
    def calls(self, daemon, befores):
        """A second of audio in each of some calls at once, with sections before their streams."""
        hands = [self.hand(daemon, f"call{i}", before) for i, before in enumerate(befores)]
        wait_for("all streams", lambda: daemon.status().get("sources_opened") == 2 * len(hands))
        speak(0.5, *(voice for _, voices in hands for voice in voices))
        for hand, _ in hands:
            hand.end()
        return self.finish(daemon, len(hands))

    def test_directories_on_the_way_are_made(self):
        """As rtpengine-recording makes them: with output-chmod-dir, output-chown and output-chgrp."""
        owner = (65534, 65533) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        top = os.path.join(self.dir, "made")
        self.out = os.path.join(top, "on", "demand")
        files = self.calls(self.recorder("--output-mixed", "--output-chmod-dir=0711",
            f"--output-chown={owner[0]}", f"--output-chgrp={owner[1]}", "--output-pattern=%2/%c-%t"),
            [[]])
        self.assertEqual(len(files), 1)
        made = [at for at, _, _ in os.walk(top)]
        self.assertEqual(len(made), 4)
        for at in map(os.stat, made):
            self.assertEqual((at.st_mode & 0o7777, at.st_uid, at.st_gid), (0o711, *owner))

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
