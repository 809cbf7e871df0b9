/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The expendable threads. open() of a kernel stream has been seen to hang for ever, unkillable:
 * such a thread is written off, counted (openers_lost) and replaced, up to a limit, and the source
 * it held counts as failed. Any thread may give; sources come back on the openers' own threads. */
#ifndef SPOOL_OPENER_H
#define SPOOL_OPENER_H

#include "spool/source.h"

struct opener_opts {
	unsigned threads;     /* working at once */
	unsigned max_lost;    /* beyond: sources fail at once with EAGAIN */
	unsigned max_waiting; /* sources in the queue; beyond: fail at once with EAGAIN */
	usec_t hang_after;    /* an open() that takes longer is written off */
};

struct opener;

/* done gets every source back: open (fd >= 0), or failed (end and error set). It must not wait. */
struct opener *opener_new(const struct opener_opts *,
	void (*done)(void *arg, struct source **), void *arg);
void opener_give(struct opener *, struct source **); /* clears *s */
void opener_check(struct opener *, usec_t now); /* call about every 100 ms: writes off the hung */
void opener_free(struct opener **); /* waits for working threads, not for lost ones */

#endif
