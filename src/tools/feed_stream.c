/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_stream.h"

#include "base/check.h"
#include "tools/stamp.h"

#define EVENT_PT     101
#define NOISE_PT     13
#define NOISE_LEVEL  70          /* [-dBov] RFC 3389 3.1 */
#define MAX_PAYLOAD  3840        /* a FIFO's packet is a page, headers included */
#define USERSPACE      (3 * SEC) /* rtpengine's first packets: not by its module */
#define RTCP_EVERY   (5 * SEC)
#define MAX_COMPLAINTS 50 /* lines; all are counted, and with --json said per stream */

static void set_addresses(struct feed_stream *s, int call, unsigned port)
{
	struct feed_flow *f = &s->flow;
	const uint8_t host[4] = { 10, 99, (uint8_t)(1 + call / 250 % 250),
		(uint8_t)(1 + call % 250) };
	const uint8_t ours[4] = { 10, 99, 0, 1 };

	f->v6 = s->world->opts->ipv6;
	f->from_port = (uint16_t)(20000 + 2 * s->participant + s->rtcp);
	f->to_port = (uint16_t)(port + s->rtcp);
	if (f->v6) {
		/* fd00:99::/32: the unique local addresses of RFC 4193. */
		const uint8_t net[4] = { 0xfd, 0, 0, 0x99 };

		memcpy(f->from, net, 4);
		memcpy(f->to, net, 4);
		memcpy(f->from + 12, host, 4);
		f->to[15] = 1;
		return;
	}
	memcpy(f->from, host, 4);
	memcpy(f->to, ours, 4);
}

void feed_stream_init(struct feed_stream *s, struct feed_world *w, int call,
	int participant, bool rtcp, unsigned id, unsigned port)
{
	const struct feed_opts *o = w->opts;
	const char *why;

	s->world = w;
	s->fifo.fd = -1;
	s->id = id;
	s->participant = participant;
	s->rtcp = rtcp;
	s->tone =
		feed_tones_get(w->tones, feed_tone_of(o->tones, call, participant), &why);
	must(s->tone != NULL); /* all tones were encoded before the first call */
	set_addresses(s, call, port);
	feed_plan_init(
		&s->plan, o, feed_tones_codec(w->tones)->clock_hz, call, participant);
	s->rtcp_due = SEC + (call * 37 + participant * 501) % 4000 * MSEC;
	s->ip_id = (uint16_t)(call * 31 + participant);
}

static void write_wrapped(struct feed_stream *s, uint8_t *room, size_t n, usec_t since)
{
	uint16_t id = 0;
	uint8_t *ip;

	if (since >= USERSPACE && !++s->ip_id)
		s->ip_id = 1;
	if (since >= USERSPACE)
		id = s->ip_id;
	ip = feed_wrap_ip(&s->flow, room, n, id);
	feed_fifo_write(&s->fifo, span_of(ip, (size_t)(room + FEED_IP_MAX + n - ip)));
	s->packets++;
}

static struct span payload_of(
	const struct feed_stream *s, const struct feed_packet *p, uint8_t *pt)
{
	static const uint8_t noise[] = { NOISE_LEVEL };

	if (p->kind == FEED_EVENT) {
		*pt = EVENT_PT;
		return span_of(p->event, sizeof(p->event));
	}
	if (p->kind == FEED_NOISE) {
		*pt = NOISE_PT;
		return span_of(noise, sizeof(noise));
	}
	*pt = feed_tones_codec(s->world->tones)->pt;
	return s->tone->payload[p->slot % s->tone->n];
}

static bool is_stamped(
	const struct feed_stream *s, const struct feed_packet *p, struct span payload)
{
	unsigned every = (unsigned)s->world->opts->stamp_every;

	return every && p->kind == FEED_AUDIO && p->slot % every == 0 &&
		payload.n >= STAMP_SAMPLES;
}

static void write_rtp(struct feed_stream *s, const struct feed_packet *p, usec_t since)
{
	uint8_t room[FEED_IP_MAX + FEED_RTP_HEADER + MAX_PAYLOAD];
	struct feed_rtp rtp = {
		.marker = p->marker, .seq = p->seq, .ts = p->ts, .ssrc = p->ssrc
	};
	struct span payload = span_head(payload_of(s, p, &rtp.pt), MAX_PAYLOAD);

	feed_wrap_rtp(&rtp, room + FEED_IP_MAX);
	memcpy(room + FEED_IP_MAX + FEED_RTP_HEADER, payload.p, payload.n);
	if (is_stamped(s, p, payload))
		stamp_write(&(struct stamp){ clock_mono(), (uint16_t)p->ts },
			room + FEED_IP_MAX + FEED_RTP_HEADER);
	write_wrapped(s, room, FEED_RTP_HEADER + payload.n, since);
}

static void write_rtcp(struct feed_stream *s, usec_t since)
{
	uint8_t room[FEED_IP_MAX + FEED_RTCP_MAX];
	uint32_t packets = (uint32_t)(since / (s->world->opts->ptime * MSEC));
	size_t n = feed_wrap_rtcp(room + FEED_IP_MAX, s->plan.ssrc,
		s->plan.ts + packets * s->plan.ticks, clock_wall(), packets,
		packets * (uint32_t)s->tone->payload[0].n);

	write_wrapped(s, room, n, since);
}

void feed_stream_run(struct feed_stream *s, usec_t answered, usec_t now)
{
	usec_t since = now - answered;

	if (s->rtcp) {
		for (; s->rtcp_due <= since; s->rtcp_due += RTCP_EVERY)
			write_rtcp(s, since);
		return;
	}
	for (;;) {
		if (!s->has_next)
			feed_plan_next(&s->plan, &s->next);
		s->has_next = s->next.due > since;
		if (s->has_next)
			return;
		if (s->next.kind != FEED_NOTHING)
			write_rtp(s, &s->next, since);
	}
}

static void count_times(struct feed_stream *s, bool stuck)
{
	struct feed_world *w = s->world;
	const struct feed_fifo *f = &s->fifo;

	if (f->opened_at)
		feed_stat_add(&w->opening, f->opened_at > s->announced ?
			f->opened_at - s->announced : 0);
	else
		w->streams_unopened++;
	if (f->held_at_end && !(stuck && f->readers))
		feed_stat_add(&w->closing, f->closed_at - f->ended_at);
	w->streams_stuck += stuck && f->readers;
	w->streams++;
}

static void complain(struct feed_stream *s)
{
	struct feed_world *w = s->world;

	if ((!s->was_stuck && !s->fifo.overruns) || ++w->complaints > MAX_COMPLAINTS)
		return;
	fprintf(stderr, "spoolwire-feed: %s: %s%llu overruns\n", s->fifo.path,
		s->was_stuck ? "stuck, " : "", (unsigned long long)s->fifo.overruns);
}

void feed_stream_over(struct feed_stream *s, bool stuck)
{
	struct feed_world *w = s->world;
	struct feed_fifo *f = &s->fifo;

	if (!f->path)
		return;
	count_times(s, stuck);
	s->never_opened = !f->opened_at;
	s->was_stuck = stuck && f->readers;
	complain(s);
	s->overruns += f->overruns;
	w->written += f->written;
	w->overruns += f->overruns;
	w->unread += f->unread;
	w->lost_at_end += f->lost_at_end;
	w->lost += s->plan.lost;
	w->reordered += s->plan.reordered;
	w->duplicated += s->plan.duplicated;
	s->plan.lost = s->plan.reordered = s->plan.duplicated = 0;
	feed_fifo_remove(w->fifos, f);
}

void feed_stream_print(FILE *f, const struct feed_stream *s, const char *tag)
{
	fprintf(f, "{\"id\":%u,\"tag\":", s->id);
	feed_stat_text(f, tag);
	fprintf(f, ",\"rtcp\":%s", s->rtcp ? "true" : "false");
	if (!s->rtcp)
		fprintf(f, ",\"tone_hz\":%u,\"ssrc\":\"%08x\"", s->tone->hz,
			s->plan.ssrc);
	fprintf(f, ",\"packets\":%llu,\"overruns\":%llu,\"opened\":%s,\"stuck\":%s}",
		(unsigned long long)s->packets, (unsigned long long)s->overruns,
		s->never_opened ? "false" : "true", s->was_stuck ? "true" : "false");
}
