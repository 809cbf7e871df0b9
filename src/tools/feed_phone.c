/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_phone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/feed_wrap.h"

#define EVENT_PT    101
#define NOISE_PT    13
#define NOISE_LEVEL 70 /* [-dBov] RFC 3389 3.1 */
#define RTCP_EVERY  (5 * SEC)
#define MAX_PAYLOAD 8192
#define BIND_TRIES  64

void feed_phone_init(struct feed_phone *p)
{
	*p = (struct feed_phone){ .rtp = -1, .rtcp = -1, .rtcp_due = SEC };
}

void feed_phone_fini(struct feed_phone *p)
{
	if (p->rtp >= 0)
		close(p->rtp);
	if (p->rtcp >= 0)
		close(p->rtcp);
	p->rtp = p->rtcp = -1;
}

static int bind_one(const struct in_addr *at, unsigned port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = *at
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* The kernel picks an RTP port; taken when it is even and its neighbour is free (RFC
 * 3550 11). */
static int bind_pair(struct feed_phone *p, const struct in_addr *at)
{
	struct sockaddr_in got;
	socklen_t n = sizeof(got);

	p->rtp = bind_one(at, 0);
	if (p->rtp < 0)
		return p->rtp;
	if (getsockname(p->rtp, (struct sockaddr *)&got, &n) < 0)
		return -errno;
	p->port = ntohs(got.sin_port);
	if (p->port % 2)
		return -EADDRINUSE;
	p->rtcp = bind_one(at, p->port + 1);
	return p->rtcp < 0 ? p->rtcp : 0;
}

int feed_phone_bind(struct feed_phone *p, const char *address)
{
	struct in_addr at;
	int r = -EINVAL;

	if (inet_pton(AF_INET, address, &at) != 1)
		return -EINVAL;
	snprintf(p->address, sizeof(p->address), "%s", address);
	for (int i = 0; i < BIND_TRIES; i++) {
		feed_phone_fini(p);
		r = bind_pair(p, &at);
		if (!r || r != -EADDRINUSE)
			return r;
	}
	return r;
}

bool feed_phone_aim(struct feed_phone *p, const char *address, unsigned port)
{
	p->to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, address, &p->to.sin_addr) == 1 && port;
}

static void send_bytes(
	struct feed_phone *p, int fd, const uint8_t *bytes, size_t n, unsigned more)
{
	struct sockaddr_in to = p->to;

	to.sin_port = htons((uint16_t)(ntohs(to.sin_port) + more));
	if (sendto(fd, bytes, n, 0, (struct sockaddr *)&to, sizeof(to)) >= 0 && !more)
		p->sent++;
}

static void send_rtp(struct feed_phone *p, const struct feed_packet *pkt)
{
	uint8_t out[FEED_RTP_HEADER + MAX_PAYLOAD];
	const uint8_t noise = NOISE_LEVEL;
	struct span payload =
		span_head(p->tone->payload[pkt->slot % p->tone->n], MAX_PAYLOAD);
	struct feed_rtp rtp = { .pt = p->codec->pt,
		.marker = pkt->marker,
		.seq = pkt->seq,
		.ts = pkt->ts,
		.ssrc = pkt->ssrc };

	if (pkt->kind == FEED_EVENT) {
		rtp.pt = EVENT_PT;
		payload = span_of(pkt->event, sizeof(pkt->event));
	} else if (pkt->kind == FEED_NOISE) {
		rtp.pt = NOISE_PT;
		payload = span_of(&noise, 1);
	}
	feed_wrap_rtp(&rtp, out);
	memcpy(out + FEED_RTP_HEADER, payload.p, payload.n);
	send_bytes(p, p->rtp, out, FEED_RTP_HEADER + payload.n, 0);
}

static void send_rtcp(struct feed_phone *p, usec_t since)
{
	uint8_t out[FEED_RTCP_MAX];
	uint32_t packets = (uint32_t)p->sent;
	size_t n = feed_wrap_rtcp(out, p->plan.ssrc, p->plan.ts, clock_wall(), packets,
		packets * (uint32_t)p->tone->payload[0].n);

	send_bytes(p, p->rtcp, out, n, 1);
	p->rtcp_due = since + RTCP_EVERY;
}

static void count_received(struct feed_phone *p)
{
	uint8_t in[2048];

	while (recv(p->rtp, in, sizeof(in), 0) > 0)
		p->received++;
}

void feed_phone_run(struct feed_phone *p, usec_t since)
{
	bool any = false;

	if (!p->to.sin_port || p->rtp < 0)
		return;
	for (;;) {
		if (!p->has_next)
			feed_plan_next(&p->plan, &p->next);
		p->has_next = p->next.due > since;
		if (p->has_next)
			break;
		if (p->next.kind != FEED_NOTHING)
			send_rtp(p, &p->next);
		any = true;
	}
	if (since >= p->rtcp_due)
		send_rtcp(p, since);
	if (any)
		count_received(p);
}
