/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/decoder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <libavcodec/avcodec.h>
#include <opus/opus.h>

#include "tests/unit/sound.h"

static struct decoder *make(const char *rtpmap, const char *fmtp)
{
	struct decoder *d;
	const char *reason;
	struct codec c;

	assert_true(codec_parse(span_text(rtpmap), span_text(fmtp), &c));
	d = decoder_new(&c, &reason);
	assert_non_null(d);
	return d;
}

/* All 256 bytes, as libavcodec has them. */
static void agree_with_libavcodec(const char *rtpmap, const char *name)
{
	AVCodecContext *c = avcodec_alloc_context3(avcodec_find_decoder_by_name(name));
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	struct decoder *d = make(rtpmap, "");
	struct audio a;
	bool quiet;

	c->sample_rate = 8000;
	av_channel_layout_default(&c->ch_layout, 1);
	assert_int_equal(avcodec_open2(c, NULL, NULL), 0);
	assert_int_equal(av_new_packet(packet, 256), 0);
	for (unsigned i = 0; i < 256; i++)
		packet->data[i] = (uint8_t)i;
	assert_int_equal(avcodec_send_packet(c, packet), 0);
	assert_int_equal(avcodec_receive_frame(c, frame), 0);
	assert_int_equal(decoder_feed(d, span_of(packet->data, 256), &a, &quiet), 0);
	assert_int_equal(a.frames, 256);
	assert_int_equal(frame->nb_samples, 256);
	assert_memory_equal(a.samples, frame->data[0], 512);
	decoder_free(&d);
	av_frame_free(&frame);
	av_packet_free(&packet);
	avcodec_free_context(&c);
}

static void decodes_g711_as_libavcodec(void **state)
{
	(void)state;
	agree_with_libavcodec("PCMA/8000", "pcm_alaw");
	agree_with_libavcodec("PCMU/8000", "pcm_mulaw");
}

struct row {
	const char *rtpmap, *fmtp;
	size_t n;           /* payload bytes, all zero but the first two */
	uint8_t first[2];
	int rc;
	unsigned frames, channels;
	bool quiet;
	uint32_t ticks;
};

static const struct row rows[] = {
	{ "PCMA/8000", "", 160, { 0 }, 0, 160, 1, false, 160 },
	{ "PCMA/8000/2", "", 160, { 0 }, 0, 80, 2, false, 80 },
	{ "PCMA/8000/2", "", 161, { 0 }, -EINVAL, 0, 2, false, 0 },
	{ "PCMA/8000", "", 0, { 0 }, -EINVAL, 0, 1, false, 0 },
	{ "PCMU/8000", "", DECODER_MAX_SAMPLES, { 0 }, 0, DECODER_MAX_SAMPLES, 1, false,
		48000 },
	{ "PCMU/8000", "", DECODER_MAX_SAMPLES + 1, { 0 }, -EINVAL, 0, 1, false, 0 },
	{ "L16/44100/2", "", 64, { 0x12, 0x34 }, 0, 16, 2, false, 16 },
	{ "L16/44100/2", "", 66, { 0 }, -EINVAL, 0, 2, false, 0 },
	{ "L16/8000", "", 65507, { 0 }, -EINVAL, 0, 1, false, 0 },
	{ "G722/8000", "", 160, { 0 }, 0, 320, 1, false, 160 },
	{ "G722/16000", "", 160, { 0 }, 0, 320, 1, false, 320 },
	{ "G729/8000", "", 20, { 0 }, 0, 160, 1, false, 160 },
	{ "G729/8000", "", 22, { 0 }, 0, 240, 1, true, 240 }, /* speech, then silence */
	{ "G729/8000", "", 2, { 0 }, 0, 80, 1, true, 80 },
	{ "G729/8000", "", 11, { 0 }, -EINVAL, 0, 1, false, 0 },
	{ "G723/8000", "", 4, { 2 }, 0, 240, 1, true, 240 },
	{ "AMR/8000", "", 7, { 0xf4, 0x40 }, 0, 160, 1, true, 160 },
	{ "AMR/8000", "octet-align=1", 8, { 0xf0, 0x4c }, 0, 160, 1, true, 160 },
	{ "AMR/8000", "octet-align=1", 2, { 0xf0, 0x7c }, 0, 160, 1, true, 160 },
	{ "AMR-WB/16000", "octet-align=1", 7, { 0xf0, 0x4c }, 0, 320, 1, true, 320 },
	{ "AMR-WB/16000", "octet-align=1", 2, { 0xf0, 0x74 }, 0, 320, 1, true, 320 },
	{ "AMR/8000", "", 1, { 0 }, -EINVAL, 0, 1, false, 0 },
	{ "opus/48000/2", "", 0, { 0 }, -EINVAL, 0, 2, false, 0 },
	{ "opus/48000/2", "", 2, { 0x03, 0xff }, -EINVAL, 0, 2, false,
		0 }, /* 63 frames */
};

static void answers_each_payload(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct decoder *d = make(r->rtpmap, r->fmtp);
		uint8_t *payload = calloc(1, r->n + !r->n);
		struct audio a;
		bool quiet;
		int rc;

		memcpy(payload, r->first, r->n < 2 ? r->n : 2);
		assert_int_equal(decoder_ticks(d, span_of(payload, r->n)), r->ticks);
		rc = decoder_feed(d, span_of(payload, r->n), &a, &quiet);
		if (rc != r->rc || a.frames != r->frames || a.channels != r->channels ||
		    quiet != r->quiet)
			fail_msg("row %zu, %s of %zu: %d, frames %u channels %u quiet %d",
				i, r->rtpmap, r->n, rc, a.frames, a.channels, quiet);
		decoder_free(&d);
		assert_null(d);
		free(payload);
	}
}

static void reads_l16_in_network_order(void **state)
{
	struct decoder *d = make("L16/16000/2", "");
	struct audio a;
	bool quiet;

	(void)state;
	assert_int_equal(decoder_feed(d, span_of("\x12\x34\xff\xfe", 4), &a, &quiet), 0);
	assert_int_equal(a.samples[0], 0x1234);
	assert_int_equal(a.samples[1], -2);
	assert_int_equal(a.rate_hz, 16000);
	decoder_free(&d);
}

static void says_why_not(void **state)
{
	static const char *const refused[][3] = {
		{ "EVS/16000", "", "known" },
		{ "CN/8000", "", "known" },
		{ "AMR/8000", "interleaving=4", "interleav" },
		{ "AMR/8000", "crc=1", "CRC" },
		{ "AMR-WB/16000", "robust-sorting=1", "robust" },
		{ "AMR/8000/2", "", "channels" },
		{ "GSM/8000/2", "", "channels" },
		{ "opus/48000/3", "", "channels" },
		{ "L16/8000/9", "", "channels" },
		{ "L16/1000", "", "rate" },
		{ "PCMA/1000000", "", "rate" },
		{ "speex/11025", "", "Speex" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		const char *reason = NULL;
		struct codec c;

		codec_parse(span_text(refused[i][0]), span_text(refused[i][1]), &c);
		assert_null(decoder_new(&c, &reason));
		assert_non_null(strstr(reason, refused[i][2]));
	}
}

#define FRAME 960

struct opus_run {
	uint8_t payload[60][1500];
	int n[60];
};

/* Silence, and from packet 30 on a tone. */
static void encode_opus(struct opus_run *r, double amplitude, int fec, int dtx)
{
	OpusEncoder *e = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, NULL);
	static int16_t pcm[60 * FRAME];

	sound_tone(pcm + 30 * FRAME, 30 * FRAME, 1, 48000, 440, amplitude);
	opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(fec));
	opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(fec ? 30 : 0));
	opus_encoder_ctl(e, OPUS_SET_BITRATE(24000));
	opus_encoder_ctl(e, OPUS_SET_DTX(dtx));
	opus_encoder_ctl(e, OPUS_SET_MAX_BANDWIDTH(OPUS_BANDWIDTH_WIDEBAND));
	for (unsigned i = 0; i < 60; i++) {
		r->n[i] = opus_encode(e, pcm + i * FRAME, FRAME, r->payload[i], 1500);
		assert_true(r->n[i] > 0);
	}
	opus_encoder_destroy(e);
}

/* The level of packet `lost` when it does not come, with or without the one after it. */
static double concealed_level(const struct opus_run *r, unsigned lost, bool told)
{
	struct decoder *d = make("opus/48000/2", "");
	struct span next = span_of(r->payload[lost + 1], (size_t)r->n[lost + 1]);
	struct audio a;
	double level;
	bool quiet;

	for (unsigned i = 0; i < lost; i++)
		assert_int_equal(decoder_feed(d, span_of(r->payload[i], (size_t)r->n[i]),
					 &a, &quiet),
			0);
	decoder_conceal(d, FRAME, told ? next : span_of("", 0), &a);
	assert_int_equal(a.frames, FRAME);
	assert_int_equal(a.channels, 2);
	level = sound_rms(a.samples, FRAME, 2);
	decoder_free(&d);
	return level;
}

static void conceals_opus(void **state)
{
	static struct opus_run r;

	(void)state;
	encode_opus(&r, 8000, 1, 0);
	/* In the middle of the tone it goes on; its beginning only the next packet can
	 * tell. */
	assert_true(concealed_level(&r, 45, false) > 2000);
	assert_true(concealed_level(&r, 45, true) > 2000);
	assert_true(concealed_level(&r, 31, true) > 2000);
	assert_true(concealed_level(&r, 30, false) < 100);
	assert_true(concealed_level(&r, 30, true) > 1000);
}

static void bounds_concealment(void **state)
{
	static const struct { uint32_t ticks, frames;
	} holes[] = {
		{ 0, 0 },
		{ 119, 0 },
		{ 120, 120 },
		{ 1000, 960 },
		{ 2880, 2880 },
		{ 9600, 9600 },
		{ 24000, 24000 },
		{ 100000, 24000 },
		{ 0xffffffff, 24000 },
	};
	static struct opus_run r;
	struct audio a;
	bool quiet;

	(void)state;
	encode_opus(&r, 8000, 1, 0);
	for (size_t i = 0; i < sizeof(holes) / sizeof(*holes); i++) {
		struct decoder *d = make("opus/48000/2", "");

		decoder_feed(d, span_of(r.payload[0], (size_t)r.n[0]), &a, &quiet);
		decoder_conceal(
			d, holes[i].ticks, span_of(r.payload[9], (size_t)r.n[9]), &a);
		assert_int_equal(a.frames, holes[i].frames);
		decoder_free(&d);
	}
}

static void conceals_only_where_it_can(void **state)
{
	struct decoder *d = make("PCMA/8000", "");
	struct audio a;

	(void)state;
	decoder_conceal(d, 160, span_of("", 0), &a);
	assert_int_equal(a.frames, 0);
	assert_int_equal(a.rate_hz, 8000);
	decoder_free(&d);
}

static void tells_when_opus_stops_sending(void **state)
{
	static struct opus_run r;
	struct decoder *d = make("opus/48000/2", "");
	unsigned quiets = 0;
	struct audio a;
	bool quiet;

	(void)state;
	encode_opus(&r, 0, 0, 1);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(decoder_feed(d, span_of(r.payload[i], (size_t)r.n[i]),
					 &a, &quiet),
			0);
		assert_int_equal(a.frames, FRAME);
		quiets += quiet;
	}
	assert_true(quiets > 20);
	decoder_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_g711_as_libavcodec),
		cmocka_unit_test(answers_each_payload),
		cmocka_unit_test(reads_l16_in_network_order),
		cmocka_unit_test(says_why_not),
		cmocka_unit_test(conceals_opus),
		cmocka_unit_test(bounds_concealment),
		cmocka_unit_test(conceals_only_where_it_can),
		cmocka_unit_test(tells_when_opus_stops_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
