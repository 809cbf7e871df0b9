/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an SDP (RFC 8866) says about where RTP comes in and how it is coded. Pure. Spans are parts
 * of the text given. Caps: SDP_MAX_MEDIA and SDP_MAX_CODECS; what is beyond is left out. */
#ifndef SPOOL_SDP_H
#define SPOOL_SDP_H

#include "base/span.h"

#define SDP_MAX_MEDIA  16
#define SDP_MAX_CODECS 24

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

struct sdp_codec {
	unsigned pt;
	struct span rtpmap; /* "PCMA/8000"; RFC 3551's for static types without one, else empty */
	struct span fmtp;   /* without the payload type; may be empty */
};

struct sdp_media {
	struct span type;    /* "audio" */
	bool rtp;            /* its transport carries RTP */
	unsigned port;       /* 0: refused, or out of range */
	unsigned rtcp_port;  /* 0: there is none of its own */
	bool rtcp_mux;       /* RFC 5761 */
	unsigned ptime_ms;   /* 0: not said */
	enum sdp_direction direction;
	bool no_address;     /* c=IN IP4 0.0.0.0 */
	unsigned codecs;
	struct sdp_codec codec[SDP_MAX_CODECS];
};

struct sdp {
	struct span origin;  /* user name and session id of o=: who speaks (RFC 8866 5.2) */
	unsigned medias;
	struct sdp_media media[SDP_MAX_MEDIA];
};

void sdp_parse(struct span text, struct sdp *out);
/* Its sender wants to hear nothing of the other party: RFC 3264 8.4, and 0.0.0.0 of RFC 2543. */
bool sdp_is_hold(const struct sdp *);

#endif
