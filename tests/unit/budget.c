/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_takes_up_to_the_limit_and_not_beyond(void **state)
{
	struct budget b = { .limit = 100 };

	(void)state;
	assert_true(budget_take(&b, 60));
	assert_false(budget_take(&b, 41));
	assert_int_equal(budget_used(&b), 60);
	assert_true(budget_take(&b, 40));
	assert_false(budget_take(&b, 1));
	budget_return(&b, 100);
	assert_int_equal(budget_used(&b), 0);
}

static void test_nothing_fits_in_nothing(void **state)
{
	struct budget b = { .limit = 0 };

	(void)state;
	assert_true(budget_take(&b, 0));
	assert_false(budget_take(&b, 1));
	assert_int_equal(budget_used(&b), 0);
}

static void test_the_reserve_is_for_packets(void **state)
{
	struct budget b = { .limit = 100, .reserve = 25 };

	(void)state;
	assert_true(budget_take(&b, 75));
	assert_false(budget_take(&b, 1));
	assert_true(budget_take_reserved(&b, 25));
	assert_false(budget_take_reserved(&b, 1));
	budget_return(&b, 30);
	assert_true(budget_take(&b, 5));
	assert_false(budget_take(&b, 1));
}

static void test_split_in_two_neither_takes_of_the_other(void **state)
{
	struct budget b = { .limit = 800, .reserve = 200 }, part = { 0 };

	(void)state;
	budget_split(&b, &part, 300);
	assert_true(budget_take(&part, 225));
	assert_false(budget_take(&part, 1));
	assert_true(budget_take_reserved(&part, 75));
	assert_false(budget_take_reserved(&part, 1));
	assert_true(budget_take(&b, 375));
	assert_false(budget_take(&b, 1));
	assert_true(budget_take_reserved(&b, 125));
	assert_false(budget_take_reserved(&b, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_up_to_the_limit_and_not_beyond),
		cmocka_unit_test(test_nothing_fits_in_nothing),
		cmocka_unit_test(test_the_reserve_is_for_packets),
		cmocka_unit_test(test_split_in_two_neither_takes_of_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
