/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "record/sidecar.h"
#include "tests/unit/schema.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define STARTED ((usec_t)1795243720 * SEC + 42)

static const char *const channel_map[] = { "caller", "tag\xff", NULL };

static const struct sidecar_file files[] = {
	{ .path = "/out/a/x-mix.wav", .format = "wav", .label = "mixed", .rate_hz = 8000,
		.channels = 2, .frames = 8000 * 12 + 4000, .bytes = 400044, .sha256 = SHA,
		.started = STARTED, .channel_map = channel_map },
	{ .path = "y\xc3", .format = "opus", .label = "stream 2\n", .rate_hz = 44100,
		.channels = 1, .sha256 = SHA, .started = STARTED, .recovered = true },
};

/* The least that docs/account.schema.json takes. */
static const char account[] = "{\"number\":7,\"call-id\":\"a@b\",\"parent\":null,\"layout\":\"proc\","
	"\"end\":\"ended\",\"seen\":null,\"first-packet\":null,\"ended\":null,"
	"\"joined-after-ms\":null,\"data-elements\":0,\"data\":null,\"metadata\":null,\"tags\":[],"
	"\"streams\":[],\"sinks\":[],\"events\":[],\"events-omitted\":0,\"unclaimed\":0,"
	"\"forward-to\":{\"messages\":0,\"dropped\":0}}";

static json_t *sidecar(unsigned n, const char *account_json)
{
	return schema_document(sidecar_json(files, n, account_json));
}

static void documents_follow_the_schema(void **state)
{
	json_t *s = schema_load("recording.schema.json"), *o;
	const char *key;
	json_t *member;

	(void)state;
	for (unsigned n = 0; n <= 2; n++) {
		o = sidecar(n, n ? account : NULL);
		assert_true(schema_fits(s, o, "sidecar"));
		json_decref(o);
	}
	o = sidecar(2, account);
	json_object_foreach(json_object_get(s, "properties"), key, member) {
		json_t *less = json_copy(o);

		json_object_del(less, key);
		assert_false(schema_fits(s, less, "sidecar"));
		json_decref(less);
	}
	json_object_del(json_object_get(o, "call"), "streams");
	assert_false(schema_fits(s, o, "sidecar"));
	json_decref(o);
	o = sidecar(2, account);
	json_object_set_new(json_array_get(json_object_get(o, "files"), 1), "sha256",
		json_string(""));
	assert_false(schema_fits(s, o, "sidecar"));
	json_decref(o);
	json_decref(s);
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void files_are_described(void **state)
{
	json_t *o = sidecar(2, account), *list = json_object_get(o, "files");
	json_t *mixed = json_array_get(list, 0), *single = json_array_get(list, 1);
	json_t *map = json_object_get(mixed, "channel-map");

	(void)state;
	assert_string_equal(text_of(mixed, "name"), "x-mix.wav");
	assert_string_equal(text_of(mixed, "path"), "/out/a/x-mix.wav");
	assert_string_equal(text_of(mixed, "start"), "2026-11-21T06:48:40.000042Z");
	assert_string_equal(text_of(mixed, "end"), "2026-11-21T06:48:52.500042Z");
	assert_true(json_real_value(json_object_get(mixed, "duration")) == 12.5);
	assert_int_equal(json_integer_value(json_object_get(mixed, "frames")), 100000);
	assert_int_equal(json_integer_value(json_object_get(mixed, "bytes")), 400044);
	assert_string_equal(text_of(mixed, "sha256"), SHA);
	assert_int_equal(json_array_size(map), 2);
	assert_string_equal(json_string_value(json_array_get(map, 1)), "tag\xef\xbf\xbd");
	assert_true(json_is_false(json_object_get(mixed, "recovered")));
	assert_string_equal(text_of(single, "name"), "y\xef\xbf\xbd");
	assert_int_equal(json_array_size(json_object_get(single, "channel-map")), 0);
	assert_true(json_is_true(json_object_get(single, "recovered")));
	assert_string_equal(text_of(json_object_get(o, "call"), "call-id"), "a@b");
	json_decref(o);
}

/* One recovered file says so for the whole; what is no account is none. */
static void recovered_calls_say_so(void **state)
{
	json_t *o = sidecar(1, account);

	(void)state;
	assert_true(json_is_false(json_object_get(o, "recovered")));
	json_decref(o);
	o = sidecar(2, "{\"half");
	assert_true(json_is_true(json_object_get(o, "recovered")));
	assert_true(json_is_null(json_object_get(o, "call")));
	json_decref(o);
}

static void long_recordings_last_as_long(void **state)
{
	struct sidecar_file f = files[0];
	char *text;

	(void)state;
	f.frames = (uint64_t)1 << 40;
	f.rate_hz = 192000;
	text = sidecar_json(&f, 1, NULL);
	assert_non_null(strstr(text, "\"duration\":5726623.061333"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_follow_the_schema),
		cmocka_unit_test(files_are_described),
		cmocka_unit_test(recovered_calls_say_so),
		cmocka_unit_test(long_recordings_last_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
