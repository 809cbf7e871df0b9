/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* G.711 A-law to linear, as ITU-T G.191 has it. */
static int16_t linear(uint8_t code)
{
	int c = code ^ 0x55, e = c >> 4 & 7, v = (c & 15) << 4;

	v = e ? (v + 0x108) << (e - 1) : v + 8;
	return (int16_t)(c & 0x80 ? v : -v);
}

static void put(int16_t *pcm, const struct stamp *s)
{
	uint8_t alaw[STAMP_SAMPLES];

	stamp_write(s, alaw);
	for (unsigned i = 0; i < STAMP_SAMPLES; i++)
		pcm[i] = linear(alaw[i]);
}

/* As loud as speech gets, but for the mark. */
static void noise(int16_t *pcm, size_t n)
{
	srandom(1);
	for (size_t i = 0; i < n; i++)
		pcm[i] = (int16_t)(random() % 61440 - 30720);
}

static void comes_back(void **state)
{
	const struct stamp values[] = { { 0, 0 }, { 1, 0xffff }, { 0xffffffffffff, 0x8000 },
		{ 123456789012, 160 } };
	int16_t pcm[STAMP_SAMPLES];

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct stamp_reader r = { .got = 0 };
		struct span in = span_of(pcm, sizeof(pcm));
		struct stamp s;

		put(pcm, &values[i]);
		assert_true(stamp_read(&r, &in, &s));
		assert_int_equal(s.at, values[i].at);
		assert_int_equal(s.ts, values[i].ts);
		assert_int_equal(in.n, 0);
		assert_int_equal(r.samples, STAMP_SAMPLES);
	}
}

static void is_found_in_noise_in_any_pieces(void **state)
{
	enum { N = 2000 };
	static int16_t pcm[N];
	const struct stamp first = { 77, 1 }, second = { 88, 2 };

	(void)state;
	noise(pcm, N);
	put(pcm + 100, &first);
	put(pcm + 1500, &second);
	for (size_t piece = 1; piece < 64; piece++) {
		struct stamp_reader r = { .got = 0 };
		struct stamp s;
		unsigned found = 0;

		for (size_t at = 0; at < N; at += piece) {
			size_t n = at + piece < N ? piece : N - at;
			struct span in = span_of(pcm + at, 2 * n);

			while (stamp_read(&r, &in, &s)) {
				found++;
				assert_int_equal(s.at, found == 1 ? 77 : 88);
				assert_int_equal(r.samples, (found == 1 ? 100 : 1500) + STAMP_SAMPLES);
			}
		}
		assert_int_equal(found, 2);
		assert_int_equal(r.samples, N);
	}
}

static void is_refused_when_a_digit_is_wrong(void **state)
{
	int16_t pcm[STAMP_SAMPLES];
	const struct stamp good = { 123456789, 4711 };

	(void)state;
	for (unsigned i = 0; i < STAMP_SAMPLES; i++) {
		struct stamp_reader r = { .got = 0 };
		struct span in = span_of(pcm, sizeof(pcm));
		struct stamp s;

		put(pcm, &good);
		pcm[i] = (int16_t)(pcm[i] < 0 ? pcm[i] + 4096 : pcm[i] - 4096);
		assert_false(stamp_read(&r, &in, &s));
	}
}

static void half_a_stamp_is_forgotten(void **state)
{
	int16_t pcm[STAMP_SAMPLES + 1];
	const struct stamp good = { 5, 6 };
	struct stamp_reader r = { .got = 0 };
	struct span in = span_of(pcm, 2 * STAMP_SAMPLES);
	struct stamp s;

	(void)state;
	pcm[0] = INT16_MAX; /* begins a mark that does not go on */
	put(pcm + 1, &good);
	in = span_of(pcm, sizeof(pcm));
	assert_true(stamp_read(&r, &in, &s));
	assert_int_equal(s.at, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(is_found_in_noise_in_any_pieces),
		cmocka_unit_test(is_refused_when_a_digit_is_wrong),
		cmocka_unit_test(half_a_stamp_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
