/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any number of participants into one signal, by media time. Pure.
 * direct: sum with saturation, mono. channels: input i in channel i (interleaved); inputs beyond
 * the channels share the last one.
 * Positions are samples of the mixer's rate since its time 0. Cap: span_ms of audio between what
 * was taken and the newest put; policy: what is older than what was taken is dropped (late), what
 * would be further ahead pushes the oldest out: what has to be heard is taken before that. */
#ifndef MEDIA_MIXER_H
#define MEDIA_MIXER_H

#include "base/span.h"

enum mixer_method { MIXER_DIRECT, MIXER_CHANNELS };

struct mixer_opts {
	uint32_t rate_hz;
	enum mixer_method method;
	unsigned channels; /* of the output with MIXER_CHANNELS */
	unsigned span_ms;
};

struct mixer;

struct mixer *mixer_new(const struct mixer_opts *);
void mixer_free(struct mixer **);
/* Mono samples of one input; returns how many of them came too late to be heard. */
unsigned mixer_put(struct mixer *, unsigned channel, int64_t position, const int16_t *samples,
	unsigned n);
/* The mix from where the last take ended up to `upto`, at most max frames; frames out holds
 * (interleaved), silence where nobody spoke. 0: nothing to take. */
unsigned mixer_take(struct mixer *, int64_t upto, int16_t *out, unsigned max);
/* All that was put is taken, and nothing comes before `upto`: goes on there. */
void mixer_skip(struct mixer *, int64_t upto);
int64_t mixer_position(const struct mixer *); /* next frame to be taken */
int64_t mixer_newest(const struct mixer *);   /* one past the newest frame put */
unsigned mixer_channels(const struct mixer *);

#endif
