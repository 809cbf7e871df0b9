/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A thread with its calls: a libuv loop, a tick of 20 ms, a mailbox, the packet queues that lead to
 * it. A call is pinned to a worker at birth and dies there: mixing and forwarding need no lock.
 * Never waits. Bound of the mailbox: what the spool tells (a cap a call, max-calls calls).
 *
 * Calls take turns: in one tick those of one turn do all that waits, packets, mixing, sending. So
 * a call is fetched from memory once for several packets, and what they are is sent as one. */
#ifndef WORKER_H
#define WORKER_H

#include "base/histogram.h"
#include "call/call.h"
#include "tls/dest.h"

struct worker_opts {
	unsigned index;
	unsigned latency_ms;           /* the longest that audio should wait for more */
	const struct call_opts *call;
	const struct dest_opts *dest;  /* NULL: nothing is forwarded as audio */
	struct dest_notice *notice;
	struct budget *budget;
	unsigned queues;               /* threads that read sources */
	struct packetq **queue;        /* from each of them to us; borrowed */
	/* On the worker's thread: a call is over; the account is the taker's. */
	void (*over)(void *arg, uint64_t call, struct account **);
	void *arg;
};

struct worker;

struct worker *worker_start(const struct worker_opts *);
/* No source sends any more; calls that are left are cut. ended: every source has; else calls whose
 * sources have not stay, and what they use with them. False: something stays; see also loop_close. */
bool worker_stop(struct worker **, bool ended, usec_t *patience);

/* From the control thread; everything is copied. */
void worker_new_call(struct worker *, uint64_t call, const char *parent, enum spool_layout);
void worker_change(struct worker *, uint64_t call, const struct change *);
/* Before the source is given to whoever opens it: its packets find their call. */
void worker_expect_source(struct worker *, uint64_t call, struct source *);
void worker_data(struct worker *, uint64_t call, struct span json, unsigned elements);
void worker_data_done(struct worker *, uint64_t call);
void worker_end_call(struct worker *, uint64_t call, const char *reason); /* reason: static */
void worker_cut(struct worker *); /* the deadline of a shutdown: all calls end as they are */

/* What of that latency is left for those who collect what several turns give them. */
unsigned worker_latency_left(unsigned latency_ms);

struct histogram *worker_ticks(struct worker *); /* [us] from when a tick is due to its end */

#endif
