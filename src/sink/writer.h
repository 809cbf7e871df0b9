/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The threads that may wait for a disk. Cap: max_jobs waiting for each directory; policy: more are
 * refused, the giver counts (writer_dropped). A thread that a disk holds comes back when the disk
 * does and is not replaced: each directory that was named has threads of its own, so what hangs is
 * no more than those, and no file of another directory waits for them. */
#ifndef SINK_WRITER_H
#define SINK_WRITER_H

#include "base/clock.h"
#include "base/span.h"

#define WRITER_MAX_THREADS 64        /* of a directory */
#define WRITER_MAX_DIRS    32        /* more share the threads of what has none */
#define WRITER_HANG        (5 * SEC) /* a write that takes longer */

enum writer_work {
	WRITER_WRITE, /* no more than a disk needs for it */
	WRITER_LONG,  /* half as many threads, so that encoding keeps nobody from writing */
};

struct writer;
struct disk_access;

struct writer *writer_start(unsigned threads, unsigned max_jobs);
void writer_add_dir(struct writer *, const char *dir); /* before the first job */
/* Waits until all is written or the deadline (clock_mono) is over; what is left then is lost and
 * counted. False: a disk still holds a thread, which may yet touch what its job was given. */
bool writer_stop(struct writer **, usec_t deadline);
/* run(arg) on one of the threads of the directory where path lies; NULL: of none that was added.
 * False: full, nothing was taken. */
bool writer_put(struct writer *, enum writer_work, const char *path, void (*run)(void *arg),
	void *arg);
bool writer_hangs(struct writer *, const char *path, usec_t now); /* a write there does */

/* For jobs. A whole file appears at once under its name (.part, fsync, rename), or not at all;
 * path/.part must fit in PATH_MAX. mode: less the umask; access: given before it appears, or NULL.
 * 0 or -errno. */
int writer_publish(const char *path, struct span content, unsigned mode,
	const struct disk_access *access);

#endif
