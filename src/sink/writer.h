/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The threads that may wait for a disk. Cap: max_jobs waiting; policy: more are refused, the giver
 * counts (writer_dropped). */
#ifndef SINK_WRITER_H
#define SINK_WRITER_H

#include "base/clock.h"
#include "base/span.h"

struct writer;

struct writer *writer_start(unsigned threads, unsigned max_jobs);
/* Waits until all is written or the deadline (clock_mono) is over; what is left then is lost and
 * counted. False: a disk still holds a thread, which may yet touch what its job was given. */
bool writer_stop(struct writer **, usec_t deadline);
/* run(arg) on one of the threads. False: full, nothing was taken. */
bool writer_put(struct writer *, void (*run)(void *arg), void *arg);

/* For jobs. A whole file appears at once under its name (.part, fsync, rename), or not at all;
 * path/.part must fit in PATH_MAX. 0 or -errno. */
int writer_publish(const char *path, struct span content, unsigned mode);
int writer_append(const char *path, struct span content, unsigned mode);

#endif
