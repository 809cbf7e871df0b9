/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stream and the sheet that its audio is written on; packet k is 20 ms of its media time. */
#ifndef TESTS_STREAM_RIG_H
#define TESTS_STREAM_RIG_H

#include "call/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "packets.h"
#include "sound.h"

#define PT_L16    96
#define PT_WIDE   97 /* L16 at 16 kHz */
#define PT_EVENT  101
#define PT_FOO    99
#define PT_CN     13
#define FIRST     100 /* sequence number of packet 0 */
#define STAMP     5000
#define SSRC      0x1111

struct rig {
	struct stream *stream;
	struct payloads *payloads;
	struct outlet *outlet;
	struct sheet sheet;
	unsigned seq0;   /* of packet 0 */
	uint32_t ts0;
	uint32_t ssrc;
	unsigned changes; /* ssrc_changed */
	char told[4000];
};

static struct rig rig;

static inline void on_audio(void *arg, const struct pcm *pcm)
{
	assert_true(sheet_write(arg, pcm));
}

static inline void on_advance(void *arg, int64_t position)
{
	assert_true(sheet_advance(arg, position));
}

static inline void on_event(void *arg, struct stream *s, const struct stream_event *e)
{
	struct rig *r = arg;
	size_t n = strlen(r->told), room = sizeof(r->told) - n;

	assert_ptr_equal(s, r->stream);
	if (e->kind == STREAM_EVENT_DIGIT)
		snprintf(r->told + n, room, "%c(%u) ", e->digit, e->duration_ms);
	else if (e->kind == STREAM_EVENT_SSRC)
		snprintf(r->told + n, room, "ssrc%x ", e->ssrc);
	else if (e->kind == STREAM_EVENT_CODEC)
		snprintf(r->told + n, room, "%s ", e->codec);
	else
		snprintf(r->told + n, room, "jump ");
}

static inline void on_ssrc_changed(void *arg, struct stream *s, uint32_t ssrc)
{
	(void)s;
	(void)ssrc;
	((struct rig *)arg)->changes++;
}

static inline void listen(bool on)
{
	static const struct outlet_events events = { .audio = on_audio, .advance = on_advance };

	if (rig.outlet)
		outlets_remove(stream_outlets(rig.stream), rig.outlet);
	outlet_free(&rig.outlet);
	if (!on)
		return;
	rig.outlet = outlet_new(8000, 1, &events, &rig.sheet);
	outlets_add(stream_outlets(rig.stream), rig.outlet);
}

static inline int setup(void **state)
{
	static const struct stream_events events = {
		.event = on_event, .ssrc_changed = on_ssrc_changed };

	(void)state;
	memset(&rig, 0, sizeof(rig));
	sheet_clear(&rig.sheet);
	rig.seq0 = FIRST;
	rig.ts0 = STAMP;
	rig.ssrc = SSRC;
	rig.payloads = payloads_new();
	payloads_set_rtpmap(rig.payloads, PT_L16, span_text("L16/8000"));
	payloads_set_rtpmap(rig.payloads, PT_WIDE, span_text("L16/16000"));
	payloads_set_rtpmap(rig.payloads, PT_EVENT, span_text("telephone-event/8000"));
	payloads_set_rtpmap(rig.payloads, PT_FOO, span_text("FOO/8000"));
	rig.stream = stream_new(&(struct stream_opts){ .number = 3, .name = "test",
		.events = &events, .arg = &rig,
		.jitter = { .window = 64, .hold = 100 * MSEC } });
	stream_set_payloads(rig.stream, rig.payloads);
	listen(true);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	stream_free(&rig.stream);
	outlet_free(&rig.outlet);
	payloads_free(&rig.payloads);
	return 0;
}

/* Where the packets went; every one of them went somewhere, once. */
static inline struct stream_counts counts(void)
{
	struct stream_counts c;
	uint64_t waiting;

	stream_sum(rig.stream, &c, &waiting);
	assert_int_equal(c.packets,
		c.refused + c.foreign + c.bad + c.rtcp + c.empty + c.duplicate + c.late +
			c.stray + waiting + c.events + c.noise + c.undecodable +
			c.unwanted + c.decoded);
	return c;
}

static inline void put(const struct made *m, usec_t now)
{
	stream_packet(rig.stream, packets_rtp(m), now);
	counts();
}

/* Packet k of the stream is 20 ms of its media time, samples k * 160 on. */
static inline void send_late(unsigned pt, int64_t k, struct span payload, usec_t late)
{
	put(&(struct made){ .pt = pt, .seq = (unsigned)(rig.seq0 + k),
		    .ts = rig.ts0 + (uint32_t)(k * 160), .ssrc = rig.ssrc,
		    .payload = payload },
		k * 20 * MSEC + late);
}

static inline void send(int64_t k)
{
	send_late(PT_L16, k, packets_l16(k * 160, 160), 0);
}

static inline void send_all(int64_t from, int64_t to)
{
	for (; from < to; from++)
		send(from);
}

/* All samples of packets from to to - 1 are there and where they belong. */
static inline void heard(int64_t from, int64_t to)
{
	for (int64_t i = from * 160; i < to * 160; i++)
		if (rig.sheet.sample[i] != packets_sample(i))
			fail_msg("sample %d of packet %d is %d, not %d", (int)(i % 160),
				(int)(i / 160), rig.sheet.sample[i], packets_sample(i));
}

static inline void silent(int64_t from, int64_t to)
{
	for (int64_t i = from * 160; i < to * 160; i++)
		if (rig.sheet.sample[i])
			fail_msg("packet %d is not silent", (int)(i / 160));
}

static inline void loud(int64_t from, int64_t to)
{
	assert_true(sound_rms(rig.sheet.sample + from * 160, (unsigned)(to - from) * 160, 1) > 0);
}

#endif
