/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START (1000 * SEC)

static void test_what_is_missed_goes_at_speed(void **state)
{
	struct pace p = { .set = false };
	usec_t now = START;

	(void)state;
	for (usec_t file = 0; file < 80 * SEC; file += 20 * MSEC)
		now += pace_wait(&p, file, now, 8);
	assert_in_range(now - START, 10 * SEC - 100 * MSEC, 10 * SEC + 100 * MSEC);
}

static void test_a_live_file_never_waits(void **state)
{
	struct pace p = { .set = false };

	(void)state;
	/* blocks of 0.4 s, each visible when its last record was written */
	for (usec_t block = 0; block < 100; block++) {
		for (usec_t i = 0; i < 20; i++)
			assert_int_equal(pace_wait(&p, (block * 20 + i) * 20 * MSEC,
				START + (block + 1) * 400 * MSEC, 8), 0);
		pace_restart(&p);
	}
}

static void test_time_not_used_is_not_saved_up(void **state)
{
	struct pace p = { .set = false };

	(void)state;
	assert_int_equal(pace_wait(&p, 0, START, 8), 0);
	pace_restart(&p);
	assert_int_equal(pace_wait(&p, 100 * SEC, START + 100 * SEC, 8), 0);
	assert_true(pace_wait(&p, 101 * SEC, START + 100 * SEC, 8) > 0);
}

static void test_a_jump_is_not_waited_out(void **state)
{
	struct pace p = { .set = false };

	(void)state;
	assert_int_equal(pace_wait(&p, START, START, 8), 0);
	assert_int_equal(pace_wait(&p, START + 3600 * SEC, START, 8), 0);
	assert_int_equal(pace_wait(&p, 0, START, 8), 0);
	assert_int_equal(pace_wait(&p, INT64_MAX / 4, START, 8), 0);
	assert_true(pace_wait(&p, INT64_MAX / 4 + SEC, START, 8) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_missed_goes_at_speed),
		cmocka_unit_test(test_a_live_file_never_waits),
		cmocka_unit_test(test_time_not_used_is_not_saved_up),
		cmocka_unit_test(test_a_jump_is_not_waited_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
