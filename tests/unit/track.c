/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pauses within a codec: silence descriptors of G.729 (a static payload type) in, what is heard between
 * them out. And telephone-events. */
#include "call/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "packets.h"
#include "sound.h"

#define PT_G729 18
#define PT_EVENT 101
#define SECOND 8000 /* [samples], and ticks of the RTP clock */
#define SID_SAMPLES 80

static struct sheet sheet;

static void on_audio(void *arg, const struct pcm *pcm)
{
	assert_true(sheet_write(arg, pcm));
}

static void on_advance(void *arg, int64_t position)
{
	assert_true(sheet_advance(arg, position));
}

static char told[100];

static void on_event(void *arg, const struct stream_event *e)
{
	size_t n = strlen(told), room = sizeof(told) - n;

	(void)arg;
	if (e->kind == STREAM_EVENT_DIGIT)
		snprintf(told + n, room, "%c(%u) ", e->digit, e->duration_ms);
	else if (e->kind == STREAM_EVENT_SIGNAL)
		snprintf(told + n, room, "signal%u(%u) ", e->signal, e->duration_ms);
}

/* Two SIDs `pause` samples apart, with `lost` packets between them. */
static struct stream_counts pause_of(uint32_t pause, uint16_t lost, bool ticks)
{
	static const struct outlet_events events = { .audio = on_audio, .advance = on_advance };
	struct outlet *outlet = outlet_new(8000, 1, &events, &sheet);
	struct stream_counts count = { .packets = 0 };
	struct track_env env = {
		.name = "test", .outlets = { .n = 1, .list = { outlet } }, .count = &count, .event = on_event };
	struct track *t = track_new(1, &(struct jitter_opts){ .window = 64, .hold = SEC }, &env);
	struct rtp rtp = { .pt = PT_G729, .ssrc = 1,
		.payload = span_of("\x00\x28", 2) /* a noise of about -40 dB */ };

	sheet_clear(&sheet);
	track_rtp(t, &rtp, 0);
	for (uint32_t at = 0; ticks && at < pause; at += 160) {
		track_tick(t, (usec_t)at * SEC / SECOND);
		assert_true(sheet.end + SECOND / 2 > at);
	}
	rtp.seq = (uint16_t)(1 + lost);
	rtp.ts = pause;
	track_rtp(t, &rtp, (usec_t)pause * SEC / SECOND);
	track_drain(t, (usec_t)pause * SEC / SECOND);
	assert_int_equal(count.decoded, 2);
	assert_true(lost || sheet.end == pause + SID_SAMPLES);
	track_free(&t);
	outlet_free(&outlet);
	return count;
}

static void fills_a_pause_with_its_noise(void **state)
{
	(void)state;
	pause_of(SECOND, 0, false);
	assert_int_equal(sheet.frames, SECOND + SID_SAMPLES);
	assert_int_equal(sheet.advanced, -1);
	for (unsigned at = SECOND / 10; at < SECOND; at += SECOND / 10) {
		double rms = sound_rms(sheet.sample + at, SECOND / 10, 1);

		assert_true(rms > 10 && rms < 1000);
	}
}

/* Before the next packet comes. */
static void goes_on_with_its_noise(void **state)
{
	(void)state;
	pause_of(4 * SECOND, 0, true);
	assert_int_equal(sheet.frames, 4 * SECOND + SID_SAMPLES);
	assert_int_equal(sheet.advanced, -1);
}

static void makes_no_noise_for_ever(void **state)
{
	(void)state;
	pause_of(20 * SECOND, 0, false);
	assert_int_equal(sheet.frames, 5 * SECOND + 2 * SID_SAMPLES);
}

static void a_long_loss_is_no_pause(void **state)
{
	(void)state;
	pause_of(SECOND, 50, false);
	assert_int_equal(sheet.frames, 2 * SID_SAMPLES);
	assert_int_equal(sheet.end, SECOND + SID_SAMPLES);
}

/* 35 ms are missing, and the codec makes frames of 10 ms. */
static void counts_what_it_conceals(void **state)
{
	(void)state;
	assert_int_equal(pause_of(SID_SAMPLES + 280, 1, false).concealed, 30 * MSEC);
	assert_int_equal(sheet.frames, 2 * SID_SAMPLES + 240);
	assert_int_equal(sheet.end, sheet.frames); /* 5 ms are no hole */
}

/* A flash and the answering tone of a fax are no digits that somebody dialled. */
static void tells_signals_from_digits(void **state)
{
	static const uint8_t codes[] = { 5, 16, 32, 15 };
	struct stream_counts count = { .packets = 0 };
	struct track_env env = { .name = "test", .count = &count, .event = on_event,
		.payloads = payloads_new() };
	struct track *t = track_new(1, &(struct jitter_opts){ .window = 64, .hold = SEC }, &env);

	(void)state;
	told[0] = '\0';
	payloads_set_rtpmap(env.payloads, PT_EVENT, span_text("telephone-event/8000"));
	for (uint16_t i = 0; i < 4; i++) {
		uint8_t payload[4] = { codes[i], 0x80, 3, 0x20 }; /* its end: 800 ticks */
		struct rtp rtp = { .pt = PT_EVENT, .ssrc = 1, .seq = i, .ts = i * 8000u,
			.payload = span_of(payload, 4) };

		track_rtp(t, &rtp, i * SEC);
	}
	assert_string_equal(told, "5(100) signal16(100) signal32(100) D(100) ");
	track_drain(t, 4 * SEC);
	track_free(&t);
	payloads_free(&env.payloads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_a_pause_with_its_noise),
		cmocka_unit_test(goes_on_with_its_noise),
		cmocka_unit_test(makes_no_noise_for_ever),
		cmocka_unit_test(a_long_loss_is_no_pause),
		cmocka_unit_test(counts_what_it_conceals),
		cmocka_unit_test(tells_signals_from_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
