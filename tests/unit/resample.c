/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/resample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/sound.h"

struct row {
	uint32_t in_hz;
	unsigned in_channels;
	uint32_t out_hz;
	unsigned out_channels;
};

static const struct row rows[] = {
	{ 8000, 1, 16000, 1 },
	{ 16000, 1, 8000, 1 },
	{ 8000, 1, 48000, 1 },
	{ 48000, 2, 16000, 1 },
	{ 44100, 2, 16000, 1 },
	{ 44100, 1, 48000, 2 },
	{ 11025, 1, 8000, 1 },
	{ 8000, 1, 8000, 2 },
	{ 8000, 2, 8000, 1 },
	{ 32000, 6, 16000, 1 },
	{ 4000, 1, 192000, 1 },
	{ 192000, 8, 8000, 1 },
};

static int16_t in[192000 * 8], all[400000];

/* A second of a tone, in blocks of 20 ms as they come, less a sample now and then. */
static unsigned convert_all(struct resample *r, const struct row *row)
{
	unsigned done = 0, have = 0, block = 0;
	struct audio a, out;

	do {
		unsigned n = row->in_hz / 50 - (block++ % 3 == 0);

		if (n > row->in_hz - done)
			n = row->in_hz - done;
		a = (struct audio){ in + (size_t)done * row->in_channels, n,
			row->in_channels, row->in_hz };
		done += n;
		if (n)
			resample_run(r, &a, &out);
		else
			resample_drain(r, &out);
		assert_int_equal(out.rate_hz, row->out_hz);
		assert_int_equal(out.channels, row->out_channels);
		memcpy(all + (size_t)have * out.channels, out.samples,
			(size_t)out.frames * out.channels * sizeof(*all));
		have += out.frames;
		if (!n)
			return have;
	} while (1);
}

static void keeps_tone_level_and_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct resample *r = resample_new(
			row->in_hz, row->in_channels, row->out_hz, row->out_channels);
		unsigned frames, skip = row->out_hz / 20;

		assert_non_null(r);
		for (unsigned c = 0; c < row->in_channels; c++)
			sound_tone(in + c, row->in_hz, row->in_channels, row->in_hz, 440,
				20000);
		frames = convert_all(r, row);
		assert_in_range(frames, row->out_hz - row->out_hz / 250,
			row->out_hz + row->out_hz / 250);
		for (unsigned c = 0; c < row->out_channels; c++) {
			const int16_t *from = all + (size_t)skip * row->out_channels + c;
			unsigned n = frames - 2 * skip;
			double db = 20 *
				log10(sound_rms(from, n, row->out_channels) /
					(20000 / sqrt(2)));

			assert_true(fabs(db) < .1);
			assert_true(sound_share(from, n, row->out_channels, row->out_hz,
					    440) > .999);
		}
		resample_free(&r);
		assert_null(r);
	}
}

static void is_not_needed_for_the_same(void **state)
{
	(void)state;
	assert_null(resample_new(8000, 1, 8000, 1));
	assert_null(resample_new(48000, 2, 48000, 2));
}

/* Nothing is cut off however loud both are, and one alone is half as loud. */
static void averages_stereo(void **state)
{
	static const int16_t stereo[] = { 1000, 0, 0, 2000, 32767, 32767, -32768, -32768,
		500, -500 };
	struct resample *r = resample_new(8000, 2, 8000, 1);
	struct audio a = { stereo, 5, 2, 8000 }, out;

	(void)state;
	resample_run(r, &a, &out);
	assert_int_equal(out.frames, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_true(abs(out.samples[i] -
				    (stereo[2 * i] + stereo[2 * i + 1]) / 2) <= 1);
	resample_free(&r);
}

static void takes_nothing(void **state)
{
	struct resample *r = resample_new(8000, 1, 16000, 1);
	struct audio a = { NULL, 0, 1, 8000 }, out;

	(void)state;
	resample_run(r, &a, &out);
	assert_int_equal(out.frames, 0);
	resample_drain(r, &out);
	assert_int_equal(out.frames, 0);
	resample_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_tone_level_and_time),
		cmocka_unit_test(is_not_needed_for_the_same),
		cmocka_unit_test(averages_stereo),
		cmocka_unit_test(takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
