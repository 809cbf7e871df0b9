/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One IP packet: addresses, RTP, RTCP, events; and the order of packets, from the same bytes. */
#include "media/event.h"
#include "media/jitter.h"
#include "media/noise.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_packet(struct span packet)
{
	struct event_tracker tracker = { .running = false };
	struct noise noise = { .order = 0 };
	struct event done;
	struct rtp rtp;
	struct udp udp;
	int16_t sound[80];
	char text[64];

	if (udp_parse(packet, &udp) < 0)
		udp.payload = packet;
	else
		udp_format(udp.family, udp.from, udp.from_port, text, sizeof(text));
	if (rtcp_is(udp.payload))
		return;
	if (rtp_parse(udp.payload, &rtp) < 0)
		return;
	if (noise_update(&noise, rtp.payload))
		noise_generate(&noise, sound, 80);
	for (rtp.ts = 0; rtp.payload.n >= 4; rtp.payload = span_skip(rtp.payload, 4))
		event_feed(&tracker, &rtp, &done);
	event_finish(&tracker, &done);
}

/* Three bytes a packet: sequence number, and how much time passes. */
static void order_packets(struct span in)
{
	const struct jitter_opts o = { .window = 16, .hold = 100 * MSEC };
	struct jitter *j = jitter_new(&o);
	const struct jitter_count *c = jitter_counts(j);
	unsigned lost;
	usec_t now = 0;

	for (; in.n >= 3; in = span_skip(in, 3)) {
		struct rtp rtp = { .seq = span_be16(in, 0), .payload = span_head(in, 8) },
			   out;

		now += span_u8(in, 2) * MSEC;
		jitter_put(j, &rtp, now);
		while (jitter_get(j, now, &out, &lost))
			;
		if (c->in != c->out + c->duplicate + c->late + jitter_waiting(j))
			abort();
	}
	for (struct rtp out; jitter_drain(j, &out, &lost);)
		;
	if (c->in != c->out + c->duplicate + c->late)
		abort();
	jitter_free(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_packet(span_of(data, size));
	order_packets(span_of(data, size));
	return 0;
}
