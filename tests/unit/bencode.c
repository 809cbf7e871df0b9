/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_bencode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void writes_a_dictionary(void **state)
{
	char bytes[64];
	struct feed_bencode b = { .p = bytes, .size = sizeof(bytes) };

	(void)state;
	feed_bencode_open(&b, 'd');
	feed_bencode_pair(&b, "command", "ping");
	feed_bencode_text(&b, "n");
	feed_bencode_number(&b, -7);
	feed_bencode_close(&b);
	assert_false(b.full);
	assert_true(span_is(span_of(bytes, b.used), "d7:command4:ping1:ni-7ee"));
}

static void says_when_it_is_full(void **state)
{
	char bytes[8];
	struct feed_bencode b = { .p = bytes, .size = sizeof(bytes) };

	(void)state;
	feed_bencode_text(&b, "1234567");
	assert_true(b.full);
	assert_int_equal(b.used, 0);
}

static void knows_how_long_an_element_is(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} t[] = {
		{ "4:spam", 6 }, { "0:", 2 }, { "i-3e", 4 }, { "le", 2 }, { "li1ei2ee", 8 },
		{ "d1:ai1ee", 8 }, { "4:spamrest", 6 }, { "5:spam", 0 }, { "i3", 0 }, { "i--3e", 0 },
		{ "l", 0 }, { "", 0 }, { "x", 0 }, { "99999999999999999999:a", 0 }, { "-1:a", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(feed_bencode_length(span_text(t[i].text)), t[i].length);
}

static void bounds_the_nesting(void **state)
{
	char deep[200];

	(void)state;
	memset(deep, 'l', 100);
	memset(deep + 100, 'e', 100);
	assert_int_equal(feed_bencode_length(span_of(deep, 200)), 0);
	assert_int_equal(feed_bencode_length(span_of(deep + 80, 40)), 40);
}

static void finds_values(void **state)
{
	struct span dict = span_text("d10:recordingsl3:a/be3:sdp5:v=0\r\n6:result2:oke"), v;

	(void)state;
	assert_true(feed_bencode_find(dict, "result", &v));
	assert_true(span_is(v, "ok"));
	assert_true(feed_bencode_find(dict, "recordings", &v));
	assert_true(span_is(v, "l3:a/be"));
	assert_false(feed_bencode_find(dict, "ok", &v));
	assert_false(feed_bencode_find(span_head(dict, dict.n - 1), "result", &v));
	assert_false(feed_bencode_find(span_text("di1e1:ae"), "a", &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_a_dictionary),
		cmocka_unit_test(says_when_it_is_full),
		cmocka_unit_test(knows_how_long_an_element_is),
		cmocka_unit_test(bounds_the_nesting),
		cmocka_unit_test(finds_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
