/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "calldata/schedule.h"

#define N 300

static struct scheduled items[N];

static void earliest_first_whatever_happens(void **state)
{
	struct schedule s = { 0 };
	usec_t last = 0;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		schedule_put(&s, &items[i], i * 7919 % 1009);
	for (unsigned i = 0; i < N; i += 3)
		schedule_put(&s, &items[i], i * 31 % 1009); /* moved */
	for (unsigned i = 1; i < N; i += 3) {
		schedule_drop(&s, &items[i]);
		schedule_drop(&s, &items[i]);
	}
	for (struct scheduled *first; (first = schedule_first(&s)); n++) {
		assert_true(first->due >= last);
		last = first->due;
		schedule_drop(&s, first);
		assert_int_equal(first->place, 0);
	}
	assert_int_equal(n, N - N / 3);
	schedule_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(earliest_first_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
