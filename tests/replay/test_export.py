#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spoolwire-ctl export: pcaps to recordings and sidecars. Real ones of rtpengine 10.5 from
tests/data/recordings, and odd ones written here. Python's standard library only."""
import datetime
import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import wave

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (DEADLINE, SOURCE, TIMES, Case, level, main, need, program, read,  # noqa: E402
    wait_for)
from heard import sine  # noqa: E402
from recording import Recording, Voice  # noqa: E402
from schema import Schema  # noqa: E402

DATA = os.path.join(SOURCE, "tests", "data", "recordings")
REAL = {  # parent: tones of caller and callee, seconds of both together
    "34cbe591f0e99e6d%40127.0.0.2-01d1de2e07578095": (440, 880, 2.0),
    "287b13c9e2f8ee21%40127.0.0.2-2d9b802a32809e71": (440, 880, 3.0),
    "1-14375%40127.0.0.2-dd27e2834beaf3d8": (440, 880, 3.0),
    "e4df42d1e7553eda%40127.0.0.2-3f86dd5402dfd275": (440, 880, 1.0),
}


def sound(path):
    """(rate, [samples of each channel]) of a WAV file."""
    with wave.open(path) as w:
        n, rate = w.getnchannels(), w.getframerate()
        flat = memoryview(w.readframes(w.getnframes())).cast("h").tolist()
    return rate, [flat[c::n] for c in range(n)]


def since_1970(at):
    """[s], of a time in a sidecar."""
    return datetime.datetime.fromisoformat(at).timestamp()


# A minute of it passes in little more than one second.
FAST_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int err = real(id, t);
	long long ns = (t->tv_sec * 1000000000LL + t->tv_nsec) * 50;
	if (id == CLOCK_MONOTONIC)
		*t = (struct timespec){ ns / 1000000000, ns % 1000000000 };
	return err;
}
"""


class ExportTest(Case):
    def setUp(self):
        super().setUp()
        self.spool = os.path.join(self.dir, "spool")
        self.out = os.path.join(self.dir, "out")

    def export(self, *args, status=0, out=None, env=None):
        """What it said."""
        done = subprocess.run([program("spoolwire-ctl"), "export", "-o", out or self.out, *args],
            capture_output=True, text=True, timeout=DEADLINE * 4, check=False,
            env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def files(self, out=None):
        """{name: bytes} of all that is published; nothing else may be there."""
        found = {}
        for name in sorted(os.listdir(out or self.out)):
            if name != ".spoolwire-export":
                self.assertFalse(".part" in name, name)
                found[name] = read(os.path.join(out or self.out, name))
        return found

    def journal(self):
        return os.path.join(self.out, ".spoolwire-export", "journal")

    def undo(self, pattern, by=""):
        """Makes the journal that of an export which was ended before it could say that."""
        text = read(self.journal()).decode()
        self.assertRegex(text, pattern)
        with open(self.journal(), "w", encoding="utf-8") as f:
            f.write(re.sub(pattern, by, text))

    def speaking(self, call_id, seconds=1.0, caller=440, callee=880, text=None):
        """Ports of the first offer are where the callee sends."""
        r = Recording(self.spool, call_id)
        r.sdp("offer", 20000)
        r.sdp("answer", 20010)
        r.speak(0, seconds, (20010, Voice(caller, 0x11111111)), (20000, Voice(callee, 0x22222222)))
        r.finish("from:alice|to:bob", text=text)
        return r

    # ---- what has to be so ----

    def sidecar(self, name):
        """Of a recording, which it has to be true of."""
        path = os.path.join(self.out, name)
        data = json.loads(read(os.path.splitext(path)[0] + ".json"))
        schema = Schema(os.path.join(SOURCE, "docs", "recording.schema.json"))
        self.assertEqual(schema.errors(data), [])
        self.assertEqual(len(data["files"]), 1)
        file, content = data["files"][0], read(path)
        self.assertEqual((file["name"], file["path"]), (name, os.path.realpath(path)))
        self.assertEqual(file["bytes"], len(content))
        self.assertEqual(file["sha256"], hashlib.sha256(content).hexdigest())
        self.assertFalse(data["recovered"])
        for stream in data["call"]["streams"]:
            self.assertTrue(stream["balances"], stream)
        return data, file

    def assertTone(self, samples, rate, hz, share=0.85):
        """In its middle: beside it Opus and others begin and end."""
        part = samples[len(samples) // 4:len(samples) * 3 // 4]
        self.assertGreater(level(part, rate, hz), share, f"{hz} Hz")

    def assertSummary(self, said, **counts):
        for what, n in counts.items():
            self.assertIn(f"{n} {what}", said)

    # ---- sound, names, sidecars ----

    def test_real_ones(self):
        said = self.export(DATA, "--mix-method", "channels")
        self.assertSummary(said, exported=6, skipped=0, failed=0)
        for parent, (caller, callee, seconds) in REAL.items():
            data, file = self.sidecar(f"{parent}-mix.wav")
            self.assertEqual(data["call"]["parent"], parent)
            self.assertEqual(file["channel-map"], ["caller", "callee"])
            rate, channels = sound(file["path"])
            self.assertEqual((rate, len(channels)), (file["rate"], 2))
            self.assertEqual(len(channels[0]), file["frames"])
            self.assertAlmostEqual(file["duration"], seconds, delta=0.12)
            self.assertTone(channels[0], rate, caller)
            self.assertTone(channels[1], rate, callee)
            singles = [n for n in self.files() if n.startswith(parent) and n.endswith(".wav") and
                "mix" not in n]
            self.assertEqual(len(singles), 2)
            for name in singles:
                self.assertRegex(name[len(parent):], r"^-[0-9a-f]{8}(-1)?\.wav$")
                _, single = self.sidecar(name)
                self.assertAlmostEqual(single["duration"], seconds, delta=0.12)
                self.assertTone(sound(single["path"])[1][0], single["rate"],
                    caller if single["channel-map"][0] == "caller" else callee)

    def test_time_is_the_file_s(self):
        r = self.speaking("old")
        self.export(self.spool, "--mixed", "--pattern", "%Y%m%d-%c-%t")
        name = time.strftime("%Y%m%d-old-mix.wav", time.localtime(r.begin))
        data, _ = self.sidecar(name)
        begin, end = (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t))
            for t in (r.begin, r.begin + 2))
        for at in (data["call"]["seen"], data["call"]["first-packet"], data["call"]["ended"],
                *(e["at"] for e in data["call"]["events"])):
            self.assertTrue(begin <= at <= end, (begin, at, end))
        self.assertEqual(data["call"]["metadata"]["parsed"], {"from": "alice", "to": "bob"})

    def test_events(self):
        """In their order and at the time in the file, of a real re-INVITE and of a hold."""
        r = Recording(self.spool, "held")
        voice = Voice(440, 0x11111111)
        for at, mode, direction in (0, "offer", "sendrecv"), (0, "answer", "sendrecv"), \
                (1, "offer", "sendonly"), (1, "answer", "recvonly"), (3, "offer", "sendrecv"), \
                (3, "answer", "sendrecv"):
            r.sdp(mode, 20000 if mode == "offer" else 20002, direction=direction)
            if mode == "answer":
                r.speak(at, 2 if at == 1 else 1, (20002, voice))
        r.finish()
        self.export(self.spool, DATA, "--mixed")

        def events(name):
            (name,) = [n for n in self.files() if n.startswith(name) and n.endswith("mix.wav")]
            call = self.sidecar(name)[0]["call"]
            begin = since_1970(call["first-packet"])
            return [(e["kind"], e["tag"], e["text"], round(since_1970(e["at"]) - begin, 1))
                for e in call["events"]]

        self.assertEqual([e for e in events("held-") if e[0] in ("sdp", "hold")], [
            ("sdp", 0, "offer", 0), ("sdp", 1, "answer", 0),
            ("sdp", 0, "re-invite", 1), ("hold", 0, "on", 1), ("sdp", 1, "answer", 1),
            ("sdp", 0, "re-invite", 3), ("hold", 0, "off", 3), ("sdp", 1, "answer", 3)])
        self.assertEqual([(kind, text, at) for kind, _, text, at in
                events("99c6acfab728c35e") if kind != "codec"], [
            ("sdp", "offer", 0), ("sdp", "answer", 0), ("sdp", "re-invite", 2.1),
            ("sdp", "answer", 2.1), ("ssrc", "0x34b38780", 2.1)])

    def test_payload_types_mean_something_else_later(self):
        """Dynamic number 96 is one codec until the re-INVITE, and another one from it on."""
        r = Recording(self.spool, "moved")
        first, then = Voice(440, 1, 96), Voice(440, 1, 96, 1 + 50, 50 * 160,
            audio=struct.pack(">8000h", *sine(440)))
        for mode in "offer", "answer":
            r.sdp(mode, 20000 if mode == "offer" else 20002, ["a=rtpmap:96 PCMA/8000"], "96")
        r.speak(0, 1, (20002, first))
        for mode in "offer", "answer":
            r.sdp(mode, 20000 if mode == "offer" else 20002, ["a=rtpmap:96 L16/8000"], "96")
        r.speak(1, 1, (20002, then))
        r.finish()
        self.export(self.spool, "--mixed")
        rate, (audio,) = sound(os.path.join(self.out, r.parent + "-mix.wav"))
        self.assertTone(audio[:rate], rate, 440, 0.98)
        self.assertTone(audio[rate:], rate, 440, 0.98)

    def test_formats(self):
        self.speaking("formats", 2.0)
        for form in "wav", "mp3", "opus", "flac", "raw":
            self.out = os.path.join(self.dir, form)
            self.export(self.spool, "--mixed", "--format", form, "--rate", "16000",
                "--mix-method", "channels")
            (name,) = [n for n in self.files() if not n.endswith(".json")]
            _, file = self.sidecar(name)
            self.assertEqual((file["format"], file["rate"], file["channels"]), (form, 16000, 2))
            self.assertAlmostEqual(file["duration"], 2.0, delta=0.02)
            if form == "raw":
                self.assertEqual(file["bytes"], file["frames"] * 4)
                continue
            self.assertOthersAgree(file)

    def assertOthersAgree(self, file):
        if shutil.which("ffprobe"):
            said = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_streams",
                "-of", "json", file["path"]], capture_output=True, check=True).stdout)["streams"][0]
            self.assertEqual(said["channels"], file["channels"])
            self.assertAlmostEqual(float(said["duration"]), file["duration"], delta=0.15)
        if shutil.which("sox") and file["format"] in ("wav", "flac"):
            said = subprocess.run(["sox", "--i", "-D", file["path"]], capture_output=True,
                check=True).stdout
            self.assertAlmostEqual(float(said), file["duration"], delta=0.001)

    def test_a_late_party_is_in_its_place(self):
        r = Recording(self.spool, "late")
        r.sdp("offer", 20000)
        r.sdp("answer", 20010)
        r.speak(0, 1.0, (20010, Voice(440, 1)))
        r.speak(1.0, 1.0, (20010, Voice(440, 1, sequence=51, timestamp=50 * 160)),
            (20000, Voice(880, 2)))
        r.finish()
        self.export(self.spool, "--mixed", "--mix-method=channels")
        rate, (left, right) = sound(os.path.join(self.out, f"{r.parent}-mix.wav"))
        self.assertAlmostEqual(len(left) / rate, 2.0, delta=0.02)
        self.assertEqual(max(map(abs, right[:int(0.95 * rate)])), 0)
        self.assertTone(right[rate:], rate, 880)
        self.assertTone(left, rate, 440)

    def test_pcaps_of_one_name_are_two_calls(self):
        for n in "a", "b":
            r = self.speaking(n)
            os.makedirs(os.path.join(self.dir, n))
            shutil.copy(os.path.join(self.spool, "pcaps", r.parent + ".pcap"),
                os.path.join(self.dir, n, "call.pcap"))
        said = self.export(os.path.join(self.dir, "a", "call.pcap"), os.path.join(self.dir, "b"),
            "--single")
        self.assertSummary(said, exported=2, recordings=4)
        for name in self.files():
            self.assertTrue(name.startswith("call-"), name)

    # ---- again ----

    def test_done_is_skipped(self):
        self.speaking("first")
        self.export(self.spool)
        before = self.files()
        self.assertSummary(self.export(self.spool), exported=0, skipped=1)
        self.assertEqual(self.files(), before)
        self.speaking("second")
        self.assertSummary(self.export(self.spool), exported=1, skipped=1)
        self.assertEqual(len(self.files()), 12)
        self.assertIn("other options", self.export(self.spool, "--format=flac", status=1))

    def test_killed_and_gone_on(self):
        for n in range(12):
            self.speaking(f"call{n}", 3.0)
        clean = os.path.join(self.dir, "clean")
        self.export(self.spool, out=clean)
        journal = self.journal()
        for done in range(1, 10, 2):
            with subprocess.Popen([program("spoolwire-ctl"), "export", self.spool, "-o", self.out,
                    "--quiet"]) as p:
                wait_for("some calls", lambda: p.poll() is not None or
                    read(journal).count(b"\ndone ") >= done)
                p.send_signal(signal.SIGKILL)
        self.export(self.spool)
        self.assertEqual(self.sounds(self.out), self.sounds(clean))
        left = os.path.join(self.out, ".spoolwire-export", "recordings")
        self.assertEqual(os.listdir(left), [])

    def test_interrupted(self):
        """It says how far it is; the same command goes on from there."""
        for n in range(3):
            self.speaking(f"short{n}")
        self.export(self.spool, "--format=opus")
        long = self.speaking("long", 500.0) # seconds of encoding

        def caught(): # a shell starts what runs in its background without
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        journal = self.journal()
        for number in signal.SIGINT, signal.SIGTERM:
            begun = read(journal).count(b"\nbegun ")
            with subprocess.Popen([program("spoolwire-ctl"), "export", self.spool, "-o", self.out,
                    "--format=opus"], stderr=subprocess.PIPE, text=True,
                    preexec_fn=caught) as p:
                wait_for("the long one", lambda: read(journal).count(b"\nbegun ") > begun)
                p.send_signal(number)
                said = p.communicate(timeout=DEADLINE)[1]
            self.assertEqual(p.returncode, -number, said)
            self.assertIn("3 of 4 files done, 1 left", said)
            self.assertIn("the same command", said)
        self.assertSummary(self.export(self.spool, "--format=opus"), exported=1, skipped=3)
        self.assertEqual(len([name for name in self.files() if long.parent in name]), 6)

    def sounds(self, out):
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files(out).items()
            if name.endswith(".wav")}

    def test_what_was_there_before_stays(self):
        """Of the same calls: of an export whose journal is gone, or of a daemon."""
        r = self.speaking("first")
        self.speaking("second")
        self.export(self.spool)
        older, sounds = self.files(), sorted(self.sounds(self.out).values())
        part = os.path.join(self.out, f"{r.parent}-33333333.wav.part")
        with open(part, "wb") as f:
            f.write(b"for the next start of a daemon")
        os.unlink(self.journal())
        self.export(self.spool)
        self.undo("done .*\n")
        self.assertSummary(self.export(self.spool), exported=2)
        self.assertEqual(read(part), b"for the next start of a daemon")
        os.unlink(part)
        found = self.files()
        self.assertEqual({n: found.get(n) for n in older}, older)
        self.assertEqual(sorted(self.sounds(self.out).values()), sorted(2 * sounds))
        # A journal that does not say when: what could be somebody else's stays.
        self.undo("done .*\n")
        self.undo(r"begun \d+ ", "begin ")
        self.assertSummary(self.export(self.spool), exported=2)
        self.assertEqual({n: self.files().get(n) for n in found}, found)

    def test_what_was_left_is_removed(self):
        """A crash between two recordings of a call, as the journal and the disk would be."""
        r = self.speaking("torn")
        self.export(self.spool)
        whole = self.sounds(self.out)
        self.undo(f"done {re.escape(r.parent)}\n")
        os.unlink(os.path.join(self.out, f"{r.parent}-mix.wav"))
        for name in f"{r.parent}-11111111.wav.part", f"{r.parent}-mix.json.part":
            with open(os.path.join(self.out, name), "wb"):
                pass
        other = os.path.join(self.out, "somebody's.wav.part")
        with open(other, "wb"):
            pass
        self.assertSummary(self.export(self.spool), exported=1)
        os.unlink(other)
        self.assertEqual(self.sounds(self.out), whole)

    def test_a_name_that_breaks_lines(self):
        """It could say in the journal that another call is done."""
        honest = self.speaking("honest")
        evil = os.path.join(self.spool, "pcaps", f"x\ndone {honest.parent}")
        shutil.copy(os.path.join(self.spool, "pcaps", honest.parent + ".pcap"), evil + ".pcap")
        os.rename(os.path.join(self.spool, "pcaps", honest.parent + ".pcap"), self.dir + "/kept")
        said = self.export(self.spool, status=1)
        self.assertIn("a line break in its name", said)
        self.assertSummary(said, exported=0, failed=1)
        os.rename(self.dir + "/kept", os.path.join(self.spool, "pcaps", honest.parent + ".pcap"))
        self.assertSummary(self.export(self.spool, status=1), exported=1, skipped=0, failed=1)

    def test_one_at_a_time(self):
        self.speaking("alone")
        self.export(self.spool)
        with open(self.journal(), "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            self.assertIn("another export", self.export(self.spool, status=1))

    def test_many_jobs(self):
        """More of them than a directory has writer threads."""
        self.speaking("alone")
        self.assertSummary(self.export(self.spool, "--jobs=65"), exported=1)

    def fast_clock(self):
        """The environment in which minutes are seconds."""
        if not TIMES:
            self.skipTest("sanitizers want to be loaded first")
        need("cc")
        source, library = os.path.join(self.dir, "fast.c"), os.path.join(self.dir, "fast.so")
        with open(source, "w", encoding="utf-8") as f:
            f.write(FAST_CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return {"LD_PRELOAD": library}

    def test_encoding_takes_minutes(self):
        """That is no disk that takes nothing any more."""
        self.speaking("long", 900.0)
        self.assertSummary(self.export(self.spool, "--mixed", "--format=opus",
            env=self.fast_clock()), exported=1)

    def test_a_disk_that_refuses(self):
        """It is tried for a minute, and the next run goes on."""
        self.speaking("long", 20.0)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, usual[1]))
        try:
            said = self.export(self.spool, "--mixed", env=self.fast_clock(), status=1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        self.assertIn("File too large", said)
        self.assertIn("the disk did not take all of it", said)
        self.assertTrue(60 < float(re.search(r" in (\S+) s ", said).group(1)) < 240, said)
        self.assertSummary(self.export(self.spool, "--mixed"), exported=1)
        self.assertEqual(len(self.files()), 2)

    # ---- what is broken ----

    def test_broken_ones(self):
        good, cut, odd = (self.speaking(n) for n in ("good", "cut", "odd"))
        cut.finish(pcap=cut.pcap()[:-100])
        data = bytearray(odd.pcap())
        at = 24 + 60 * (16 + 200)
        data[at + 8:at + 12] = b"\xff\xff\xff\x7f"
        odd.finish(pcap=bytes(data))
        for name, content in ("rubbish", os.urandom(5000)), ("short", b"\xd4\xc3\xb2\xa1"):
            Recording(self.spool, name).finish(pcap=content)
        nothing, header = Recording(self.spool, "nothing"), Recording(self.spool, "header")
        nothing.finish(pcap=b"")
        header.finish()
        said = self.export(self.spool, os.path.join(self.dir, "missing"), status=1)
        self.assertSummary(said, exported=4, failed=4)
        for name in "rubbish", "short", "odd":
            self.assertEqual(len(re.findall(rf"pcaps/{name}-\S+\.pcap: ", said)), 1, said)
        self.assertRegex(said, r"odd-\S+: damaged at byte 12984")
        self.assertRegex(said, r"missing: No such file")
        for r, seconds in (good, 1.0), (cut, 1.0), (odd, 0.6):
            self.assertAlmostEqual(self.sidecar(f"{r.parent}-mix.wav")[1]["duration"], seconds,
                delta=0.03)
        for r in nothing, header:
            data, file = self.sidecar(f"{r.parent}-mix.wav")
            self.assertEqual(file["frames"], 0)
            self.assertFalse(file["start"].startswith("1970"))
        # Mended, it is done anew and nothing is there twice.
        odd.finish()
        said = self.export(self.spool, status=1)
        self.assertSummary(said, exported=1, skipped=4, failed=2)
        self.assertAlmostEqual(self.sidecar(f"{odd.parent}-mix.wav")[1]["duration"], 1.0,
            delta=0.02)
        self.assertFalse([n for n in self.files() if re.search(r"-[1-9]\.(wav|json)$", n)])

    def test_odd_metadata(self):
        r = self.speaking("rubbish", text=os.urandom(3000).hex())
        self.export(self.spool, "--single")
        names = [n for n in self.files() if n.endswith(".wav")]
        self.assertEqual(names, [f"{r.parent}-11111111.wav", f"{r.parent}-22222222.wav"])

    def test_nothing_leaves_the_directory(self):
        self.speaking("../../../tmp/evil")
        self.speaking("..")
        self.export(self.spool, "--pattern", "%c/%r-%t")
        for folder, _, _ in os.walk(self.dir):
            self.assertEqual(os.path.commonpath([folder, self.dir]), self.dir)
        outside = set(os.listdir(self.dir)) - {"spool", "out"}
        self.assertEqual(outside, set())

    # ---- which ----

    def test_running_calls_are_left_out(self):
        r = self.speaking("running")
        os.rename(os.path.join(self.spool, "metadata", f"rtpengine-meta-{r.parent}.txt"),
            os.path.join(self.spool, "tmp", f"rtpengine-meta-{r.parent}.tmp"))
        self.assertIn("1 left out", self.export(self.spool))
        old = time.time() - 7200
        for name in f"tmp/rtpengine-meta-{r.parent}.tmp", f"pcaps/{r.parent}.pcap":
            os.utime(os.path.join(self.spool, name), (old, old))
        self.assertSummary(self.export(self.spool), exported=1)

    def test_since_and_until(self):
        for n, day in enumerate((1, 2, 3)):
            r = self.speaking(f"day{day}")
            at = time.mktime((2026, 3, day, 12, 0, 0, 0, 0, -1)) + n
            os.utime(os.path.join(self.spool, "pcaps", r.parent + ".pcap"), (at, at))
        said = self.export(self.spool, "--since=2026-03-02", "--until=2026-03-02T23:59:59", "--mixed")
        self.assertSummary(said, exported=1)
        self.assertEqual([n[:4] for n in self.files()], ["day2", "day2"])

    def test_a_directory_without_pcaps(self):
        """An archive of spools named by its top: said, not silently nothing."""
        self.speaking("below")
        said = self.export(self.dir)
        self.assertSummary(said, exported=0, failed=0)
        self.assertIn("no pcaps", said)

    def test_progress(self):
        """Lines where there is no terminal, a bar without asking where there is one."""
        self.speaking("seen")
        self.assertIn("100%  1/1 files", self.export(self.spool, "--progress"))
        for options, seen in ([], True), (["--quiet"], False):
            ours, theirs = os.openpty()
            subprocess.run([program("spoolwire-ctl"), "export", self.spool, "-o", self.out,
                *options], stderr=theirs, check=True, timeout=DEADLINE,
                stdout=subprocess.DEVNULL)
            os.set_blocking(ours, False)
            try:
                said = os.read(ours, 4096)
            except BlockingIOError:
                said = b""
            os.close(ours)
            os.close(theirs)
            self.assertEqual(b"[####" in said, seen, said)

    def test_empty_calls(self):
        Recording(self.spool, "empty").finish()
        self.assertSummary(self.export(self.spool, "--empty-calls=drop"), exported=1, recordings=0)
        (name,) = self.files()
        self.assertTrue(name.endswith("-mix.json"))
        self.assertEqual(json.loads(self.files()[name])["files"], [])

    def test_options(self):
        for wrong in (["--pattern=%c"], ["--format=ogg"], ["--jobs=0"], ["--since=now"],
                ["--mix-method=x"], ["--format=mp3", "--mix-method=channels", "--channels=3"]):
            self.export(self.dir, *wrong, status=2)
        self.export(status=2)
        for args, status in ([], 2), (["nothing"], 2), (["--help"], 0), \
                (["--version"], 0), (["export", "--help"], 0):
            self.assertEqual(subprocess.run([program("spoolwire-ctl"), *args], check=False,
                capture_output=True).returncode, status, args)


if __name__ == "__main__":
    main()
