/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A moment, written into audio as samples and read from it behind a recorder: how long it was on
 * its way, and whether all of it is where it belongs. A-law in, linear out; what lies between must
 * not mix or resample. Pure. */
#ifndef TOOLS_STAMP_H
#define TOOLS_STAMP_H

#include "base/clock.h"
#include "base/span.h"

#define STAMP_SAMPLES 22

struct stamp {
	usec_t at;   /* of clock_mono(), 48 bits of it */
	uint16_t ts; /* low bits of the RTP timestamp of its first sample */
};

struct stamp_reader {
	uint8_t digit[STAMP_SAMPLES];
	unsigned got;     /* digits so far */
	uint64_t samples; /* read so far */
};

void stamp_write(const struct stamp *, uint8_t alaw[STAMP_SAMPLES]);
/* Reads s16 in the order of this machine, up to the end of the next stamp or of `pcm`; what it took
 * is cut from `pcm`. True: *out is the stamp that ends there. */
bool stamp_read(struct stamp_reader *, struct span *pcm, struct stamp *out);

#endif
