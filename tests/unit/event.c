/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct step {
	uint32_t ts;
	uint8_t code, flags; /* end bit, volume */
	uint16_t duration;
};

#define END 0x80

static size_t print(char *out, size_t max, const struct event *e)
{
	int n = e->digit ? snprintf(out, max, "%c", e->digit) :
		snprintf(out, max, "(%u)", e->code);

	return (size_t)(n + snprintf(out + n, max - (size_t)n, "@%u+%u ", e->ts, e->duration));
}

/* Feeds the steps; what completes is written as "digit@ts+duration ", of a signal "(code)@..." */
static void run(const struct step *steps, unsigned n, char *out, size_t max)
{
	struct event_tracker t = { .running = false };
	struct event done;
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		uint8_t payload[4] = { steps[i].code, steps[i].flags,
			(uint8_t)(steps[i].duration >> 8), (uint8_t)steps[i].duration };
		struct rtp rtp = { .ts = steps[i].ts, .payload = span_of(payload, 4) };

		if (event_feed(&t, &rtp, &done))
			at += print(out + at, max - at, &done);
	}
	if (event_finish(&t, &done)) {
		at += (size_t)snprintf(out + at, max - at, "| ");
		print(out + at, max - at, &done);
	}
	assert_false(event_finish(&t, &done));
}

static const struct {
	const char *what;
	struct step steps[8];
	unsigned n;
	const char *out;
} rows[] = {
	{ "a digit with three ends",
		{ { 100, 5, 10, 160 }, { 100, 5, 10, 320 }, { 100, 5, END, 480 },
			{ 100, 5, END, 480 }, { 100, 5, END, 480 } },
		5, "5@100+480 " },
	{ "the same digit twice",
		{ { 100, 5, 0, 160 }, { 100, 5, END, 320 }, { 900, 5, 0, 160 },
			{ 900, 5, END, 320 } },
		4, "5@100+320 5@900+320 " },
	{ "no end, then another",
		{ { 100, 1, 0, 160 }, { 100, 1, 0, 320 }, { 900, 2, 0, 160 },
			{ 900, 2, END, 320 } },
		4, "1@100+320 2@900+320 " },
	{ "only ends arrive", { { 100, 11, END, 800 }, { 100, 11, END, 800 } }, 2,
		"#@100+800 " },
	{ "no end at all", { { 100, 10, 0, 160 } }, 1, "| *@100+160 " },
	{ "an end that also shows the last had none",
		{ { 100, 1, 0, 160 }, { 900, 2, END, 320 }, { 900, 2, END, 320 } }, 3,
		"1@100+160 2@900+320 " },
	{ "late packet of one that ended", { { 100, 5, END, 480 }, { 100, 5, 0, 320 } },
		2, "5@100+480 " },
	{ "turned round", { { 100, 5, 0, 480 }, { 100, 5, 0, 320 } }, 2, "| 5@100+480 " },
	{ "longer than a segment",
		{ { 100, 12, 0, 65500 }, { 100, 12, 0, 65535 }, { 65635, 12, 0, 160 },
			{ 65635, 12, END, 1000 }, { 65635, 12, END, 1000 } },
		5, "A@100+66535 " },
	{ "over the timestamp's wrap",
		{ { 0xfffffff0, 3, 0, 160 }, { 0xfffffff0, 3, END, 320 },
			{ 400, 3, END, 320 } },
		3, "3@4294967280+320 3@400+320 " },
	{ "flash and others",
		{ { 1, 16, END, 1 }, { 2, 17, END, 1 }, { 3, 255, END, 1 },
			{ 4, 15, END, 1 } },
		4, "(16)@1+1 (17)@2+1 (255)@3+1 D@4+1 " },
};

static void completes_each_event_once(void **state)
{
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		run(rows[i].steps, rows[i].n, out, sizeof(out));
		if (strcmp(out, rows[i].out) != 0)
			fail_msg("%s: \"%s\"", rows[i].what, out);
	}
}

static void ignores_short_payloads(void **state)
{
	struct event_tracker t = { .running = false };
	struct rtp rtp = { .payload = span_of("\x01\x80\x00", 3) };
	struct event done;

	(void)state;
	assert_false(event_feed(&t, &rtp, &done));
	assert_false(t.running);
}

static void tells_code_and_volume(void **state)
{
	struct event_tracker t = { .running = false };
	struct rtp rtp = { .ts = 7, .payload = span_of("\x09\x8a\x03\x20", 4) };
	struct event done;

	(void)state;
	assert_true(event_feed(&t, &rtp, &done));
	assert_int_equal(done.code, 9);
	assert_int_equal(done.digit, '9');
	assert_int_equal(done.volume, 10);
	assert_int_equal(done.duration, 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completes_each_event_once),
		cmocka_unit_test(ignores_short_payloads),
		cmocka_unit_test(tells_code_and_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
