/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define WATCH_MAGIC 0x3a7c4d01u
#define BUFFER      ((size_t)64 * 1024) /* about 700 events with long names */
#define MAX_READS   16                  /* in a row: then others have a turn */

/* Not IN_MODIFY for metafiles: rtpengine closes after each section, and equal events in a row
 * coalesce in the kernel only while nothing comes between them. */
#define FILES  (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define ITSELF (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define WAITING (IN_CREATE | IN_MOVED_TO | ITSELF)

struct dir {
	char *path;       /* NULL: number not used */
	uint32_t mask;
	int wd;           /* -1: not there */
	dev_t device;     /* of what wd watches */
	ino_t inode;
	int wait_wd;      /* of the nearest ancestor, -1: none */
	size_t wait_path; /* [bytes] of path that are that ancestor's */
};

struct watch {
	MAGIC_MEMBER;
	uv_poll_t poll;
	int fd;
	const struct watch_events *events;
	void *arg;
	bool overflow;
	struct dir dir[WATCH_MAX_DIRS];
	_Alignas(struct inotify_event) char buffer[BUFFER];
};

static void look(struct watch *w, const struct dir *d)
{
	w->events->look(w->arg, (unsigned)(d - w->dir));
}

static bool attach(struct watch *w, struct dir *d)
{
	struct stat st;
	int wd = inotify_add_watch(w->fd, d->path, d->mask | IN_MASK_ADD);

	if (wd < 0) {
		if (errno == ENOSPC || errno == EACCES)
			log_warn_limited("cannot watch %s: %s", d->path, strerror(errno));
		return false;
	}
	d->wd = wd;
	d->wait_wd = -1;
	if (stat(d->path, &st) == 0) {
		d->device = st.st_dev;
		d->inode = st.st_ino;
	}
	return true;
}

/* Watches the nearest ancestor that exists. */
static int watch_ancestor(struct watch *w, struct dir *d)
{
	char up[PATH_MAX];
	size_t n = strlen(d->path);
	int wd = -1;

	must(n < sizeof(up));
	memcpy(up, d->path, n + 1);
	while (wd < 0 && n > 1) {
		while (n > 1 && up[n - 1] != '/')
			n--;
		while (n > 1 && up[n - 1] == '/')
			n--;
		up[n] = '\0';
		wd = inotify_add_watch(w->fd, up, WAITING | IN_MASK_ADD);
	}
	d->wait_path = n;
	return wd;
}

/* Watched, or waited for. Turns until nothing changed meanwhile: the directory, or one above it,
 * may be made between two looks. */
static void settle(struct watch *w, struct dir *d)
{
	int wd;

	while (!attach(w, d)) {
		wd = watch_ancestor(w, d);
		if (wd == d->wait_wd)
			return;
		d->wait_wd = wd;
	}
	look(w, d);
}

/* What was watched is not at its path any more. */
static void lose(struct watch *w, struct dir *d)
{
	if (d->wd >= 0)
		inotify_rm_watch(w->fd, d->wd);
	d->wd = -1;
	look(w, d);
	settle(w, d);
}

/* Whether a name made in the ancestor is the next step on the way to the directory. */
static bool leads_to(const struct dir *d, const char *name)
{
	const char *next = d->path + d->wait_path;
	size_t n;

	while (*next == '/')
		next++;
	n = strcspn(next, "/");
	return strlen(name) == n && memcmp(next, name, n) == 0;
}

static void on_wait_event(struct watch *w, struct dir *d, const struct inotify_event *e)
{
	if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
		d->wait_wd = -1;
	else if (!e->len || !leads_to(d, e->name))
		return;
	settle(w, d);
}

static void on_file_event(struct watch *w, struct dir *d, const struct inotify_event *e)
{
	enum watch_what what = WATCH_WRITTEN;

	if (e->mask & IN_ISDIR)
		return;
	if (e->mask & (IN_DELETE | IN_MOVED_FROM))
		what = WATCH_GONE;
	else if (e->mask & IN_CLOSE_WRITE)
		what = WATCH_CLOSED;
	w->events->file(w->arg, (unsigned)(d - w->dir), e->name, what);
}

static void on_event(struct watch *w, const struct inotify_event *e)
{
	counter_add(COUNT_SPOOL_EVENTS, 1);
	if (e->mask & IN_Q_OVERFLOW)
		w->overflow = true;
	for (unsigned i = 0; i < WATCH_MAX_DIRS && e->wd >= 0; i++) {
		struct dir *d = &w->dir[i];

		if (!d->path)
			continue;
		if (d->wd < 0 && d->wait_wd == e->wd)
			on_wait_event(w, d, e);
		else if (d->wd == e->wd && e->len)
			on_file_event(w, d, e);
		else if (d->wd == e->wd)
			lose(w, d);
	}
}

static ssize_t read_events(struct watch *w)
{
	ssize_t n = read(w->fd, w->buffer, sizeof(w->buffer));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(w->buffer + at);

		on_event(w, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	return n;
}

void watch_look_again(struct watch *w)
{
	counter_add(COUNT_SPOOL_OVERFLOWS, 1);
	w->overflow = false;
	for (unsigned i = 0; i < WATCH_MAX_DIRS; i++)
		if (w->dir[i].path)
			look(w, &w->dir[i]);
	w->events->done(w->arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *w = OBJ(poll->data, struct watch, WATCH_MAGIC);

	(void)status;
	(void)events;
	for (unsigned i = 0; i < MAX_READS && read_events(w) > 0; i++)
		;
	if (w->overflow) {
		log_warn_limited("too many spool events at once: looking at every file again");
		watch_look_again(w);
	} else {
		w->events->done(w->arg);
	}
}

struct watch *watch_start(struct uv_loop_s *loop, const struct watch_events *events, void *arg)
{
	struct watch *w = xnew(struct watch);

	w->magic = WATCH_MAGIC;
	w->events = events;
	w->arg = arg;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		die("cannot watch the spool: %s (fs.inotify.max_user_instances?)",
			strerror(errno));
	must(uv_poll_init(loop, &w->poll, w->fd) == 0);
	w->poll.data = w;
	must(uv_poll_start(&w->poll, UV_READABLE, on_readable) == 0);
	return w;
}

void watch_add(struct watch *w, unsigned dir, const char *path, bool each_write)
{
	struct dir *d = &w->dir[dir];

	must(dir < WATCH_MAX_DIRS && !d->path && path[0] == '/' && strlen(path) < PATH_MAX);
	*d = (struct dir){ .path = xstrdup(path), .wd = -1, .wait_wd = -1,
		.mask = FILES | ITSELF | (each_write ? (uint32_t)IN_MODIFY : 0) };
	settle(w, d);
	w->events->done(w->arg);
}

void watch_check(struct watch *w)
{
	for (unsigned i = 0; i < WATCH_MAX_DIRS; i++) {
		struct dir *d = &w->dir[i];
		struct stat st;

		if (!d->path)
			continue;
		if (d->wd < 0)
			settle(w, d);
		else if (stat(d->path, &st) < 0 || st.st_dev != d->device || st.st_ino != d->inode)
			lose(w, d);
	}
	w->events->done(w->arg);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = OBJ(handle->data, struct watch, WATCH_MAGIC);

	close(w->fd);
	for (unsigned i = 0; i < WATCH_MAX_DIRS; i++)
		free(w->dir[i].path);
	w->magic = 0;
	free(w);
}

void watch_stop(struct watch **w)
{
	if (!*w)
		return;
	uv_poll_stop(&(*w)->poll);
	uv_close((uv_handle_t *)&(*w)->poll, on_closed);
	*w = NULL;
}
