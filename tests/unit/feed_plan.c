/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct feed_opts opts(void)
{
	struct feed_opts o = { .ptime = 20, .seed = 1, .ssrc_change_after = -1 };

	return o;
}

static void plain_talk_is_regular(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p;
	struct feed_packet a, b;

	(void)state;
	feed_plan_init(&p, &o, 8000, 0, 0);
	feed_plan_next(&p, &a);
	assert_true(a.marker);
	for (int i = 1; i < 1000; i++, a = b) {
		feed_plan_next(&p, &b);
		assert_int_equal(b.due, i * 20 * MSEC);
		assert_int_equal((uint16_t)(b.seq - a.seq), 1);
		assert_int_equal(b.ts - a.ts, 160);
		assert_int_equal(b.ssrc, a.ssrc);
		assert_int_equal(b.slot, i);
		assert_false(b.marker);
	}
}

static void same_seed_same_packets(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p, q, other;
	struct feed_packet a, b, c;

	(void)state;
	o.loss = o.reorder = o.duplicate = 20;
	o.jitter = 50;
	feed_plan_init(&p, &o, 8000, 3, 1);
	feed_plan_init(&q, &o, 8000, 3, 1);
	feed_plan_init(&other, &o, 8000, 3, 0);
	for (int i = 0; i < 500; i++) {
		feed_plan_next(&p, &a);
		feed_plan_next(&q, &b);
		assert_int_equal(a.seq, b.seq);
		assert_int_equal(a.due, b.due);
	}
	feed_plan_next(&other, &c);
	assert_int_not_equal(c.ssrc, a.ssrc);
}

/* Every sequence number is sent, lost, or sent twice, and the counters say which. */
static void faults_add_up(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p;
	struct feed_packet a;
	unsigned seen[4000] = { 0 }, missing = 0, twice = 0, backwards = 0;
	uint16_t first = 0, last = 0;
	usec_t due = 0;

	(void)state;
	o.loss = o.reorder = o.duplicate = 10;
	o.jitter = 60;
	feed_plan_init(&p, &o, 8000, 0, 0);
	first = p.seq;
	while (p.slot < 3000) {
		feed_plan_next(&p, &a);
		assert_true(a.due >= due);
		due = a.due;
		backwards += (int16_t)(a.seq - last) < 0 && last;
		last = a.seq;
		seen[(uint16_t)(a.seq - first)]++;
	}
	while (p.n_held) {
		feed_plan_next(&p, &a);
		seen[(uint16_t)(a.seq - first)]++;
	}
	for (unsigned i = 0; i < p.slot; i++) {
		missing += seen[i] == 0;
		twice += seen[i] == 2;
	}
	assert_int_equal(missing, p.lost + p.has_late);
	assert_int_equal(twice, p.duplicated);
	assert_true(p.lost > 200 && p.lost < 400);
	assert_true(backwards > 100);
}

static void digits_become_events(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p, callee;
	struct feed_packet a;
	unsigned ends = 0, events = 0, markers = 0;
	uint32_t ts[2] = { 0 };

	(void)state;
	o.dtmf = "5#";
	feed_plan_init(&p, &o, 8000, 0, 0);
	feed_plan_init(&callee, &o, 8000, 0, 1);
	for (int i = 0; i < 100; i++) {
		feed_plan_next(&callee, &a);
		assert_int_equal(a.kind, FEED_AUDIO);
		feed_plan_next(&p, &a);
		if (a.kind != FEED_EVENT)
			continue;
		ts[ends >= 3] = a.ts;
		assert_int_equal(a.event[0], ends < 3 ? 5 : 11);
		markers += a.marker;
		events++;
		if (a.event[1] & 0x80) {
			ends++;
			assert_int_equal(a.event[2] << 8 | a.event[3], 5 * 160);
		}
	}
	assert_int_equal(events, 2 * 7);
	assert_int_equal(ends, 2 * 3);
	assert_int_equal(markers, 2);
	assert_int_equal(ts[1] - ts[0], 10 * 160);
}

static void silence_keeps_the_time(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p;
	struct feed_packet a, before = { 0 };
	unsigned noises = 0;

	(void)state;
	o.vad = VAD_CN;
	feed_plan_init(&p, &o, 8000, 0, 0);
	do {
		feed_plan_next(&p, &a);
		if (a.kind == FEED_NOTHING)
			continue;
		noises += a.kind == FEED_NOISE;
		if (a.kind == FEED_AUDIO && a.slot == 75) {
			assert_true(a.marker);
			assert_int_equal(before.kind, FEED_NOISE);
			assert_int_equal((uint16_t)(a.seq - before.seq), 1);
			assert_int_equal(a.ts - before.ts, 25 * 160);
		}
		assert_true(a.kind != FEED_AUDIO || a.slot % 75 < 50);
		before = a;
	} while (a.due < 3900 * MSEC);
	assert_int_equal(noises, 2);
}

static void ssrc_changes_once_and_for_the_caller(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p, callee;
	struct feed_packet a, before;
	unsigned changes = 0;

	(void)state;
	o.ssrc_change_after = 500;
	feed_plan_init(&p, &o, 8000, 0, 0);
	feed_plan_init(&callee, &o, 8000, 0, 1);
	feed_plan_next(&p, &before);
	for (int i = 1; i < 100; i++, before = a) {
		feed_plan_next(&p, &a);
		if (a.ssrc == before.ssrc)
			continue;
		changes++;
		assert_int_equal(a.due, 500 * MSEC);
		assert_true(a.marker);
	}
	assert_int_equal(changes, 1);
	feed_plan_next(&callee, &before);
	for (int i = 1; i < 100; i++) {
		feed_plan_next(&callee, &a);
		assert_int_equal(a.ssrc, before.ssrc);
	}
}

static void muted_is_nothing_and_then_goes_on(void **state)
{
	struct feed_opts o = opts();
	struct feed_plan p;
	struct feed_packet a, before;

	(void)state;
	feed_plan_init(&p, &o, 48000, 0, 0);
	feed_plan_next(&p, &before);
	feed_plan_mute(&p, true);
	feed_plan_next(&p, &a);
	assert_int_equal(a.kind, FEED_NOTHING);
	feed_plan_mute(&p, false);
	feed_plan_next(&p, &a);
	assert_true(a.marker);
	assert_int_equal((uint16_t)(a.seq - before.seq), 1);
	assert_int_equal(a.ts - before.ts, a.slot * 960);
}

static void options_are_checked(void **state)
{
	struct feed_opts o;
	char why[128], line[] = "--codec=opus --metadata=\"a:b c|d:e\" --dtmf 12 # rest";
	char *words[8], *bad[] = { (char[]){ "--seconds=0" } },
			*unknown[] = { (char[]){ "--spool=x" } };
	int n = feed_opts_split(line, words, 8);

	(void)state;
	feed_opts_default(&o);
	assert_int_equal(n, 4);
	assert_int_equal(feed_opts_parse(&o, FEED_SCRIPT, n, words, why, sizeof(why)), 0);
	assert_string_equal(o.metadata, "a:b c|d:e");
	assert_string_equal(o.dtmf, "12");
	assert_true(feed_opts_parse(&o, FEED_SCRIPT, 1, bad, why, sizeof(why)) < 0);
	assert_true(feed_opts_parse(&o, FEED_SCRIPT, 1, unknown, why, sizeof(why)) < 0);
	assert_string_equal(why, "--spool=x: no such option");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_talk_is_regular),
		cmocka_unit_test(same_seed_same_packets),
		cmocka_unit_test(faults_add_up),
		cmocka_unit_test(digits_become_events),
		cmocka_unit_test(silence_keeps_the_time),
		cmocka_unit_test(ssrc_changes_once_and_for_the_caller),
		cmocka_unit_test(muted_is_nothing_and_then_goes_on),
		cmocka_unit_test(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
