/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an IP packet to an RTP payload. Pure. Everything points into the packet.
 * IPv4 RFC 791, IPv6 RFC 8200, UDP RFC 768, RTP RFC 3550 5.1, mux RFC 5761 4. */
#ifndef MEDIA_RTP_H
#define MEDIA_RTP_H

#include "base/span.h"

struct udp {
	uint8_t family;             /* 4 or 6 */
	uint8_t from[16], to[16];   /* addresses, 4 or 16 bytes in network order */
	uint16_t from_port, to_port;
	struct span payload;
};

struct rtp {
	uint8_t pt;      /* 0-127 */
	bool marker;
	uint16_t seq;
	uint32_t ts;
	uint32_t ssrc;
	struct span payload; /* without CSRC, extension and padding; may be empty */
};

/* 0, or -EINVAL when it is not a whole IPv4/IPv6 + UDP packet (fragments are not). */
int udp_parse(struct span packet, struct udp *);
/* 0, or -EINVAL: short, version not 2, header longer than the packet, padding longer than the
 * payload. */
int rtp_parse(struct span payload, struct rtp *);
/* RTCP by RFC 5761: version 2 and packet type 192-223. */
static inline bool rtcp_is(struct span payload)
{
	return payload.n >= 4 && payload.p[0] >> 6 == 2 &&
	       payload.p[1] >= 192 && payload.p[1] <= 223;
}

/* "192.0.2.1:5004", "[2001:db8::1]:5004" into out (at least 64 bytes). */
void udp_format(uint8_t family, const uint8_t address[16], uint16_t port, char *out, size_t max);

#endif
