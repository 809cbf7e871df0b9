/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/noise.h"

#include <math.h>

#define FULL_SCALE 32767.0f /* 0 dBov: rms of the loudest square wave, RFC 3389 3.1 */
#define STABLE 0.998f       /* a reflection of 1 would ring for ever */

bool noise_update(struct noise *n, struct span payload)
{
	if (!payload.n)
		return false;
	n->order = (unsigned)payload.n - 1;
	if (n->order > NOISE_MAX_ORDER)
		n->order = NOISE_MAX_ORDER;
	for (unsigned i = 0; i < n->order; i++) {
		float k = 258.0f * ((float)payload.p[1 + i] - 127) /
			32768; /* RFC 3389 3.2 */

		n->reflection[i] = fmaxf(-STABLE, fminf(k, STABLE));
	}
	/* Energy left by one filter could explode in the next. */
	memset(n->state, 0, sizeof(n->state));
	n->level = FULL_SCALE * powf(10, -(float)(payload.p[0] & 0x7f) / 20);
	if (!n->seed)
		n->seed = 1;
	return true;
}

/* Uniform in [-1, 1); rms 1/sqrt(3). */
static float draw(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return (float)(int32_t)*seed / 2147483648.0f;
}

/* White noise through the all-pole lattice; state[i] is the backward error of stage i. */
static float shape(struct noise *n, float forward)
{
	for (unsigned i = n->order; i-- > 0;) {
		forward -= n->reflection[i] * n->state[i];
		if (i + 1 < n->order)
			n->state[i + 1] = n->state[i] + n->reflection[i] * forward;
	}
	n->state[0] = forward;
	return forward;
}

void noise_generate(struct noise *n, int16_t *out, unsigned count)
{
	float gain = n->level * sqrtf(3);

	/* The filter amplifies power by 1 / product(1 - k^2). */
	for (unsigned i = 0; i < n->order; i++)
		gain *= sqrtf(1 - n->reflection[i] * n->reflection[i]);
	for (unsigned i = 0; i < count; i++) {
		float sample = shape(n, gain * draw(&n->seed));

		out[i] = (int16_t)lrintf(fmaxf(-32768, fminf(sample, 32767)));
	}
}
