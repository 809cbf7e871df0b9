/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any rate and channel count to another, s16. The door to libswresample. */
#ifndef MEDIA_RESAMPLE_H
#define MEDIA_RESAMPLE_H

#include "media/decoder.h"

struct resample;

/* NULL: no need, in and out are the same. Stereo to mono is the mean of both. */
struct resample *resample_new(uint32_t in_hz, unsigned in_channels, uint32_t out_hz,
	unsigned out_channels);
void resample_free(struct resample **);
/* *out is valid until the next call. Over a long time frames out = frames in * out_hz / in_hz,
 * with a fixed delay of a few samples. */
void resample_run(struct resample *, const struct audio *in, struct audio *out);
/* What is still inside, at the end. */
void resample_drain(struct resample *, struct audio *out);

#endif
