/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf8.h"

static void expect(const char *in, size_t n, size_t max, const char *out)
{
	char *text = utf8_clean(span_of(in, n), max);

	assert_string_equal(text, out);
	free(text);
}

#define EXPECT(in, out) expect(in, sizeof(in) - 1, 1000, out)

static void good_text_stays(void **state)
{
	(void)state;
	EXPECT("", "");
	EXPECT("plain", "plain");
	EXPECT("\xd0\x98\xd0\xb2\xe2\x82\xac\xf0\x9f\x93\x9e", "\xd0\x98\xd0\xb2\xe2\x82\xac\xf0\x9f\x93\x9e");
	EXPECT("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void bad_bytes_are_replaced_one_by_one(void **state)
{
	(void)state;
	EXPECT("a\xff" "b", "a\xef\xbf\xbd" "b");
	EXPECT("\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
	EXPECT("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
	EXPECT("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	EXPECT("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");                 /* cut short */
	EXPECT("\xd0x", "\xef\xbf\xbdx");
}

static void cut_between_sequences(void **state)
{
	(void)state;
	expect("ab\xe2\x82\xac", 5, 4, "ab");
	expect("ab\xe2\x82\xac", 5, 5, "ab\xe2\x82\xac");
	expect("\xff\xff", 2, 5, "\xef\xbf\xbd");
	expect("abc", 3, 0, "");
}

static void nul_does_not_end_the_text(void **state)
{
	(void)state;
	EXPECT("a\0b", "a\xef\xbf\xbd" "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_text_stays),
		cmocka_unit_test(bad_bytes_are_replaced_one_by_one),
		cmocka_unit_test(cut_between_sequences),
		cmocka_unit_test(nul_does_not_end_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
