/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One stream of a call in proc mode: what is written into its FIFO, and when. */
#ifndef TOOLS_FEED_STREAM_H
#define TOOLS_FEED_STREAM_H

#include "tools/feed_call.h"
#include "tools/feed_plan.h"
#include "tools/feed_wrap.h"

struct feed_stream {
	struct feed_world *world;
	struct feed_fifo fifo;
	unsigned id;
	int participant;
	bool rtcp, never_opened, was_stuck;
	usec_t announced;          /* its interface section was written */
	struct feed_flow flow;
	const struct feed_tone *tone;
	struct feed_plan plan;
	struct feed_packet next;
	bool has_next;
	usec_t rtcp_due;           /* since the answer */
	uint16_t ip_id;
	uint64_t packets, overruns;
};

void feed_stream_init(struct feed_stream *, struct feed_world *, int call,
	int participant, bool rtcp, unsigned id, unsigned port);
/* Writes all packets that are due. */
void feed_stream_run(struct feed_stream *, usec_t answered, usec_t now);
/* Its removal is done, or given up as stuck: counts what it saw and takes the FIFO
 * away. */
void feed_stream_over(struct feed_stream *, bool stuck);
void feed_stream_print(FILE *, const struct feed_stream *, const char *tag);

#endif
