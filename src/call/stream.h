/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One RTP stream of a call: what one participant sends. THE DATA PATH is in stream.c. */
#ifndef CALL_STREAM_H
#define CALL_STREAM_H

#include "call/outlet.h"
#include "call/payloads.h"
#include "media/event.h"
#include "media/jitter.h"

struct stream_counts {
	/* packets = refused + foreign + bad + rtcp + empty + duplicate + late + stray + waiting
	 *           + events + noise + undecodable + unwanted + decoded */
	uint64_t packets, bytes;
	uint64_t refused;     /* by the queue between intake and worker */
	uint64_t foreign;     /* to another port than this stream's: another call's */
	uint64_t bad;         /* neither RTP nor RTCP */
	uint64_t rtcp;
	uint64_t empty;       /* RTP without payload: keep-alive */
	uint64_t duplicate, late, reordered;
	uint64_t lost;        /* holes in the sequence: lost before us; not in packets */
	uint64_t stray;       /* of an SSRC that sent a single packet among others; the first of
	                       * another one, where it is too large to be kept for the second */
	uint64_t events;      /* telephone-event */
	uint64_t noise;       /* comfort noise */
	uint64_t undecodable;
	uint64_t unwanted;    /* nobody wanted audio then */
	uint64_t decoded;
	uint64_t jumps;       /* time line mapped anew */
	usec_t audio;         /* [us] decoded */
	usec_t concealed;     /* [us] put in place of what was lost */
};

#define STREAM_MAX_SSRCS 32

struct stream_ssrc {
	uint32_t ssrc;
	usec_t first; /* call time of its first packet */
	char codec[24];
};

enum stream_event_kind {
	STREAM_EVENT_DIGIT, STREAM_EVENT_SIGNAL, STREAM_EVENT_SSRC, STREAM_EVENT_CODEC,
	STREAM_EVENT_JUMP,
};

struct stream_event {
	enum stream_event_kind kind;
	usec_t at;           /* call time */
	char digit;
	uint8_t signal;      /* number of a telephone-event that is no digit */
	unsigned duration_ms;
	uint32_t ssrc;
	const char *codec;   /* valid during the call */
};

struct stream;

struct stream_events {
	void (*event)(void *arg, struct stream *, const struct stream_event *);
	/* tls-connection = ssrc: the stream goes on with another SSRC. NULL: nobody cares. */
	void (*ssrc_changed)(void *arg, struct stream *, uint32_t ssrc);
};

struct stream_opts {
	unsigned number;
	const char *name;       /* for the log; copied */
	const struct stream_events *events;
	void *arg;
	struct jitter_opts jitter;
	bool opens;             /* a kernel stream: packets have waited until it was opened */
};

struct stream *stream_new(const struct stream_opts *);
void stream_free(struct stream **);
unsigned stream_number(const struct stream *);

void stream_set_payloads(struct stream *, struct payloads *); /* borrowed; of its media */
struct outlets *stream_outlets(struct stream *); /* who listens; add and remove at any time */
void stream_expect_port(struct stream *); /* a new SDP came: another port is all right */

/* now: call time, by the clock of the source. */
void stream_packet(struct stream *, struct span packet, usec_t now);
/* Its caller knows that it is this stream's, whatever the port. */
void stream_datagram(struct stream *, const struct udp *, size_t packet_bytes, usec_t now);
void stream_pcm(struct stream *, struct span s16le, uint32_t rate_hz, unsigned channels, usec_t now);
void stream_tick(struct stream *, usec_t now); /* releases what has waited long enough */
void stream_drain(struct stream *);            /* its source is at its end: nothing waits any more */

struct stream_counts *stream_count(struct stream *);
/* Brings in what is counted per SSRC; waiting: packets still kept. */
void stream_sum(struct stream *, struct stream_counts *, uint64_t *waiting);
uint32_t stream_ssrc(const struct stream *); /* that is being heard; 0: none */
unsigned stream_ssrcs(const struct stream *, const struct stream_ssrc **list);
bool stream_addresses(const struct stream *, char from[64], char to[64]); /* false: no packet yet */

#endif
