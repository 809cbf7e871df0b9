/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "call/account.h"
#include "tests/unit/schema.h"

/* ---- accounts ------------------------------------------------------------------------------ */

static struct account *sample(void)
{
	struct account *a = account_new();
	struct account_tag *t = account_add_tag(a);
	struct account_stream *s = account_add_stream(a);
	struct account_sink *k = account_add_sink(a);

	a->number = 7;
	a->call_id = xstrndup("a\0\xff@h", 5);
	a->call_id_bytes = 5;
	a->parent = xstrdup("a%40h-1");
	a->layout = "proc";
	a->end = "ended";
	a->seen = 1795243720801310;
	a->ended = a->seen + 12500 * MSEC;
	a->joined_after = 15 * MSEC;
	a->data = xstrdup("{\"merged\":{\"to\":\"bob\"},\"texts\":[]}");
	a->metadata = xstrdup("k:v\xff|x");
	t->tag = xstrdup("\xc3");
	t->role = "caller";
	s->count = (struct stream_counts){ .packets = 100, .refused = 1, .foreign = 2, .bad = 3,
		.rtcp = 4, .empty = 5, .duplicate = 6, .late = 7, .stray = 8, .events = 9,
		.noise = 10, .undecodable = 11, .unwanted = 12, .decoded = 20, .lost = 50,
		.audio = 400 * MSEC };
	s->waiting = 2;
	s->ssrcs = 1;
	s->ssrc[0] = (struct stream_ssrc){ .ssrc = 0xabc, .first = a->seen, .codec = "PCMA" };
	k->label = xstrdup("stream 0");
	k->stats = (struct sink_stats){ .kind = "tls", .rate_hz = 8000, .channels = 1,
		.put = 8000, .sent = 4000, .dropped = 3200, .waiting = 800, .connects = 2 };
	account_add_event(a, &(struct account_event){ .at = a->seen, .tag = 1, .kind = "digit",
		.text = "5", .duration_ms = 120 });
	account_add_event(a, &(struct account_event){ .at = a->seen, .stream = -1, .tag = -1,
		.kind = "forwarding" });
	return a;
}

static json_t *parsed(const struct account *a)
{
	return schema_document(account_json(a));
}

static void documents_follow_the_schema(void **state)
{
	struct account *a[2] = { account_new(), sample() };
	json_t *s = schema_load("account.schema.json"), *o;

	(void)state;
	for (int i = 0; i < 2; i++) {
		o = parsed(a[i]);
		assert_true(schema_fits(s, o, "account"));
		json_object_del(o, "streams");
		assert_false(schema_fits(s, o, "account"));
		json_decref(o);
		account_free(&a[i]);
		assert_null(a[i]);
	}
	json_decref(s);
}

static void what_came_in_is_told(void **state)
{
	struct account *a = sample();
	json_t *o = parsed(a), *sink = json_array_get(json_object_get(o, "sinks"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "call-id")),
		"a\xef\xbf\xbd\xef\xbf\xbd@h");
	assert_string_equal(json_string_value(json_object_get(json_object_get(
		json_object_get(o, "data"), "merged"), "to")), "bob");
	assert_string_equal(json_string_value(json_object_get(json_object_get(
		json_object_get(o, "metadata"), "parsed"), "k")), "v\xef\xbf\xbd");
	assert_int_equal(json_integer_value(json_object_get(o, "joined-after-ms")), 15);
	assert_int_equal(json_integer_value(json_object_get(sink, "forwarded-ms")), 500);
	assert_int_equal(json_integer_value(json_object_get(sink, "dropped-ms")), 400);
	json_decref(o);
	account_free(&a);
}

/* Each term is in the sum: one packet more on either side, and it is wrong. */
static void streams_balance(void **state)
{
	struct account *a = sample();
	struct account_stream *s = &a->stream[0];
	uint64_t *const terms[] = { &s->count.packets, &s->count.refused, &s->count.foreign,
		&s->count.bad, &s->count.rtcp, &s->count.empty, &s->count.duplicate, &s->count.late,
		&s->count.stray, &s->waiting, &s->count.events, &s->count.noise,
		&s->count.undecodable, &s->count.unwanted, &s->count.decoded };

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		assert_true(account_stream_balances(s));
		++*terms[i];
		assert_false(account_stream_balances(s));
		--*terms[i];
	}
	s->count.lost++;
	assert_true(account_stream_balances(s));
	account_free(&a);
}

static void sinks_balance(void **state)
{
	struct account *a = sample();

	(void)state;
	assert_true(account_sink_balances(&a->sink[0]));
	a->sink[0].stats.dropped--;
	assert_false(account_sink_balances(&a->sink[0]));
	account_free(&a);
}

static void events_are_capped(void **state)
{
	struct account *a = account_new();
	json_t *o;

	(void)state;
	for (int i = 0; i < ACCOUNT_MAX_EVENTS + 5; i++)
		account_add_event(a, &(struct account_event){ .at = i, .stream = 1,
			.kind = "digit", .text = "1", .duration_ms = 100 });
	o = parsed(a);
	assert_int_equal(json_array_size(json_object_get(o, "events")), ACCOUNT_MAX_EVENTS);
	assert_int_equal(json_integer_value(json_object_get(o, "events-omitted")), 5);
	json_decref(o);
	account_free(&a);
}

static void one_bounded_line(void **state)
{
	struct account *a = sample();
	struct account_sink *file = account_add_sink(a);
	char *line;

	(void)state;
	file->stats = (struct sink_stats){ .kind = "file", .rate_hz = 16000, .channels = 2,
		.put = 16000, .sent = 12000, .dropped = 4000 };
	line = account_line(a);
	assert_non_null(strstr(line, "ended after 12.5 s: joined after 15 ms, 1 streams, 100 packets, "
		"50 lost, 7 late, 1 refused, 11 undecodable; 400 ms decoded, 500 ms forwarded, "
		"400 ms dropped; 750 ms recorded, 250 ms dropped"));
	free(line);
	free(a->call_id);
	a->call_id = xalloc(5000);
	memset(a->call_id, '\n', 4999);
	line = account_line(a);
	assert_true(strlen(line) <= 1024);
	assert_null(strchr(line, '\n'));
	free(line);
	account_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_follow_the_schema),
		cmocka_unit_test(what_came_in_is_told),
		cmocka_unit_test(streams_balance),
		cmocka_unit_test(sinks_balance),
		cmocka_unit_test(events_are_capped),
		cmocka_unit_test(one_bounded_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
