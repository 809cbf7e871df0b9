/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "calldata/record.h"

static struct record *fresh(void)
{
	return record_new(8, 100, 300);
}

static bool add(struct record *r, const char *text)
{
	return record_add(r, span_text(text));
}

static void expect(struct record *r, const char *want)
{
	char *text = record_json(r);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void nothing_is_null(void **state)
{
	struct record *r = fresh();

	(void)state;
	assert_null(record_json(r));
	assert_int_equal(record_elements(r), 0);
	record_free(&r);
	assert_null(r);
	record_free(&r);
}

static void objects_merge_later_wins(void **state)
{
	struct record *r = fresh();

	(void)state;
	assert_true(add(r, "{\"event\":\"start\",\"to\":\"bob\"}"));
	assert_true(add(r, " {\"event\":\"end\",\"at\":1795243720.801310} \n"));
	expect(r, "{\"merged\":{\"event\":\"end\",\"to\":\"bob\",\"at\":1795243720.80131},\"texts\":[]}");
	assert_int_equal(record_elements(r), 2);
	record_free(&r);
}

static void anything_else_is_text(void **state)
{
	struct record *r = fresh();

	(void)state;
	assert_true(add(r, "{\"from_name\":\"\\\"Alice"));
	assert_true(add(r, "B."));
	assert_true(add(r, "[1,2]"));
	assert_true(add(r, "7"));
	assert_true(add(r, ""));
	assert_true(add(r, "{\"a\":1}{\"a\":2}"));
	expect(r, "{\"merged\":{},\"texts\":[\"{\\\"from_name\\\":\\\"\\\\\\\"Alice\",\"B.\",\"[1,2]\","
		  "\"7\",\"\",\"{\\\"a\\\":1}{\\\"a\\\":2}\"]}");
	record_free(&r);
}

static void bad_utf8_is_replaced(void **state)
{
	struct record *r = fresh();

	(void)state;
	assert_true(record_add(r, span_of("{\"n\":\"\xff\"}", 9)));
	assert_true(record_add(r, span_of("a\0\n\xc3", 4)));
	expect(r, "{\"merged\":{\"n\":\"\xef\xbf\xbd\"},\"texts\":[\"a\xef\xbf\xbd\\n\xef\xbf\xbd\"]}");
	record_free(&r);
}

static void element_cap(void **state)
{
	struct record *r = fresh();
	char big[101];

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_false(record_add(r, span_of(big, 101)));
	assert_int_equal(record_elements(r), 0);
	assert_true(record_add(r, span_of(big, 100)));
	record_free(&r);
}

static void total_cap(void **state)
{
	struct record *r = fresh();
	char big[100];

	(void)state;
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 3; i++)
		assert_true(record_add(r, span_of(big, 100)));
	assert_false(add(r, "x"));
	assert_true(add(r, "")); /* nothing fits into nothing */
	record_free(&r);
}

/* 100 bad bytes become 300: the cap is on what is kept. */
static void total_cap_after_replacement(void **state)
{
	struct record *r = fresh();
	char bad[100];

	(void)state;
	memset(bad, 0xff, sizeof(bad));
	assert_true(add(r, "x"));
	assert_false(record_add(r, span_of(bad, 100)));
	assert_true(record_add(r, span_of(bad, 99)));
	record_free(&r);
}

static void count_cap(void **state)
{
	struct record *r = fresh();

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_true(add(r, "{}"));
	assert_false(add(r, "{}"));
	assert_int_equal(record_elements(r), 8);
	record_free(&r);
}

static void deep_nesting_is_text(void **state)
{
	struct record *r = record_new(2, 100000, 200000);
	char *deep = malloc(60000);
	char *text;
	json_t *whole;

	(void)state;
	memset(deep, '[', 60000);
	memcpy(deep, "{\"a\":", 5);
	assert_true(record_add(r, span_of(deep, 60000)));
	text = record_json(r);
	whole = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(whole, "texts")), 1);
	json_decref(whole);
	free(text);
	free(deep);
	record_free(&r);
}

static void deep(char *text, unsigned depth)
{
	text += sprintf(text, "{\"a\":");
	memset(text, '[', depth - 1);
	memset(text + depth - 1, ']', depth - 1);
	strcpy(text + 2 * (depth - 1), "}");
}

/* Else whoever writes it again needs a stack as deep. Brackets in a string are none. */
static void nested_deep_is_text(void **state)
{
	struct record *r = record_new(8, 10000, 10000);
	char text[5000], *json;

	(void)state;
	deep(text, 64);
	assert_true(add(r, text));
	assert_true(add(r, "{\"b\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"));
	json = record_json(r);
	assert_non_null(strstr(json, "\"texts\":[]"));
	free(json);
	deep(text, 65);
	assert_true(add(r, text));
	deep(text, 2047);
	assert_true(add(r, text));
	json = record_json(r);
	assert_null(strstr(json, "\"texts\":[]"));
	free(json);
	record_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_deep_is_text),
		cmocka_unit_test(nothing_is_null),
		cmocka_unit_test(objects_merge_later_wins),
		cmocka_unit_test(anything_else_is_text),
		cmocka_unit_test(bad_utf8_is_replaced),
		cmocka_unit_test(element_cap),
		cmocka_unit_test(total_cap),
		cmocka_unit_test(total_cap_after_replacement),
		cmocka_unit_test(count_cap),
		cmocka_unit_test(deep_nesting_is_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
