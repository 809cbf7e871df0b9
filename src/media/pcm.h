/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Samples on the call's time line: a view, valid during the call that is given it. Every sink
 * copies what it keeps into its own bounded queue: at 320 bytes per 20 ms a copy costs less than
 * the two counted references it would save, and makes each queue's bound exact. */
#ifndef MEDIA_PCM_H
#define MEDIA_PCM_H

#include <stdint.h>

struct pcm {
	int64_t position;       /* [frames of rate_hz] since the call's epoch */
	const int16_t *samples; /* interleaved, host order */
	unsigned frames;
	unsigned channels;
	uint32_t rate_hz;
};

#endif
