/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes of RTP and RTCP, and the IP and UDP headers that rtpengine's kernel module
 * shows. Pure. */
#ifndef TOOLS_FEED_WRAP_H
#define TOOLS_FEED_WRAP_H

#include "base/clock.h"
#include "base/span.h"

#define FEED_RTP_HEADER 12
#define FEED_IP_MAX     48 /* IPv6 and UDP */
#define FEED_RTCP_MAX   96

struct feed_flow {
	bool v6;
	uint8_t from[16], to[16]; /* IPv4: the first four */
	uint16_t from_port, to_port;
};

struct feed_rtp {
	uint8_t pt;
	bool marker;
	uint16_t seq;
	uint32_t ts, ssrc;
};

void feed_wrap_rtp(const struct feed_rtp *, uint8_t out[FEED_RTP_HEADER]);
/* SR and SDES with a CNAME (RFC 3550 6.4.1, 6.5); bytes written. */
size_t feed_wrap_rtcp(uint8_t out[FEED_RTCP_MAX], uint32_t ssrc, uint32_t ts, usec_t wall,
	uint32_t packets, uint32_t octets);
/* Headers for the n bytes after `out`, which stands FEED_IP_MAX bytes before them;
 * returns where the packet begins. id 0: as from userspace, no checksums; else as from
 * the kernel, with DF. */
uint8_t *feed_wrap_ip(const struct feed_flow *, uint8_t *out, size_t n, uint16_t id);

#endif
