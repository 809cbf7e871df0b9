/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ASSERT_SPAN(s, text) assert_true(span_is((s), (text)))

static void test_line(void **state)
{
	struct span rest = span_text("one\r\n\ntwo\rx\nlast"), line;

	(void)state;
	assert_true(span_line(&rest, &line));
	ASSERT_SPAN(line, "one");
	assert_true(span_line(&rest, &line));
	ASSERT_SPAN(line, "");
	assert_true(span_line(&rest, &line));
	ASSERT_SPAN(line, "two\rx");
	assert_true(span_line(&rest, &line));
	ASSERT_SPAN(line, "last");
	assert_false(span_line(&rest, &line));
}

static void test_word(void **state)
{
	struct span rest = span_text("  a\tbc  "), word;

	(void)state;
	assert_true(span_word(&rest, &word));
	ASSERT_SPAN(word, "a");
	assert_true(span_word(&rest, &word));
	ASSERT_SPAN(word, "bc");
	assert_false(span_word(&rest, &word));
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t value;
	} rows[] = {
		{ "0", 0, true, 0 },
		{ "007", 10, true, 7 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ " 1", 10, false, 0 },
		{ "1x", 10, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(span_number(span_text(rows[i].text), rows[i].max, &value),
			rows[i].good);
		if (rows[i].good)
			assert_int_equal(value, rows[i].value);
	}
}

static void test_unescape(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "abc", "abc" }, { "a%40b", "a@b" }, { "%2f%2F", "//" }, { "%2540", "%40" },
		{ "100%", "100%" }, { "%4", "%4" }, { "%zz", "%zz" }, { "%%41", "%A" }, { "", "" },
	};
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ptrdiff_t n = span_unescape(span_text(rows[i].in), out, sizeof(out));

		assert_true(n >= 0);
		ASSERT_SPAN(span_of(out, (size_t)n), rows[i].out);
	}
	assert_int_equal(span_unescape(span_text("abcd"), out, 3), -1);
	assert_int_equal(span_unescape(span_text("%41%41"), out, 2), 2);
}

/* Every read at every place of every length: never beyond, 0 when it does not fit. */
static void test_reads_stay_inside(void **state)
{
	static const uint8_t bytes[] = { 0x11, 0x22, 0x33, 0x44, 0x55 };

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++)
		for (size_t at = 0; at < 8; at++) {
			struct span s = span_of(bytes, n);

			assert_int_equal(span_u8(s, at), at < n ? bytes[at] : 0);
			if (at + 2 > n)
				assert_int_equal(span_be16(s, at), 0);
			if (at + 4 > n)
				assert_int_equal(span_le32(s, at), 0);
		}
	assert_int_equal(span_be16(span_of(bytes, 5), 1), 0x2233);
	assert_int_equal(span_be32(span_of(bytes, 5), 1), 0x22334455);
	assert_int_equal(span_le32(span_of(bytes, 5), 1), 0x55443322);
	assert_int_equal(span_be16(span_of(bytes, 5), SIZE_MAX), 0);
}

static void test_cut(void **state)
{
	struct span s = span_text("hello");

	(void)state;
	ASSERT_SPAN(span_skip(s, 2), "llo");
	ASSERT_SPAN(span_skip(s, 9), "");
	ASSERT_SPAN(span_head(s, 2), "he");
	ASSERT_SPAN(span_head(s, 9), "hello");
	assert_true(span_starts(s, "he"));
	assert_false(span_starts(s, "hello!"));
	assert_false(span_is(s, "hell"));
}

/* The vectors of its inventors. */
static void test_hash(void **state)
{
	(void)state;
	assert_true(span_hash(span_of(NULL, 0), SPAN_HASH) == SPAN_HASH);
	assert_true(span_hash(span_text("a"), SPAN_HASH) == 0xaf63dc4c8601ec8cu);
	assert_true(span_hash(span_text("foobar"), SPAN_HASH) == 0x85944171f73967e8u);
	assert_true(span_hash(span_text("bar"), span_hash(span_text("foo"), SPAN_HASH)) ==
		0x85944171f73967e8u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_word),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_reads_stay_inside),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
