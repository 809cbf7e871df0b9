/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/trend.h"

#define TICK (20 * MSEC)

static struct trend trend;
static usec_t now;

static int setup(void **state)
{
	(void)state;
	trend = (struct trend){ 0 };
	now = SEC;
	return 0;
}

/* After so many ticks in which per_tick came in and write went out whenever it was there. */
static unsigned count_falls(uint64_t *waiting, unsigned ticks, unsigned in, unsigned out, unsigned write)
{
	unsigned falls = 0;
	uint64_t may = 0;

	for (unsigned i = 0; i < ticks; i++) {
		*waiting += in;
		for (may += out; may >= write; may -= write)
			*waiting = *waiting > write ? *waiting - write : 0;
		falls += trend_falls(&trend, *waiting, now += TICK);
	}
	return falls;
}

static void test_an_outage_and_its_end(void **state)
{
	uint64_t waiting = 0;

	(void)state;
	assert_int_equal(count_falls(&waiting, 1000, 320, 0, 1), 0);
	assert_int_equal(count_falls(&waiting, 100, 320, 2560, 2560), 100);
	assert_int_equal(count_falls(&waiting, 100, 320, 352, 16384), 100); /* hardly faster */
}

static void test_slow_for_ever(void **state)
{
	uint64_t waiting = 0;
	unsigned falls;

	(void)state;
	assert_int_equal(count_falls(&waiting, 1000, 320, 224, 224), 0);
	falls = count_falls(&waiting, 50 * 60, 320, 224, 16384); /* it does with each write */
	assert_in_range(falls, 30, 50 * 60 * 3 / 4);
}

/* As fast as it is spoken, a minute late: nothing is made good. */
static void test_late_for_ever(void **state)
{
	uint64_t waiting = 0;

	(void)state;
	count_falls(&waiting, 50 * 60, 320, 0, 1);
	count_falls(&waiting, 10, 320, 2560, 2560);
	assert_in_range(count_falls(&waiting, 1000, 320, 320, 320), 0, 100);
}

static void test_slow_again(void **state)
{
	uint64_t waiting = 0;

	(void)state;
	count_falls(&waiting, 50 * 60, 320, 0, 1);
	count_falls(&waiting, 100, 320, 2560, 2560);
	assert_in_range(count_falls(&waiting, 1000, 320, 224, 224), 0, 100);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_outage_and_its_end),
		TEST(test_slow_for_ever),
		TEST(test_late_for_ever),
		TEST(test_slow_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
