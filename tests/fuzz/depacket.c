/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Payloads to a decoder: the first byte chooses the codec, then each payload has its length in two
 * bytes before it. */
#include "media/decoder.h"

#include <stdlib.h>

static const struct {
	const char *rtpmap, *fmtp;
} codecs[] = {
	{ "PCMU/8000", "" },
	{ "PCMA/8000/2", "" },
	{ "L16/44100/2", "" },
	{ "G722/8000", "" },
	{ "G726-16/8000", "" },
	{ "G726-24/8000", "" },
	{ "AAL2-G726-32/8000", "" },
	{ "G726-40/8000", "" },
	{ "G729/8000", "" },
	{ "G723/8000", "" },
	{ "GSM/8000", "" },
	{ "iLBC/8000", "mode=20" },
	{ "iLBC/8000", "" },
	{ "speex/8000", "" },
	{ "speex/16000", "" },
	{ "speex/32000", "" },
	{ "AMR/8000", "" },
	{ "AMR/8000", "octet-align=1" },
	{ "AMR-WB/16000", "" },
	{ "AMR-WB/16000", "octet-align=1" },
	{ "opus/48000/2", "" },
	{ "opus/48000", "" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned heard;

/* Reads every sample, so that the sanitizers see them. */
static void check(const struct audio *a)
{

	if ((size_t)a->frames * a->channels > DECODER_MAX_SAMPLES)
		abort();
	for (size_t i = 0; i < (size_t)a->frames * a->channels; i++)
		heard += (unsigned)a->samples[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_skip(span_of(data, size), 1);
	const char *reason;
	struct decoder *d;
	struct codec c;
	unsigned which;

	if (!size)
		return 0;
	which = data[0] % (sizeof(codecs) / sizeof(*codecs));
	codec_parse(span_text(codecs[which].rtpmap), span_text(codecs[which].fmtp), &c);
	d = decoder_new(&c, &reason);
	if (!d)
		abort();
	while (in.n > 2) {
		struct span payload = span_head(span_skip(in, 2), span_be16(in, 0));
		uint32_t ticks = decoder_ticks(d, payload);
		struct audio a;
		bool quiet;

		in = span_skip(in, 2 + payload.n);
		if (decoder_feed(d, payload, &a, &quiet) == 0 && a.frames &&
		    ticks != (uint64_t)a.frames * c.clock_hz / c.rate_hz)
			abort();
		check(&a);
		decoder_conceal(d, ticks, span_skip(in, 2), &a);
		check(&a);
	}
	decoder_free(&d);
	return 0;
}
