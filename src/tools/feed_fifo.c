/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

#define QUEUE_BYTES (16 * 4096) /* a packet takes a page: 16 packets */

struct feed_fifos {
	int fd;
	bool overflowed;
	struct feed_fifo **by_watch; /* descriptors are never given twice, inotify(7) */
	size_t room;
};

struct feed_fifos *feed_fifos_new(void)
{
	struct feed_fifos *fs = xnew(struct feed_fifos);

	fs->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fs->fd < 0)
		feed_fifos_free(&fs);
	return fs;
}

void feed_fifos_free(struct feed_fifos **slot)
{
	struct feed_fifos *fs = *slot;

	if (!fs)
		return;
	if (fs->fd >= 0)
		close(fs->fd);
	free(fs->by_watch);
	free(fs);
	*slot = NULL;
}

int feed_fifos_fd(const struct feed_fifos *fs)
{
	return fs->fd;
}

bool feed_fifos_overflowed(const struct feed_fifos *fs)
{
	return fs->overflowed;
}

static void take_event(struct feed_fifos *fs, const struct inotify_event *e, usec_t now)
{
	struct feed_fifo *f;

	if (e->mask & IN_Q_OVERFLOW)
		fs->overflowed = true;
	if (e->wd < 0 || (size_t)e->wd >= fs->room || !fs->by_watch[e->wd])
		return;
	f = fs->by_watch[e->wd];
	if (e->mask & IN_OPEN) {
		f->readers++;
		if (!f->opened_at)
			f->opened_at = now;
	}
	/* Our own descriptor is for reading and writing and closes as IN_CLOSE_WRITE. */
	if (e->mask & IN_CLOSE_NOWRITE && f->readers > 0) {
		f->readers--;
		f->closed_at = now;
	}
}

bool feed_fifos_read(struct feed_fifos *fs, usec_t now)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;
	bool any = false;

	while ((n = read(fs->fd, buf, sizeof(buf))) > 0) {
		any = true;
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e =
				(const struct inotify_event *)(void *)p;

			take_event(fs, e, now);
			p += sizeof(*e) + e->len;
		}
	}
	return any;
}

static int watch(struct feed_fifos *fs, struct feed_fifo *f)
{
	f->watch = inotify_add_watch(fs->fd, f->path, IN_OPEN | IN_CLOSE_NOWRITE);
	if (f->watch < 0)
		return -errno;
	if ((size_t)f->watch >= fs->room) {
		size_t room = (size_t)f->watch + 1024;

		fs->by_watch = xrealloc(fs->by_watch, room * sizeof(*fs->by_watch));
		for (; fs->room < room; fs->room++)
			fs->by_watch[fs->room] = NULL;
	}
	fs->by_watch[f->watch] = f;
	return 0;
}

/* Open for reading too, so that writing needs no reader; our opening comes before the
 * watch. */
static int open_fifo(const char *path)
{
	int fd, r;

	if (mkfifo(path, 0640) < 0)
		return -errno;
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Packet mode: open(2) with O_DIRECT is refused for a FIFO, F_SETFL is not. */
	if (fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT) < 0 ||
		fcntl(fd, F_SETPIPE_SZ, QUEUE_BYTES) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int feed_fifo_make(struct feed_fifos *fs, struct feed_fifo *f, const char *path)
{
	int r;

	*f = (struct feed_fifo){ .fd = -1, .watch = -1, .path = xstrdup(path) };
	r = open_fifo(path);
	if (r >= 0) {
		f->fd = r;
		r = watch(fs, f);
	}
	if (r < 0)
		feed_fifo_remove(fs, f);
	return r < 0 ? r : 0;
}

void feed_fifo_write(struct feed_fifo *f, struct span packet)
{
	char oldest[4096];

	if (f->fd < 0)
		return;
	f->written++;
	if (write(f->fd, packet.p, packet.n) >= 0)
		return;
	if (f->readers)
		f->overruns++;
	else
		f->unread++;
	/* The reader may have been quicker; then there is room now. */
	if (read(f->fd, oldest, sizeof(oldest)) < 0 && errno != EAGAIN)
		return;
	if (write(f->fd, packet.p, packet.n) < 0)
		f->written--;
}

void feed_fifo_end(struct feed_fifo *f, usec_t now, bool lose)
{
	char oldest[4096];

	must(f->fd >= 0);
	while (lose && read(f->fd, oldest, sizeof(oldest)) > 0)
		f->lost_at_end++;
	f->held_at_end = f->readers > 0;
	f->ended_at = now;
	close(f->fd);
	f->fd = -1;
}

void feed_fifo_remove(struct feed_fifos *fs, struct feed_fifo *f)
{
	if (!f->path)
		return;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->watch >= 0) {
		fs->by_watch[f->watch] = NULL;
		inotify_rm_watch(fs->fd, f->watch);
	}
	unlink(f->path);
	free(f->path);
	f->path = NULL;
}
