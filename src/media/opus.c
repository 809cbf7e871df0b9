/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/opus.h"

#include <errno.h>
#include <opus/opus.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define STEP (OPUS_RATE_HZ / 400)     /* concealment comes in units of 2.5 ms */
#define LONGEST (OPUS_RATE_HZ * 3 / 25) /* of one packet: 120 ms, RFC 6716 3.2.5 */

struct opus {
	OpusDecoder *decoder;
	unsigned channels;
};

struct opus *opus_open(unsigned channels)
{
	struct opus *o = xnew(struct opus);
	int error;

	must(channels == 1 || channels == 2);
	o->channels = channels;
	o->decoder = opus_decoder_create(OPUS_RATE_HZ, (int)channels, &error);
	if (!o->decoder)
		die("out of memory");
	return o;
}

void opus_free(struct opus **opus)
{
	if (!*opus)
		return;
	opus_decoder_destroy((*opus)->decoder);
	free(*opus);
	*opus = NULL;
}

static int length(struct span s)
{
	return s.n > 65535 ? 65535 : (int)s.n;
}

unsigned opus_frames(struct span payload)
{
	int n = payload.n
		? opus_packet_get_nb_samples(payload.p, length(payload), OPUS_RATE_HZ)
		: 0;

	return n > 0 ? (unsigned)n : 0;
}

int opus_feed(struct opus *o, struct span payload, int16_t *out)
{
	unsigned frames = opus_frames(payload);
	int n;

	if (!frames)
		return -EINVAL;
	n = opus_decode(o->decoder, payload.p, length(payload), out, (int)frames, 0);
	return n == (int)frames ? n : -EINVAL;
}

static unsigned guess(struct opus *o, unsigned frames, int16_t *out)
{
	unsigned done = 0;

	while (done < frames) {
		unsigned part = frames - done < LONGEST ? frames - done : LONGEST;

		if (opus_decode(o->decoder, NULL, 0, out + (size_t)done * o->channels,
			    (int)part, 0) < 0)
			break;
		done += part;
	}
	return done;
}

unsigned opus_conceal(struct opus *o, unsigned frames, struct span next, int16_t *out)
{
	unsigned told = 0, done;
	int n;

	frames -= frames % STEP;
	if (opus_frames(next))
		told = (unsigned)opus_packet_get_samples_per_frame(next.p, OPUS_RATE_HZ);
	if (told > frames)
		told = 0;
	done = guess(o, frames - told, out);
	if (!told || done < frames - told)
		return done;
	n = opus_decode(o->decoder, next.p, length(next),
		out + (size_t)done * o->channels, (int)told, 1);
	return n > 0 ? done + (unsigned)n : done;
}
