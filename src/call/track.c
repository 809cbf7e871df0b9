/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/track.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/timeline.h"
#include "media/noise.h"

#define DECODERS      4            /* payload types in turn without making a decoder anew */
#define CONCEAL_MAX   (120 * MSEC) /* beyond, concealment is worse than silence */
#define NOISE_MAX     (30 * SEC)   /* comfort noise, each time that it was asked for */
#define NOISE_BLOCK   320          /* [samples] */
#define REST_MAX      (5 * SEC)    /* the same, where the decoder makes it: it costs more */
#define PAUSE_BEHIND  (400 * MSEC) /* noise follows: less than a mix waits, more than jitter */

struct voice { /* a payload type in use */
	unsigned pt;
	unsigned generation; /* of the payload table when it was looked up */
	bool used, known;
	struct codec codec;
	struct decoder *decoder; /* NULL: cannot be decoded, said once */
};

struct track {
	uint32_t ssrc;
	struct track_env *env;
	struct jitter *jitter;
	struct timeline timeline;
	struct event_tracker event;
	struct noise noise;
	bool noisy;          /* the sender asked for comfort noise */
	bool resting;        /* it sends nothing, within its codec */
	usec_t pause_end;    /* call time up to which either fills a pause */
	usec_t delay;        /* how long after its time the last sound came */
	struct voice voice[DECODERS];
	unsigned oldest;     /* voice to give up next */
	struct voice *last;  /* of the last audio packet */
};

struct track *track_new(uint32_t ssrc, const struct jitter_opts *jitter, struct track_env *env)
{
	struct track *t = xnew(struct track);

	t->ssrc = ssrc;
	t->env = env;
	t->jitter = jitter_new(jitter);
	return t;
}

void track_free(struct track **tp)
{
	struct track *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	must(jitter_waiting(t->jitter) == 0);
	jitter_free(&t->jitter);
	for (unsigned i = 0; i < DECODERS; i++)
		decoder_free(&t->voice[i].decoder);
	free(t);
}

/* ---- payload type to decoder ---- */

/* The table has changed, but not what it says of this type: the decoder keeps its state. */
static bool still_means(struct track *t, struct voice *v)
{
	struct payloads *p = t->env->payloads;
	const struct codec *codec = p ? payloads_find(p, v->pt) : NULL;

	if (!codec || !v->known || !codec_equal(codec, &v->codec))
		return false;
	v->generation = payloads_generation(p);
	return true;
}

static void prepare(struct track *t, struct voice *v, unsigned pt)
{
	struct payloads *p = t->env->payloads;
	const struct codec *codec = p ? payloads_find(p, pt) : NULL;
	const char *reason = "its payload type is not in the SDP";

	decoder_free(&v->decoder);
	*v = (struct voice){ .used = true, .pt = pt,
		.generation = p ? payloads_generation(p) : 0 };
	v->known = codec ? true : codec_static(pt, &v->codec);
	if (codec)
		v->codec = *codec;
	if (v->known && !codec_is_audio(&v->codec))
		return;
	if (v->known)
		v->decoder = decoder_new(&v->codec, &reason);
	if (!v->decoder)
		log_warn_limited("%s: payload type %u (%s) cannot be decoded: %s", t->env->name,
			pt, v->known ? v->codec.name : "unknown", reason);
}

static struct voice *voice_of(struct track *t, unsigned pt)
{
	unsigned generation = t->env->payloads ? payloads_generation(t->env->payloads) : 0;
	struct voice *v = t->last;

	if (v && v->pt == pt && v->generation == generation)
		return v;
	for (v = t->voice; v < t->voice + DECODERS; v++)
		if (v->used && v->pt == pt)
			break;
	if (v == t->voice + DECODERS)
		v = &t->voice[t->oldest++ % DECODERS];
	else if (v->generation == generation || still_means(t, v))
		return v;
	prepare(t, v, pt);
	if (t->last == v)
		t->last = NULL;
	return v;
}

/* ---- one packet in its order ---- */

/* Returns how long it is [us]. */
static usec_t put_out(struct track *t, usec_t at, const struct audio *a)
{
	usec_t length = (usec_t)a->frames * SEC / a->rate_hz;

	outlets_write(&t->env->outlets, at, a);
	t->env->end = at + length;
	return length;
}

static void fill_with_noise(struct track *t, usec_t to, uint32_t rate_hz)
{
	int16_t block[NOISE_BLOCK];

	if (to - t->env->end > NOISE_MAX)
		t->env->end = to - NOISE_MAX;
	while (t->env->end < to) {
		usec_t frames = (to - t->env->end) * rate_hz / SEC;
		struct audio a = { .samples = block, .channels = 1, .rate_hz = rate_hz };

		a.frames = frames < NOISE_BLOCK ? (unsigned)frames : NOISE_BLOCK;
		if (!a.frames)
			break;
		noise_generate(&t->noise, block, a.frames);
		put_out(t, t->env->end, &a);
	}
}

static void rest(struct track *t, const struct voice *v, usec_t to)
{
	while (t->env->end < to) {
		usec_t left = to - t->env->end, part = left < CONCEAL_MAX ? left : CONCEAL_MAX;
		struct audio a;

		decoder_conceal(v->decoder, timeline_ticks(v->codec.clock_hz, 0, part),
			span_of(NULL, 0), &a);
		if (!a.frames)
			break;
		put_out(t, t->env->end, &a);
	}
}

/* A pause that the sender announced. */
static void fill_pause(struct track *t, const struct voice *v, usec_t to)
{
	if (to > t->pause_end)
		to = t->pause_end;
	if (t->noisy)
		fill_with_noise(t, to, v->codec.rate_hz);
	else if (t->resting && t->last == v)
		rest(t, v, to);
}

/* It goes on without a packet. The next one may be as late as the last one was, and by
 * PAUSE_BEHIND more. */
static void pass_pause(struct track *t, usec_t now)
{
	usec_t to = now - t->delay - PAUSE_BEHIND;

	if (!t->last || to > t->pause_end || !outlets_begun(&t->env->outlets))
		return;
	fill_pause(t, t->last, to);
	if (to - t->env->end < CONCEAL_MAX) /* else nothing comes of it */
		t->env->sounded = now;
}

/* Between the end of the audio so far and `at`: what was lost is concealed, a pause that the
 * sender announced is comfort noise, any other is silence (nothing). */
static void fill_gap(struct track *t, const struct voice *v, usec_t at, unsigned lost,
	struct span next)
{
	usec_t gap = at - t->env->end;
	struct audio a;

	if (!t->last || gap <= 0 || !outlets_begun(&t->env->outlets))
		return; /* nothing was heard that could go on */
	if (lost && gap <= CONCEAL_MAX && t->last == v) {
		decoder_conceal(v->decoder, timeline_ticks(v->codec.clock_hz, 0, gap), next, &a);
		if (a.frames)
			t->env->count->concealed += put_out(t, t->env->end, &a);
	} else if (!lost) {
		fill_pause(t, v, at);
	}
}

static usec_t place(struct track *t, const struct voice *v, const struct rtp *rtp, usec_t now)
{
	bool jumped;
	usec_t at = timeline_map(&t->timeline, rtp->ts, v->codec.clock_hz, now, t->env->end,
		&jumped);

	if (jumped) {
		t->env->count->jumps++;
		t->env->event(t->env->arg, &(struct stream_event){
			.kind = STREAM_EVENT_JUMP, .at = at, .ssrc = t->ssrc });
	}
	return at;
}

static void tell(struct track *t, const struct event *e, const struct voice *v, usec_t at)
{
	t->env->event(t->env->arg, &(struct stream_event){
		.kind = e->digit ? STREAM_EVENT_DIGIT : STREAM_EVENT_SIGNAL,
		.at = at, .ssrc = t->ssrc, .digit = e->digit, .signal = e->code,
		.duration_ms = (unsigned)((uint64_t)e->duration * 1000 / v->codec.clock_hz) });
}

static void play_event(struct track *t, const struct voice *v, const struct rtp *rtp, usec_t now)
{
	struct event done;

	t->env->count->events++;
	if (event_feed(&t->event, rtp, &done))
		tell(t, &done, v, now);
}

static void note_codec(struct track *t, struct voice *v, usec_t at)
{
	if (t->last == v)
		return;
	t->last = v;
	t->noisy = false;
	t->env->event(t->env->arg, &(struct stream_event){
		.kind = STREAM_EVENT_CODEC, .at = at, .ssrc = t->ssrc, .codec = v->codec.name });
}

static void play_audio(struct track *t, struct voice *v, const struct rtp *rtp, unsigned lost,
	usec_t now)
{
	struct stream_counts *count = t->env->count;
	usec_t at = place(t, v, rtp, now);
	struct audio a;
	bool quiet;

	if (!t->env->outlets.n) {
		count->unwanted++;
		return;
	}
	fill_gap(t, v, at, lost, rtp->payload);
	if (decoder_feed(v->decoder, rtp->payload, &a, &quiet) < 0) {
		count->undecodable++;
		counter_add(COUNT_PACKETS_UNDECODABLE, 1);
		return;
	}
	note_codec(t, v, at);
	t->resting = quiet;
	count->decoded++;
	if (!a.frames)
		return;
	t->noisy = false;
	t->env->sounded = now;
	t->delay = now > at ? now - at : 0;
	count->audio += put_out(t, at, &a);
	t->pause_end = t->env->end + REST_MAX;
}

static void play(struct track *t, const struct rtp *rtp, unsigned lost, usec_t now)
{
	struct voice *v = voice_of(t, rtp->pt);

	if (lost) {
		t->env->count->lost += lost;
		counter_add(COUNT_PACKETS_LOST, lost);
	}
	if (!rtp->payload.n) {
		t->env->count->empty++;
	} else if (v->known && v->codec.id == CODEC_EVENT) {
		play_event(t, v, rtp, now);
	} else if (v->known && v->codec.id == CODEC_CN) {
		t->env->count->noise++;
		t->noisy = noise_update(&t->noise, rtp->payload);
		t->pause_end = now + NOISE_MAX;
	} else if (!v->decoder) {
		t->env->count->undecodable++;
		counter_add(COUNT_PACKETS_UNDECODABLE, 1);
	} else {
		play_audio(t, v, rtp, lost, now);
	}
}

/* ---- packets as they come ---- */

/* What did not come as the next one in order. */
static void reorder(struct track *t, const struct rtp *rtp, usec_t now)
{
	uint64_t lost_before = jitter_counts(t->jitter)->lost;
	struct rtp next;
	unsigned lost;

	switch (jitter_put(t->jitter, rtp, now)) {
	case JITTER_DROPPED:
		return;
	case JITTER_NEXT:
		play(t, rtp, (unsigned)(jitter_counts(t->jitter)->lost - lost_before), now);
		break;
	case JITTER_HELD:
		break;
	}
	while (jitter_get(t->jitter, now, &next, &lost))
		play(t, &next, lost, now);
}

void track_rtp(struct track *t, const struct rtp *rtp, usec_t now)
{
	if (jitter_next(t->jitter, rtp->seq))
		play(t, rtp, 0, now);
	else
		reorder(t, rtp, now);
}

void track_tick(struct track *t, usec_t now)
{
	usec_t due = jitter_due(t->jitter);
	struct rtp next;
	unsigned lost;

	while (due && now >= due && jitter_get(t->jitter, now, &next, &lost))
		play(t, &next, lost, now);
	if (t->noisy || t->resting)
		pass_pause(t, now);
}

void track_drain(struct track *t, usec_t now)
{
	struct event done;
	struct rtp next;
	unsigned lost;

	while (jitter_drain(t->jitter, &next, &lost))
		play(t, &next, lost, now);
	t->noisy = t->resting = false; /* nothing goes on behind the end */
	if (event_finish(&t->event, &done))
		for (unsigned i = 0; i < DECODERS; i++)
			if (t->voice[i].known && t->voice[i].codec.id == CODEC_EVENT) {
				tell(t, &done, &t->voice[i], now);
				return;
			}
}

uint32_t track_ssrc(const struct track *t)
{
	return t->ssrc;
}

const struct jitter_count *track_counts(const struct track *t)
{
	return jitter_counts(t->jitter);
}

unsigned track_waiting(const struct track *t)
{
	return jitter_waiting(t->jitter);
}
