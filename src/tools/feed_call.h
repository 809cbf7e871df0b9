/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call in proc mode, from its offer to the last of its streams taken away. */
#ifndef TOOLS_FEED_CALL_H
#define TOOLS_FEED_CALL_H

#include <stdio.h>

#include "tools/feed_fifo.h"
#include "tools/feed_opts.h"
#include "tools/feed_stat.h"
#include "tools/feed_tone.h"

/* What all calls share, and where they add up what they saw. */
struct feed_world {
	const struct feed_opts *opts;
	struct feed_tones *tones;
	struct feed_fifos *fifos;
	unsigned removing;           /* calls whose removal is under way */
	struct feed_stat removal;    /* first stream ended to metafile gone */
	struct feed_stat deleting;   /* the same, and the wait for a thread */
	struct feed_stat closing;    /* end of stream visible to descriptor closed */
	struct feed_stat opening;    /* interface section written to opened */
	uint64_t calls, streams, written, lost, reordered, duplicated;
	uint64_t overruns, unread, lost_at_end;
	uint64_t streams_unopened, calls_unopened, streams_stuck, calls_stuck, errors,
		complaints;
};

struct feed_call;

struct feed_call *feed_call_new(struct feed_world *, int number, usec_t start);
void feed_call_free(struct feed_call **); /* takes away what is still there of it */
/* Does what is due; false when the call is over and may be freed. */
bool feed_call_run(struct feed_call *, usec_t now);
bool feed_call_is_removing(const struct feed_call *);
void feed_call_end(struct feed_call *, usec_t now); /* now, whatever its length */
/* A line of JSON with what it was. */
void feed_call_print(FILE *, const struct feed_call *);

#endif
