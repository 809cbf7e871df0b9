/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool jumped;

static usec_t map8k(struct timeline *t, uint32_t ts, usec_t now)
{
	return timeline_map(t, ts, 8000, now, 0, &jumped);
}

/* Media time runs with the timestamps, however unevenly packets come. */
static void test_runs_with_the_timestamps(void **state)
{
	static const int late_ms[] = { 0, 15, -8, 60, 3, -15, 90, 0 };
	struct timeline t = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		usec_t want = SEC + i * 20 * MSEC;

		assert_int_equal(map8k(&t, 5000 + i * 160, want + late_ms[i % 8] * MSEC), want);
		assert_false(jumped);
	}
}

static void test_wraps_with_the_timestamp(void **state)
{
	struct timeline t = { 0 };
	uint32_t ts = 0xffffff00;

	(void)state;
	for (unsigned i = 0; i < 10; i++, ts += 160) {
		assert_int_equal(map8k(&t, ts, i * 20 * MSEC), i * 20 * MSEC);
		assert_false(jumped);
	}
	/* once more, by way of a step of nearly half of its range */
	assert_int_equal(map8k(&t, ts + 0x70000000, 300 * MSEC), 300 * MSEC);
	assert_true(jumped);
	assert_int_equal(map8k(&t, ts + 0x70000000 + 160, 320 * MSEC), 320 * MSEC);
	assert_false(jumped);
}

/* Over a day the position is exact to the microsecond: no error adds up. */
static void test_is_exact_over_a_day(void **state)
{
	struct timeline t = { 0 };
	uint32_t ts = 0;

	(void)state;
	for (int64_t i = 0; i <= 86400; i++, ts += 44100) {
		assert_int_equal(timeline_map(&t, ts, 44100, i * SEC, 0, &jumped), i * SEC);
		assert_false(jumped);
	}
	assert_int_equal(timeline_map(&t, ts + 1, 44100, 86401 * SEC, 0, &jumped),
		86401 * SEC + 22);
}

static void test_an_old_packet_goes_back(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	map8k(&t, 1600, SEC);
	assert_int_equal(map8k(&t, 1600 + 480, SEC + 60 * MSEC), SEC + 60 * MSEC);
	assert_int_equal(map8k(&t, 1600 + 160, SEC + 62 * MSEC), SEC + 20 * MSEC);
	assert_int_equal(map8k(&t, 1600, SEC + 62 * MSEC), SEC);
	assert_false(jumped);
}

struct jump_row {
	const char *label;
	int32_t ticks;
	usec_t after;
	bool jumps;
};

/* A step of the timestamp that the time of coming does not confirm. */
static void test_jumps(void **state)
{
	static const struct jump_row rows[] = {
		{ "as it should be", 160, 20 * MSEC, false },
		{ "a pause of a minute", 60 * 8000, 60 * SEC, false },
		{ "a pause that the timestamp hides", 160, 3 * SEC, true },
		{ "a timestamp far ahead", 8000 * 3, 20 * MSEC, true },
		{ "a timestamp far behind", -8000 * 3, 20 * MSEC, true },
		{ "ahead within reason", 8000, 20 * MSEC, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct timeline t = { 0 };
		usec_t now = SEC + rows[i].after, at;

		map8k(&t, 100000, SEC);
		at = map8k(&t, 100000 + (uint32_t)rows[i].ticks, now);
		if (jumped != rows[i].jumps)
			fail_msg("%s: jumped %d", rows[i].label, jumped);
		assert_int_equal(at, jumped ? now : SEC + (usec_t)rows[i].ticks * SEC / 8000);
		/* from here on it runs as before */
		assert_int_equal(map8k(&t, 100160 + (uint32_t)rows[i].ticks, now + 20 * MSEC),
			at + 20 * MSEC);
		assert_false(jumped);
	}
}

static void test_begins_anew_with_another_clock(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	map8k(&t, 1000, SEC);
	assert_false(jumped);
	assert_int_equal(timeline_map(&t, 1160, 16000, SEC + 21 * MSEC, 0, &jumped),
		SEC + 21 * MSEC);
	assert_true(jumped);
	assert_int_equal(timeline_map(&t, 1160 + 320, 16000, SEC + 40 * MSEC, 0, &jumped),
		SEC + 41 * MSEC);
	assert_false(jumped);
}

/* What is new never begins inside of what is there. */
static void test_begins_at_the_floor(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	assert_int_equal(timeline_map(&t, 0, 8000, SEC, 1300 * MSEC, &jumped), 1300 * MSEC);
	assert_int_equal(timeline_map(&t, 160, 8000, SEC + 20 * MSEC, 0, &jumped), 1320 * MSEC);
	assert_int_equal(timeline_map(&t, 900000, 8000, SEC + 40 * MSEC, 1340 * MSEC, &jumped),
		1340 * MSEC);
	assert_true(jumped);
}

/* Audio that reaches far beyond now is ahead of its time, and what is new is not put behind it. */
static void test_steps_back(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	assert_int_equal(timeline_map(&t, 0, 8000, SEC, 3 * SEC, &jumped), SEC);
	assert_int_equal(timeline_map(&t, 20 * 8000, 8000, 2 * SEC, 4 * SEC, &jumped), 2 * SEC);
	assert_true(jumped);
}

/* A sender whose clock is 0.5 % off: followed in steps, and never further off than they are. */
static void test_follows_drift(void **state)
{
	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		struct timeline t = { 0 };
		unsigned jumps = 0;
		usec_t now = 0, end = 0;

		for (uint32_t i = 0; i < 50 * 600; i++, now += 20 * MSEC + sign * 100) {
			usec_t at = timeline_map(&t, i * 160, 8000, now, end, &jumped);
			usec_t off = at - now;

			end = at + 20 * MSEC;
			jumps += jumped;
			assert_in_range(off + 500 * MSEC, 0, 1000 * MSEC);
		}
		assert_in_range(jumps, 5, 8); /* 3 s in all, about 400 to 450 ms each */
	}
}

/* All but the first come 450 ms before their time. The one that ends the window has waited, and
 * what is mapped anew with it is corrected all the same. */
static void test_the_quickest_tells(void **state)
{
	struct timeline t = { 0 };
	usec_t end = 0;

	(void)state;
	for (uint32_t i = 0; i <= 500; i++) {
		usec_t now = i * 20 * MSEC + (i == 500 ? 200 * MSEC : 0);
		usec_t at = timeline_map(&t, i * 160 + (i ? 3600 : 0), 8000, now, end, &jumped);

		assert_int_equal(jumped, i == 500);
		assert_int_equal(at, i % 500 ? now + 450 * MSEC : now);
		end = at + 20 * MSEC;
	}
}

/* One quick packet in a window shows that the path is slow, not the clock. */
static void test_a_slow_path_is_no_drift(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 50 * 60; i++) {
		usec_t late = i % 400 ? 900 * MSEC : 0;

		assert_int_equal(map8k(&t, i * 160, i * 20 * MSEC + late), i * 20 * MSEC);
		assert_false(jumped);
	}
}

static void test_ticks(void **state)
{
	(void)state;
	assert_int_equal(timeline_ticks(8000, 0, 20 * MSEC), 160);
	assert_int_equal(timeline_ticks(48000, SEC, SEC + 20 * MSEC), 960);
	assert_int_equal(timeline_ticks(8000, SEC, SEC), 0);
	assert_int_equal(timeline_ticks(8000, SEC, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_with_the_timestamps),
		cmocka_unit_test(test_wraps_with_the_timestamp),
		cmocka_unit_test(test_is_exact_over_a_day),
		cmocka_unit_test(test_an_old_packet_goes_back),
		cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_begins_anew_with_another_clock),
		cmocka_unit_test(test_begins_at_the_floor),
		cmocka_unit_test(test_steps_back),
		cmocka_unit_test(test_follows_drift),
		cmocka_unit_test(test_the_quickest_tells),
		cmocka_unit_test(test_a_slow_path_is_no_drift),
		cmocka_unit_test(test_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
