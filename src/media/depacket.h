/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RTP payload formats: one payload to the frames its decoder takes. Pure. G.722, G.723.1,
 * G.726, G.729, GSM: RFC 3551 4.5; iLBC: RFC 3952; Speex: RFC 5574; AMR: RFC 4867. A
 * payload is checked as a whole before its first frame is given. */
#ifndef MEDIA_DEPACKET_H
#define MEDIA_DEPACKET_H

#include "media/codec.h"

#define DEPACKET_MAX_BYTES 12000  /* of one payload */
#define DEPACKET_MAX_FRAMES 100
#define DEPACKET_AMR_BYTES 64     /* the largest AMR-WB frame is 61 */

enum depacket_kind {
	DEPACKET_SPEECH,
	DEPACKET_SID,    /* silence descriptor: comfort noise parameters */
	DEPACKET_NOTHING /* lost, damaged or not sent: only time */
};

struct depacket_frame {
	enum depacket_kind kind;
	struct span
		data; /* into the payload or the depacket; valid until the next call */
	unsigned samples;   /* at the codec's rate_hz */
};

struct depacket {
	const struct codec *codec;
	struct span payload;
	size_t toc, data;   /* AMR: bits read of the table of contents, of the speech */
	unsigned frames;    /* in all */
	unsigned samples;   /* in all */
	unsigned given;
	uint8_t amr[DEPACKET_AMR_BYTES];
};

/* 0, or -EINVAL: not a payload of that codec. */
int depacket_start(struct depacket *, const struct codec *, struct span payload);
bool depacket_next(struct depacket *, struct depacket_frame *);

#endif
