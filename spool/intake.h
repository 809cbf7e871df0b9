/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that reads every kernel stream, and does nothing else.
 *
 * First duty (README, "What presses back on rtpengine"): from
 * end-of-stream visible to all descriptors of that call closed within 5 ms, whatever else happens.
 * Second: no packet stays in the kernel's queue of ten. It never waits for anybody, takes no lock,
 * and allocates nothing per packet. */
#ifndef SPOOL_INTAKE_H
#define SPOOL_INTAKE_H

#include "base/histogram.h"
#include "spool/source.h"

struct intake_opts {
	usec_t period;         /* from look to look */
	usec_t awake;          /* after an end-of-stream the next may wait behind it: look this soon */
	unsigned queues;       /* number of workers */
	struct packetq **queue; /* ours to each of them; borrowed */
	/* All sources of a call were closed because one of them ended (not because we were asked). */
	void (*call_ended)(void *arg, uint64_t call, uint64_t epoch);
	void *arg;
};

/* Written by the intake thread, read by anyone. */
struct intake_times {
	struct histogram round;     /* one round, nap excluded */
	struct histogram eof_close; /* last look that saw no end-of-stream, to all of the call closed */
	struct histogram open;      /* asked (interface section read) to registered here */
};

struct intake;

struct intake *intake_start(const struct intake_opts *);
void intake_stop(struct intake **); /* closes all, announces all ends, joins */

void intake_give(struct intake *, struct source **); /* open or failed; clears *s */
void intake_close_call(struct intake *, uint64_t call); /* drains and closes all of a call */
struct intake_times *intake_times(struct intake *);

#endif
