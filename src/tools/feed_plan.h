/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which RTP packets one participant sends, and when: talk, events, silence, and
 * everything that a network does to them. Pure: the same options and seed give the
 * same packets. */
#ifndef TOOLS_FEED_PLAN_H
#define TOOLS_FEED_PLAN_H

#include "base/clock.h"
#include "tools/feed_opts.h"

#define FEED_PLAN_HELD 8

enum feed_packet_kind { FEED_AUDIO, FEED_EVENT, FEED_NOISE, FEED_NOTHING };

struct feed_packet {
	usec_t due;        /* since the start of the media */
	enum feed_packet_kind kind;
	uint64_t slot;     /* ptime after ptime from 0: the audio that belongs there */
	uint32_t ts, ssrc;
	uint16_t seq;
	bool marker;
	uint8_t event[4];  /* FEED_EVENT: payload, RFC 4733 2.3 */
};

struct feed_plan {
	const struct feed_opts *opts;
	uint64_t rng;
	uint32_t ticks;    /* of RTP clock in a packet */
	uint64_t slot;
	uint32_t ts, ssrc, event_ts;
	uint16_t seq;
	bool caller, was_silent, ssrc_changed, muted;
	usec_t last_due;
	struct feed_packet held[FEED_PLAN_HELD];
	unsigned n_held;
	struct feed_packet late; /* waits for the one after it */
	bool has_late;
	uint64_t lost, reordered, duplicated; /* so far */
};

/* participant 0 is the caller: events and SSRC changes are its own. */
void feed_plan_init(struct feed_plan *, const struct feed_opts *, uint32_t clock_hz,
	int call, int participant);
/* The next packet in the order of sending. FEED_NOTHING: none before `due`, ask again
 * then. */
void feed_plan_next(struct feed_plan *, struct feed_packet *);
/* While muted, slots pass without packets: takes effect with the next slot made. */
void feed_plan_mute(struct feed_plan *, bool);
void feed_plan_new_ssrc(struct feed_plan *);

#endif
