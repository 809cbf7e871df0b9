/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The door to libavcodec: frames of one codec in, s16 out. Its messages go to our log. */
#ifndef MEDIA_LAVC_H
#define MEDIA_LAVC_H

#include "base/span.h"

struct lavc_opts {
	const char *decoders[3]; /* names, the first one that exists; NULL ends */
	uint32_t rate_hz;        /* mono always */
	unsigned frame_bytes;    /* of codecs with a fixed frame, else 0 */
	unsigned sample_bits;    /* G.726, else 0 */
	size_t max_bytes;        /* of one frame */
};

struct lavc;

struct lavc *lavc_open(
	const struct lavc_opts *); /* NULL: libavcodec has no such decoder */
void lavc_free(struct lavc **);

void lavc_take_messages(void); /* from now on they go to our log; may be called again */

/* One frame, at most max samples written. Returns the samples, or -EINVAL when it was
 * refused. */
ptrdiff_t lavc_decode(struct lavc *, struct span frame, int16_t *out, size_t max);

#endif
