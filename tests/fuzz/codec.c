/* SPDX-License-Identifier: GPL-3.0-or-later */
/* "rtpmap NUL fmtp": as a session description brings it, and a decoder for it. */
#include "media/decoder.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	struct span in = span_of(data, size);
	size_t n = nul ? (size_t)(nul - data) : size;
	struct decoder *d;
	const char *reason;
	struct codec c;

	codec_parse(span_head(in, n), span_skip(in, n + 1), &c);
	if (strnlen(c.name, sizeof(c.name)) == sizeof(c.name) || c.clock_hz == 0 ||
		c.rate_hz == 0 || !codec_equal(&c, &c))
		abort();
	d = decoder_new(&c, &reason);
	if (!d && !reason)
		abort();
	decoder_free(&d);
	return 0;
}
