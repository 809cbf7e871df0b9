/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One SSRC of a stream: order -> payload type -> decoder -> time. */
#ifndef CALL_TRACK_H
#define CALL_TRACK_H

#include "call/stream.h"

/* What a track needs of its stream. */
struct track_env {
	const char *name;           /* for the log */
	struct payloads *payloads;  /* NULL: only static payload types are known */
	struct outlets outlets;
	struct stream_counts *count;
	usec_t end;                 /* call time at which the stream's audio ends so far */
	usec_t sounded;             /* call time of the last sound: a packet, noise of a pause */
	void (*event)(void *arg, const struct stream_event *);
	void *arg;
};

struct track;

struct track *track_new(uint32_t ssrc, const struct jitter_opts *, struct track_env *);
void track_free(struct track **); /* drain first: what waits would be in no count */
uint32_t track_ssrc(const struct track *);
void track_rtp(struct track *, const struct rtp *, usec_t now);
void track_tick(struct track *, usec_t now);
void track_drain(struct track *, usec_t now);
const struct jitter_count *track_counts(const struct track *);
unsigned track_waiting(const struct track *);

#endif
