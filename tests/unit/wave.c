/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t out[WAVE_HEADER];

static struct span make(unsigned channels, uint32_t rate_hz, uint64_t frames)
{
	wave_header(&(struct wave){ channels, rate_hz, frames }, out);
	return span_of(out, sizeof(out));
}

static void test_header_of_a_small_file(void **state)
{
	static const uint8_t want[WAVE_HEADER] =
		"RIFF\x68\x7d\0\0WAVE"
		"JUNK\x1c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"fmt \x10\0\0\0\1\0\2\0\x40\x1f\0\0\0\x7d\0\0\4\0\x10\0"
		"data\x20\x7d\0"; /* and a NUL */

	(void)state;
	make(2, 8000, 8008);
	assert_memory_equal(out, want, sizeof(want));
}

static void test_rf64_begins_where_32_bits_end(void **state)
{
	uint64_t last = (UINT32_MAX - (WAVE_HEADER - 8) - 1) / 2;
	struct span s = make(1, 8000, last);

	(void)state;
	assert_true(span_starts(s, "RIFF"));
	assert_true(span_starts(span_skip(s, 12), "JUNK"));
	assert_int_equal(span_le32(s, 76), last * 2);
	s = make(1, 8000, last + 1);
	assert_true(span_starts(s, "RF64"));
	assert_true(span_starts(span_skip(s, 12), "ds64"));
	assert_int_equal(span_le32(s, 4), UINT32_MAX);
	assert_int_equal(span_le32(s, 76), UINT32_MAX);
	assert_int_equal(span_le32(s, 20), 0); /* 2^32 exactly */
	assert_int_equal(span_le32(s, 24), 1);
	assert_int_equal(span_le32(s, 28), (uint32_t)(2 * (last + 1)));
	s = make(2, 48000, (uint64_t)3 << 32);
	assert_int_equal(span_le32(s, 28), 0);
	assert_int_equal(span_le32(s, 32), 12); /* 4 bytes a frame */
	assert_int_equal(span_le32(s, 36), 0);
	assert_int_equal(span_le32(s, 40), 3);
}

static void test_parse_is_the_reverse(void **state)
{
	static const struct wave cases[] = {
		{ 1, 8000, 0 }, { 2, 48000, 1 }, { 64, 192000, 12345 }, { 1, 8000, 1ull << 33 },
	};
	struct wave w;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct span s = make(cases[i].channels, cases[i].rate_hz, cases[i].frames);

		assert_true(wave_parse(s, &w));
		assert_int_equal(w.channels, cases[i].channels);
		assert_int_equal(w.rate_hz, cases[i].rate_hz);
		assert_int_equal(w.frames, cases[i].frames);
	}
}

static void test_what_is_not_ours(void **state)
{
	struct wave w;

	(void)state;
	make(2, 8000, 100);
	assert_false(wave_parse(span_of(out, WAVE_HEADER - 1), &w));
	assert_false(wave_parse(span_of(NULL, 0), &w));
	for (unsigned i = 0; i < WAVE_HEADER; i++) {
		bool number = (i >= 4 && i < 8) || (i >= 58 && i < 72) || i >= 76;

		out[i] ^= 0x81;
		assert_true(number || !wave_parse(span_of(out, WAVE_HEADER), &w));
		out[i] ^= 0x81;
	}
	memset(out, 0, sizeof(out));
	assert_false(wave_parse(span_of(out, WAVE_HEADER), &w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_of_a_small_file),
		cmocka_unit_test(test_rf64_begins_where_32_bits_end),
		cmocka_unit_test(test_parse_is_the_reverse),
		cmocka_unit_test(test_what_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
