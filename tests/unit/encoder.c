/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is encoded is decoded by libavformat and libavcodec, and listened to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/mem.h"
#include "media/encoder.h"
#include "media/sha.h"
#include "tests/unit/sound.h"

#define ROOM ((size_t)4 << 20)

/* ---- where encoded bytes go ----------------------------------------------------------------- */

struct store {
	uint8_t *bytes;
	size_t at, n;
	size_t limit; /* more is -ENOSPC */
	unsigned seeks;
};

static int put(void *arg, struct span bytes)
{
	struct store *s = arg;

	if (s->at + bytes.n > s->limit)
		return -ENOSPC;
	memcpy(s->bytes + s->at, bytes.p, bytes.n);
	s->at += bytes.n;
	if (s->at > s->n)
		s->n = s->at;
	return 0;
}

static int seek(void *arg, uint64_t to)
{
	struct store *s = arg;

	assert_true(to <= s->n);
	s->at = to;
	s->seeks++;
	return 0;
}

static struct store store_of(size_t limit)
{
	return (struct store){ .bytes = xalloc(ROOM), .limit = limit };
}

/* ---- the way back --------------------------------------------------------------------------- */

struct heard {
	int16_t *samples; /* interleaved */
	unsigned frames, channels, rate_hz;
	double container_s; /* duration as the file states it */
};

static int16_t sample_of(const AVFrame *f, int channel, int i)
{
	int stride = f->ch_layout.nb_channels;
	float value;

	switch (f->format) {
	case AV_SAMPLE_FMT_S16:
		return ((const int16_t *)(const void *)f->data[0])[i * stride + channel];
	case AV_SAMPLE_FMT_S16P:
		return ((const int16_t *)(const void *)f->extended_data[channel])[i];
	default:
		assert_int_equal(f->format, AV_SAMPLE_FMT_FLTP);
		value = ((const float *)(const void *)f->extended_data[channel])[i] * 32767;
		return (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
	}
}

static void hear_frame(struct heard *h, const AVFrame *f)
{
	h->channels = (unsigned)f->ch_layout.nb_channels;
	h->rate_hz = (unsigned)f->sample_rate;
	for (int i = 0; i < f->nb_samples; i++)
		for (unsigned c = 0; c < h->channels; c++)
			h->samples[(h->frames + (unsigned)i) * h->channels + c] =
				sample_of(f, (int)c, i);
	h->frames += (unsigned)f->nb_samples;
	assert_true((size_t)h->frames * h->channels < ROOM);
}

static int read_store(void *arg, uint8_t *out, int max)
{
	struct store *s = arg;
	size_t n = s->n - s->at < (size_t)max ? s->n - s->at : (size_t)max;

	memcpy(out, s->bytes + s->at, n);
	s->at += n;
	return n ? (int)n : AVERROR_EOF;
}

static int64_t seek_store(void *arg, int64_t to, int whence)
{
	struct store *s = arg;

	if (whence == AVSEEK_SIZE)
		return (int64_t)s->n;
	s->at = (size_t)to;
	return to;
}

static struct heard hear(struct store *s)
{
	struct heard h = { .samples = xalloc(ROOM * sizeof(int16_t)) };
	AVFormatContext *f = avformat_alloc_context();
	AVIOContext *io = avio_alloc_context(av_malloc(4096), 4096, 0, s, read_store, NULL,
		seek_store);
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	AVCodecContext *codec;
	bool more = true;

	s->at = 0;
	f->pb = io;
	assert_int_equal(avformat_open_input(&f, NULL, NULL, NULL), 0);
	assert_true(avformat_find_stream_info(f, NULL) >= 0);
	assert_int_equal(f->nb_streams, 1);
	h.container_s = (double)f->duration / AV_TIME_BASE;
	codec = avcodec_alloc_context3(avcodec_find_decoder(f->streams[0]->codecpar->codec_id));
	assert_true(avcodec_parameters_to_context(codec, f->streams[0]->codecpar) >= 0);
	codec->pkt_timebase = f->streams[0]->time_base;
	assert_int_equal(avcodec_open2(codec, NULL, NULL), 0);
	while (more) {
		more = av_read_frame(f, packet) >= 0;
		assert_int_equal(avcodec_send_packet(codec, more ? packet : NULL), 0);
		av_packet_unref(packet);
		while (avcodec_receive_frame(codec, frame) >= 0)
			hear_frame(&h, frame);
	}
	avcodec_free_context(&codec);
	av_frame_free(&frame);
	av_packet_free(&packet);
	avformat_close_input(&f);
	av_freep(&io->buffer);
	avio_context_free(&io);
	return h;
}

/* ---- tones there and back ------------------------------------------------------------------- */

static double tone_of(unsigned channel)
{
	return 440 + 250 * channel;
}

/* In pieces of 20 ms, with an odd one at the end. */
static int encode(struct store *s, struct encoder_opts o, unsigned frames)
{
	int16_t *samples = xalloc((size_t)frames * o.channels * sizeof(*samples));
	unsigned piece = o.rate_hz / 50;
	const char *reason;
	struct encoder *e;
	int failed = 0;

	for (unsigned c = 0; c < o.channels; c++)
		sound_tone(samples + c, frames, o.channels, o.rate_hz, tone_of(c), 10000);
	o.write = put;
	o.arg = s;
	e = encoder_new(&o, &reason);
	if (!e)
		fail_msg("%s", reason);
	for (unsigned at = 0; at < frames && !failed; at += piece)
		failed = encoder_feed(e, samples + (size_t)at * o.channels,
			frames - at < piece ? frames - at : piece);
	if (!failed)
		failed = encoder_finish(e);
	encoder_free(&e);
	assert_null(e);
	free(samples);
	return failed;
}

static void expect_tones(struct encoder_opts o, unsigned rate_hz, unsigned slack)
{
	struct store s = store_of(ROOM);
	unsigned frames = 2 * o.rate_hz + 7;
	double seconds = (double)frames / o.rate_hz;
	struct heard h;

	assert_int_equal(encode(&s, o, frames), 0);
	h = hear(&s);
	assert_int_equal(h.rate_hz, rate_hz);
	assert_int_equal(h.channels, o.channels);
	if (fabs(h.frames - seconds * rate_hz) > slack + 0.5)
		fail_msg("%u frames of %.1f", h.frames, seconds * rate_hz);
	/* MP3 states whole frames, either with the encoder's delay, which decoders take away. */
	if ((o.seek || o.format == ENCODER_OPUS) && fabs(h.container_s - seconds) >
		(o.format == ENCODER_MP3 ? 3.0 * 1152 / rate_hz : 0.01))
		fail_msg("%.6f s of %.6f", h.container_s, seconds);
	for (unsigned c = 0; c < o.channels; c++) {
		/* Not the ends: without a seek the delay stays in. */
		const int16_t *from = h.samples + (size_t)rate_hz / 5 * h.channels + c;
		unsigned n = h.frames - 2 * (rate_hz / 5);
		double share = sound_share(from, n, h.channels, rate_hz, tone_of(c));
		double rms = sound_rms(from, n, h.channels);

		if (share < 0.99 || rms < 6500 || rms > 7500)
			fail_msg("channel %u of %u: %.4f of %.0f", c, o.channels, share, rms);
	}
	free(h.samples);
	free(s.bytes);
}

static void mp3_is_heard(void **state)
{
	(void)state;
	for (unsigned channels = 1; channels <= 2; channels++) {
		expect_tones((struct encoder_opts){ .format = ENCODER_MP3, .rate_hz = 8000,
			.channels = channels, .bitrate = 32000, .seek = seek }, 8000, 1);
		expect_tones((struct encoder_opts){ .format = ENCODER_MP3, .rate_hz = 48000,
			.channels = channels, .seek = seek }, 48000, 1);
	}
	expect_tones((struct encoder_opts){ .format = ENCODER_MP3, .rate_hz = 14000,
		.channels = 1, .seek = seek }, 16000, 32);
	expect_tones((struct encoder_opts){ .format = ENCODER_MP3, .rate_hz = 96000,
		.channels = 1, .seek = seek }, 48000, 32);
	/* While it grows nothing states the length: whole frames, and the encoder's delay. */
	expect_tones((struct encoder_opts){ .format = ENCODER_MP3, .rate_hz = 16000,
		.channels = 1 }, 16000, 3 * 576);
}

static void flac_is_heard(void **state)
{
	(void)state;
	for (unsigned channels = 1; channels <= 8; channels++)
		expect_tones((struct encoder_opts){ .format = ENCODER_FLAC, .rate_hz = 8000,
			.channels = channels, .seek = seek }, 8000, 0);
	expect_tones((struct encoder_opts){ .format = ENCODER_FLAC, .rate_hz = 48000,
		.channels = 1, .seek = seek }, 48000, 0);
	expect_tones((struct encoder_opts){ .format = ENCODER_FLAC, .rate_hz = 11025,
		.channels = 1 }, 11025, 0);
}

static void opus_is_heard(void **state)
{
	(void)state;
	for (unsigned channels = 1; channels <= 8; channels++)
		expect_tones((struct encoder_opts){ .format = ENCODER_OPUS, .rate_hz = 8000,
			.channels = channels, .seek = seek }, 48000, 48);
	expect_tones((struct encoder_opts){ .format = ENCODER_OPUS, .rate_hz = 48000,
		.channels = 2, .bitrate = 64000 }, 48000, 48);
	expect_tones((struct encoder_opts){ .format = ENCODER_OPUS, .rate_hz = 11025,
		.channels = 1 }, 48000, 96);
}

/* What FLAC gives back is what went in, to the bit. */
static void flac_loses_nothing(void **state)
{
	struct store s = store_of(ROOM);
	struct encoder_opts o = { .format = ENCODER_FLAC, .rate_hz = 8000, .channels = 1,
		.seek = seek };
	int16_t expected[16007];
	struct heard h;

	(void)state;
	sound_tone(expected, 16007, 1, 8000, tone_of(0), 10000);
	assert_int_equal(encode(&s, o, 16007), 0);
	h = hear(&s);
	assert_int_equal(h.frames, 16007);
	assert_memory_equal(h.samples, expected, sizeof(expected));
	assert_true(s.seeks > 0);
	free(h.samples);
	free(s.bytes);
}

static void nothing_is_a_file_too(void **state)
{
	(void)state;
	for (int format = ENCODER_MP3; format <= ENCODER_FLAC; format++) {
		struct store s = store_of(ROOM);
		struct encoder_opts o = { .format = (enum encoder_format)format,
			.rate_hz = 8000, .channels = 1, .seek = seek };

		assert_int_equal(encode(&s, o, 0), 0);
		free(s.bytes);
	}
}

/* ---- refusals and failures ------------------------------------------------------------------ */

static void expect_refused(enum encoder_format format, uint32_t rate_hz, unsigned channels)
{
	struct store s = store_of(ROOM);
	struct encoder_opts o = { .format = format, .rate_hz = rate_hz, .channels = channels,
		.write = put, .seek = seek, .arg = &s };
	const char *reason = NULL;

	assert_null(encoder_new(&o, &reason));
	assert_non_null(reason);
	free(s.bytes);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	expect_refused(ENCODER_MP3, 8000, 3);
	expect_refused(ENCODER_FLAC, 8000, 9);
	expect_refused(ENCODER_OPUS, 8000, 9);
	expect_refused(ENCODER_MP3, 8000, 0);
	expect_refused(ENCODER_FLAC, 0, 1);
	expect_refused(ENCODER_FLAC, 4000000000u, 1);
}

/* No bit rate loses a recording. */
static void any_bitrate_will_do(void **state)
{
	static const unsigned rates[] = { 1, 900, 5000, 24000, 30000, 320000, 4000000000u };

	(void)state;
	for (int format = ENCODER_MP3; format <= ENCODER_FLAC; format++)
		for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
			for (unsigned channels = 1; channels <= 2; channels++) {
				struct store s = store_of(ROOM);
				struct encoder_opts o = { .format = (enum encoder_format)format,
					.rate_hz = 8000, .channels = channels,
					.bitrate = rates[i], .seek = seek };

				assert_int_equal(encode(&s, o, 4000), 0);
				assert_true(s.n > 100);
				free(s.bytes);
			}
}

/* Wherever the disk is full: the error comes back, again and again, and nothing leaks. */
static void failed_writes_come_back(void **state)
{
	static const size_t limits[] = { 0, 100, 8192, 20000 };

	(void)state;
	for (int format = ENCODER_MP3; format <= ENCODER_FLAC; format++)
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			struct store s = store_of(limits[i]);
			struct encoder_opts o = { .format = (enum encoder_format)format,
				.rate_hz = 48000, .channels = 2, .bitrate = 128000,
				.write = put, .seek = seek, .arg = &s };
			static int16_t silence[2 * 48000];
			const char *reason;
			struct encoder *e = encoder_new(&o, &reason);
			int failed = 0;

			for (unsigned n = 0; n < 2 * 48000; n++)
				silence[n] = (int16_t)(n * 7919);
			for (int n = 0; e && n < 60 && !failed; n++)
				failed = encoder_feed(e, silence, 48000);
			if (e) {
				assert_int_equal(failed, -ENOSPC);
				assert_int_equal(encoder_feed(e, silence, 1), -ENOSPC);
				assert_int_equal(encoder_finish(e), -ENOSPC);
			}
			encoder_free(&e);
			free(s.bytes);
		}
}

/* Given up in the middle, or before anything came. */
static void it_may_be_freed_any_time(void **state)
{
	static const int16_t silence[4000];

	(void)state;
	for (int format = ENCODER_MP3; format <= ENCODER_FLAC; format++)
		for (int fed = 0; fed < 2; fed++) {
			struct store s = store_of(ROOM);
			struct encoder_opts o = { .format = (enum encoder_format)format,
				.rate_hz = 11000, .channels = 1, .write = put, .seek = seek,
				.arg = &s };
			const char *reason;
			struct encoder *e = encoder_new(&o, &reason);

			assert_non_null(e);
			if (fed)
				assert_int_equal(encoder_feed(e, silence, 4000), 0);
			encoder_free(&e);
			encoder_free(&e);
			free(s.bytes);
		}
}

/* FIPS 180-4's examples. */
static void sha_is_right(void **state)
{
	struct sha *s = sha_new();
	char hex[SHA_TEXT];

	(void)state;
	sha_feed(s, span_text("a"));
	sha_feed(s, span_of("", 0));
	sha_feed(s, span_text("bc"));
	sha_end(&s, hex);
	assert_null(s);
	assert_string_equal(hex,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	s = sha_new();
	sha_end(&s, NULL);
	sha_end(&s, hex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mp3_is_heard),
		cmocka_unit_test(flac_is_heard),
		cmocka_unit_test(opus_is_heard),
		cmocka_unit_test(flac_loses_nothing),
		cmocka_unit_test(nothing_is_a_file_too),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(any_bitrate_will_do),
		cmocka_unit_test(failed_writes_come_back),
		cmocka_unit_test(it_may_be_freed_any_time),
		cmocka_unit_test(sha_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
