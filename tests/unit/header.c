/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "call/header.h"

static struct header_info sample(void)
{
	return (struct header_info){
		.call_id = span_text("a1@h"), .parent = "a1%40h-77", .stream = 2,
		.tag = span_text("tagA"), .label = span_text("A"), .tag_number = 1, .role = "caller",
		.codec = "PCMA", .rate_hz = 8000, .channels = 1, .start = 1795243720801310,
		.metadata = span_text("k:v|x:y:z||flag|k:w"),
	};
}

static void expect_metadata(const struct header_info *h, const char *want)
{
	char *text = header_metadata(h);

	assert_string_equal(text, want);
	free(text);
}

static void metadata_of_the_tag_comes_first(void **state)
{
	struct header_info h = sample();

	(void)state;
	expect_metadata(&h, "k:v|x:y:z||flag|k:w");
	h.tag_metadata = span_text("own");
	expect_metadata(&h, "own");
	h.mixed = true;
	expect_metadata(&h, "k:v|x:y:z||flag|k:w");
	h.metadata = span_of(NULL, 0);
	expect_metadata(&h, "");
}

static void metadata_ends_at_a_nul(void **state)
{
	struct header_info h = sample();

	(void)state;
	h.metadata = span_of("a\0b", 3);
	expect_metadata(&h, "a");
}

static void json_of_a_stream(void **state)
{
	struct header_info h = sample();
	char *text;

	(void)state;
	h.data = span_text("{\"merged\":{\"to\":\"bob\"},\"texts\":[\"t\"]}");
	text = header_json(&h);
	assert_string_equal(text,
		"{\"call-id\":\"a1@h\",\"parent\":\"a1%40h-77\",\"mixed\":false,\"stream\":2,"
		"\"tag-number\":1,\"tag\":\"tagA\",\"label\":\"A\",\"role\":\"caller\","
		"\"codec\":\"PCMA\",\"tag-metadata\":null,\"start\":\"2026-11-21T06:48:40.801310Z\","
		"\"format\":\"s16le\",\"rate\":8000,\"channels\":1,"
		"\"metadata\":{\"raw\":\"k:v|x:y:z||flag|k:w\","
		"\"parsed\":{\"k\":\"w\",\"x\":\"y:z\",\"flag\":\"\"}},"
		"\"data\":{\"merged\":{\"to\":\"bob\"},\"texts\":[\"t\"]}}");
	free(text);
}

static void json_of_the_mix_names_no_stream(void **state)
{
	struct header_info h = sample();
	json_t *o;
	char *text;

	(void)state;
	h.mixed = true;
	h.start = 0;
	text = header_json(&h);
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	assert_null(json_object_get(o, "tag"));
	assert_null(json_object_get(o, "stream"));
	assert_null(json_object_get(o, "codec"));
	assert_true(json_is_null(json_object_get(o, "start")));
	assert_true(json_is_null(json_object_get(o, "data")));
	json_decref(o);
	free(text);
}

static void data_that_does_not_fit_is_left_out(void **state)
{
	struct header_info h = sample();
	char *big = malloc(HEADER_MAX), *text;
	json_t *o;

	(void)state;
	memset(big, ' ', HEADER_MAX);
	h.data = span_of(big, HEADER_MAX);
	text = header_json(&h);
	o = json_loads(text, 0, NULL);
	assert_true(json_is_true(json_object_get(o, "data-omitted")));
	json_decref(o);
	free(text);
	free(big);
}

static void everything_at_its_worst_fits(void **state)
{
	struct header_info h = sample();
	size_t n = 64 * 1024;
	char *worst = malloc(n), *text;

	(void)state;
	memset(worst, 1, n);
	h.call_id = h.tag = h.label = h.metadata = h.tag_metadata = span_of(worst, n);
	text = header_json(&h);
	assert_true(strlen(text) <= HEADER_MAX);
	assert_null(strchr(text, '\n'));
	free(text);
	free(worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_of_the_tag_comes_first),
		cmocka_unit_test(metadata_ends_at_a_nul),
		cmocka_unit_test(json_of_a_stream),
		cmocka_unit_test(json_of_the_mix_names_no_stream),
		cmocka_unit_test(data_that_does_not_fit_is_left_out),
		cmocka_unit_test(everything_at_its_worst_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
