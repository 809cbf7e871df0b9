/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RTP payloads of one codec to s16 samples. G.711 and L16 by table; Opus by libopus, AMR by
 * OpenCORE, G.729 by bcg729, for their concealment and comfort noise; everything else by
 * libavcodec; with the depacketization that each RTP payload format asks for. */
#ifndef MEDIA_DECODER_H
#define MEDIA_DECODER_H

#include "media/codec.h"

#define DECODER_MAX_SAMPLES 48000 /* of one payload, all channels: 0.5 s of 48 kHz stereo */

struct audio {             /* a view; valid until the decoder's next call */
	const int16_t *samples; /* interleaved */
	unsigned frames;        /* samples of one channel */
	unsigned channels;
	uint32_t rate_hz;
};

struct decoder;

/* NULL: cannot decode that; *reason is a sentence for the log. */
struct decoder *decoder_new(const struct codec *, const char **reason);
void decoder_free(struct decoder **);

/* 0 with *out filled, or -EINVAL: not a payload of this codec. *quiet: a pause begins or goes
 * on (SID, DTX); out holds its comfort noise, decoder_conceal makes more of it. */
int decoder_feed(struct decoder *, struct span payload, struct audio *out, bool *quiet);

/* Audio for `ticks` of RTP clock in which nothing came: what was lost, or the noise of a pause
 * (next: the payload after the hole, for Opus FEC, may be empty). Whole frames only, and frames =
 * 0 where the codec cannot: the caller uses silence. */
void decoder_conceal(struct decoder *, uint32_t ticks, struct span next, struct audio *out);

/* RTP ticks of a payload without decoding it, 0 when it cannot be told. */
uint32_t decoder_ticks(const struct decoder *, struct span payload);

#endif
