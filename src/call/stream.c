/* SPDX-License-Identifier: GPL-3.0-or-later */
/* THE DATA PATH
 *
 *   IP packet -> udp -> rtp -> track (SSRC) -> jitter -> decoder -> time line -> outlet -> sinks
 *   '-------- stream_packet --------'           '------- track_rtp -------'    outlet_write
 *
 * A packet in order is never copied between the queue from intake and the decoder; nothing is
 * allocated for a packet; nothing here waits. Time is the call's time, by the clock of the source:
 * the file's own time for a pcap. */
#include "call/stream.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mem.h"
#include "call/opening.h"
#include "call/track.h"

#define QUIET_AFTER   SEC  /* without sound: silence goes on that far behind */
#define ADOPT_PORT    25   /* packets in a row to another port: then it is ours */
#define CANDIDATE_MAX 2048 /* [bytes] of payload kept of an SSRC on probation */

#define STREAM_MAGIC 0x57e4a001u

struct stream {
	MAGIC_MEMBER;
	unsigned number;
	char *name;
	const struct stream_events *events;
	void *arg;
	struct jitter_opts jitter;
	bool opens;              /* nothing has come, or not for long */
	struct opening *opening; /* NULL before the first packet, and afterwards */
	struct stream_counts count;
	struct track *track;   /* the SSRC that is being heard */
	struct track_env env;  /* what it sees of us */
	bool hears;            /* its source has begun and not ended */
	usec_t heard;          /* call time of the last packet */
	/* Another SSRC is believed from its second packet on, unless ours was heard in between. */
	struct {
		bool any;
		bool whole; /* its payload, too, is kept */
		uint32_t ssrc;
		usec_t now;
		struct rtp rtp;
		uint8_t payload[CANDIDATE_MAX];
	} *candidate; /* made when first needed */
	unsigned ssrcs;
	struct stream_ssrc ssrc[STREAM_MAX_SSRCS];
	bool port_known;
	unsigned other_port; /* packets in a row to another port */
	struct udp where;    /* addresses of the first packet to the port; its payload is not kept */
};

static void on_track_event(void *arg, const struct stream_event *e)
{
	struct stream *s = OBJ(arg, struct stream, STREAM_MAGIC);

	if (e->kind == STREAM_EVENT_CODEC && s->ssrcs) {
		struct stream_ssrc *last = &s->ssrc[s->ssrcs - 1];

		if (!last->codec[0] && last->ssrc == stream_ssrc(s))
			memccpy(last->codec, e->codec, 0, sizeof(last->codec) - 1);
	}
	s->events->event(s->arg, s, e);
}

struct stream *stream_new(const struct stream_opts *o)
{
	struct stream *s = xnew(struct stream);

	s->magic = STREAM_MAGIC;
	s->number = o->number;
	s->name = xstrdup(o->name);
	s->events = o->events;
	s->arg = o->arg;
	s->jitter = o->jitter;
	s->opens = o->opens;
	s->env.name = s->name;
	s->env.count = &s->count;
	s->env.event = on_track_event;
	s->env.arg = s;
	return s;
}

/* ---- from packet to track ---- */

static void add_counts(struct stream_counts *to, const struct jitter_count *j)
{
	to->duplicate += j->duplicate;
	to->late += j->late;
	to->reordered += j->reordered;
}

static void end_track(struct stream *s, usec_t now)
{
	if (!s->track)
		return;
	track_drain(s->track, now);
	add_counts(&s->count, track_counts(s->track));
	track_free(&s->track);
}

static struct track *begin_track(struct stream *s, uint32_t ssrc, usec_t now)
{
	bool first = !s->track;

	end_track(s, now);
	s->track = track_new(ssrc, &s->jitter, &s->env);
	if (s->ssrcs < STREAM_MAX_SSRCS) {
		s->ssrc[s->ssrcs] = (struct stream_ssrc){ .ssrc = ssrc, .first = now };
		s->ssrcs++;
	}
	if (!first) {
		s->events->event(s->arg, s, &(struct stream_event){
			.kind = STREAM_EVENT_SSRC, .at = now, .ssrc = ssrc });
		if (s->events->ssrc_changed)
			s->events->ssrc_changed(s->arg, s, ssrc);
	}
	return s->track;
}

static void drop_candidate(struct stream *s)
{
	if (s->candidate && s->candidate->any) {
		s->candidate->any = false;
		s->count.stray++;
	}
}

static void keep_candidate(struct stream *s, const struct rtp *rtp, usec_t now)
{
	struct span payload = rtp->payload;

	drop_candidate(s);
	if (!s->candidate)
		s->candidate = xalloc(sizeof(*s->candidate));
	s->candidate->any = true;
	s->candidate->whole = payload.n <= CANDIDATE_MAX;
	s->candidate->ssrc = rtp->ssrc;
	s->candidate->now = now;
	s->candidate->rtp = *rtp;
	s->candidate->rtp.payload = span_of(s->candidate->payload, payload.n);
	if (s->candidate->whole && payload.n)
		memcpy(s->candidate->payload, payload.p, payload.n);
}

static bool is_second(const struct stream *s, const struct rtp *rtp)
{
	return s->candidate && s->candidate->any && s->candidate->ssrc == rtp->ssrc &&
	       s->candidate->rtp.seq != rtp->seq; /* the same one twice proves nothing */
}

/* The track of this packet; NULL: the packet is on probation. */
static struct track *track_of(struct stream *s, const struct rtp *rtp, usec_t now)
{
	struct track *t;

	if (s->track && track_ssrc(s->track) == rtp->ssrc) {
		drop_candidate(s);
		return s->track;
	}
	if (!s->track)
		return begin_track(s, rtp->ssrc, now);
	if (!is_second(s, rtp)) {
		keep_candidate(s, rtp, now);
		return NULL;
	}
	t = begin_track(s, rtp->ssrc, s->candidate->now);
	if (!s->candidate->whole) {
		drop_candidate(s);
		return t;
	}
	s->candidate->any = false;
	track_rtp(t, &s->candidate->rtp, s->candidate->now);
	return t;
}

/* The kernel has mixed packets of two calls when an index was used again (rtpengine before 11):
 * the UDP port of a stream does not change without a new SDP. */
static bool is_foreign(struct stream *s, const struct udp *udp)
{
	if (s->port_known && udp->to_port != s->where.to_port && ++s->other_port < ADOPT_PORT)
		return true;
	if (!s->port_known || s->other_port) {
		s->where = *udp;
		s->port_known = true;
	}
	s->other_port = 0;
	return false;
}

void stream_datagram(struct stream *s, const struct udp *udp, size_t packet_bytes, usec_t now)
{
	struct track *t;
	struct rtp rtp;

	s->count.packets++;
	s->count.bytes += packet_bytes;
	if (!s->where.family)
		s->where = *udp;
	if (rtcp_is(udp->payload)) {
		s->count.rtcp++;
		counter_add(COUNT_PACKETS_RTCP, 1);
		return;
	}
	if (rtp_parse(udp->payload, &rtp) < 0) {
		s->count.bad++;
		counter_add(COUNT_PACKETS_BAD, 1);
		return;
	}
	s->hears = true;
	s->heard = now;
	t = track_of(s, &rtp, now);
	if (t)
		track_rtp(t, &rtp, now);
}

static void on_packet(struct stream *s, struct span packet, usec_t now)
{
	struct udp udp;

	if (udp_parse(packet, &udp) < 0) {
		s->count.packets++;
		s->count.bytes += packet.n;
		s->count.bad++;
		counter_add(COUNT_PACKETS_BAD, 1);
		return;
	}
	if (is_foreign(s, &udp)) {
		s->count.packets++;
		s->count.bytes += packet.n;
		s->count.foreign++;
		return;
	}
	stream_datagram(s, &udp, packet.n, now);
}

static void end_opening(struct stream *s)
{
	struct opening *o = s->opening;
	struct span packet;
	usec_t came;

	s->opening = NULL;
	s->opens = false;
	while (o && opening_get(o, s->env.payloads, &packet, &came))
		on_packet(s, packet, came);
	opening_free(&o);
}

/* False: it comes after the opening. */
static bool put_opening(struct stream *s, struct span packet, usec_t now)
{
	if (!s->opening)
		s->opening = opening_new();
	if (opening_put(s->opening, packet, now))
		return true;
	end_opening(s);
	return false;
}

void stream_packet(struct stream *s, struct span packet, usec_t now)
{
	if (!s->opens || !put_opening(s, packet, now))
		on_packet(s, packet, now);
}

/* PCM has no packets to lose: the samples are the time. */
void stream_pcm(struct stream *s, struct span s16le, uint32_t rate_hz, unsigned channels, usec_t now)
{
	struct audio a = { .channels = channels, .rate_hz = rate_hz };

	s->count.packets++;
	s->count.bytes += s16le.n;
	if (!s->hears && s->env.end < now)
		s->env.end = now;
	s->hears = true;
	s->heard = s->env.sounded = now;
	a.samples = (const int16_t *)(const void *)s16le.p;
	a.frames = (unsigned)(s16le.n / sizeof(int16_t) / channels);
	if (s->env.outlets.n) {
		s->count.decoded++;
		s->count.audio += (usec_t)a.frames * SEC / rate_hz;
		outlets_write(&s->env.outlets, s->env.end, &a);
	} else {
		s->count.unwanted++;
	}
	s->env.end += (usec_t)a.frames * SEC / rate_hz;
}

/* ---- time ---- */

void stream_tick(struct stream *s, usec_t now)
{
	if (s->opening && opening_is_over(s->opening, now))
		end_opening(s);
	if (s->track)
		track_tick(s->track, now);
	if (s->hears && now - s->env.sounded > QUIET_AFTER)
		outlets_quiet(&s->env.outlets, now - QUIET_AFTER);
}

void stream_drain(struct stream *s)
{
	end_opening(s);
	drop_candidate(s);
	if (s->track)
		track_drain(s->track, s->heard);
	s->hears = false; /* no silence goes on behind the end */
}

void stream_free(struct stream **sp)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	opening_free(&s->opening);
	end_track(s, s->heard);
	free(s->candidate);
	free(s->name);
	s->magic = 0;
	free(s);
}

/* ---- what others set and see ---- */

unsigned stream_number(const struct stream *s)
{
	return s->number;
}

void stream_set_payloads(struct stream *s, struct payloads *p)
{
	s->env.payloads = p;
}

struct outlets *stream_outlets(struct stream *s)
{
	return &s->env.outlets;
}

void stream_expect_port(struct stream *s)
{
	s->port_known = false;
}

struct stream_counts *stream_count(struct stream *s)
{
	return &s->count;
}

void stream_sum(struct stream *s, struct stream_counts *sum, uint64_t *waiting)
{
	*sum = s->count;
	*waiting = s->candidate && s->candidate->any ? 1 : 0;
	if (s->track) {
		add_counts(sum, track_counts(s->track));
		*waiting += track_waiting(s->track);
	}
}

uint32_t stream_ssrc(const struct stream *s)
{
	return s->track ? track_ssrc(s->track) : 0;
}

unsigned stream_ssrcs(const struct stream *s, const struct stream_ssrc **list)
{
	*list = s->ssrc;
	return s->ssrcs;
}

bool stream_addresses(const struct stream *s, char from[64], char to[64])
{
	if (!s->count.packets || !s->where.family)
		return false;
	udp_format(s->where.family, s->where.from, s->where.from_port, from, 64);
	udp_format(s->where.family, s->where.to, s->where.to_port, to, 64);
	return true;
}
