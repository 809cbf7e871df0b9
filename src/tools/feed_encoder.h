/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libavcodec's encoders, and nothing else of it: the twin of media/decoder. */
#ifndef TOOLS_FEED_ENCODER_H
#define TOOLS_FEED_ENCODER_H

#include "base/span.h"

struct feed_encoder_opts {
	const char *name;       /* of libavcodec's encoder */
	unsigned rate_hz, channels, bit_rate;
	unsigned frame_ms;      /* 0: the encoder's own */
};

typedef void (*feed_encoder_fn)(void *arg, struct span packet);

/* All of it, interleaved, packet after packet. 0, -ENOENT: there is no such encoder
 * here, or another negative errno. */
int feed_encoder_run(const struct feed_encoder_opts *, const int16_t *pcm, size_t frames,
	feed_encoder_fn, void *arg);

#endif
