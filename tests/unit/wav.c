/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/wav.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct file {
	uint8_t bytes[512];
	size_t n;
};

static void put(struct file *f, const char *text)
{
	memcpy(f->bytes + f->n, text, strlen(text));
	f->n += strlen(text);
}

static void put_le(struct file *f, uint64_t v, unsigned bytes)
{
	while (bytes--) {
		f->bytes[f->n++] = (uint8_t)v;
		v >>= 8;
	}
}

static void put_fmt(struct file *f, unsigned format, unsigned channels, unsigned rate, unsigned bits)
{
	put(f, "fmt ");
	put_le(f, 16, 4);
	put_le(f, format, 2);
	put_le(f, channels, 2);
	put_le(f, rate, 4);
	put_le(f, rate * channels * bits / 8, 4);
	put_le(f, channels * bits / 8, 2);
	put_le(f, bits, 2);
}

static struct file wav_file(unsigned channels, unsigned rate, uint32_t data)
{
	struct file f = { .n = 0 };

	put(&f, "RIFF");
	put_le(&f, 0, 4);
	put(&f, "WAVE");
	put_fmt(&f, 1, channels, rate, 16);
	put(&f, "data");
	put_le(&f, data, 4);
	return f;
}

static ssize_t parse(const struct file *f, struct wav *w)
{
	return wav_parse(span_of(f->bytes, f->n), w);
}

static void refuse(const struct file *f)
{
	struct wav w;

	assert_int_equal(parse(f, &w), -1);
	assert_non_null(w.why);
}

static void test_finished_header(void **state)
{
	struct file f = wav_file(2, 16000, 6400);
	struct wav w;

	(void)state;
	assert_int_equal(parse(&f, &w), 44);
	assert_int_equal(w.rate_hz, 16000);
	assert_int_equal(w.channels, 2);
	assert_int_equal(w.data_bytes, 6400);
}

static void test_unfinished_sizes_mean_unknown(void **state)
{
	struct file zero = wav_file(1, 8000, 0), ones = wav_file(1, 8000, UINT32_MAX);
	struct wav w;

	(void)state;
	assert_int_equal(parse(&zero, &w), 44);
	assert_true(w.data_bytes == WAV_UNKNOWN);
	assert_int_equal(parse(&ones, &w), 44);
	assert_true(w.data_bytes == WAV_UNKNOWN);
}

static void test_every_cut_asks_for_more(void **state)
{
	struct file f = wav_file(1, 8000, 320);
	struct wav w;

	(void)state;
	for (size_t n = 0; n < f.n; n++)
		assert_int_equal(wav_parse(span_of(f.bytes, n), &w), 0);
}

static void test_extra_chunks_and_padding(void **state)
{
	struct file f = { .n = 0 };
	struct wav w;

	(void)state;
	put(&f, "RIFF");
	put_le(&f, UINT32_MAX, 4);
	put(&f, "WAVELIST");
	put_le(&f, 3, 4);
	put(&f, "abc");
	put_le(&f, 0, 1);
	put_fmt(&f, 1, 8, 48000, 16);
	put(&f, "fact");
	put_le(&f, 4, 4);
	put_le(&f, 99, 4);
	put(&f, "data");
	put_le(&f, 0, 4);
	assert_int_equal(parse(&f, &w), f.n);
	assert_int_equal(w.channels, 8);
}

static void test_rf64_has_its_size_in_ds64(void **state)
{
	struct file f = { .n = 0 };
	struct wav w;

	(void)state;
	put(&f, "RF64");
	put_le(&f, UINT32_MAX, 4);
	put(&f, "WAVEds64");
	put_le(&f, 28, 4);
	put_le(&f, 0x200000000ull, 8);
	put_le(&f, 0x1fffffff0ull, 8);
	put_le(&f, 0, 12);
	put_fmt(&f, 1, 1, 8000, 16);
	put(&f, "data");
	put_le(&f, UINT32_MAX, 4);
	assert_int_equal(parse(&f, &w), f.n);
	assert_true(w.data_bytes == 0x1fffffff0ull);
	memset(f.bytes + 28, 0, 8);
	assert_int_equal(parse(&f, &w), f.n);
	assert_true(w.data_bytes == WAV_UNKNOWN);
}

static void test_extensible_is_pcm_when_its_guid_says_so(void **state)
{
	struct file f = { .n = 0 };
	struct wav w;

	(void)state;
	put(&f, "RIFF");
	put_le(&f, 0, 4);
	put(&f, "WAVE");
	put_fmt(&f, 0xfffe, 4, 8000, 16);
	f.bytes[16] = 40;
	put_le(&f, 22, 2);
	put_le(&f, 16, 2);
	put_le(&f, 0, 4);
	put_le(&f, 1, 2);
	put_le(&f, 0, 14);
	put(&f, "data");
	put_le(&f, 0, 4);
	assert_int_equal(parse(&f, &w), f.n);
	assert_int_equal(w.channels, 4);
	f.bytes[44] = 3; /* float */
	refuse(&f);
}

static void test_refused(void **state)
{
	struct file f = wav_file(9, 8000, 0);

	(void)state;
	refuse(&f);
	f = wav_file(0, 8000, 0);
	refuse(&f);
	f = wav_file(1, 999, 0);
	refuse(&f);
	f = wav_file(1, 192001, 0);
	refuse(&f);
	f = wav_file(1, 8000, 0);
	f.bytes[20] = 7; /* u-law */
	refuse(&f);
	f = wav_file(1, 8000, 0);
	f.bytes[34] = 8; /* bits */
	refuse(&f);
	f = wav_file(1, 8000, 0);
	memcpy(f.bytes + 8, "AVI ", 4);
	refuse(&f);
	f = wav_file(1, 8000, 0);
	memcpy(f.bytes, "OggS", 4);
	refuse(&f);
	f = wav_file(1, 8000, 0);
	memcpy(f.bytes + 12, "junk", 4); /* no format */
	refuse(&f);
}

static void test_endless_header_is_refused(void **state)
{
	struct file f = { .n = 0 };

	(void)state;
	put(&f, "RIFF");
	put_le(&f, 0, 4);
	put(&f, "WAVEjunk");
	put_le(&f, WAV_MAX_HEADER + 1, 4);
	refuse(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finished_header),
		cmocka_unit_test(test_unfinished_sizes_mean_unknown),
		cmocka_unit_test(test_every_cut_asks_for_more),
		cmocka_unit_test(test_extra_chunks_and_padding),
		cmocka_unit_test(test_rf64_has_its_size_in_ds64),
		cmocka_unit_test(test_extensible_is_pcm_when_its_guid_says_so),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_endless_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
