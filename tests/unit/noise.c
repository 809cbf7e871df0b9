/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/sound.h"

#define N 80000

static int16_t out[N];

static double level_db(void)
{
	return 20 * log10(sound_rms(out, N, 1) / 32767);
}

/* Normalized autocorrelation at a lag of one sample: below 0 is treble, above is bass. */
static double colour(void)
{
	double sum = 0, power = 0;

	for (unsigned i = 1; i < N; i++) {
		sum += (double)out[i] * out[i - 1];
		power += (double)out[i] * out[i];
	}
	return sum / power;
}

static void is_silent_until_told(void **state)
{
	struct noise n = { .order = 0 };

	(void)state;
	assert_false(noise_update(&n, span_of("", 0)));
	noise_generate(&n, out, N);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(out[i], 0);
}

static void is_as_loud_as_told(void **state)
{
	static const uint8_t levels[] = { 10, 30, 40, 60, 0x80 | 40 };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct noise n = { .order = 0 };

		assert_true(noise_update(&n, span_of(&levels[i], 1)));
		noise_generate(&n, out, N);
		assert_true(fabs(level_db() + (levels[i] & 0x7f)) < .2);
		assert_true(fabs(colour()) < .03);
	}
}

/* RFC 3389 3.2: k = 258 * (N - 127) / 32768, and A(z) = 1 + k z^-1 for the first
 * order. */
static void has_the_colour_it_is_told(void **state)
{
	static const uint8_t bass[] = { 30, 63 }, treble[] = { 30, 191 };
	static const uint8_t both[] = { 40, 20, 200, 90, 127, 140 };
	struct noise n = { .order = 0 };

	(void)state;
	noise_update(&n, span_of(bass, 2));
	noise_generate(&n, out, N);
	assert_true(fabs(colour() - .504) < .02);
	assert_true(fabs(level_db() + 30) < .3);
	noise_update(&n, span_of(treble, 2));
	noise_generate(&n, out, N);
	assert_true(fabs(colour() + .504) < .02);
	noise_update(&n, span_of(both, sizeof(both)));
	noise_generate(&n, out, N);
	assert_true(fabs(level_db() + 40) < .6);
}

static void stays_stable_whatever_comes(void **state)
{
	uint8_t payload[64];
	struct noise n = { .order = 0 };

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 300; i++) {
		for (unsigned k = 0; k < sizeof(payload); k++)
			payload[k] = i % 3 ? (uint8_t)rand() : i % 2 ? 255 : 0;
		assert_true(noise_update(&n, span_of(payload, 1 + i % 64)));
		assert_true(n.order <= NOISE_MAX_ORDER);
		noise_generate(&n, out, 1000);
		for (unsigned k = 0; k < n.order; k++)
			assert_true(isfinite(n.state[k]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_silent_until_told),
		cmocka_unit_test(is_as_loud_as_told),
		cmocka_unit_test(has_the_colour_it_is_told),
		cmocka_unit_test(stays_stable_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
