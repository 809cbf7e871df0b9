/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/rtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#define PROTO_UDP 17
#define UDP_HEADER 8
#define RTP_HEADER 12

static int parse_udp_header(struct span datagram, struct udp *udp)
{
	uint16_t length = span_be16(datagram, 4);

	if (datagram.n < UDP_HEADER || length < UDP_HEADER || length > datagram.n)
		return -EINVAL;
	udp->from_port = span_be16(datagram, 0);
	udp->to_port = span_be16(datagram, 2);
	udp->payload = span_skip(span_head(datagram, length), UDP_HEADER);
	return 0;
}

static int parse_ipv4(struct span packet, struct udp *udp)
{
	size_t header = (size_t)(span_u8(packet, 0) & 0x0f) * 4;
	uint16_t total = span_be16(packet, 2);

	if (packet.n < 20 || header < 20 || total < header || total > packet.n)
		return -EINVAL;
	if (span_be16(packet, 6) & 0x3fff) /* more fragments, or an offset */
		return -EINVAL;
	if (span_u8(packet, 9) != PROTO_UDP)
		return -EINVAL;
	udp->family = 4;
	memcpy(udp->from, packet.p + 12, 4);
	memcpy(udp->to, packet.p + 16, 4);
	return parse_udp_header(span_skip(span_head(packet, total), header), udp);
}

/* Hop-by-hop, routing and destination options, RFC 8200 4. A fragment header that is the
 * whole packet (RFC 6946) is passed over too. *next becomes 0xff where something else is
 * met. */
static struct span skip_extensions(struct span rest, uint8_t *next)
{
	while (*next != PROTO_UDP) {
		bool whole = *next == 44 && !(span_be16(rest, 2) & 0xfff9);
		bool options = *next == 0 || *next == 43 || *next == 60;
		size_t bytes = whole ? 8 : ((size_t)span_u8(rest, 1) + 1) * 8;

		if ((!whole && !options) || bytes > rest.n) {
			*next = 0xff;
			break;
		}
		*next = rest.p[0];
		rest = span_skip(rest, bytes);
	}
	return rest;
}

static int parse_ipv6(struct span packet, struct udp *udp)
{
	uint8_t next = span_u8(packet, 6);
	uint16_t length = span_be16(packet, 4);
	struct span rest;

	if (packet.n < 40 || length > packet.n - 40)
		return -EINVAL;
	rest = skip_extensions(span_head(span_skip(packet, 40), length), &next);
	if (next != PROTO_UDP)
		return -EINVAL;
	udp->family = 6;
	memcpy(udp->from, packet.p + 8, 16);
	memcpy(udp->to, packet.p + 24, 16);
	return parse_udp_header(rest, udp);
}

int udp_parse(struct span packet, struct udp *udp)
{
	memset(udp, 0, sizeof(*udp));
	switch (span_u8(packet, 0) >> 4) {
	case 4:
		return parse_ipv4(packet, udp);
	case 6:
		return parse_ipv6(packet, udp);
	default:
		return -EINVAL;
	}
}

int rtp_parse(struct span payload, struct rtp *rtp)
{
	uint8_t flags = span_u8(payload, 0);
	size_t header = RTP_HEADER + (size_t)(flags & 0x0f) * 4; /* CSRCs */
	size_t padding = 0;

	if (payload.n < RTP_HEADER || flags >> 6 != 2)
		return -EINVAL;
	if (flags & 0x10) {
		if (header + 4 > payload.n)
			return -EINVAL;
		header += 4 + (size_t)span_be16(payload, header + 2) * 4;
	}
	if (header > payload.n)
		return -EINVAL;
	if (flags & 0x20) {
		padding = payload.p[payload.n - 1];
		if (padding > payload.n - header)
			return -EINVAL;
	}
	rtp->pt = payload.p[1] & 0x7f;
	rtp->marker = payload.p[1] & 0x80;
	rtp->seq = span_be16(payload, 2);
	rtp->ts = span_be32(payload, 4);
	rtp->ssrc = span_be32(payload, 8);
	rtp->payload = span_of(payload.p + header, payload.n - header - padding);
	return 0;
}

void udp_format(
	uint8_t family, const uint8_t address[16], uint16_t port, char *out, size_t max)
{
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family == 6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	snprintf(out, max, family == 6 ? "[%s]:%u" : "%s:%u", text, port);
}
