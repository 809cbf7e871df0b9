#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kills a recording, or keeps it from its disk: kill -9, a full disk, one that hangs, one that
cannot be written. SPOOLWIRE_ROUNDS: of kill -9 (6; 50 before a release); SPOOLWIRE_SEED."""
import array
import datetime
import glob
import random
import wave

from harness import *

ROUNDS = int(os.environ.get("SPOOLWIRE_ROUNDS", "6"))
SEED = int(os.environ.get("SPOOLWIRE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
PROMISE = 5.0  # [s] the most that a kill may take of a call
BLOCK = 80     # [samples] in which silence is looked for: 10 ms

# Whatever changes a file below $HOLD_DIR waits while the file $HOLD is there.
HUNG_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void hold(const char *path)
{
	const char *dir = getenv("HOLD_DIR");
	if (strncmp(path, dir, strlen(dir)) == 0)
		while (access(getenv("HOLD"), F_OK) == 0)
			usleep(10000);
}
static void hold_fd(int fd)
{
	char link[64], path[4096];
	ssize_t n;
	if (access(getenv("HOLD"), F_OK) < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	hold(path);
}
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
ssize_t write(int fd, const void *p, size_t n)
{ REAL(write); hold_fd(fd); return real(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{ REAL(pwrite); hold_fd(fd); return real(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{ REAL(pwrite64); hold_fd(fd); return real(fd, p, n, at); }
int ftruncate(int fd, off_t to) { REAL(ftruncate); hold_fd(fd); return real(fd, to); }
int ftruncate64(int fd, off64_t to) { REAL(ftruncate64); hold_fd(fd); return real(fd, to); }
int fsync(int fd) { REAL(fsync); hold_fd(fd); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); hold_fd(fd); return real(fd); }
int unlink(const char *path) { REAL(unlink); hold(path); return real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); hold(path); return real(path, mode); }
int rename(const char *a, const char *b) { REAL(rename); hold(b); return real(a, b); }
int renameat2(int x, const char *a, int y, const char *b, unsigned f)
{ REAL(renameat2); hold(b); return real(x, a, y, b, f); }
#define OPEN(name) int name(const char *path, int flags, ...) \
{ \
	REAL(name); \
	va_list ap; \
	int mode; \
	va_start(ap, flags); \
	mode = flags & O_CREAT ? va_arg(ap, int) : 0; \
	va_end(ap); \
	if (flags & O_CREAT) \
		hold(path); \
	return real(path, flags, mode); \
}
OPEN(open)
OPEN(open64)
"""


class File:
    """A published recording and its sidecar; its header has to be right."""

    def __init__(self, path):
        self.path, self.size = path, os.path.getsize(path)
        with wave.open(path) as w:
            self.rate, self.channels, self.frames = (w.getframerate(), w.getnchannels(),
                w.getnframes())
            self.samples = array.array("h", w.readframes(self.frames))[::self.channels]
        if len(self.samples) != self.frames:
            raise AssertionError(f"{path}: the header promises {self.frames} frames, "
                f"{len(self.samples)} are there")
        self.seconds = self.frames / self.rate
        sidecar = read(path[:-len(".wav")] + ".json")
        self.sidecar = json.loads(sidecar) if sidecar else None
        self.said = self.sidecar["files"][0] if sidecar else {}
        self.call = re.search(r"([^/]*)%40feed", path).group(1)

    def gaps(self, longest=0.05):
        """[(from, to)] in seconds where nothing is heard for longer than that."""
        loud = [max(map(abs, self.samples[i:i + BLOCK])) > 100
            for i in range(0, self.frames - BLOCK + 1, BLOCK)] + [True]
        found, start = [], None
        for i, is_loud in enumerate(loud):
            if is_loud and start is not None:
                if (i - start) * BLOCK / self.rate > longest:
                    found.append((start * BLOCK / self.rate, i * BLOCK / self.rate))
                start = None
            elif not is_loud and start is None:
                start = i
        return found

    def tones(self):
        """Of the feed: those of both in the mix, else one of them."""
        number = int(self.call.rsplit("-", 1)[1])
        return [400 + 10 * (number % 80) + 800 * j for j in (0, 1)]

    def share_at(self, second, length=0.4):
        """How much of what is heard there are the call's tones."""
        part = self.samples[int(second * self.rate):int((second + length) * self.rate)]
        return sum(level(part, self.rate, hz) for hz in self.tones())


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


class RecordFaults(Case):
    def setUp(self):
        super().setUp()
        self.out = os.path.join(self.dir, "out")
        self.mounted, self.hold = [], os.path.join(self.dir, "hold")

    def tearDown(self):
        for p in self.processes:
            p.kill()
        for undo in reversed(self.mounted):
            subprocess.run(undo, stderr=subprocess.DEVNULL, check=False)
        super().tearDown()

    def recorder(self, receiver, *options, **kw):
        return self.daemon(receiver, "--output-storage=file", "--output-single",
            f"--output-dir={self.out}", *options, **kw)

    def files(self, folder=None):
        return [File(f) for f in sorted(glob.glob((folder or self.out) + "/**/*.wav",
            recursive=True))]

    def left(self):
        """Of unfinished recordings."""
        return [os.path.join(d, f) for top in (self.out, os.path.join(self.dir, "state"))
            for d, _, names in os.walk(top) for f in names
            if f.endswith((".part", ".part2", ".tmp")) or d.endswith("/recordings")]

    def wait_published(self, n):
        wait_for(f"{n} recordings", lambda: not self.left() and
            len(glob.glob(self.out + "/**/*.wav", recursive=True)) == n)
        return self.files()

    def mount(self, *args, to):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount")
        os.makedirs(to, exist_ok=True)
        done = subprocess.run(["mount", *args, to], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"mount: {done.stderr.strip()}")
        self.mounted.append(["umount", "-l", to])

    def shim(self):
        """The environment in which a disk hangs."""
        if not TIMES:
            raise unittest.SkipTest("sanitizers want to be loaded first")
        need("cc")
        source, library = os.path.join(self.dir, "hung.c"), os.path.join(self.dir, "hung.so")
        with open(source, "w") as f:
            f.write(HUNG_DISK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return {"LD_PRELOAD": library, "HOLD": self.hold, "HOLD_DIR": self.out}

    def hang(self, on=True):
        if on:
            open(self.hold, "w").close()
        else:
            os.unlink(self.hold)

    def assertHeardAll(self, endpoint, streams, seconds):
        """TLS: all of every stream, without a hole."""
        wait_for("all connections", lambda: len(endpoint.connections()) >= streams)
        self.assertEqual(len(endpoint.connections()), streams)
        for c in endpoint.connections():
            rate, _, channels = sound(c)
            audio = channels[0]
            self.assertAlmostEqual(len(audio) / rate, seconds, delta=0.03)
            self.assertEqual(silent_runs(audio, rate, 20), [])

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
        self.assertEqual(len(glob.glob(self.out + "/*.wav")), 1)
        self.assertTrue(json.loads(read(glob.glob(self.out + "/*.json")[0]))["recovered"])
        self.assertEqual(again.stop(), 0)

    # ---- full, and not to be written

    def fill(self, folder):
        """All of a file system; what to remove to make space."""
        path = os.path.join(folder, "filler")
        with open(path, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                return path

    def test_full_disk(self):
        self.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", to=self.out)
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--output-buffer-ms=1000")
        feed = self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "9")
        wait_for("files", lambda: len(self.left()) >= 16)
        time.sleep(1)
        filler = self.fill(self.out)
        daemon.wait_text("No space left")
        wait_for("losses", lambda: daemon.status().get("rec_ms_dropped", 0) > 3000)
        os.unlink(filler)
        result = feed.result()
        found = self.wait_published(8)
        daemon.wait_accounts(4)
        status = daemon.status()
        self.assertCloses(result, status)
        self.assertEqual(daemon.text().count("No space left"), 1, daemon.text())
        self.assertHeardAll(endpoint, 8, 9)
        silent = 0
        for f in found:
            self.assertAlmostEqual(f.seconds, 9, delta=0.1)
            gaps = f.gaps()
            self.assertEqual(len(gaps), 1, gaps)
            silent += gaps[0][1] - gaps[0][0]
        self.assertAlmostEqual(silent * 1000, status["rec_ms_dropped"], delta=8 * 60)
        for account in daemon.accounts():
            self.assertBalanced(account)
        self.assertEqual(daemon.stop(), 0)

    def test_full_disk_with_fallback(self):
        self.mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", to=self.out)
        fallback = os.path.join(self.dir, "fallback")
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, f"--output-fallback-dir={fallback}")
        feed = self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "9")
        wait_for("files", lambda: len(self.left()) >= 16)
        time.sleep(1)
        filler = self.fill(self.out)
        self.assertCloses(feed.result(), daemon.status())
        daemon.wait_accounts(4)
        self.assertEqual(daemon.status()["rec_fallbacks"], 8)
        os.unlink(filler)
        self.assertEqual(daemon.stop(), 0)
        # What was begun where it was full is published at the latest by the next start.
        again = self.recorder(endpoint, name="again")
        first = {f.said["label"] + f.call: f for f in self.wait_published(8)}
        for f in self.files(fallback):
            before = first.pop(f.said["label"] + f.call)
            self.assertAlmostEqual(clock(f.said["start"]) + f.seconds - clock(
                before.said["start"]), 9, delta=0.1)
            gap = clock(f.said["start"]) - clock(before.said["start"]) - before.seconds
            self.assertLess(abs(gap), 0.1, f.path) # nothing is missing, nothing is there twice
            self.assertEqual(f.gaps(), [])
        self.assertEqual(first, {})
        self.assertEqual(again.stop(), 0)

    def test_read_only_disk(self):
        self.mount("-t", "tmpfs", "-o", "ro", "tmpfs", to=os.path.join(self.dir, "ro"))
        self.out = os.path.join(self.dir, "ro")
        for self.out in self.out, os.path.join(self.out, "below"):
            daemon = self.recorder(None, name=os.path.basename(self.out), start=False)
            self.assertEqual(daemon.wait(), 1)
            said = [l for l in daemon.text().splitlines() if "Read-only" in l]
            self.assertEqual(len(said), 1, daemon.text())
            self.assertIn("output-dir", said[0])
            self.fall_back(self.out)

    def fall_back(self, out):
        fallback = os.path.join(self.dir, "fallback-" + os.path.basename(out))
        daemon = self.recorder(None, f"--output-fallback-dir={fallback}",
            name="falls-" + os.path.basename(out))
        self.feed(daemon, "--seconds", "4", name="feed-" + os.path.basename(out)).result()
        wait_for("both", lambda: len(glob.glob(fallback + "/*.json")) == 2)
        for f in self.files(fallback):
            self.assertAlmostEqual(f.seconds, 4, delta=0.1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.left(), [])

    # ---- hanging

    def check_hang(self, hang, env=None):
        """Calls that run and calls that end while the disk hangs for 7 s, 3 s of which may wait."""
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--output-buffer-ms=3000", env=env)
        long = self.feed(daemon, "--call-id", "long", "--calls", "5", "--rate", "100",
            "--seconds", "11", name="long")
        short = self.feed(daemon, "--call-id", "short", "--calls", "5", "--rate", "100",
            "--seconds", "5", name="short")
        wait_for("files", lambda: len(self.left()) >= 40)
        time.sleep(1)
        hung = time.time()
        hang(True)
        self.assertCloses(short.result(), daemon.status())
        time.sleep(max(0, hung + 7 - time.time()))
        hang(False)
        released = time.time()
        self.assertCloses(long.result(), daemon.status())
        found = self.wait_published(20)
        daemon.wait_accounts(10)
        self.assertEqual(daemon.status().get("ms_dropped_sink", 0), 0)
        for f in found:
            begin, gaps = clock(f.said["start"]), f.gaps()
            if f.call.startswith("short"):
                self.assertAlmostEqual(f.seconds, 5, delta=0.1, msg=f.path)
                self.assertEqual(gaps, [], f.path) # less than may wait
                continue
            self.assertAlmostEqual(f.seconds, 11, delta=0.1, msg=f.path)
            self.assertEqual(len(gaps), 1, (f.path, gaps))
            self.assertGreater(begin + gaps[0][0], hung - 1.5, f.path)
            self.assertAlmostEqual(begin + gaps[0][1], released - 3, delta=0.4, msg=f.path)
        lost = sum(b - a for f in found for a, b in f.gaps())
        self.assertAlmostEqual(lost * 1000, daemon.status()["rec_ms_dropped"], delta=10 * 60)
        return daemon, endpoint

    def test_hung_disk(self):
        daemon, endpoint = self.check_hang(self.hang, self.shim())
        self.assertEqual(daemon.stop(), 0)
        lengths = sorted(round(len(sound(c)[2][0]) / sound(c)[0]) for c in endpoint.connections())
        self.assertEqual(lengths, [5] * 10 + [11] * 10)
        for c in endpoint.connections():
            self.assertEqual(silent_runs(sound(c)[2][0], 8000, 20), [])

    def test_frozen_disk(self):
        need("fsfreeze", "mkfs.ext4")
        if not TIMES:
            raise unittest.SkipTest("times are all that this is about")
        image = os.path.join(self.dir, "image")
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.mount("-o", "loop", image, to=self.out)
        os.rmdir(os.path.join(self.out, "lost+found"))
        self.mounted.append(["fsfreeze", "-u", self.out])

        def freeze(on):
            done = subprocess.run(["fsfreeze", "-f" if on else "-u", self.out],
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(f"fsfreeze: {done.stderr.strip()}")
        daemon, _ = self.check_hang(freeze)
        self.assertEqual(daemon.stop(), 0)

    def test_sigterm_while_the_disk_hangs(self):
        env = self.shim()
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, "--shutdown-timeout=2", env=env)
        self.feed(daemon, "--calls", "10", "--rate", "100", "--seconds", "60")
        wait_for("files", lambda: len(self.left()) >= 40)
        time.sleep(1)
        self.hang()
        time.sleep(1.5)
        begin = time.monotonic()
        daemon.send(signal.SIGTERM)
        self.assertIn(daemon.wait(), (0, 1))
        self.assertLess(time.monotonic() - begin, 6)
        self.hang(False)
        wait_for("all connections", lambda: len(endpoint.connections()) == 20)
        self.assertEqual({c["end"] for c in endpoint.connections()}, {"close_notify"})

    def test_start_while_the_disk_hangs(self):
        """rtpengine does not wait for a disk, neither does whoever reads its streams."""
        env = self.shim()
        os.makedirs(self.out)
        self.hang()
        endpoint = self.receiver()
        daemon = self.recorder(endpoint, env=env)
        result = self.feed(daemon, "--calls", "3", "--seconds", "3", "--rate", "100").result()
        self.assertCloses(result, daemon.status())
        self.hang(False)
        for f in self.wait_published(6):
            self.assertAlmostEqual(f.seconds, 3, delta=0.1)
            self.assertEqual(f.gaps(), [])
        self.assertEqual(daemon.stop(), 0)

    def test_memory_with_a_hung_disk(self):
        """300 calls, recorded thrice each, within buffer-memory and what calls take without it."""
        calls, bound_mib = 300, 16
        env = self.shim()
        daemon = self.recorder(None, f"--buffer-memory={bound_mib}M", "--output-mixed",
            "--output-buffer-ms=60000", env=env)
        feed = self.feed(daemon, "--calls", str(calls), "--rate", "150", "--seconds", "14")
        wait_for("the calls to run", lambda: daemon.status().get("sources_opened", 0) >=
            4 * calls)
        base = daemon.memory_kib()
        self.hang()
        result = feed.result()
        status = daemon.status()
        peak = daemon.memory_kib("VmHWM")
        print(f"{calls} calls: {base >> 10} MiB before, {peak >> 10} MiB at most",
            file=sys.stderr)
        self.assertGreater(status.get("rec_ms_dropped", 0), 0, status)
        self.assertLess(peak, base + (bound_mib << 10) + (32 << 10))
        self.assertCloses(result, status)
        self.hang(False)
        daemon.wait_accounts(calls)
        self.assertEqual(daemon.stop(), 0)

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


def clock(text):
    """Seconds since 1970 of RFC 3339."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    main()
