/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/mixer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct mixer_opts direct = {
	.rate_hz = 8000, .method = MIXER_DIRECT, .span_ms = 100
};
static const struct mixer_opts stereo = {
	.rate_hz = 8000, .method = MIXER_CHANNELS, .channels = 2, .span_ms = 100 };

static int16_t out[4000];

static const int16_t *constant(int16_t value)
{
	static int16_t samples[4000];

	for (unsigned i = 0; i < 4000; i++)
		samples[i] = value;
	return samples;
}

static void check(const int16_t *from, unsigned n, unsigned stride, int want)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(from[i * stride], want);
}

static void sums_by_position(void **state)
{
	struct mixer *m = mixer_new(&direct);

	(void)state;
	assert_int_equal(mixer_put(m, 0, 0, constant(100), 160), 0);
	assert_int_equal(mixer_put(m, 1, 80, constant(20), 160), 0);
	assert_int_equal(mixer_put(m, 7, 100, constant(3), 10), 0);
	assert_int_equal(mixer_newest(m), 240);
	assert_int_equal(mixer_take(m, 300, out, 4000), 300);
	check(out, 80, 1, 100);
	check(out + 80, 20, 1, 120);
	check(out + 100, 10, 1, 123);
	check(out + 110, 50, 1, 120);
	check(out + 160, 80, 1, 20);
	check(out + 240, 60, 1, 0);
	assert_int_equal(mixer_position(m), 300);
	assert_int_equal(mixer_newest(m), 300);
	assert_int_equal(mixer_take(m, 300, out, 4000), 0);
	mixer_free(&m);
	assert_null(m);
}

static void saturates(void **state)
{
	struct mixer *m = mixer_new(&direct);

	(void)state;
	mixer_put(m, 0, 0, constant(30000), 80);
	mixer_put(m, 1, 0, constant(30000), 40);
	mixer_put(m, 0, 80, constant(-30000), 80);
	mixer_put(m, 1, 80, constant(-30000), 80);
	mixer_take(m, 160, out, 4000);
	check(out, 40, 1, 32767);
	check(out + 40, 40, 1, 30000);
	check(out + 80, 80, 1, -32768);
	mixer_free(&m);
}

static void keeps_channels_apart(void **state)
{
	struct mixer *m = mixer_new(&stereo);

	(void)state;
	mixer_put(m, 0, 0, constant(1), 100);
	mixer_put(m, 1, 50, constant(2), 100);
	mixer_put(m, 2, 50, constant(4), 10); /* one too many: shares the last */
	mixer_put(m, 9, 50, constant(8), 10);
	assert_int_equal(mixer_channels(m), 2);
	assert_int_equal(mixer_take(m, 150, out, 2000), 150);
	check(out, 100, 2, 1);
	check(out + 200, 50, 2, 0);
	check(out + 1, 50, 2, 0);
	check(out + 101, 10, 2, 14);
	check(out + 121, 90, 2, 2);
	mixer_free(&m);
}

static void counts_what_is_late(void **state)
{
	struct mixer *m = mixer_new(&direct);

	(void)state;
	assert_int_equal(mixer_take(m, 100, out, 4000), 100);
	assert_int_equal(mixer_put(m, 0, 20, constant(5), 50), 50);
	assert_int_equal(mixer_put(m, 0, 50, constant(5), 50), 50);
	assert_int_equal(mixer_put(m, 0, 60, constant(5), 50), 40);
	assert_int_equal(mixer_put(m, 0, -1000, constant(5), 1110), 1100);
	assert_int_equal(mixer_put(m, 0, 200, constant(5), 0), 0);
	assert_int_equal(mixer_take(m, 120, out, 4000), 20);
	check(out, 10, 1, 10);
	check(out + 10, 10, 1, 0);
	mixer_free(&m);
}

/* A span of 800 frames. */
static void pushes_the_oldest_out(void **state)
{
	struct mixer *m = mixer_new(&direct);

	(void)state;
	mixer_put(m, 0, 0, constant(1), 400);
	mixer_put(m, 1, 900, constant(2), 100);
	assert_int_equal(mixer_position(m), 200);
	assert_int_equal(mixer_take(m, 1000, out, 4000), 800);
	check(out, 200, 1, 1);
	check(out + 200, 500, 1, 0);
	check(out + 700, 100, 1, 2);
	mixer_put(m, 0, 1000000, constant(3), 100);
	assert_int_equal(mixer_position(m), 1000100 - 800);
	mixer_put(m, 0, 2000000, constant(7), 3000); /* more than the span by itself */
	assert_int_equal(mixer_position(m), 2003000 - 800);
	assert_int_equal(mixer_take(m, mixer_newest(m), out, 4000), 800);
	check(out, 800, 1, 7);
	mixer_free(&m);
}

static void takes_in_parts(void **state)
{
	struct mixer *m = mixer_new(&direct);

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		int64_t at = mixer_position(m);

		mixer_put(m, 0, at, constant((int16_t)(round + 1)), 330);
		assert_int_equal(mixer_take(m, at + 330, out, 7), 7);
		check(out, 7, 1, (int)round + 1);
		assert_int_equal(mixer_take(m, at + 330, out, 4000), 323);
		check(out, 323, 1, (int)round + 1);
	}
	assert_int_equal(mixer_take(m, mixer_position(m) + 3000, out, 4000), 3000);
	check(out, 3000, 1, 0);
	mixer_free(&m);
}

/* The same as a plain sum over one long array. */
static void agrees_with_a_plain_sum(void **state)
{
	static int sum[60000];
	struct mixer *m = mixer_new(&direct);
	int64_t taken = 0;

	(void)state;
	srand(5);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned n = (unsigned)rand() % 160, late;
		int64_t at = taken - 100 + rand() % 600;
		int16_t value = (int16_t)(rand() % 200 - 100);

		late = mixer_put(m, (unsigned)rand() % 5, at, constant(value), n);
		assert_int_equal(late, at >= taken ? 0 : taken - at < n ? taken - at : n);
		for (unsigned k = late; k < n; k++)
			sum[at + k] += value;
		if (i % 4 == 0) {
			unsigned got = mixer_take(m, taken + rand() % 200, out, 90);

			for (unsigned k = 0; k < got; k++)
				assert_int_equal(out[k], sum[taken + k]);
			taken += got;
		}
		assert_int_equal(taken, mixer_position(m));
	}
	mixer_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_by_position),
		cmocka_unit_test(saturates),
		cmocka_unit_test(keeps_channels_apart),
		cmocka_unit_test(counts_what_is_late),
		cmocka_unit_test(pushes_the_oldest_out),
		cmocka_unit_test(takes_in_parts),
		cmocka_unit_test(agrees_with_a_plain_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
