/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/mix.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mem.h"

#define HOLD_MS     500  /* behind the quickest, and behind now, nobody is waited for */
#define TAKE_FRAMES 960  /* at once */
#define MAX_SAMPLES (TAKE_FRAMES * 16)

struct mix {
	struct mixer *mixer;
	struct sink *sink;
	uint32_t rate_hz;
	int64_t span;   /* [frames] of the mixer */
	bool begun;
	int64_t origin; /* call position of the mixer's 0: the first audio */
	int64_t room;   /* call position: what ends beyond would push out what nobody has heard */
	int16_t out[MAX_SAMPLES];
};

struct mix *mix_new(const struct mixer_opts *opts, struct sink **sink)
{
	struct mix *m = xnew(struct mix);

	m->mixer = mixer_new(opts);
	m->rate_hz = opts->rate_hz;
	m->span = (int64_t)opts->rate_hz * opts->span_ms / 1000;
	m->room = INT64_MIN;
	m->sink = *sink;
	*sink = NULL;
	must(mixer_channels(m->mixer) * TAKE_FRAMES <= MAX_SAMPLES);
	return m;
}

void mix_free(struct mix **mp)
{
	if (!*mp)
		return;
	mixer_free(&(*mp)->mixer);
	sink_free(&(*mp)->sink);
	free(*mp);
	*mp = NULL;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* In the mixer's time. What is behind all audio is silence, and passed on as such. */
static void pass_on(struct mix *m, int64_t upto)
{
	int64_t newest = mixer_newest(m->mixer), audio = smaller(upto, newest);
	struct pcm pcm = { .samples = m->out, .channels = mixer_channels(m->mixer),
		.rate_hz = m->rate_hz };

	for (;;) {
		pcm.position = mixer_position(m->mixer) + m->origin;
		pcm.frames = mixer_take(m->mixer, audio, m->out, TAKE_FRAMES);
		if (!pcm.frames)
			break;
		m->sink->ops->put(m->sink, &pcm);
	}
	if (upto > newest) {
		mixer_skip(m->mixer, upto);
		m->sink->ops->advance(m->sink, upto + m->origin);
	}
	m->room = mixer_position(m->mixer) + m->span + m->origin;
}

static void make_room(struct mix *m, const struct pcm *pcm)
{
	if (!m->begun) {
		m->begun = true;
		m->origin = pcm->position;
	}
	pass_on(m, pcm->position + pcm->frames - m->span - m->origin);
}

void mix_put(struct mix *m, unsigned channel, const struct pcm *pcm)
{
	unsigned late;

	if (pcm->position + pcm->frames > m->room)
		make_room(m, pcm);
	late = mixer_put(m->mixer, channel, pcm->position - m->origin, pcm->samples, pcm->frames);
	if (late)
		counter_add(COUNT_FRAMES_LATE_MIX, late);
}

/* One who is ahead of the call's time is no measure for the others; and nobody is behind it by all
 * that the mixer holds. */
void mix_run(struct mix *m, int64_t heard, usec_t now)
{
	int64_t at = now / SEC * m->rate_hz + now % SEC * m->rate_hz / SEC - m->origin;
	int64_t newest = mixer_newest(m->mixer), past = smaller(newest, at - m->span);
	int64_t hold = smaller(newest, at) - (int64_t)m->rate_hz * HOLD_MS / 1000;

	if (!m->begun)
		return;
	heard = smaller(heard - m->origin, at);
	if (hold < past)
		hold = past;
	pass_on(m, heard > hold ? heard : hold);
}

void mix_drain(struct mix *m)
{
	if (m->begun)
		pass_on(m, mixer_newest(m->mixer));
}

struct sink *mix_sink(const struct mix *m)
{
	return m->sink;
}

struct sink *mix_take_sink(struct mix *m)
{
	struct sink *s = m->sink;

	m->sink = NULL;
	return s;
}
