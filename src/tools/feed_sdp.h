/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SDP of one participant, and what is read of rtpengine's answers. Pure. */
#ifndef TOOLS_FEED_SDP_H
#define TOOLS_FEED_SDP_H

#include "tools/feed_tone.h"

#define FEED_SDP_MAX 1024

struct feed_sdp {
	const char *address;      /* IPv4 or IPv6, as text */
	unsigned port, ptime_ms, version;
	const char *direction;    /* "sendrecv" */
	const struct feed_codec *codec;
	bool noise;               /* offers comfort noise, payload type 13 */
};

void feed_sdp_write(const struct feed_sdp *, char out[FEED_SDP_MAX]);
/* Address and port of the first audio media. False: not there. */
bool feed_sdp_read(struct span sdp, char *address, size_t size, unsigned *port);

#endif
