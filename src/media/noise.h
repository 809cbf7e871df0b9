/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Comfort noise (RFC 3389): level and reflection coefficients to noise. Pure. */
#ifndef MEDIA_NOISE_H
#define MEDIA_NOISE_H

#include "base/span.h"

#define NOISE_MAX_ORDER 12

struct noise { /* zeroed = silence */
	unsigned order;
	float reflection[NOISE_MAX_ORDER], state[NOISE_MAX_ORDER];
	float level; /* rms of the samples */
	uint32_t seed;
};

/* A CN payload; false when empty. */
bool noise_update(struct noise *, struct span payload);
void noise_generate(struct noise *, int16_t *out, unsigned n);

#endif
