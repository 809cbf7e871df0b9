/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/counters.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 8
#define TIMES   10000

static void *count(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		counter_add(COUNT_PACKETS_IN, 1);
		counter_add(COUNT_BYTES_IN, 100);
	}
	return arg;
}

/* What a thread counted stays when it has ended. */
static void test_sum_over_threads(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	for (int round = 1; round <= 2; round++) {
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(counter_sum(COUNT_PACKETS_IN), round * THREADS * TIMES);
		assert_int_equal(counter_sum(COUNT_BYTES_IN), round * THREADS * TIMES * 100);
	}
	assert_int_equal(counter_sum(COUNT_CALLS), 0);
}

static void test_every_counter_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNTERS; i++) {
		assert_true(strlen(counter_name(i)) > 2);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(counter_name(i), counter_name(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum_over_threads),
		cmocka_unit_test(test_every_counter_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
