/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/jitter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOLD (100 * MSEC)

static const struct jitter_opts opts = { .window = 64, .hold = HOLD };

/* A payload that says which packet it is. */
static struct rtp packet(unsigned seq, size_t bytes)
{
	static uint8_t payload[4096];

	payload[0] = (uint8_t)(seq >> 8);
	payload[1] = (uint8_t)seq;
	return (struct rtp){
		.seq = (uint16_t)seq, .ts = seq * 160, .payload = span_of(payload, bytes)
	};
}

static void check_balance(const struct jitter *j)
{
	const struct jitter_count *c = jitter_counts(j);

	assert_int_equal(c->in, c->out + c->duplicate + c->late + jitter_waiting(j));
}

/* What comes out is written as text: "5 6 (1)8" is 5, 6, one lost, 8. */
struct script {
	struct jitter *j;
	char out[20000];
	size_t n;
};

static void note(struct script *s, const struct rtp *rtp, unsigned lost)
{
	assert_int_equal(span_be16(rtp->payload, 0), rtp->seq);
	if (lost)
		s->n += (size_t)snprintf(
			s->out + s->n, sizeof(s->out) - s->n, "(%u)", lost);
	s->n += (size_t)snprintf(s->out + s->n, sizeof(s->out) - s->n, "%u ", rtp->seq);
}

static void put_sized(struct script *s, unsigned seq, usec_t now, size_t bytes)
{
	uint64_t lost_before = jitter_counts(s->j)->lost;
	struct rtp in = packet(seq, bytes), out;
	unsigned lost;

	if (jitter_next(s->j, in.seq)) {
		note(s, &in, 0);
		check_balance(s->j);
		return;
	}
	if (jitter_put(s->j, &in, now) == JITTER_NEXT)
		note(s, &in, (unsigned)(jitter_counts(s->j)->lost - lost_before));
	while (jitter_get(s->j, now, &out, &lost))
		note(s, &out, lost);
	check_balance(s->j);
}

static void tick(struct script *s, usec_t now)
{
	struct rtp out;
	unsigned lost;

	while (jitter_get(s->j, now, &out, &lost))
		note(s, &out, lost);
	check_balance(s->j);
}

static void drain(struct script *s)
{
	struct rtp out;
	unsigned lost;

	while (jitter_drain(s->j, &out, &lost))
		note(s, &out, lost);
	check_balance(s->j);
	assert_int_equal(jitter_waiting(s->j), 0);
}

struct row {
	const char *what;
	int seqs[12]; /* one a millisecond; -1 ends */
	const char *out; /* before the drain and after it, parted by | */
	unsigned duplicate, late, lost, reordered, restarts;
};

static const struct row rows[] = {
	{ "in order", { 5, 6, 7, -1 }, "5 6 7 |", 0, 0, 0, 0, 0 },
	{ "wraps", { 65534, 65535, 0, 1, -1 }, "65534 65535 0 1 |", 0, 0, 0, 0, 0 },
	{ "swapped", { 5, 7, 6, 8, -1 }, "5 6 7 8 |", 0, 0, 0, 1, 0 },
	{ "swapped at the wrap", { 65534, 0, 65535, 1, -1 }, "65534 65535 0 1 |", 0, 0, 0,
		1, 0 },
	{ "three turned round", { 1, 4, 3, 2, -1 }, "1 2 3 4 |", 0, 0, 0, 2, 0 },
	{ "hole", { 5, 7, 8, -1 }, "5 |(1)7 8 ", 0, 0, 1, 2, 0 },
	{ "two holes", { 5, 7, 10, -1 }, "5 |(1)7 (2)10 ", 0, 0, 3, 2, 0 },
	{ "duplicate", { 5, 5, 6, 5, 6, -1 }, "5 6 |", 3, 0, 0, 0, 0 },
	{ "duplicate of a kept one", { 5, 7, 7, 6, -1 }, "5 6 7 |", 1, 0, 0, 1, 0 },
	{ "before the first", { 5, 4, 6, -1 }, "5 6 |", 0, 1, 0, 0, 0 },
	{ "window is full", { 5, 7, 70, 71, -1 }, "5 (1)7 |(62)70 71 ", 0, 0, 63, 3, 0 },
	{ "late after the window", { 5, 7, 71, 6, 7, -1 }, "5 (1)7 |(63)71 ", 1, 1, 64, 2,
		0 },
	{ "far ahead, still the same", { 5, 1005, -1 }, "5 |(999)1005 ", 0, 0, 999, 1,
		0 },
	{ "a stray jump", { 5, 30000, 6, 7, -1 }, "5 6 7 |", 0, 1, 0, 0, 0 },
	{ "a stray jump twice", { 5, 30000, 30000, 6, -1 }, "5 6 |", 1, 1, 0, 0, 0 },
	{ "two stray jumps", { 5, 30000, 40000, 6, -1 }, "5 6 |", 0, 2, 0, 0, 0 },
	{ "restart", { 5, 6, 30000, 30001, 30002, -1 }, "5 6 30000 30001 30002 |", 0, 0,
		0, 0, 1 },
	{ "restart backwards", { 5000, 1, 2, 3, -1 }, "5000 1 2 3 |", 0, 0, 0, 0, 1 },
	{ "restart over the wrap", { 9, 65535 - 20000, 45536, -1 }, "9 45535 45536 |", 0,
		0, 0, 0, 1 },
	{ "restart gives out the old", { 5, 7, 30000, 30001, -1 }, "5 (1)7 30000 30001 |",
		0, 0, 1, 1, 1 },
	{ "slightly behind is late", { 500, 401, 400, 501, -1 }, "500 501 |", 0, 2, 0, 0,
		0 },
};

static void orders(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct script *s = calloc(1, sizeof(*s));
		const struct jitter_count *c;

		s->j = jitter_new(&opts);
		for (unsigned k = 0; k < 12 && r->seqs[k] >= 0; k++)
			put_sized(s, (unsigned)r->seqs[k], (k + 1) * MSEC, 20);
		s->n += (size_t)snprintf(s->out + s->n, sizeof(s->out) - s->n, "|");
		drain(s);
		c = jitter_counts(s->j);
		if (strcmp(s->out, r->out) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", r->what, s->out, r->out);
		if (c->duplicate != r->duplicate || c->late != r->late ||
			c->lost != r->lost || c->reordered != r->reordered ||
			c->restarts != r->restarts)
			fail_msg("%s: duplicate %d late %d lost %d reordered %d restarts "
				 "%d",
				r->what, (int)c->duplicate, (int)c->late, (int)c->lost,
				(int)c->reordered, (int)c->restarts);
		jitter_free(&s->j);
		assert_null(s->j);
		free(s);
	}
}

static void gives_a_hole_up_after_hold(void **state)
{
	struct script s = { .j = jitter_new(&opts) };

	(void)state;
	put_sized(&s, 1, 0, 20);
	assert_int_equal(jitter_due(s.j), 0);
	put_sized(&s, 3, 10 * MSEC, 20);
	put_sized(&s, 5, 50 * MSEC, 20);
	assert_int_equal(jitter_due(s.j), 10 * MSEC + HOLD);
	tick(&s, 10 * MSEC + HOLD - 1);
	assert_string_equal(s.out, "1 ");
	tick(&s, 10 * MSEC + HOLD);
	assert_string_equal(s.out, "1 (1)3 ");
	assert_int_equal(jitter_due(s.j), 50 * MSEC + HOLD);
	put_sized(&s, 2, 111 * MSEC, 20);
	put_sized(&s, 4, 112 * MSEC, 20);
	assert_string_equal(s.out, "1 (1)3 4 5 ");
	assert_int_equal(jitter_counts(s.j)->late, 1);
	assert_int_equal(jitter_due(s.j), 0);
	jitter_free(&s.j);
}

/* Too large to be kept: at once, in the order of coming, and still known as seen. */
static void passes_large_packets(void **state)
{
	struct script s = { .j = jitter_new(&opts) };

	(void)state;
	put_sized(&s, 1, 0, 3000);
	put_sized(&s, 3, 0, 3000);
	put_sized(&s, 2, 0, 3000);
	put_sized(&s, 3, 0, 3000);
	assert_string_equal(s.out, "1 (1)3 ");
	put_sized(&s, 6, 0, 20);
	put_sized(&s, 5, 0, 3000);
	put_sized(&s, 5, 0, 3000);
	assert_string_equal(s.out, "1 (1)3 5 ");
	put_sized(&s, 4, 0, 20);
	assert_string_equal(s.out, "1 (1)3 5 4 6 ");
	put_sized(&s, 5, 0, 3000);
	put_sized(&s, 30000, 0, 3000);
	assert_string_equal(s.out, "1 (1)3 5 4 6 30000 ");
	assert_int_equal(jitter_counts(s.j)->duplicate, 3);
	assert_int_equal(jitter_counts(s.j)->late, 1);
	assert_int_equal(jitter_counts(s.j)->restarts, 1);
	jitter_free(&s.j);
}

/* Nothing is asked of what comes but that every packet is accounted for, the order within
 * a sequence holds, and nothing comes out twice. */
static void balances_whatever_comes(void **state)
{
	static const unsigned windows[] = { 1, 2, 16, 64, 256 };

	(void)state;
	srand(7);
	for (unsigned w = 0; w < 5; w++) {
		struct jitter_opts o = { .window = windows[w], .hold = HOLD };
		struct jitter *j = jitter_new(&o);
		unsigned seq = 60000;
		usec_t now = 0;

		for (unsigned i = 0; i < 100000; i++) {
			unsigned dice = (unsigned)rand() % 1000, lost;
			struct rtp in, out;

			now += rand() % 3 ? 20 * MSEC : 0;
			seq += dice < 10    ? (unsigned)rand()
				: dice < 30 ? (unsigned)rand() % 400
					    : 1;
			in = packet(dice < 200 ? seq - (unsigned)rand() % 150 : seq,
				dice % 7 ? 160 : 2500);
			if (dice % 2 == 0 || !jitter_next(j, in.seq))
				jitter_put(j, &in, now);
			while (jitter_get(j, now, &out, &lost))
				assert_int_equal(span_be16(out.payload, 0), out.seq);
			check_balance(j);
			assert_true(jitter_waiting(j) <= o.window + 1);
			assert_true(!jitter_due(j) || jitter_due(j) > now);
		}
		for (struct rtp out; jitter_drain(j, &out, &(unsigned){ 0 });)
			check_balance(j);
		assert_int_equal(jitter_waiting(j), 0);
		check_balance(j);
		jitter_free(&j);
	}
}

static void loses_nothing_within_the_window(void **state)
{
	struct script *s = calloc(1, sizeof(*s));
	int order[8];
	char want[64];

	(void)state;
	srand(3);
	s->j = jitter_new(&opts);
	put_sized(s, 65000, 0, 20);
	for (unsigned block = 0; block < 2000; block++) {
		size_t n = 0;

		for (int i = 0; i < 8; i++)
			order[i] = i;
		for (int i = 7; i > 0; i--) {
			int k = rand() % (i + 1), t = order[i];

			order[i] = order[k];
			order[k] = t;
		}
		s->n = 0;
		for (int i = 0; i < 8; i++) {
			put_sized(s, (uint16_t)(65001 + block * 8 + (unsigned)order[i]),
				0, 20);
			n += (size_t)snprintf(want + n, sizeof(want) - n, "%u ",
				(uint16_t)(65001 + block * 8 + (unsigned)i));
		}
		assert_string_equal(s->out, want);
	}
	assert_int_equal(jitter_counts(s->j)->lost, 0);
	assert_int_equal(jitter_counts(s->j)->late, 0);
	jitter_free(&s->j);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(gives_a_hole_up_after_hold),
		cmocka_unit_test(passes_large_packets),
		cmocka_unit_test(balances_whatever_comes),
		cmocka_unit_test(loses_nothing_within_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
