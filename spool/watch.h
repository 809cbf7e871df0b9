/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Directories and what happens in them: the one door to inotify, in a libuv loop. A directory that
 * does not exist, or vanishes and comes back, is waited for through its nearest existing ancestor.
 * Holds no descriptor of the directories: they can be unmounted and removed.
 *
 * Events are hints to look, never facts: `look` says that any name may have changed unseen, at
 * the start, after an overflow of the kernel's queue, and when a directory came or went. */
#ifndef SPOOL_WATCH_H
#define SPOOL_WATCH_H

#include <stdbool.h>

#define WATCH_MAX_DIRS 8

struct uv_loop_s;

enum watch_what {
	WATCH_FOUND = 0,   /* not told by this, but found there */
	WATCH_WRITTEN = 1, /* made, written or moved here */
	WATCH_CLOSED = 2,  /* closed by a writer */
	WATCH_GONE = 4,    /* removed or moved away */
};

struct watch_events {
	void (*file)(void *arg, unsigned dir, const char *name, enum watch_what);
	void (*look)(void *arg, unsigned dir);
	void (*done)(void *arg); /* after each row of the two above */
};

struct watch;

/* Dies when the kernel gives no inotify: nothing would work. */
struct watch *watch_start(struct uv_loop_s *, const struct watch_events *, void *arg);
void watch_stop(struct watch **); /* no further event; clears *w */

/* dir: the caller's number for it, below WATCH_MAX_DIRS. Says look and done before it returns.
 * each_write: every single write counts, not only the closing of what was written. */
void watch_add(struct watch *, unsigned dir, const char *path, bool each_write);

/* Once a second: notices what inotify does not tell (mounts, moved ancestors). */
void watch_check(struct watch *);

/* As if the kernel's queue had overflowed. */
void watch_look_again(struct watch *);

#endif
