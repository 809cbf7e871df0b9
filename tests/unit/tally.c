/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "calldata/tally.h"

static void pushed_and_published_is_one(void **state)
{
	struct tally *t = tally_new(4);

	(void)state;
	assert_true(tally_published(t, 1));
	assert_false(tally_listed(t, 1));
	assert_true(tally_listed(t, 2));
	assert_false(tally_published(t, 2));
	assert_true(tally_listed(t, 1)); /* really twice */
	tally_free(&t);
	assert_null(t);
}

static void read_again_from_the_start(void **state)
{
	struct tally *t = tally_new(4);

	(void)state;
	assert_true(tally_listed(t, 1));
	assert_true(tally_listed(t, 1));
	tally_restart(t);
	assert_false(tally_listed(t, 1));
	assert_true(tally_listed(t, 2));
	assert_false(tally_listed(t, 1));
	assert_true(tally_listed(t, 1));
	tally_free(&t);
}

static void beyond_the_cap_all_is_new(void **state)
{
	struct tally *t = tally_new(1);

	(void)state;
	assert_true(tally_listed(t, 1));
	assert_true(tally_listed(t, 2));
	assert_true(tally_published(t, 2));
	assert_false(tally_published(t, 1));
	tally_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_and_published_is_one),
		cmocka_unit_test(read_again_from_the_start),
		cmocka_unit_test(beyond_the_cap_all_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
