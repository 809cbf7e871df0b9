/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/backlog.h"

#define MODEL_MAX ((size_t)1 << 16)

static struct budget plenty = { .limit = 64 << 20 };

static struct backlog *make(struct budget *budget, size_t max, unsigned frame,
	enum backlog_policy policy)
{
	return backlog_new(&(struct backlog_opts){ .budget = budget, .max_bytes = max,
		.frame = frame, .policy = policy });
}

/* What waits, as text: '.' for each byte of silence. */
static const char *seen(struct backlog *b)
{
	static uint8_t text[256];
	size_t n = backlog_peek(b, text, sizeof(text) - 1);

	for (size_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : '.';
	text[n] = '\0';
	return (const char *)text;
}

/* Steps: letters are put as audio, dots as silence, a digit takes that many bytes, 'x'
 * clears. A blank separates puts. What was lost. */
static size_t run_steps(struct backlog *b, const char *steps)
{
	size_t lost = 0;

	while (*steps) {
		size_t letters = strspn(steps, "abcdefghijklmnopqrstuvw");
		size_t dots = strspn(steps, ".");

		if (letters)
			lost += backlog_put(b, span_of(steps, letters));
		else if (dots)
			backlog_put_silence(b, dots);
		else if (*steps == 'x')
			lost += backlog_clear(b);
		else if (*steps != ' ')
			backlog_skip(b, (size_t)(*steps - '0'));
		steps += letters ? letters : dots ? dots : 1;
	}
	return lost;
}

static void policies_keep_time_true(void **state)
{
	static const struct {
		enum backlog_policy policy;
		unsigned frame;
		const char *steps, *waiting;
		size_t dropped;
	} rows[] = {
		{ BACKLOG_DROP_OLDEST, 2, "abcd", "abcd", 0 },
		{ BACKLOG_DROP_OLDEST, 2, "abcdefgh ij", "..cdefghij", 2 },
		{ BACKLOG_DROP_OLDEST, 2, "ab..cdefgh ijkl", "......efghijkl", 4 },
		{ BACKLOG_DROP_OLDEST, 2, "abcdefghijklmn", "......ghijklmn", 6 },
		{ BACKLOG_DROP_OLDEST, 4, "abcdefgh ijkl 4", "efghijkl", 4 },
		{ BACKLOG_DROP_OLDEST, 2, "abcdefgh 1 ij", "...efghij", 3 },
		{ BACKLOG_DROP_OLDEST, 2, "abcdefgh 3 ijkl", "...ghijkl", 3 },
		{ BACKLOG_DROP_NEWEST, 2, "abcdef ghij", "abcdefgh..", 2 },
		{ BACKLOG_DROP_NEWEST, 2, "abcdefgh ij 4 kl", "efgh..kl", 2 },
		{ BACKLOG_DISCONNECT, 2, "abcdefgh ij", "........ij", 8 },
		{ BACKLOG_DISCONNECT, 2, "abcdef ..", "abcdef..", 0 },
		{ BACKLOG_DROP_OLDEST, 2, "ab .. 3", ".", 0 },
		{ BACKLOG_DROP_OLDEST, 2, "ab .. x cd", "cd", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct backlog *b = make(&plenty, 8, rows[i].frame, rows[i].policy);

		assert_int_equal(run_steps(b, rows[i].steps), rows[i].dropped);
		assert_string_equal(seen(b), rows[i].waiting);
		backlog_free(&b);
		assert_null(b);
	}
	assert_int_equal(budget_used(&plenty), 0);
}

/* The reference: every byte with whether it is audio. */
struct model {
	uint8_t byte[MODEL_MAX];
	bool audio[MODEL_MAX];
	size_t n, put, taken, dropped;
};

static void model_silence(struct model *m, size_t from, size_t lost)
{
	m->dropped += lost;
	for (size_t i = from; lost; i++) {
		assert_true(i < m->n);
		lost -= m->audio[i];
		m->audio[i] = false;
		m->byte[i] = 0;
	}
}

static void model_put(struct model *m, const uint8_t *audio, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		m->byte[m->n] = audio ? audio[i] : 0;
		m->audio[m->n++] = audio != NULL;
	}
	m->put += audio ? n : 0;
}

static void model_skip(struct model *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m->taken += m->audio[i];
	memmove(m->byte, m->byte + n, m->n - n);
	memmove(m->audio, m->audio + n, m->n - n);
	m->n -= n;
}

static size_t model_audio(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->audio[i];
	return n;
}

static void compare(struct backlog *b, const struct model *m)
{
	static uint8_t out[MODEL_MAX];

	assert_int_equal(backlog_bytes(b), m->n);
	assert_int_equal(backlog_audio(b), model_audio(m));
	assert_int_equal(m->put, m->taken + m->dropped + backlog_audio(b));
	assert_int_equal(backlog_peek(b, out, sizeof(out)), m->n);
	assert_memory_equal(out, m->byte, m->n);
}

static unsigned below(unsigned *seed, unsigned n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % n;
}

static void step(struct backlog *b, struct model *m, unsigned *seed, unsigned frame,
	enum backlog_policy policy)
{
	uint8_t audio[4000];
	size_t n = (1 + below(seed, (unsigned)sizeof(audio) / frame)) * frame, lost, before;

	if (m->n > MODEL_MAX / 2)
		n = 0;
	switch (n ? below(seed, 8) : 7) {
	case 0: case 1: case 2: case 3:
		for (size_t i = 0; i < n; i++)
			audio[i] = (uint8_t)(1 + below(seed, 255));
		before = m->n;
		lost = backlog_put(b, span_of(audio, n));
		model_put(m, audio, n);
		if (policy == BACKLOG_DROP_NEWEST)
			model_silence(m, before + n - lost, lost);
		else
			model_silence(m, 0, lost);
		return;
	case 4:
		backlog_put_silence(b, n);
		model_put(m, NULL, n);
		return;
	default:
		n = below(seed, 6000);
		n = n < m->n ? n : m->n;
		backlog_skip(b, n);
		model_skip(m, n);
	}
}

static void does_what_the_model_does(void **state)
{
	static struct model m;
	unsigned seed = 20210;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		enum backlog_policy policy = round % 3;
		unsigned frame = (unsigned[]){ 2, 4, 6, 64 }[round % 4];
		/* Every other round the budget is too small for the bound. */
		struct budget budget = { .limit = round & 1 ? 12000 : 1 << 20 };
		struct backlog *b = make(&budget, 20000, frame, policy);

		memset(&m, 0, sizeof(m));
		for (unsigned i = 0; i < 300; i++) {
			step(b, &m, &seed, frame, policy);
			compare(b, &m);
			assert_true(backlog_audio(b) <= 20000);
			assert_true(budget_used(&budget) <= budget.limit);
		}
		backlog_free(&b);
		assert_int_equal(budget_used(&budget), 0);
	}
}

/* A talker who says one sample at a time cannot grow the bookkeeping without bound. */
static void runs_are_bounded(void **state)
{
	struct budget budget = { .limit = 1 << 20 };
	struct backlog *b = make(&budget, 1 << 19, 2, BACKLOG_DROP_OLDEST);
	size_t lost = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		lost += backlog_put(b, span_text("ab"));
		backlog_put_silence(b, 2);
	}
	assert_int_equal(backlog_bytes(b), 40000);
	assert_int_equal(backlog_audio(b) + lost, 20000);
	assert_true(backlog_audio(b) > 1000);
	assert_true(budget_used(&budget) < 32768);
	backlog_free(&b);
}

static void a_long_silence_costs_nothing(void **state)
{
	struct budget budget = { .limit = 8192 };
	struct backlog *b = make(&budget, 1000, 2, BACKLOG_DROP_OLDEST);
	uint8_t out[16];

	(void)state;
	backlog_put_silence(b, (uint64_t)1 << 40);
	backlog_put(b, span_text("ab"));
	assert_int_equal(backlog_bytes(b), ((uint64_t)1 << 40) + 2);
	backlog_skip(b, (size_t)1 << 40);
	assert_int_equal(backlog_peek(b, out, sizeof(out)), 2);
	assert_memory_equal(out, "ab", 2);
	assert_true(budget_used(&budget) < 8192);
	backlog_free(&b);
}

/* With no memory left in the process every put is silence, and time goes on. */
static void without_budget_everything_is_silence(void **state)
{
	struct budget none = { .limit = 0 };
	struct backlog *b = make(&none, 1000, 2, BACKLOG_DROP_OLDEST);

	(void)state;
	assert_int_equal(backlog_put(b, span_text("abcd")), 4);
	assert_string_equal(seen(b), "....");
	backlog_free(&b);
}

static void the_bound_can_move(void **state)
{
	struct backlog *b = make(&plenty, 4, 2, BACKLOG_DROP_OLDEST);

	(void)state;
	run_steps(b, "abcd");
	assert_int_equal(backlog_set_limit(b, 8), 0);
	run_steps(b, "efgh");
	assert_string_equal(seen(b), "abcdefgh");
	assert_int_equal(backlog_set_limit(b, 4), 4);
	assert_string_equal(seen(b), "....efgh");
	backlog_free(&b);

	b = make(&plenty, 8, 2, BACKLOG_DROP_NEWEST);
	run_steps(b, "abcdefgh");
	assert_int_equal(backlog_set_limit(b, 4), 0);
	run_steps(b, "ij");
	assert_string_equal(seen(b), "abcdefgh..");
	run_steps(b, "6 kl");
	assert_string_equal(seen(b), "gh..kl");
	backlog_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_keep_time_true),
		cmocka_unit_test(does_what_the_model_does),
		cmocka_unit_test(the_bound_can_move),
		cmocka_unit_test(runs_are_bounded),
		cmocka_unit_test(a_long_silence_costs_nothing),
		cmocka_unit_test(without_budget_everything_is_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
