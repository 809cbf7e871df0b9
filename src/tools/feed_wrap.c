/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_wrap.h"

#include <arpa/inet.h>

#define NTP_EPOCH 2208988800u /* 1970 in the seconds of NTP */
#define IPPROTO_OF_UDP 17
#define TTL 64

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

void feed_wrap_rtp(const struct feed_rtp *r, uint8_t out[FEED_RTP_HEADER])
{
	out[0] = 0x80;
	out[1] = (uint8_t)((r->marker ? 0x80 : 0) | (r->pt & 0x7f));
	put32(put32(put16(out + 2, r->seq), r->ts), r->ssrc);
}

size_t feed_wrap_rtcp(uint8_t out[FEED_RTCP_MAX], uint32_t ssrc, uint32_t ts, usec_t wall,
	uint32_t packets, uint32_t octets)
{
	static const char cname[] = "feed";
	uint8_t *p = out;

	p = put32(p, 0x80c80006); /* SR, 7 words */
	p = put32(p, ssrc);
	p = put32(p, (uint32_t)(wall / SEC) + NTP_EPOCH);
	p = put32(p, (uint32_t)(((uint64_t)(wall % SEC) << 32) / (uint64_t)SEC));
	p = put32(p, ts);
	p = put32(p, packets);
	p = put32(p, octets);
	p = put32(p, 0x81ca0003); /* SDES, 4 words: SSRC, CNAME item, two zero bytes */
	p = put32(p, ssrc);
	*p++ = 1;
	*p++ = sizeof(cname) - 1;
	memcpy(p, cname, sizeof(cname) - 1);
	p += sizeof(cname) - 1;
	p = put16(p, 0);
	return (size_t)(p - out);
}

/* RFC 1071, 2: words in the order of this machine, as many bytes at once as they come in. */
static uint64_t sum(uint64_t total, const uint8_t *p, size_t n)
{
	uint32_t word = 0;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		total += word;
	}
	word = 0;
	memcpy(&word, p, n);
	return total + word;
}

static uint16_t fold(uint64_t total)
{
	uint16_t folded;

	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	folded = htons((uint16_t)total);
	return (uint16_t)~folded;
}

static void checksum_udp(const struct feed_flow *f, uint8_t *udp, size_t length)
{
	size_t address = f->v6 ? 16 : 4;
	uint64_t total = htonl(IPPROTO_OF_UDP + (uint32_t)length);
	uint16_t folded;

	total = sum(sum(total, f->from, address), f->to, address);
	folded = fold(sum(total, udp, length));
	put16(udp + 6, folded ? folded : 0xffff);
}

uint8_t *feed_wrap_ip(const struct feed_flow *f, uint8_t *out, size_t n, uint16_t id)
{
	size_t length = n + 8, header = f->v6 ? 40 : 20;
	uint8_t *udp = out + FEED_IP_MAX - 8, *ip = udp - header;

	put16(put16(put16(put16(udp, f->from_port), f->to_port), (uint32_t)length), 0);
	if (f->v6) {
		put16(put32(ip, 0x60000000), (uint32_t)length);
		ip[6] = IPPROTO_OF_UDP;
		ip[7] = TTL;
		memcpy(ip + 8, f->from, 16);
		memcpy(ip + 24, f->to, 16);
	} else {
		put16(put16(ip, 0x4500), (uint32_t)(length + header));
		put16(put16(ip + 4, id), id ? 0x4000 : 0);
		ip[8] = TTL;
		ip[9] = IPPROTO_OF_UDP;
		put16(ip + 10, 0);
		memcpy(ip + 12, f->from, 4);
		memcpy(ip + 16, f->to, 4);
		if (id)
			put16(ip + 10, fold(sum(0, ip, 20)));
	}
	if (id)
		checksum_udp(f, udp, length);
	return ip;
}
