/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answer for a part is "more", or the answer for the whole. */
#include "spool/wav.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wav whole, part;
	ssize_t n = wav_parse(span_of(data, size), &whole);

	must(n <= (ssize_t)size);
	must(n >= 0 || whole.why);
	if (n > 0) {
		must(whole.channels >= 1 && whole.channels <= WAV_MAX_CHANNELS);
		must(whole.rate_hz >= WAV_MIN_RATE_HZ && whole.rate_hz <= WAV_MAX_RATE_HZ);
	}
	for (size_t cut = 0; cut < size && cut < 256; cut++) {
		ssize_t m = wav_parse(span_of(data, cut), &part);

		must(m == 0 || m == n);
	}
	return 0;
}
