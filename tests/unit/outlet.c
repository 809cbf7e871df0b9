/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/outlet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packets.h"
#include "sound.h"

static struct sheet sheet;

static void on_audio(void *arg, const struct pcm *pcm)
{
	assert_true(sheet_write(arg, pcm));
}

static void on_advance(void *arg, int64_t position)
{
	assert_true(sheet_advance(arg, position));
}

static const struct outlet_events events = { .audio = on_audio, .advance = on_advance };

static struct outlet *outlet_at(uint32_t rate_hz)
{
	sheet_clear(&sheet);
	return outlet_new(rate_hz, 1, &events, &sheet);
}

/* 20 ms at 8 kHz that tell by their values where they belong. */
static void write_marked(struct outlet *o, int64_t from, usec_t at)
{
	int16_t samples[160];

	for (unsigned i = 0; i < 160; i++)
		samples[i] = packets_sample(from + i);
	outlet_write(o, at,
		&(struct audio){ .samples = samples, .frames = 160, .channels = 1, .rate_hz = 8000 });
}

static void check_marked(int64_t from, int64_t to, int64_t moved)
{
	for (int64_t i = from; i < to; i++)
		if (sheet.sample[i] != packets_sample(i - moved))
			fail_msg("sample %d is %d", (int)i, sheet.sample[i]);
}

static void check_silent(int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		assert_int_equal(sheet.sample[i], 0);
}

static void test_nothing_yet(void **state)
{
	struct outlet *o = outlet_at(8000);

	(void)state;
	assert_int_equal(outlet_position(o), -1);
	outlet_quiet(o, SEC);
	assert_int_equal(outlet_position(o), -1);
	assert_int_equal(sheet.advanced, -1);
	outlet_free(&o);
	assert_null(o);
	outlet_free(&o);
}

static void test_begins_where_the_audio_begins(void **state)
{
	struct outlet *o = outlet_at(8000);

	(void)state;
	write_marked(o, 8000, SEC);
	assert_int_equal(sheet.first, 8000);
	assert_int_equal(outlet_position(o), 8160);
	check_marked(8000, 8160, 0);
	assert_int_equal(sheet.advanced, -1);
	outlet_free(&o);
}

struct place_row {
	const char *label;
	int off_ms;           /* the second block, from where it belongs */
	int64_t begins, ends; /* of its audio, after 160 */
};

static void test_gap_overlap_and_slack(void **state)
{
	static const struct place_row rows[] = {
		{ "right behind", 0, 160, 320 },
		{ "a little late is no gap", 9, 160, 320 },
		{ "a gap", 100, 960, 1120 },
		{ "a little early is no overlap", -9, 160, 320 },
		{ "an overlap is cut", -15, 160, 200 },
		{ "all of it was there before", -20, 160, 160 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct place_row *r = &rows[i];
		struct outlet *o = outlet_at(8000);

		write_marked(o, 0, 0);
		write_marked(o, 160, 20 * MSEC + r->off_ms * MSEC);
		if (outlet_position(o) != r->ends || sheet.end != r->ends)
			fail_msg("%s: ends at %d", r->label, (int)outlet_position(o));
		check_marked(0, 160, 0);
		check_silent(160, r->begins);
		check_marked(r->begins, r->ends, r->ends - 320);
		outlet_free(&o);
	}
}

/* Differences below the slack are let be, but they do not add up. */
static void test_slack_does_not_add_up(void **state)
{
	struct outlet *o = outlet_at(8000);

	(void)state;
	for (int i = 0; i < 3000; i++)
		write_marked(o, i * 160, SEC + i * 20 * MSEC + (i % 7 - 3) * MSEC);
	assert_in_range(outlet_position(o), 8000 + 480000 - 80, 8000 + 480000 + 80);
	outlet_free(&o);
	/* a clock that runs away is followed */
	o = outlet_at(8000);
	for (int i = 0; i < 3000; i++) {
		usec_t at = i * 20 * MSEC + i * 100;

		write_marked(o, i * 160, at);
		assert_in_range(outlet_position(o) - at * 8 / 1000, 0, 160 + 80);
	}
	outlet_free(&o);
}

static void test_quiet(void **state)
{
	struct outlet *o = outlet_at(8000);

	(void)state;
	write_marked(o, 0, 0);
	outlet_quiet(o, 10 * MSEC);
	assert_int_equal(outlet_position(o), 160);
	outlet_quiet(o, SEC);
	assert_int_equal(outlet_position(o), 8000);
	assert_int_equal(sheet.advanced, 8000);
	write_marked(o, 8080, SEC + 10 * MSEC); /* within the slack: right behind */
	assert_int_equal(outlet_position(o), 8160);
	outlet_free(&o);
}

struct rate_row {
	uint32_t in_hz, out_hz;
	unsigned channels;
};

/* A minute with a click in each second: all clicks stay in their places, and no silence gets in
 * between for what a resampler keeps back. */
static void run_rate(const struct rate_row *r)
{
	unsigned frames = r->in_hz / 50;
	int16_t *block = calloc((size_t)frames * r->channels, sizeof(*block));
	struct outlet *o = outlet_at(r->out_hz);

	for (unsigned i = 0; i < 3000; i++) {
		for (unsigned c = 0; c < r->channels; c++)
			block[(size_t)(frames / 2) * r->channels + c] = i % 50 ? 0 : 20000;
		outlet_write(o, i * 20 * MSEC,
			&(struct audio){ .samples = block, .frames = frames,
				.channels = r->channels, .rate_hz = r->in_hz });
	}
	assert_int_equal(sheet.advanced, -1);
	assert_in_range(outlet_position(o), 60 * r->out_hz - r->out_hz / 200, 60 * r->out_hz);
	for (unsigned second = 0; second < 60; second++) {
		int64_t loudest = second * r->out_hz, want = loudest + r->out_hz / 100;

		for (int64_t i = loudest; i < loudest + r->out_hz && i < sheet.end; i++)
			if (abs(sheet.sample[i]) > abs(sheet.sample[loudest]))
				loudest = i;
		if (llabs(loudest - want) > r->out_hz / 1000)
			fail_msg("%u to %u Hz: the click of second %u is %d off", r->in_hz,
				r->out_hz, second, (int)(loudest - want));
	}
	outlet_free(&o);
	free(block);
}

static void test_resampling_stays_aligned(void **state)
{
	static const struct rate_row rows[] = {
		{ 8000, 8000, 1 }, { 8000, 16000, 1 }, { 16000, 8000, 1 }, { 48000, 8000, 2 },
		{ 44100, 8000, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_rate(&rows[i]);
}

/* The audio changes its rate in mid-stream: the position goes on. */
static void test_rate_changes(void **state)
{
	struct outlet *o = outlet_at(8000);
	int16_t tone[960 * 2];

	(void)state;
	sound_tone(tone, 320, 1, 16000, 1000, 10000);
	for (int i = 0; i < 50; i++)
		write_marked(o, i * 160, i * 20 * MSEC);
	for (int i = 50; i < 100; i++)
		outlet_write(o, i * 20 * MSEC,
			&(struct audio){
				.samples = tone, .frames = 320, .channels = 1, .rate_hz = 16000 });
	assert_in_range(outlet_position(o), 16000 - 40, 16000);
	assert_true(sound_share(sheet.sample + 12000, 3200, 1, 8000, 1000) > 0.95);
	for (int i = 100; i < 150; i++)
		write_marked(o, i * 160, i * 20 * MSEC);
	assert_in_range(outlet_position(o), 24000 - 40, 24000);
	check_marked(16200, outlet_position(o), outlet_position(o) - 24000);
	outlet_free(&o);
}

static void on_two(void *arg, const struct pcm *pcm)
{
	assert_int_equal(pcm->channels, 2);
	memcpy(arg, pcm->samples, 2 * sizeof(*pcm->samples));
}

static void test_more_channels_than_may_be(void **state)
{
	static const struct outlet_events two = { .audio = on_two, .advance = on_advance };
	static const int16_t four[] = { 1000, 2000, 3000, 4000 };
	int16_t frame[2] = { 0 };
	struct outlet *o = outlet_new(8000, 0, &two, frame);

	(void)state;
	outlet_set_max_channels(o, 2);
	outlet_write(o, 0,
		&(struct audio){ .samples = four, .frames = 1, .channels = 4, .rate_hz = 8000 });
	assert_in_range(frame[0], 999, 1001);
	assert_in_range(frame[1], 2999, 3001); /* the mean of the others */
	outlet_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_yet),
		cmocka_unit_test(test_begins_where_the_audio_begins),
		cmocka_unit_test(test_gap_overlap_and_slack),
		cmocka_unit_test(test_slack_does_not_add_up),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_resampling_stays_aligned),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_more_channels_than_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
