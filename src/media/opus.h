/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The door to libopus: RTP payloads (RFC 7587) to s16 at 48 kHz. */
#ifndef MEDIA_OPUS_H
#define MEDIA_OPUS_H

#include "base/span.h"

#define OPUS_RATE_HZ 48000

struct opus;

struct opus *opus_open(
	unsigned channels); /* 1 or 2; packets of the other kind are converted */
void opus_free(struct opus **);

unsigned opus_frames(struct span payload); /* samples of one channel; 0: not Opus */
/* All of opus_frames(), or -EINVAL. */
int opus_feed(struct opus *, struct span payload, int16_t *out);
/* At most `frames` for a hole: what the payload after it tells (FEC) at its end, the rest
 * guessed from what came before. Returns the frames written, a multiple of 2.5 ms. */
unsigned opus_conceal(struct opus *, unsigned frames, struct span next, int16_t *out);

#endif
