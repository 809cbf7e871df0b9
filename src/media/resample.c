/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/resample.h"

#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define MAX_CHANNELS 8

struct resample {
	struct SwrContext *swr;
	uint32_t out_hz;
	unsigned in_channels, out_channels;
	int16_t *samples; /* grown to the longest result so far */
	unsigned room;    /* [frames] */
};

/* Mono goes to every channel as loud as it is; surplus inputs share the last output, and
 * whatever shares an output is averaged, so nothing can clip. */
static void fill_matrix(double *matrix, unsigned in, unsigned out)
{
	for (unsigned o = 0; o < out; o++) {
		unsigned sharing = in > out && o == out - 1 ? in - out + 1 : 1;

		for (unsigned i = 0; i < in; i++) {
			bool feeds = in == 1 || (i < out ? i : out - 1) == o;

			matrix[o * in + i] = feeds ? 1.0 / sharing : 0;
		}
	}
}

static int set_up(struct resample *r, uint32_t in_hz)
{
	double matrix[MAX_CHANNELS * MAX_CHANNELS];
	AVChannelLayout in, out;

	/* Unspecified order: the channels are participants, not loudspeakers. */
	in = (AVChannelLayout){ .order = AV_CHANNEL_ORDER_UNSPEC,
		.nb_channels = (int)r->in_channels };
	out = (AVChannelLayout){ .order = AV_CHANNEL_ORDER_UNSPEC,
		.nb_channels = (int)r->out_channels };
	if (swr_alloc_set_opts2(&r->swr, &out, AV_SAMPLE_FMT_S16, (int)r->out_hz,
		&in, AV_SAMPLE_FMT_S16, (int)in_hz, 0, NULL) < 0)
		return -1;
	fill_matrix(matrix, r->in_channels, r->out_channels);
	if (r->in_channels != r->out_channels &&
	    swr_set_matrix(r->swr, matrix, (int)r->in_channels) < 0)
		return -1;
	return swr_init(r->swr);
}

struct resample *resample_new(uint32_t in_hz, unsigned in_channels, uint32_t out_hz,
	unsigned out_channels)
{
	struct resample *r;

	must(in_hz && out_hz && in_channels && out_channels);
	must(in_channels <= MAX_CHANNELS && out_channels <= MAX_CHANNELS);
	if (in_hz == out_hz && in_channels == out_channels)
		return NULL;
	r = xnew(struct resample);
	r->out_hz = out_hz;
	r->in_channels = in_channels;
	r->out_channels = out_channels;
	if (set_up(r, in_hz) < 0)
		die("libswresample cannot convert %u Hz, %u channels to %u Hz, %u "
		    "channels",
			in_hz, in_channels, out_hz, out_channels);
	return r;
}

void resample_free(struct resample **r)
{
	if (!*r)
		return;
	swr_free(&(*r)->swr);
	free((*r)->samples);
	free(*r);
	*r = NULL;
}

static void convert(
	struct resample *r, const uint8_t **from, unsigned frames, struct audio *out)
{
	int most = swr_get_out_samples(r->swr, (int)frames);
	uint8_t *to;
	int n;

	*out = (struct audio){ .channels = r->out_channels, .rate_hz = r->out_hz };
	if (most > 0 && (unsigned)most > r->room) {
		r->room = (unsigned)most;
		free(r->samples);
		r->samples =
			xalloc((size_t)r->room * r->out_channels * sizeof(*r->samples));
	}
	to = (uint8_t *)r->samples;
	n = swr_convert(r->swr, &to, (int)r->room, from, (int)frames);
	out->samples = r->samples;
	out->frames = n > 0 ? (unsigned)n : 0;
}

void resample_run(struct resample *r, const struct audio *in, struct audio *out)
{
	const uint8_t *from = (const uint8_t *)in->samples;

	must(in->channels == r->in_channels);
	if (in->frames)
		convert(r, &from, in->frames, out);
	else
		*out = (struct audio){ .channels = r->out_channels,
			.rate_hz = r->out_hz };
}

void resample_drain(struct resample *r, struct audio *out)
{
	convert(r, NULL, 0, out);
}
