/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The header of our own WAV files: 16 bit PCM, always of the same length, so that it can be made
 * right again at any time. Beyond 4 GiB the reserved JUNK chunk becomes ds64 and the file RF64
 * (EBU Tech 3306). Pure. */
#ifndef RECORD_WAVE_H
#define RECORD_WAVE_H

#include "base/span.h"

#define WAVE_HEADER       80 /* [bytes] */
#define WAVE_MAX_CHANNELS 64
#define WAVE_MAX_RATE_HZ  192000

struct wave {
	unsigned channels;
	uint32_t rate_hz;
	uint64_t frames;
};

void wave_header(const struct wave *, uint8_t out[WAVE_HEADER]);

/* True when it begins with a header of ours. */
bool wave_parse(struct span head, struct wave *out);

#endif
