/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/export_stall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LOOK (2 * MSEC)

static struct export_stall stall;
static uint64_t moved;
static usec_t now;

static int begin(void **state)
{
	(void)state;
	stall = (struct export_stall){ 0 };
	moved = 1000;
	now = 1000 * SEC;
	return 0;
}

/* For so long, unless it is given up before; [us] that it took. bytes: moved from look to look. */
static usec_t look_for(usec_t most, unsigned bytes, bool refused)
{
	usec_t from = now;

	while (now - from < most) {
		if (export_stall_look(&stall, moved, refused, now))
			break;
		moved += bytes;
		now += LOOK;
	}
	return now - from;
}

static void test_encoding_takes_its_time(void **state)
{
	(void)state;
	assert_int_equal(look_for(3600 * SEC, 1, false), 3600 * SEC);
}

static void test_fsync_takes_its_time(void **state)
{
	(void)state;
	look_for(SEC, 1, false);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(look_for(290 * SEC, 0, false), 290 * SEC);
		assert_int_equal(look_for(SEC, 1, false), SEC);
	}
}

static void test_nothing_moves(void **state)
{
	(void)state;
	look_for(SEC, 1, false);
	assert_in_range(look_for(3600 * SEC, 0, false), 300 * SEC, 301 * SEC);
}

/* Others go on, and it is tried again all the time. */
static void test_refused(void **state)
{
	(void)state;
	look_for(100 * SEC, 1, false);
	assert_in_range(look_for(3600 * SEC, 1, true), 60 * SEC, 61 * SEC);
}

static void test_refused_for_a_while(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(look_for(50 * SEC, 1, true), 50 * SEC);
		assert_int_equal(look_for(SEC, 1, false), SEC);
	}
}

/* That it was quiet before is no refusal. */
static void test_refused_after_a_hang(void **state)
{
	(void)state;
	assert_int_equal(look_for(200 * SEC, 0, false), 200 * SEC);
	assert_in_range(look_for(3600 * SEC, 0, true), 60 * SEC, 61 * SEC);
}

static void test_nobody_looked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(look_for(SEC, 0, i % 2), SEC);
		now += 3600 * SEC;
	}
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_encoding_takes_its_time),
		TEST(test_fsync_takes_its_time),
		TEST(test_nothing_moves),
		TEST(test_refused),
		TEST(test_refused_for_a_while),
		TEST(test_refused_after_a_hang),
		TEST(test_nobody_looked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
