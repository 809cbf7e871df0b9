/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/counters.h"

#define RATE   8000
#define PAPER  80000 /* [frames] */
#define HOLD   4000  /* [frames] 500 ms */

/* A sink that keeps what it is given where it belongs. */
struct paper {
	struct sink sink;
	int64_t first, end, advanced; /* advanced: newest silence; 0: none */
	unsigned freed;
	int16_t left[PAPER], right[PAPER];
};

static struct paper paper;

static void paper_put(struct sink *sink, const struct pcm *pcm)
{
	struct paper *p = (struct paper *)(void *)sink;

	assert_int_equal(pcm->rate_hz, RATE);
	assert_true(pcm->frames > 0 && pcm->position + pcm->frames <= PAPER);
	if (p->first < 0)
		p->first = p->end = pcm->position;
	assert_int_equal(pcm->position, p->end);
	for (unsigned i = 0; i < pcm->frames; i++) {
		p->left[pcm->position + i] = pcm->samples[i * pcm->channels];
		p->right[pcm->position + i] = pcm->samples[(i + 1) * pcm->channels - 1];
	}
	p->end += pcm->frames;
}

static void paper_advance(struct sink *sink, int64_t position)
{
	struct paper *p = (struct paper *)(void *)sink;

	assert_true(p->first >= 0 && position > p->end);
	p->end = p->advanced = position;
}

static void paper_free(struct sink *sink)
{
	((struct paper *)(void *)sink)->freed++;
}

static const struct sink_ops paper_ops = {
	.put = paper_put, .advance = paper_advance, .free = paper_free };

static struct mix *mix_of(enum mixer_method method, unsigned channels)
{
	struct sink *sink = &paper.sink;
	struct mix *m;

	memset(&paper, 0, sizeof(paper));
	paper.sink.ops = &paper_ops;
	paper.first = -1;
	m = mix_new(&(struct mixer_opts){ .rate_hz = RATE, .method = method,
			    .channels = channels, .span_ms = MIX_SPAN_MS },
		&sink);
	assert_null(sink);
	return m;
}

static void speak(struct mix *m, unsigned channel, int64_t from, int64_t to, int16_t value)
{
	int16_t block[160];

	for (unsigned i = 0; i < 160; i++)
		block[i] = value;
	for (; from < to; from += 160)
		mix_put(m, channel,
			&(struct pcm){ .position = from, .samples = block, .frames = 160,
				.channels = 1, .rate_hz = RATE });
}

static void run(struct mix *m, int64_t heard, int64_t now)
{
	mix_run(m, heard, now * SEC / RATE);
}

static void check(const int16_t *samples, int64_t from, int64_t to, int16_t want)
{
	for (int64_t i = from; i < to; i++)
		if (samples[i] != want)
			fail_msg("frame %d: %d, not %d", (int)i, samples[i], want);
}

static uint64_t late(void)
{
	static uint64_t before;
	uint64_t all = counter_sum(COUNT_FRAMES_LATE_MIX), more = all - before;

	before = all;
	return more;
}

static void test_two_are_aligned_by_media_time(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	speak(m, 0, 1600, 4800, 100);
	run(m, 1600, 4800); /* the other one is heard up to there */
	assert_int_equal(paper.first, -1);
	speak(m, 1, 3200, 6400, 1000); /* came later, belongs earlier */
	run(m, 4800, 6400);
	assert_int_equal(paper.first, 1600);
	assert_int_equal(paper.end, 4800);
	check(paper.left, 1600, 3200, 100);
	check(paper.left, 3200, 4800, 1100);
	mix_drain(m);
	assert_int_equal(paper.end, 6400);
	check(paper.left, 4800, 6400, 1000);
	assert_int_equal(late(), 0);
	mix_free(&m);
	assert_null(m);
	assert_int_equal(paper.freed, 1);
	mix_free(&m);
}

static void test_a_silent_one_is_waited_for_so_long(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	for (int64_t at = 0; at < 16000; at += 160) {
		speak(m, 0, at, at + 160, 100);
		run(m, 0, at + 160);
		assert_int_equal(paper.end, at + 160 > HOLD ? at + 160 - HOLD : 0);
	}
	speak(m, 1, 12000, 12160, 1000); /* just in time */
	assert_int_equal(late(), 0);
	speak(m, 1, 11840, 12000, 1000); /* its time has been mixed */
	assert_int_equal(late(), 160);
	mix_drain(m);
	check(paper.left, 0, 12000, 100);
	check(paper.left, 12000, 12160, 1100);
	check(paper.left, 12160, 16000, 100);
	mix_free(&m);
}

/* Nearly two seconds ahead of the call's time, and heard alone at first. */
static void test_one_ahead_keeps_nobody_out(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	speak(m, 0, 0, 160, 100);
	for (int64_t at = 160; at < 48000; at += 160) {
		speak(m, 0, at + 15840, at + 16000, 100);
		if (at >= 16000)
			speak(m, 1, at, at + 160, 1000);
		run(m, at >= 16000 ? at + 160 : at + 16000, at + 160);
		assert_int_equal(late(), 0);
		assert_int_equal(paper.end, at + 160);
	}
	check(paper.left, 160, 16000, 0);
	check(paper.left, 16000, 48000, 1100);
	mix_free(&m);
}

static void test_channels_keep_apart(void **state)
{
	struct mix *m = mix_of(MIXER_CHANNELS, 2);

	(void)state;
	speak(m, 0, 0, 3200, 100);
	speak(m, 1, 1600, 3200, -200);
	speak(m, 7, 1600, 3200, -20); /* more participants than channels */
	mix_drain(m);
	assert_int_equal(paper.end, 3200);
	check(paper.left, 0, 3200, 100);
	check(paper.right, 0, 1600, 0);
	check(paper.right, 1600, 3200, -220);
	mix_free(&m);
}

/* One that comes long after a pause of both: the pause is no stream of silence. */
static void test_a_long_pause(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	speak(m, 0, 0, 160, 100);
	speak(m, 1, 0, 160, 100);
	run(m, 160, 160);
	run(m, 160, 160);
	assert_int_equal(paper.end, 160);
	assert_int_equal(paper.advanced, 0);
	run(m, 40000, 48000); /* both are known to be silent */
	assert_int_equal(paper.advanced, 40000);
	speak(m, 0, 40000, 40160, 300);
	run(m, 40160, 40160);
	check(paper.left, 40000, 40160, 300);
	assert_int_equal(paper.end, 40160);
	mix_free(&m);
}

/* One who sends nothing that is heard, and is not known to be silent, holds the mix; what the other
 * one said before its pause is not lost for that. */
static void test_the_end_of_a_sentence_waits(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	speak(m, 1, 0, 160, 0);
	speak(m, 0, 0, 16000, 100);
	run(m, 160, 16000);
	assert_int_equal(paper.end, 16000 - HOLD);
	run(m, 160, 30000);
	assert_int_equal(paper.end, 16000 - HOLD);
	speak(m, 0, 60000, 60160, 200);
	mix_drain(m);
	check(paper.left, 0, 16000, 100);
	check(paper.left, 60000, 60160, 200);
	assert_int_equal(late(), 0);
	mix_free(&m);
}

/* Not for ever, even if nobody says anything again; and nothing is put behind it. */
static void test_the_end_of_a_sentence_comes(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);

	(void)state;
	speak(m, 1, 0, 160, 0);
	speak(m, 0, 0, 16000, 100);
	run(m, 160, 16000 + MIX_SPAN_MS * RATE / 1000);
	run(m, 160, 16000 * 10);
	assert_int_equal(paper.end, 16000);
	check(paper.left, 0, 16000, 100);
	mix_free(&m);
}

/* A year of it takes no longer than a second. */
static void test_silence_is_no_work(void **state)
{
	struct mix *m = mix_of(MIXER_CHANNELS, 2);

	(void)state;
	speak(m, 0, 0, 16000, 100);
	run(m, 365 * 86400LL * RATE, 365 * 86400LL * RATE);
	check(paper.left, 0, 16000, 100);
	assert_int_equal(paper.advanced, 365 * 86400LL * RATE);
	mix_free(&m);
}

static void test_nothing_comes_of_nothing(void **state)
{
	struct mix *m = mix_of(MIXER_DIRECT, 1);
	struct sink *s;

	(void)state;
	run(m, 8000, 8000);
	mix_drain(m);
	assert_int_equal(paper.first, -1);
	assert_ptr_equal(mix_sink(m), &paper.sink);
	s = mix_take_sink(m);
	assert_ptr_equal(s, &paper.sink);
	mix_free(&m);
	assert_int_equal(paper.freed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_are_aligned_by_media_time),
		cmocka_unit_test(test_a_silent_one_is_waited_for_so_long),
		cmocka_unit_test(test_one_ahead_keeps_nobody_out),
		cmocka_unit_test(test_channels_keep_apart),
		cmocka_unit_test(test_a_long_pause),
		cmocka_unit_test(test_the_end_of_a_sentence_waits),
		cmocka_unit_test(test_the_end_of_a_sentence_comes),
		cmocka_unit_test(test_silence_is_no_work),
		cmocka_unit_test(test_nothing_comes_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
