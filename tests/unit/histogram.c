/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_empty(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	assert_int_equal(histogram_total(&h), 0);
	assert_int_equal(histogram_quantile(&h, 0.99), 0);
	assert_int_equal(histogram_max(&h), 0);
}

/* The answer is the upper edge of a bucket: never below the truth, at most a quarter above. */
static void test_quantile_is_near(void **state)
{
	(void)state;
	for (usec_t v = 1; v < 60 * SEC; v += v / 3 + 1) {
		struct histogram h = { 0 };
		usec_t got;

		for (int i = 0; i < 99; i++)
			histogram_add(&h, v);
		histogram_add(&h, 69 * SEC);
		got = histogram_quantile(&h, 0.99);
		assert_true(got >= v);
		assert_true(got <= v + v / 4 + 1);
		assert_int_equal(histogram_quantile(&h, 1.0), 69 * SEC);
	}
}

static void test_never_over_the_maximum(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	histogram_add(&h, 1001);
	assert_int_equal(histogram_quantile(&h, 0.5), 1001);
	assert_int_equal(histogram_max(&h), 1001);
	assert_int_equal(histogram_total(&h), 1);
}

static void test_extremes(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	histogram_add(&h, -5);
	histogram_add(&h, 0);
	histogram_add(&h, INT64_MAX);
	assert_int_equal(histogram_total(&h), 3);
	assert_int_equal(histogram_max(&h), INT64_MAX);
	assert_true(histogram_quantile(&h, 0.5) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_quantile_is_near),
		cmocka_unit_test(test_never_over_the_maximum),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
