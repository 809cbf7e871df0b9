/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole IP packets in, samples out of the outlet, checked by what they are and where. */
#include <stdlib.h>
#include <time.h>

#include "stream_rig.h"

static void test_in_order(void **state)
{
	struct stream_counts c;

	(void)state;
	send_all(0, 100);
	heard(0, 100);
	c = counts();
	assert_int_equal(c.packets, 100);
	assert_int_equal(c.decoded, 100);
	assert_int_equal(c.bytes, 100 * (320 + 40));
	assert_int_equal(c.audio, 2 * SEC);
	assert_int_equal(stream_number(rig.stream), 3);
	assert_string_equal(rig.told, "L16 ");
}

static void test_wraps(void **state)
{
	(void)state;
	rig.seq0 = 65500;
	rig.ts0 = (uint32_t)-(160 * 50);
	send_all(0, 100);
	heard(0, 100);
	assert_int_equal(counts().lost, 0);
	assert_string_equal(rig.told, "L16 ");
}

static void test_loss_is_a_hole_of_its_length(void **state)
{
	(void)state;
	send_all(0, 20);
	send_all(23, 60);
	heard(0, 20);
	silent(20, 23);
	heard(23, 60);
	assert_int_equal(counts().lost, 3);
	assert_int_equal(counts().decoded, 57);
	assert_int_equal(rig.sheet.end, 60 * 160);
}

static void test_reordered(void **state)
{
	(void)state;
	for (int64_t k = 0; k < 100; k += 4) {
		send(k);
		send(k + 3);
		send(k + 2);
		send(k + 1);
	}
	heard(0, 100);
	assert_int_equal(counts().lost, 0);
	assert_int_equal(counts().late, 0);
	assert_int_equal(counts().reordered, 50);
}

static void test_duplicates(void **state)
{
	(void)state;
	for (int64_t k = 0; k < 50; k++) {
		send(k);
		send(k);
		if (k > 2)
			send_late(PT_L16, k - 2, packets_l16(0, 160), 40 * MSEC);
	}
	heard(0, 50);
	assert_int_equal(counts().duplicate, 50 + 47);
	assert_int_equal(counts().decoded, 50);
}

static void test_late_is_not_heard(void **state)
{
	(void)state;
	send_all(0, 10);
	send_all(11, 30);
	send_late(PT_L16, 10, packets_l16(7777, 160), 400 * MSEC);
	send_all(30, 40);
	silent(10, 11);
	heard(11, 40);
	assert_int_equal(counts().late, 1);
	assert_int_equal(counts().lost, 1);
}

/* The hole is given up by time alone when nothing comes any more. */
static void test_tick_releases(void **state)
{
	(void)state;
	send_all(0, 10);
	send(11);
	stream_tick(rig.stream, 220 * MSEC + 99 * MSEC);
	assert_int_equal(rig.sheet.end, 1600);
	stream_tick(rig.stream, 220 * MSEC + 100 * MSEC);
	heard(11, 12);
	assert_int_equal(counts().lost, 1);
}

static void test_drain_releases(void **state)
{
	(void)state;
	send_all(0, 10);
	send(12);
	send(11 + 3);
	stream_drain(rig.stream);
	heard(0, 10);
	heard(12, 13);
	heard(14, 15);
	counts();
	send_all(15, 20); /* opened again */
	heard(14, 20);
}

/* ---- SSRC ---- */

static void test_ssrc_changes_and_nothing_is_lost(void **state)
{
	const struct stream_ssrc *list;

	(void)state;
	send_all(0, 50);
	rig.ssrc = 0x2222;
	rig.seq0 = 40000;
	rig.ts0 = 777;
	send(50);
	assert_int_equal(rig.sheet.end, 50 * 160); /* on probation */
	send_all(51, 100);
	heard(0, 100);
	assert_int_equal(counts().stray, 0);
	assert_int_equal(counts().decoded, 100);
	assert_int_equal(counts().lost, 0);
	assert_int_equal(rig.changes, 1);
	assert_string_equal(rig.told, "L16 ssrc2222 L16 ");
	assert_int_equal(stream_ssrcs(rig.stream, &list), 2);
	assert_int_equal(list[0].ssrc, SSRC);
	assert_int_equal(list[1].ssrc, 0x2222);
	assert_int_equal(list[1].first, SEC);
	assert_string_equal(list[1].codec, "L16");
}

static void test_stray_ssrcs(void **state)
{
	(void)state;
	for (int64_t k = 0; k < 50; k++) {
		send(k);
		if (k % 5 == 0)
			put(&(struct made){ .pt = PT_L16, .seq = 7, .ssrc = 0x9000,
				    .payload = packets_l16(9999, 160) },
				k * 20 * MSEC);
		if (k % 7 == 0)
			put(&(struct made){ .pt = PT_L16, .seq = (unsigned)k,
				    .ssrc = (uint32_t)(0xa000 + k),
				    .payload = packets_l16(9999, 160) },
				k * 20 * MSEC);
	}
	heard(0, 50);
	assert_int_equal(counts().stray, 10 + 7); /* and one that is on probation */
	assert_int_equal(rig.changes, 0);
	put(&(struct made){ .pt = PT_L16, .ssrc = 0xb000, .payload = packets_l16(9999, 160) },
		SEC);
	assert_int_equal(counts().stray, 18);
	stream_drain(rig.stream);
	assert_int_equal(counts().stray, 19);
}

static void test_many_ssrcs(void **state)
{
	const struct stream_ssrc *list;

	(void)state;
	for (int64_t k = 0; k < 200; k++) {
		rig.ssrc = (uint32_t)(1 + k / 2);
		send(k);
	}
	heard(0, 200);
	assert_int_equal(rig.changes, 99);
	assert_int_equal(stream_ssrcs(rig.stream, &list), STREAM_MAX_SSRCS);
	assert_int_equal(list[31].ssrc, 32);
}

/* ---- payload types ---- */

/* mu-law 0x80 and A-law 0xaa are the loudest positive values of each. */
static void test_payload_type_changes(void **state)
{
	(void)state;
	for (int64_t k = 0; k < 60; k++) {
		bool a = k / 10 % 2;

		send_late(a ? 8 : 0, k, packets_filled(a ? 0xaa : 0x80, 160), 0);
	}
	for (int64_t i = 0; i < 60 * 160; i++)
		assert_int_equal(rig.sheet.sample[i], i / 1600 % 2 ? 32256 : 32124);
	assert_string_equal(rig.told, "PCMU PCMA PCMU PCMA PCMU PCMA ");
	assert_int_equal(counts().decoded, 60);
}

/* An offer/answer adds a codec: the decoder in use and what is told of it stay. */
static void test_table_grows(void **state)
{
	(void)state;
	send_all(0, 10);
	payloads_set_rtpmap(rig.payloads, 120, span_text("opus/48000/2"));
	send_all(10, 20);
	heard(0, 20);
	assert_string_equal(rig.told, "L16 ");
}

static void test_type_gets_another_meaning(void **state)
{
	(void)state;
	send_all(0, 10);
	payloads_set_rtpmap(rig.payloads, PT_L16, span_text("PCMA/8000"));
	for (int64_t k = 10; k < 20; k++)
		send_late(PT_L16, k, packets_filled(0xaa, 160), 0);
	heard(0, 10);
	for (int64_t i = 1600; i < 3200; i++)
		assert_int_equal(rig.sheet.sample[i], 32256);
	assert_string_equal(rig.told, "L16 PCMA ");
}

static void test_without_sdp_static_types_are_known(void **state)
{
	(void)state;
	stream_set_payloads(rig.stream, NULL);
	send_late(0, 0, packets_filled(0x80, 160), 0);
	send_late(PT_L16, 1, packets_l16(0, 160), 0);
	send_late(8, 2, packets_filled(0xaa, 160), 0);
	assert_int_equal(rig.sheet.sample[0], 32124);
	assert_int_equal(rig.sheet.sample[320], 32256);
	assert_int_equal(counts().undecodable, 1);
	stream_set_payloads(rig.stream, rig.payloads);
	send_all(3, 10);
	heard(3, 10);
}

static void test_clock_changes(void **state)
{
	int16_t tone[320];
	uint8_t payload[640];
	uint32_t ts = STAMP + 50 * 160;

	(void)state;
	sound_tone(tone, 320, 1, 16000, 1000, 10000);
	for (unsigned i = 0; i < 320; i++)
		packets_be16(payload + i * 2, (uint16_t)tone[i]);
	send_all(0, 50);
	for (int64_t k = 50; k < 100; k++, ts += 320)
		put(&(struct made){ .pt = PT_WIDE, .seq = (unsigned)(FIRST + k), .ts = ts,
			    .ssrc = SSRC, .payload = span_of(payload, 640) },
			k * 20 * MSEC);
	heard(0, 50);
	assert_true(sound_share(rig.sheet.sample + 60 * 160, 30 * 160, 1, 8000, 1000) > 0.95);
	assert_in_range(rig.sheet.end, 16000 - 40, 16000);
	assert_int_equal(counts().jumps, 1);
}

static void test_unknown_codec_keeps_the_time(void **state)
{
	(void)state;
	send_all(0, 10);
	for (int64_t k = 10; k < 30; k++)
		send_late(PT_FOO, k, packets_filled(0x55, 33), 0);
	send_late(127, 30, packets_filled(0x55, 33), 0); /* in no SDP */
	send_all(31, 40);
	heard(0, 10);
	silent(10, 31);
	heard(31, 40);
	assert_int_equal(counts().undecodable, 21);
	assert_int_equal(counts().lost, 0);
	assert_int_equal(counts().jumps, 0);
}

static void test_more_types_than_decoders(void **state)
{
	(void)state;
	for (unsigned pt = 110; pt < 118; pt++)
		payloads_set_rtpmap(rig.payloads, pt, span_text("L16/8000"));
	for (int64_t k = 0; k < 80; k++)
		send_late((unsigned)(110 + k % 8), k, packets_l16(k * 160, 160), 0);
	heard(0, 80);
}

/* ---- events and pauses ---- */

static void send_event(int64_t k, int64_t begin, unsigned code, unsigned duration, bool end)
{
	uint8_t payload[4] = { (uint8_t)code, (uint8_t)(10 | (end ? 0x80 : 0)) };

	packets_be16(payload + 2, duration);
	put(&(struct made){ .pt = PT_EVENT, .seq = (unsigned)(FIRST + k),
		    .ts = STAMP + (uint32_t)begin * 160, .ssrc = SSRC,
		    .payload = span_of(payload, 4) },
		k * 20 * MSEC);
}

static void test_digits_are_events_and_no_noise(void **state)
{
	(void)state;
	send_all(0, 10);
	for (unsigned i = 0; i < 5; i++)
		send_event(10 + i, 10, 5, 160 * (i + 1), false);
	for (unsigned i = 0; i < 3; i++)
		send_event(15 + i, 10, 5, 960, true);
	send_all(18, 30);
	heard(0, 10);
	silent(10, 18);
	heard(18, 30);
	assert_int_equal(counts().events, 8);
	assert_int_equal(counts().lost, 0);
	assert_string_equal(rig.told, "L16 5(120) ");
}

static void test_digit_without_end(void **state)
{
	(void)state;
	send_all(0, 2);
	send_event(2, 2, 11, 400, false);
	stream_drain(rig.stream);
	assert_string_equal(rig.told, "L16 #(50) ");
}

static void pause_of(bool noise)
{
	uint8_t level = 30; /* -30 dBov */

	send_all(0, 10);
	if (noise)
		send_late(PT_CN, 10, span_of(&level, 1), 0);
	/* sequence numbers go on, the timestamp tells the pause */
	rig.seq0 -= noise ? 89 : 90;
	send_all(100, 110);
	heard(0, 10);
	heard(100, 110);
	assert_int_equal(counts().lost, 0);
	assert_int_equal(counts().jumps, 0);
	assert_int_equal(counts().noise, noise);
	if (noise)
		loud(20, 100);
	else
		silent(10, 100);
}

static void test_pause_without_noise(void **state)
{
	(void)state;
	pause_of(false);
	assert_int_equal(rig.sheet.advanced, 100 * 160);
}

static void test_pause_with_noise(void **state)
{
	(void)state;
	pause_of(true);
	loud(10, 12);
	loud(98, 100);
	assert_int_equal(rig.sheet.frames, 110 * 160); /* no holes in it */
}

/* Nobody has to wait for the next packet to hear it. */
static void test_noise_goes_on(void **state)
{
	uint8_t level = 30;

	(void)state;
	send_all(0, 10);
	send_late(PT_CN, 10, span_of(&level, 1), 0);
	for (int64_t k = 10; k < 500; k++) {
		stream_tick(rig.stream, k * 20 * MSEC);
		if (k > 40)
			assert_in_range(rig.sheet.end, (k - 22) * 160, k * 160);
	}
	rig.seq0 -= 489;
	send_all(500, 510);
	heard(0, 10);
	heard(500, 510);
	for (int64_t k = 10; k < 500; k++)
		loud(k, k + 1);
	assert_int_equal(rig.sheet.frames, 510 * 160); /* no holes in it */
}

/* Where all but the first packet take 800 ms longer, what comes after the pause does so, too. */
static void test_noise_of_a_slow_path(void **state)
{
	const usec_t late = 800 * MSEC;
	uint8_t level = 30;

	(void)state;
	send(0);
	for (int64_t k = 1; k < 60; k++)
		send_late(PT_L16, k, packets_l16(k * 160, 160), late);
	send_late(PT_CN, 60, span_of(&level, 1), late);
	for (int64_t k = 60; k < 300; k++)
		stream_tick(rig.stream, k * 20 * MSEC + late);
	rig.seq0 -= 239;
	for (int64_t k = 300; k < 310; k++)
		send_late(PT_L16, k, packets_l16(k * 160, 160), late);
	heard(0, 60);
	heard(300, 310);
	assert_int_equal(rig.sheet.frames, 310 * 160);
}

/* A sender that is gone is not heard for ever; one whose source ended, no more. */
static void test_noise_ends(void **state)
{
	uint8_t level = 30;

	(void)state;
	send_all(0, 10);
	send_late(PT_CN, 10, span_of(&level, 1), 0);
	for (int64_t k = 10; k <= 3000; k++)
		stream_tick(rig.stream, k * 20 * MSEC);
	assert_in_range(rig.sheet.frames, 30 * 8000, 31 * 8000);
	assert_int_equal(rig.sheet.advanced, 59 * 8000);
	rig.seq0 -= 2990;
	send_all(3001, 3002);
	send_late(PT_CN, 3002, span_of(&level, 1), 0);
	stream_drain(rig.stream);
	stream_tick(rig.stream, 70 * SEC);
	assert_int_equal(rig.sheet.end, 3002 * 160);
}

/* Silence goes on a second behind when nothing comes at all, and stops at the end. */
static void test_quiet_goes_on(void **state)
{
	(void)state;
	send_all(0, 10);
	stream_tick(rig.stream, SEC);
	assert_int_equal(rig.sheet.advanced, -1);
	stream_tick(rig.stream, 5 * SEC);
	assert_int_equal(rig.sheet.advanced, 4 * 8000);
	stream_drain(rig.stream);
	stream_tick(rig.stream, 50 * SEC);
	assert_int_equal(rig.sheet.advanced, 4 * 8000);
}

/* The same where packets come, but none that can be heard. */
static void test_quiet_goes_on_without_sound(void **state)
{
	(void)state;
	send_all(0, 10);
	for (int64_t k = 10; k < 300; k++) {
		send_late(127, k, packets_filled(0x55, 33), 0); /* in no SDP */
		stream_tick(rig.stream, k * 20 * MSEC);
		if (k > 61)
			assert_int_equal(rig.sheet.advanced, (k - 50) * 160);
	}
	send_all(300, 310);
	heard(0, 10);
	silent(10, 300);
	heard(300, 310);
}

static void test_timestamp_jumps(void **state)
{
	(void)state;
	send_all(0, 10);
	rig.ts0 += 1000000;
	send_all(10, 20);
	rig.ts0 -= 3000000;
	send_all(20, 30);
	heard(0, 30);
	assert_int_equal(counts().jumps, 2);
	assert_string_equal(rig.told, "L16 jump jump ");
}

/* Nothing for three seconds, then all of it at once: what is ahead of its time comes back. */
static void test_a_stall(void **state)
{
	(void)state;
	send_all(0, 10);
	for (int64_t k = 10; k < 160; k++)
		send_late(PT_L16, k, packets_l16(k * 160, 160), (160 - k) * 20 * MSEC);
	send_all(160, 1500);
	heard(800, 1500);
	assert_int_equal(rig.sheet.end, 1500 * 160);
	assert_int_equal(counts().jumps, 3); /* into the lead, at 2 s of it, and the rest as drift */
}

/* A step that is too small for a jump is found as drift, and made up for at once. */
static void test_a_step_ahead(void **state)
{
	(void)state;
	send_all(0, 100);
	rig.ts0 += 8000;
	send_all(100, 1500);
	heard(0, 100);
	heard(1100, 1500);
	assert_int_equal(rig.sheet.end, 1500 * 160);
	assert_int_equal(counts().jumps, 1);
}

static void test_sequence_restarts(void **state)
{
	(void)state;
	send_all(0, 10);
	rig.seq0 += 20000;
	send_all(10, 20);
	heard(0, 20);
	assert_int_equal(counts().lost, 0);
}

/* ---- what is no audio ---- */

static void test_another_port_is_another_call(void **state)
{
	struct made foreign = { .pt = PT_L16, .ssrc = 0x4444, .port = 40000 };
	char from[64], to[64];

	(void)state;
	assert_false(stream_addresses(rig.stream, from, to));
	send_all(0, 10);
	for (unsigned i = 0; i < 24; i++) {
		foreign.seq = i;
		foreign.payload = packets_l16(5000, 160);
		put(&foreign, 200 * MSEC);
	}
	send_all(10, 20);
	heard(0, 20);
	assert_int_equal(counts().foreign, 24);
	assert_int_equal(rig.changes, 0);
	assert_true(stream_addresses(rig.stream, from, to));
	assert_string_equal(from, "192.0.2.1:4000");
	assert_string_equal(to, "192.0.2.2:30000");
}

/* The same stream at another port. */
static void send_elsewhere(int64_t from, int64_t to)
{
	for (int64_t k = from; k < to; k++)
		put(&(struct made){ .pt = PT_L16, .seq = (unsigned)(FIRST + k),
			    .ts = STAMP + (uint32_t)k * 160, .ssrc = SSRC, .port = 40000,
			    .payload = packets_l16(k * 160, 160) },
			k * 20 * MSEC);
}

/* Nothing else comes any more: then it is ours, SDP or not. */
static void test_port_is_adopted(void **state)
{
	(void)state;
	send_all(0, 10);
	send_elsewhere(10, 60);
	heard(34, 60);
	assert_int_equal(counts().foreign, 24);
}

static void test_new_sdp_moves_the_port(void **state)
{
	(void)state;
	send_all(0, 10);
	stream_expect_port(rig.stream);
	send_elsewhere(10, 20);
	heard(0, 20);
	assert_int_equal(counts().foreign, 0);
}

static void test_rtcp_rubbish_and_keepalives(void **state)
{
	uint8_t sr[28] = { 0x80, 200, 0, 6, 0, 0, 0x11, 0x11 };
	uint8_t stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	uint8_t padded[16] = { 0xa0, PT_L16, 0, FIRST + 11, 0, 0, 0, 0, 0, 0, 0x11, 0x11, 0, 0, 0, 9 };

	(void)state;
	send_all(0, 10);
	stream_packet(rig.stream, packets_udp(0, span_of(sr, sizeof(sr))), 200 * MSEC);
	stream_packet(rig.stream, packets_udp(0, span_of(stun, sizeof(stun))), 200 * MSEC);
	stream_packet(rig.stream, packets_udp(0, span_of(NULL, 0)), 200 * MSEC);
	stream_packet(rig.stream, packets_udp(0, span_of(padded, sizeof(padded))), 200 * MSEC);
	stream_packet(rig.stream, span_of(padded, 3), 200 * MSEC);
	stream_packet(rig.stream, span_of(NULL, 0), 200 * MSEC);
	send_late(PT_L16, 10, span_of(NULL, 0), 0);
	send_all(11, 20);
	heard(0, 10);
	heard(11, 20);
	assert_int_equal(counts().rtcp, 1);
	assert_int_equal(counts().bad, 5);
	assert_int_equal(counts().empty, 1);
	assert_int_equal(counts().lost, 0);
	assert_int_equal(counts().packets, 26);
}

static void test_payload_that_is_none(void **state)
{
	(void)state;
	send_all(0, 10);
	send_late(PT_L16, 10, packets_filled(1, 161), 0); /* half a sample */
	send_all(11, 20);
	heard(0, 10);
	silent(10, 11);
	heard(11, 20);
	assert_int_equal(counts().undecodable, 1);
}

/* ---- forwarding switched ---- */

static void test_unwanted_keeps_the_time(void **state)
{
	uint8_t level = 30;

	(void)state;
	listen(false);
	send_all(0, 50);
	listen(true);
	send_all(50, 60);
	assert_int_equal(rig.sheet.first, 50 * 160);
	heard(50, 60);
	listen(false);
	sheet_clear(&rig.sheet);
	send_late(PT_CN, 60, span_of(&level, 1), 0);
	listen(true);
	rig.seq0 -= 39;
	send_all(100, 110);
	heard(100, 110);
	assert_int_equal(counts().unwanted, 50);
	/* it begins with sound, not with the noise of the time when nobody listened */
	assert_int_equal(rig.sheet.first, 100 * 160);
}

/* ---- PCM ---- */

static void send_pcm(int64_t from, unsigned frames, usec_t now)
{
	int16_t samples[2000];

	for (unsigned i = 0; i < frames; i++)
		samples[i] = packets_sample(from + i);
	stream_pcm(rig.stream, span_of(samples, frames * 2), 8000, 1, now);
	counts();
}

/* However it comes, it is one after another. */
static void test_pcm_is_its_own_time(void **state)
{
	(void)state;
	send_pcm(0, 160, 0);
	send_pcm(160, 800, 500 * MSEC);
	send_pcm(960, 640, 500 * MSEC);
	heard(0, 10);
	assert_int_equal(rig.sheet.end, 1600);
	assert_int_equal(counts().decoded, 3);
	assert_int_equal(counts().audio, 200 * MSEC);
}

/* ---- anything at all ---- */

static void send_anything(unsigned *seed, int64_t k)
{
	static const unsigned types[] = { PT_L16, PT_L16, PT_L16, 0, 8, 9, PT_CN, PT_EVENT, PT_FOO,
		PT_WIDE, 18, 72, 127 };
	static const uint32_t ssrcs[] = { SSRC, SSRC, SSRC, SSRC, 0x2222, 0x3333 };
	unsigned r = (unsigned)rand_r(seed);
	struct made m = { .pt = types[(unsigned)rand_r(seed) % 13],
		.seq = (unsigned)(FIRST + k + (r % 7 ? 0 : (int)(r % 160) - 80)),
		.ts = STAMP + (uint32_t)(k * 160), .ssrc = ssrcs[(unsigned)rand_r(seed) % 6] };

	if (r % 101 == 0)
		m.ts = (uint32_t)rand_r(seed);
	if (r % 211 == 0)
		m.seq = r & 0xffff;
	if (r % 53 == 0)
		m.port = 40000;
	m.payload = packets_l16(k * 160, r % 17 ? 160 : r % 200);
	put(&m, k * 20 * MSEC);
	if (r % 13 == 0)
		put(&m, k * 20 * MSEC);
}

static void test_balance_of_anything(void **state)
{
	unsigned seed = (unsigned)time(NULL), used = seed;

	(void)state;
	print_message("seed %u\n", seed);
	for (int64_t k = 0; k < 4000; k++) {
		unsigned r = (unsigned)rand_r(&used);
		uint8_t noise[64];

		send_anything(&used, k);
		for (unsigned i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)rand_r(&used);
		if (r % 5 == 0)
			stream_packet(rig.stream, packets_udp(0, span_of(noise, r % 64)),
				k * 20 * MSEC);
		if (r % 307 == 0)
			stream_packet(rig.stream, span_of(noise, r % 64), k * 20 * MSEC);
		if (r % 97 == 0)
			listen(!rig.outlet);
		if (r % 499 == 0)
			stream_drain(rig.stream);
		if (r % 3 == 0)
			stream_tick(rig.stream, k * 20 * MSEC);
		if (!rig.outlet)
			sheet_clear(&rig.sheet);
		counts();
	}
	stream_drain(rig.stream);
	counts();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order), TEST(test_wraps),
		TEST(test_loss_is_a_hole_of_its_length), TEST(test_reordered),
		TEST(test_duplicates), TEST(test_late_is_not_heard),
		TEST(test_tick_releases), TEST(test_drain_releases),
		TEST(test_ssrc_changes_and_nothing_is_lost), TEST(test_stray_ssrcs),
		TEST(test_many_ssrcs), TEST(test_payload_type_changes),
		TEST(test_table_grows), TEST(test_type_gets_another_meaning),
		TEST(test_without_sdp_static_types_are_known), TEST(test_clock_changes),
		TEST(test_unknown_codec_keeps_the_time),
		TEST(test_more_types_than_decoders),
		TEST(test_digits_are_events_and_no_noise), TEST(test_digit_without_end),
		TEST(test_pause_without_noise), TEST(test_pause_with_noise),
		TEST(test_noise_goes_on), TEST(test_noise_of_a_slow_path), TEST(test_noise_ends),
		TEST(test_quiet_goes_on), TEST(test_quiet_goes_on_without_sound),
		TEST(test_timestamp_jumps),
		TEST(test_a_stall), TEST(test_a_step_ahead),
		TEST(test_sequence_restarts), TEST(test_another_port_is_another_call),
		TEST(test_port_is_adopted), TEST(test_new_sdp_moves_the_port),
		TEST(test_rtcp_rubbish_and_keepalives), TEST(test_payload_that_is_none),
		TEST(test_unwanted_keeps_the_time), TEST(test_pcm_is_its_own_time),
		TEST(test_balance_of_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
