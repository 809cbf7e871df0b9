/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/opening.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/rtp.h"

#define HOLD         (10 * MSEC)
#define MAX_PACKETS  32
#define MAX_BYTES    ((size_t)16 * 1024)

struct opening {
	unsigned n, next;
	struct {
		usec_t read;
		struct span bytes;
	} packet[MAX_PACKETS];
	size_t used;
	uint8_t data[MAX_BYTES];
};

struct opening *opening_new(void)
{
	return xalloc(sizeof(struct opening));
}

void opening_free(struct opening **o)
{
	free(*o);
	*o = NULL;
}

bool opening_is_over(const struct opening *o, usec_t now)
{
	return o->n && now - o->packet[0].read >= HOLD;
}

bool opening_put(struct opening *o, struct span packet, usec_t now)
{
	must(o->next == 0);
	if (o->n == MAX_PACKETS || packet.n > MAX_BYTES - o->used || opening_is_over(o, now))
		return false;
	o->packet[o->n].read = now;
	o->packet[o->n].bytes = span_of(o->data + o->used, packet.n);
	if (packet.n)
		memcpy(o->data + o->used, packet.p, packet.n);
	o->used += packet.n;
	o->n++;
	return true;
}

static bool rtp_of(const struct opening *o, unsigned i, struct rtp *rtp)
{
	struct udp udp;

	return udp_parse(o->packet[i].bytes, &udp) == 0 &&
		!rtcp_is(udp.payload) && rtp_parse(udp.payload, rtp) == 0;
}

static uint32_t clock_of(struct payloads *p, unsigned pt)
{
	const struct codec *codec = p ? payloads_find(p, pt) : NULL;
	struct codec fixed;

	if (codec)
		return codec->clock_hz;
	return codec_static(pt, &fixed) ? fixed.clock_hz : 0;
}

/* Between this packet and the newest of the same kind, by their sender's clock. */
static usec_t before_newest(const struct opening *o, struct payloads *p, unsigned i, usec_t *newest)
{
	struct rtp mine, other;
	uint32_t clock_hz, ticks;
	unsigned last = o->n - 1;

	*newest = o->packet[i].read;
	if (!rtp_of(o, i, &mine))
		return 0;
	while (last > i && (!rtp_of(o, last, &other) || other.ssrc != mine.ssrc ||
		other.pt != mine.pt))
		last--;
	clock_hz = clock_of(p, mine.pt);
	if (last == i || !clock_hz)
		return 0;
	*newest = o->packet[last].read;
	ticks = other.ts - mine.ts;
	return ticks > INT32_MAX ? 0 : (usec_t)ticks * SEC / clock_hz;
}

bool opening_get(struct opening *o, struct payloads *p, struct span *packet, usec_t *came)
{
	usec_t newest, before;
	unsigned i = o->next;

	if (i == o->n)
		return false;
	*packet = o->packet[i].bytes;
	before = before_newest(o, p, i, &newest);
	*came = before > OPENING_MAX_WAIT || newest - before > o->packet[i].read ?
		o->packet[i].read : newest - before;
	o->next++;
	return true;
}
