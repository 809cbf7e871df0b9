/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Order of one SSRC's packets: reorder window, duplicates, late packets, holes. A packet that is
 * the next in order passes straight through without a copy; only what comes early is kept.
 * Cap: window packets of at most 2 KiB (larger ones are released at once, in order of coming);
 * policy: when the window is full or its oldest has waited hold_us, the hole is given up and
 * counted lost; counts in struct jitter_count. Pure: time comes from the caller. */
#ifndef MEDIA_JITTER_H
#define MEDIA_JITTER_H

#include "base/clock.h"
#include "media/rtp.h"

struct jitter_opts {
	unsigned window; /* [packets] a power of two, at most 256; 64 */
	usec_t hold;     /* how long a hole is waited for; 100 ms */
};

struct jitter_count {
	uint64_t in;         /* packets put */
	uint64_t out;        /* packets released */
	uint64_t duplicate, late, lost;
	uint64_t reordered;  /* came early and were kept */
	uint64_t restarts;   /* sequence jumps taken as a new beginning (RFC 3550 A.1) */
};

enum jitter_result {
	JITTER_NEXT,  /* this packet is the next: use it now, then call jitter_get until false */
	JITTER_HELD,  /* kept: call jitter_get */
	JITTER_DROPPED, /* duplicate or late, counted */
};

struct jitter;

struct jitter *jitter_new(const struct jitter_opts *);
void jitter_free(struct jitter **);
/* True: it is the next one and nothing waits, so it may be used as it came: nearly every packet.
 * Otherwise nothing has happened, and jitter_put is to be called. */
bool jitter_next(struct jitter *, uint16_t seq);
enum jitter_result jitter_put(struct jitter *, const struct rtp *, usec_t now);
/* The next kept packet that is due; valid until the next call. *lost: packets missing before it. */
bool jitter_get(struct jitter *, usec_t now, struct rtp *, unsigned *lost);
/* The same without waiting for holes: at the end of a stream. */
bool jitter_drain(struct jitter *, struct rtp *, unsigned *lost);
/* When jitter_get has to be called again although nothing comes; 0: not at all. */
usec_t jitter_due(const struct jitter *);
const struct jitter_count *jitter_counts(const struct jitter *);
/* Invariant: in = out + duplicate + late + waiting. */
unsigned jitter_waiting(const struct jitter *);

#endif
