/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/outlet.h"

#include <limits.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/resample.h"

#define SLACK_MS 10 /* a difference below this is no gap */

struct outlet {
	uint32_t rate_hz;
	unsigned channels, max_channels;
	const struct outlet_events *events;
	void *arg;
	struct resample *resample; /* NULL while the audio has our rate */
	uint32_t in_hz;
	unsigned in_channels;
	bool begun;
	int64_t next; /* position after what was put out */
};

struct outlet *outlet_new(uint32_t rate_hz, unsigned channels, const struct outlet_events *events,
	void *arg)
{
	struct outlet *o = xnew(struct outlet);

	o->rate_hz = rate_hz;
	o->channels = channels;
	o->max_channels = UINT_MAX;
	o->events = events;
	o->arg = arg;
	return o;
}

void outlet_free(struct outlet **op)
{
	if (!*op)
		return;
	resample_free(&(*op)->resample);
	free(*op);
	*op = NULL;
}

static int64_t position_of(const struct outlet *o, usec_t at)
{
	return at / SEC * o->rate_hz + (at % SEC * o->rate_hz + SEC / 2) / SEC;
}

static void choose_resampler(struct outlet *o, const struct audio *a)
{
	if (a->rate_hz == o->in_hz && a->channels == o->in_channels)
		return;
	if (!o->rate_hz)
		o->rate_hz = a->rate_hz;
	if (!o->channels)
		o->channels = a->channels < o->max_channels ? a->channels : o->max_channels;
	resample_free(&o->resample);
	o->resample = resample_new(a->rate_hz, a->channels, o->rate_hz, o->channels);
	o->in_hz = a->rate_hz;
	o->in_channels = a->channels;
}

/* Where audio that should be at `want` goes: right behind the last one unless there is a gap. */
static int64_t place(struct outlet *o, int64_t want)
{
	int64_t slack = o->rate_hz / (1000 / SLACK_MS);

	if (!o->begun) {
		o->begun = true;
		o->next = want;
	} else if (want - o->next > slack) {
		o->events->advance(o->arg, want);
		o->next = want;
	}
	return o->next - want > slack ? want : o->next;
}

void outlet_write(struct outlet *o, usec_t at, const struct audio *in)
{
	struct audio resampled;
	struct pcm pcm;
	int64_t from, overlap;

	choose_resampler(o, in);
	if (o->resample) {
		resample_run(o->resample, in, &resampled);
		in = &resampled;
	}
	if (!in->frames)
		return;
	from = place(o, position_of(o, at));
	overlap = o->next - from;
	if (overlap >= in->frames)
		return;
	pcm = (struct pcm){
		.position = o->next,
		.samples = in->samples + overlap * o->channels,
		.frames = in->frames - (unsigned)overlap,
		.channels = o->channels,
		.rate_hz = o->rate_hz,
	};
	o->next += pcm.frames;
	o->events->audio(o->arg, &pcm);
}

void outlet_quiet(struct outlet *o, usec_t until)
{
	int64_t position = position_of(o, until);

	if (!o->begun || position <= o->next)
		return;
	o->next = position;
	o->events->advance(o->arg, position);
}

int64_t outlet_position(const struct outlet *o)
{
	return o->begun ? o->next : -1;
}

void outlet_set_rate(struct outlet *o, uint32_t rate_hz)
{
	must(!o->begun);
	o->rate_hz = rate_hz;
}

void outlet_set_max_channels(struct outlet *o, unsigned most)
{
	must(!o->begun && most);
	o->max_channels = most;
}

uint32_t outlet_rate(const struct outlet *o)
{
	return o->rate_hz;
}

void outlets_add(struct outlets *all, struct outlet *o)
{
	must(all->n < OUTLETS_MAX);
	all->list[all->n++] = o;
}

void outlets_remove(struct outlets *all, struct outlet *o)
{
	unsigned i = 0;

	while (i < all->n && all->list[i] != o)
		i++;
	must(i < all->n);
	all->list[i] = all->list[--all->n];
}

void outlets_write(struct outlets *all, usec_t at, const struct audio *a)
{
	for (unsigned i = 0; i < all->n; i++)
		outlet_write(all->list[i], at, a);
}

void outlets_quiet(struct outlets *all, usec_t until)
{
	for (unsigned i = 0; i < all->n; i++)
		outlet_quiet(all->list[i], until);
}

bool outlets_begun(const struct outlets *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (all->list[i]->begun)
			return true;
	return false;
}
