/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IP packets made by hand, and a sheet of paper on which an outlet's audio is written. */
#ifndef TESTS_PACKETS_H
#define TESTS_PACKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "media/pcm.h"

#define PACKETS_MAX  4096
#define PACKETS_PORT 30000 /* local port where nothing else is said */

struct made { /* one packet; port 0: PACKETS_PORT */
	unsigned pt, seq, port;
	uint32_t ts, ssrc;
	bool marker;
	struct span payload;
};

static inline uint8_t *packets_be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static inline uint8_t *packets_be32(uint8_t *p, uint32_t v)
{
	return packets_be16(packets_be16(p, v >> 16), v & 0xffff);
}

/* IPv4 and UDP around any bytes. Valid until the next call. */
static inline struct span packets_udp(unsigned port, struct span payload)
{
	static uint8_t out[PACKETS_MAX];
	uint8_t *p = out + 28;

	must(payload.n <= sizeof(out) - 28);
	memset(out, 0, 28);
	if (payload.n)
		memmove(p, payload.p, payload.n);
	out[0] = 0x45;
	packets_be16(out + 2, (unsigned)payload.n + 28);
	out[8] = 64;
	out[9] = 17;
	packets_be32(out + 12, 0xc0000201); /* 192.0.2.1 */
	packets_be32(out + 16, 0xc0000202);
	packets_be16(out + 20, 4000);
	packets_be16(out + 22, port ? port : PACKETS_PORT);
	packets_be16(out + 24, (unsigned)payload.n + 8);
	return span_of(out, payload.n + 28);
}

/* Valid until the next call. */
static inline struct span packets_rtp(const struct made *m)
{
	static uint8_t rtp[PACKETS_MAX];

	must(m->payload.n <= sizeof(rtp) - 12 - 28);
	rtp[0] = 0x80;
	rtp[1] = (uint8_t)(m->pt | (m->marker ? 0x80 : 0));
	packets_be16(rtp + 2, m->seq & 0xffff);
	packets_be32(rtp + 4, m->ts);
	packets_be32(rtp + 8, m->ssrc);
	if (m->payload.n)
		memcpy(rtp + 12, m->payload.p, m->payload.n);
	return packets_udp(m->port, span_of(rtp, m->payload.n + 12));
}

/* The sample that belongs at media time n: never 0, so that silence is told from sound. */
static inline int16_t packets_sample(int64_t n)
{
	return (int16_t)(n % 20011 + 1);
}

/* L16 payload of the samples from `from` on. Valid until the next call. */
static inline struct span packets_l16(int64_t from, unsigned frames)
{
	static uint8_t out[PACKETS_MAX];

	must(frames * 2 <= sizeof(out));
	for (unsigned i = 0; i < frames; i++)
		packets_be16(out + i * 2, (uint16_t)packets_sample(from + i));
	return span_of(out, frames * 2);
}

static inline struct span packets_filled(uint8_t byte, unsigned n)
{
	static uint8_t out[PACKETS_MAX];

	must(n <= sizeof(out));
	memset(out, byte, n);
	return span_of(out, n);
}

/* ---- the sheet ---- */

#define SHEET_FRAMES 1000000

struct sheet {
	int64_t end;      /* of what was written or passed over */
	int64_t advanced; /* newest advance; -1: none */
	uint64_t frames, blocks;
	bool begun;
	int64_t first;
	int16_t sample[SHEET_FRAMES]; /* 0: nothing there */
};

/* False: out of order, overlapping or off the paper. */
static inline bool sheet_write(struct sheet *s, const struct pcm *pcm)
{
	if (pcm->position < 0 || pcm->position + pcm->frames > SHEET_FRAMES ||
		(s->begun && pcm->position < s->end) || pcm->channels != 1)
		return false;
	if (!s->begun)
		s->first = pcm->position;
	s->begun = true;
	memcpy(s->sample + pcm->position, pcm->samples, pcm->frames * sizeof(int16_t));
	s->end = pcm->position + pcm->frames;
	s->frames += pcm->frames;
	s->blocks++;
	return true;
}

static inline bool sheet_advance(struct sheet *s, int64_t position)
{
	if (!s->begun || position <= s->end)
		return false;
	s->end = s->advanced = position;
	return true;
}

static inline void sheet_clear(struct sheet *s)
{
	memset(s, 0, sizeof(*s));
	s->advanced = -1;
}

#endif
