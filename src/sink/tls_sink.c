/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sink/tls_sink.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define MAX_SPEED 8 /* times real time, after an outage */

#define TLS_SINK_MAGIC 0x715517a1u

struct tls_sink {
	struct sink sink; /* first: ops find us */
	uint32_t magic;
	struct peer *peer;
	const char *kind;
	uint32_t rate_hz;
	unsigned channels, frame; /* frame: [bytes] */
	bool begun;
	int64_t next; /* position after what was put */
};

static struct tls_sink *self(const struct sink *sink)
{
	struct tls_sink *t = (struct tls_sink *)(uintptr_t)sink;

	must(t && t->magic == TLS_SINK_MAGIC);
	return t;
}

static void advance(struct sink *sink, int64_t position)
{
	struct tls_sink *t = self(sink);

	if (!t->begun || position <= t->next)
		return;
	peer_put_silence(t->peer, (uint64_t)(position - t->next) * t->frame);
	t->next = position;
}

/* The wire is little-endian and so is every machine we build for (configure checks). */
static void put(struct sink *sink, const struct pcm *pcm)
{
	struct tls_sink *t = self(sink);

	must(pcm->rate_hz == t->rate_hz && pcm->channels == t->channels);
	if (!t->begun) {
		t->begun = true;
		t->next = pcm->position;
	}
	advance(sink, pcm->position);
	peer_put(t->peer, span_of(pcm->samples, (size_t)pcm->frames * t->frame));
	t->next += pcm->frames;
}

static void header(struct sink *sink, struct span text)
{
	peer_set_header(self(sink)->peer, text);
}

static bool wants_header(const struct sink *sink)
{
	return !peer_has_header(self(sink)->peer);
}

static void tick(struct sink *sink, usec_t now)
{
	peer_tick(self(sink)->peer, now);
}

static void finish(struct sink *sink)
{
	peer_finish(self(sink)->peer);
}

static void cut(struct sink *sink)
{
	peer_cut(self(sink)->peer);
}

static bool done(const struct sink *sink)
{
	return peer_done(self(sink)->peer);
}

static void stats(const struct sink *sink, struct sink_stats *out)
{
	struct tls_sink *t = self(sink);
	struct peer_stats p;

	peer_get_stats(t->peer, &p);
	*out = (struct sink_stats){
		.kind = t->kind,
		.rate_hz = t->rate_hz,
		.channels = t->channels,
		.put = p.put / t->frame,
		.sent = p.sent / t->frame,
		.dropped = p.dropped / t->frame,
		.waiting = peer_waiting(t->peer) / t->frame,
		.silence = p.silence / t->frame,
		.connects = p.connects,
		.full_episodes = p.full_episodes,
		.first_byte = p.first_byte,
	};
}

static void free_sink(struct sink *sink)
{
	struct tls_sink *t = self(sink);

	peer_free(&t->peer);
	t->magic = 0;
	free(t);
}

static const struct sink_ops tls_sink_ops = {
	.put = put,
	.advance = advance,
	.header = header,
	.wants_header = wants_header,
	.tick = tick,
	.finish = finish,
	.cut = cut,
	.done = done,
	.stats = stats,
	.free = free_sink,
};

struct sink *tls_sink_new(const struct tls_sink_opts *o)
{
	struct tls_sink *t = xnew(struct tls_sink);
	unsigned frame = o->channels * (unsigned)sizeof(int16_t);
	unsigned per_second = o->rate_hz * frame;

	t->sink.ops = &tls_sink_ops;
	t->magic = TLS_SINK_MAGIC;
	t->kind = o->kind;
	t->rate_hz = o->rate_hz;
	t->channels = o->channels;
	t->frame = frame;
	t->peer = peer_new(&(struct peer_opts){
		.dest = o->dest,
		.budget = o->budget,
		.name = o->name,
		.max_bytes = (size_t)o->buffer_ms * o->rate_hz / 1000 * frame,
		.frame = frame,
		.bytes_per_second = per_second,
		.coalesce = (size_t)o->latency_ms * o->rate_hz / 1000 * frame,
		.max_speed = MAX_SPEED,
		.linger = o->linger,
		.policy = o->policy,
	});
	return &t->sink;
}
