/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The header of a WAV file that may still be growing: RIFF/WAVE and RF64 (EBU Tech 3306), 16 bit
 * PCM. Sizes of 0 and 0xffffffff mean "not known yet". Pure. */
#ifndef SPOOL_WAV_H
#define SPOOL_WAV_H

#include <sys/types.h>

#include "base/span.h"

#define WAV_MAX_HEADER   (64 * 1024) /* [bytes] before the samples; beyond: refused */
#define WAV_MAX_CHANNELS 8
#define WAV_MIN_RATE_HZ  1000
#define WAV_MAX_RATE_HZ  192000
#define WAV_UNKNOWN      UINT64_MAX

struct wav {
	unsigned rate_hz, channels;
	uint64_t data_bytes; /* of samples; WAV_UNKNOWN: up to the end of the file */
	const char *why;     /* what is wrong, after -1 */
};

bool wav_starts(struct span in); /* looks like a WAV file; 4 bytes are enough to say */

/* From the file's first byte on: how many bytes come before the samples; 0: more are needed;
 * -1: nothing that we can play. */
ssize_t wav_parse(struct span in, struct wav *out);

#endif
