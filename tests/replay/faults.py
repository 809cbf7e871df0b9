# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that are kept from their disk: what the tests of faults share."""
import array
import datetime
import glob
import wave

from harness import *

BLOCK = 80     # [samples] in which silence is looked for: 10 ms

# What touches a file below one of $HOLD_DIR (a:b) while the file $HOLD is there waits; or fails, when
# it holds the number of an error. With $HOLD_LOOKS those wait, too, who only look: NFS is so; with
# $HOLD_READS those who read. Who syncs a whole file system waits while $HOLD_SYNCS is there, where
# each puts a byte.
HUNG_DISK = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
static int is_held(const char *path)
{
	for (const char *dir = getenv("HOLD_DIR"); dir; dir = strchr(dir, ':')) {
		size_t n = strcspn(dir += *dir == ':', ":");
		if (strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]))
			return 1;
	}
	return 0;
}
static int bad(const char *path)
{
	REAL(open);
	char text[16] = "";
	int fd;
	while (is_held(path) && (fd = real(getenv("HOLD"), O_RDONLY)) >= 0) {
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n > 0) {
			errno = atoi(text);
			return 1;
		}
		usleep(10000);
	}
	return 0;
}
static int bad_look(const char *path) { return getenv("HOLD_LOOKS") && bad(path); }
static int bad_fd(int fd)
{
	char link[64], path[4096];
	ssize_t n;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return bad(path);
}
static int bad_read(int fd) { return getenv("HOLD_READS") && bad_fd(fd); }
static int bad_sync(int fd)
{
	const char *hold = getenv("HOLD_SYNCS");
	int at = hold ? open(hold, O_WRONLY | O_APPEND) : -1;
	if (at >= 0 && write(at, "+", 1) == 1)
		close(at);
	while (at >= 0 && access(hold, F_OK) == 0)
		usleep(10000);
	return bad_fd(fd);
}
#define WRAP(type, name, params, args, is_bad, fail) \
	type name params { REAL(name); return is_bad ? fail : real args; }
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), bad_fd(fd), -1)
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), bad_fd(fd), -1)
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), bad_fd(fd), -1)
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), bad_read(fd), -1)
WRAP(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at), bad_read(fd), -1)
WRAP(int, ftruncate, (int fd, off_t to), (fd, to), bad_fd(fd), -1)
WRAP(int, ftruncate64, (int fd, off64_t to), (fd, to), bad_fd(fd), -1)
WRAP(int, fsync, (int fd), (fd), bad_fd(fd), -1)
WRAP(int, fdatasync, (int fd), (fd), bad_fd(fd), -1)
WRAP(int, syncfs, (int fd), (fd), bad_sync(fd), -1)
WRAP(int, unlink, (const char *path), (path), bad(path), -1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), bad(path), -1)
WRAP(int, rename, (const char *a, const char *b), (a, b), bad(b), -1)
WRAP(int, renameat2, (int x, const char *a, int y, const char *b, unsigned f), (x, a, y, b, f), bad(b), -1)
WRAP(int, access, (const char *path, int mode), (path, mode), bad_look(path), -1)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), bad_look(path), -1)
WRAP(int, stat64, (const char *path, struct stat64 *st), (path, st), bad_look(path), -1)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), bad_look(path), -1)
WRAP(int, lstat64, (const char *path, struct stat64 *st), (path, st), bad_look(path), -1)
WRAP(char *, realpath, (const char *path, char *out), (path, out), bad_look(path), NULL)
WRAP(DIR *, opendir, (const char *path), (path), bad_look(path), NULL)
#define OPEN(name) int name(const char *path, int flags, ...) \
{ \
	REAL(name); \
	va_list ap; \
	int mode; \
	va_start(ap, flags); \
	mode = flags & O_CREAT ? va_arg(ap, int) : 0; \
	va_end(ap); \
	if (flags & O_CREAT ? bad(path) : bad_look(path)) \
		return -1; \
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
        self.call = os.path.basename(path).split("%40feed")[0]

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


def clock(text):
    """Seconds since 1970 of RFC 3339."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def recordings(folder):
    return [File(f) for f in sorted(glob.glob(folder + "/**/*.wav", recursive=True))]


def unfinished(folder):
    """What is left of recordings that are not published."""
    return [os.path.join(d, f) for d, _, names in os.walk(folder) for f in names
        if f.endswith((".part", ".part2", ".tmp")) or d.endswith("/recordings")]


class FaultCase(Case):
    def setUp(self):
        super().setUp()
        self.out = os.path.join(self.dir, "out")
        self.mounted, self.hold = [], os.path.join(self.dir, "hold")
        self.hold_syncs = self.hold + "-syncs"

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
        return recordings(folder or self.out)

    def left(self):
        return unfinished(self.out) + unfinished(os.path.join(self.dir, "state"))

    def wait_published(self, n, place=None):
        """Of all that is below a directory, or of this test's one daemon."""
        out = place or self.out
        wait_for(f"{n} recordings", lambda: not (unfinished(place) if place else self.left()) and
            len(glob.glob(out + "/**/*.wav", recursive=True)) == n)
        return recordings(out)

    def mount(self, *args, to):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount")
        os.makedirs(to, exist_ok=True)
        done = subprocess.run(["mount", *args, to], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"mount: {done.stderr.strip()}")
        self.mounted.append(["umount", "-l", to])

    def shim(self, *dirs, looks=False, reads=False):
        """The environment in which a disk hangs or fails; else than of output-dir: dirs."""
        if not TIMES:
            raise unittest.SkipTest("sanitizers want to be loaded first")
        need("cc")
        source, library = os.path.join(self.dir, "hung.c"), os.path.join(self.dir, "hung.so")
        with open(source, "w") as f:
            f.write(HUNG_DISK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return {"LD_PRELOAD": library, "HOLD": self.hold, "HOLD_DIR": ":".join(dirs or [self.out]),
            "HOLD_SYNCS": self.hold_syncs, **({"HOLD_LOOKS": "1"} if looks else {}),
            **({"HOLD_READS": "1"} if reads else {})}

    def hang(self, on=True):
        if on:
            open(self.hold, "w").close()
        else:
            os.unlink(self.hold)

    def refuse(self, number):
        """Each access gets that errno."""
        with open(self.hold + "-", "w") as f:
            f.write(str(number))
        os.rename(self.hold + "-", self.hold)

    def assertHeardAll(self, endpoint, streams, seconds):
        """TLS: all of every stream, without a hole."""
        wait_for("all connections", lambda: len(endpoint.connections()) >= streams)
        self.assertEqual(len(endpoint.connections()), streams)
        for c in endpoint.connections():
            rate, _, channels = sound(c)
            audio = channels[0]
            self.assertAlmostEqual(len(audio) / rate, seconds, delta=0.03)
            self.assertEqual(silent_runs(audio, rate, 20), [])
