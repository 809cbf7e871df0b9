/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Payload type, rtpmap and fmtp to what a decoder needs to know. Pure.
 * Static payload types: RFC 3551 6; names: IANA RTP payload format media types. */
#ifndef MEDIA_CODEC_H
#define MEDIA_CODEC_H

#include "base/span.h"

enum codec_id {
	CODEC_UNKNOWN, CODEC_PCMU, CODEC_PCMA, CODEC_G722, CODEC_G729, CODEC_G7231, CODEC_G726,
	CODEC_GSM, CODEC_ILBC, CODEC_SPEEX, CODEC_AMR, CODEC_AMR_WB, CODEC_OPUS, CODEC_L16,
	CODEC_CN,    /* comfort noise, RFC 3389 */
	CODEC_EVENT, /* telephone-event, RFC 4733 */
};

struct codec {
	enum codec_id id;
	char name[24];         /* as written, "PCMA" */
	uint32_t clock_hz;     /* of RTP timestamps */
	uint32_t rate_hz;      /* of the audio: G.722 16000 at a clock of 8000 */
	unsigned channels;
	unsigned g726_bits;    /* 2-5 */
	bool g726_aal2;        /* AAL2-G726-*: the other packing (RFC 3551 4.5.4) */
	bool octet_aligned;    /* AMR, RFC 4867 8.1 */
	bool amr_crc, amr_interleaving, amr_robust; /* not decodable when set: said once */
	unsigned ilbc_ms;      /* 20 or 30 */
	bool annexb;           /* G.729 */
};

/* rtpmap: "PCMA/8000", "opus/48000/2"; fmtp may be empty. False: not of that form (codec is
 * CODEC_UNKNOWN with clock_hz 8000). An unknown name is true with CODEC_UNKNOWN and its clock. */
bool codec_parse(struct span rtpmap, struct span fmtp, struct codec *);
/* Static payload types without rtpmap. False: dynamic or unassigned. */
bool codec_static(unsigned pt, struct codec *);
bool codec_equal(const struct codec *, const struct codec *);
bool codec_is_audio(const struct codec *); /* not CN, not event */

#endif
