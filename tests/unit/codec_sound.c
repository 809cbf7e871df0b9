/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every codec by its sound: a tone is encoded by somebody else's encoder, put into RTP
 * payloads, and has to come out of the decoder as the same tone, as long and as loud. */
#include "media/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <bcg729/encoder.h>
#include <libavcodec/avcodec.h>
#include <opencore-amrnb/interf_enc.h>
#include <opus/opus.h>
#include <vo-amrwbenc/enc_if.h>

#include "tests/unit/ilbc_tone.h"
#include "tests/unit/sound.h"

#define AMPLITUDE 8000.0
#define MAX_PAYLOADS 1000

/* What an encoder made: payloads one after another. */
struct payloads {
	uint8_t bytes[200000];
	size_t used;
	struct span list[MAX_PAYLOADS];
	unsigned n;
};

static void add_payload(struct payloads *p, const void *bytes, size_t n)
{
	assert_true(p->n < MAX_PAYLOADS && p->used + n <= sizeof(p->bytes));
	memcpy(p->bytes + p->used, bytes, n);
	p->list[p->n++] = span_of(p->bytes + p->used, n);
	p->used += n;
}

struct sound {
	const char *rtpmap, *fmtp;
	void (*encode)(const struct sound *, const int16_t *pcm, unsigned frames,
		struct payloads *);
	const char *encoder;   /* of libavcodec */
	unsigned bit_rate;
	unsigned payload_bytes; /* of a stream of bits that can be cut anywhere */
	double hz;
	double least_share;    /* of power that is the tone */
	double most_db;        /* that the level may be off */
};

/* --- encoders --- */

static void receive_packets(AVCodecContext *c, AVPacket *packet, struct payloads *p)
{
	while (avcodec_receive_packet(c, packet) >= 0) {
		add_payload(p, packet->data, (size_t)packet->size);
		av_packet_unref(packet);
	}
}

static AVCodecContext *open_encoder(
	const struct sound *s, unsigned rate_hz, unsigned channels)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(s->encoder);
	AVCodecContext *c;

	assert_non_null(codec);
	c = avcodec_alloc_context3(codec);
	c->sample_rate = (int)rate_hz;
	av_channel_layout_default(&c->ch_layout, (int)channels);
	c->sample_fmt = AV_SAMPLE_FMT_S16;
	c->bit_rate = s->bit_rate;
	c->bits_per_coded_sample = (int)(s->bit_rate / 8000);
	c->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
	assert_true(avcodec_open2(c, codec, NULL) >= 0);
	return c;
}

static void cut_stream(struct payloads *p, unsigned bytes)
{
	size_t used = p->used;

	p->n = 0;
	for (size_t at = 0; at + bytes <= used; at += bytes)
		p->list[p->n++] = span_of(p->bytes + at, bytes);
}

static void by_lavc(
	const struct sound *s, const int16_t *pcm, unsigned frames, struct payloads *p)
{
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	AVCodecContext *context;
	struct codec codec;
	unsigned step;

	assert_true(codec_parse(span_text(s->rtpmap), span_text(s->fmtp), &codec));
	context = open_encoder(s, codec.rate_hz, codec.channels);
	step = context->frame_size ? (unsigned)context->frame_size : codec.rate_hz / 50;
	for (unsigned at = 0; at + step <= frames; at += step) {
		frame->nb_samples = (int)step;
		frame->format = AV_SAMPLE_FMT_S16;
		frame->sample_rate = (int)codec.rate_hz;
		av_channel_layout_copy(&frame->ch_layout, &context->ch_layout);
		assert_true(av_frame_get_buffer(frame, 0) >= 0);
		memcpy(frame->data[0], pcm + (size_t)at * codec.channels,
			(size_t)step * codec.channels * 2);
		assert_true(avcodec_send_frame(context, frame) >= 0);
		av_frame_unref(frame);
		receive_packets(context, packet, p);
	}
	avcodec_send_frame(context, NULL);
	receive_packets(context, packet, p);
	avcodec_free_context(&context);
	av_frame_free(&frame);
	av_packet_free(&packet);
	if (s->payload_bytes)
		cut_stream(p, s->payload_bytes);
}

/* Two frames a packet, the usual 20 ms. */
static void by_bcg729(
	const struct sound *s, const int16_t *pcm, unsigned frames, struct payloads *p)
{
	bcg729EncoderChannelContextStruct *e = initBcg729EncoderChannel(0);
	uint8_t payload[20], n;

	(void)s;
	for (unsigned at = 0; at + 160 <= frames; at += 160) {
		bcg729Encoder(e, pcm + at, payload, &n);
		bcg729Encoder(e, pcm + at + 80, payload + 10, &n);
		add_payload(p, payload, sizeof(payload));
	}
	closeBcg729EncoderChannel(e);
}

static void put_bits(uint8_t *to, size_t *at, unsigned value, unsigned n)
{
	while (n-- > 0) {
		to[*at / 8] |= (uint8_t)((value >> n & 1) << (7 - *at % 8));
		++*at;
	}
}

static const uint16_t amr_bits[16] = { 95, 103, 118, 134, 148, 159, 204, 244, 39 };
static const uint16_t amr_wb_bits[16] = { 132, 177, 253, 285, 317, 365, 397, 461, 477,
	40 };

/* Frames in storage format to one RFC 4867 payload; written from the RFC's pictures,
 * apart from the reader under test. */
static void add_amr(
	struct payloads *p, uint8_t frame[][64], unsigned n, bool wide, bool aligned)
{
	uint8_t payload[600] = { 0 };
	size_t at = 0;

	put_bits(payload, &at, 15, aligned ? 4 : 4);
	put_bits(payload, &at, 0, aligned ? 4 : 0);
	for (unsigned i = 0; i < n; i++) {
		put_bits(payload, &at, i + 1 < n, 1);
		put_bits(payload, &at, (unsigned)frame[i][0] >> 3 & 15, 4);
		put_bits(payload, &at, (unsigned)frame[i][0] >> 2 & 1, 1);
		put_bits(payload, &at, 0, aligned ? 2 : 0);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned type = frame[i][0] >> 3 & 15;
		unsigned count = wide ? amr_wb_bits[type] : amr_bits[type];

		for (unsigned b = 0; b < count; b++)
			put_bits(payload, &at,
				(unsigned)frame[i][1 + b / 8] >> (7 - b % 8) & 1, 1);
		if (aligned)
			at = (at + 7) / 8 * 8;
	}
	add_payload(p, payload, (at + 7) / 8);
}

/* bit_rate: the mode; payload_bytes: frames in one packet. */
static void by_amr(
	const struct sound *s, const int16_t *pcm, unsigned frames, struct payloads *p)
{
	void *e = Encoder_Interface_init(0);
	uint8_t frame[8][64];
	unsigned have = 0;

	for (unsigned at = 0; at + 160 <= frames; at += 160) {
		Encoder_Interface_Encode(
			e, (enum Mode)s->bit_rate, pcm + at, frame[have++], 0);
		if (have == s->payload_bytes) {
			add_amr(p, frame, have, false, strstr(s->fmtp, "octet-align=1"));
			have = 0;
		}
	}
	Encoder_Interface_exit(e);
}

static void by_amr_wb(
	const struct sound *s, const int16_t *pcm, unsigned frames, struct payloads *p)
{
	void *e = E_IF_init();
	uint8_t frame[8][64];
	unsigned have = 0;

	for (unsigned at = 0; at + 320 <= frames; at += 320) {
		E_IF_encode(e, (int)s->bit_rate, pcm + at, frame[have++], 0);
		if (have == s->payload_bytes) {
			add_amr(p, frame, have, true, strstr(s->fmtp, "octet-align=1"));
			have = 0;
		}
	}
	E_IF_exit(e);
}

/* payload_bytes: samples of one packet. */
static void by_opus(
	const struct sound *s, const int16_t *pcm, unsigned frames, struct payloads *p)
{
	unsigned channels = strstr(s->rtpmap, "/2") ? 2 : 1;
	OpusEncoder *e =
		opus_encoder_create(48000, (int)channels, OPUS_APPLICATION_VOIP, NULL);
	uint8_t payload[4000];

	opus_encoder_ctl(e, OPUS_SET_BITRATE((int)s->bit_rate));
	for (unsigned at = 0; at + s->payload_bytes <= frames; at += s->payload_bytes) {
		int n = opus_encode(e, pcm + (size_t)at * channels, (int)s->payload_bytes,
			payload, sizeof(payload));

		assert_true(n > 0);
		add_payload(p, payload, (size_t)n);
	}
	opus_encoder_destroy(e);
}

static void from_ilbc_record(const struct sound *s, const int16_t *pcm, unsigned frames,
	struct payloads *p)
{
	bool is_short = s->payload_bytes == 38;
	const uint8_t *bytes = is_short ? ilbc_tone_20ms : ilbc_tone_30ms;

	(void)pcm;
	(void)frames;
	add_payload(p, bytes, is_short ? sizeof(ilbc_tone_20ms) : sizeof(ilbc_tone_30ms));
	cut_stream(p, s->payload_bytes);
}

/* --- the table --- */

static const struct sound sounds[] = {
	{ "PCMU/8000", "", by_lavc, "pcm_mulaw", 64000, 160, 440, .99, .2 },
	{ "PCMA/8000", "", by_lavc, "pcm_alaw", 64000, 160, 440, .99, .2 },
	{ "PCMA/16000", "", by_lavc, "pcm_alaw", 64000, 320, 1000, .99, .2 },
	{ "L16/44100/2", "", by_lavc, "pcm_s16be", 0, 3528, 440, .999, .2 },
	{ "L16/8000", "", by_lavc, "pcm_s16be", 0, 320, 440, .999, .2 },
	{ "G722/8000", "", by_lavc, "g722", 64000, 160, 3000, .97, .5 },
	{ "G726-16/8000", "", by_lavc, "g726le", 16000, 40, 440, .98, 1 },
	{ "G726-24/8000", "", by_lavc, "g726le", 24000, 60, 440, .95, 1 },
	{ "G726-32/8000", "", by_lavc, "g726le", 32000, 80, 440, .95, 1 },
	{ "G726-40/8000", "", by_lavc, "g726le", 40000, 100, 440, .97, 1 },
	{ "AAL2-G726-16/8000", "", by_lavc, "g726", 16000, 40, 440, .98, 1 },
	{ "AAL2-G726-24/8000", "", by_lavc, "g726", 24000, 60, 440, .95, 1 },
	{ "AAL2-G726-32/8000", "", by_lavc, "g726", 32000, 80, 440, .95, 1 },
	{ "AAL2-G726-40/8000", "", by_lavc, "g726", 40000, 100, 440, .97, 1 },
	{ "G723/8000", "", by_lavc, "g723_1", 6300, 0, 440, .98, 1 },
	{ "G729/8000", "", by_bcg729, "", 0, 0, 440, .97, 1 },
	{ "GSM/8000", "", by_lavc, "libgsm", 13000, 0, 440, .95, 1 },
	{ "iLBC/8000", "mode=20", from_ilbc_record, "", 0, 38, 440, .98, 1 },
	{ "iLBC/8000", "mode=30", from_ilbc_record, "", 0, 50, 440, .98, 1 },
	{ "iLBC/8000", "", from_ilbc_record, "", 0, 38, 440, .98, 1 }, /* length wins */
	{ "speex/8000", "", by_lavc, "libspeex", 15000, 0, 440, .98, 1 },
	{ "speex/16000", "", by_lavc, "libspeex", 27800, 0, 440, .98, 1 },
	{ "speex/32000", "", by_lavc, "libspeex", 36000, 0, 440, .98, 1 },
	{ "AMR/8000", "", by_amr, "", MR122, 1, 440, .98, 1 },
	{ "AMR/8000", "", by_amr, "", MR475, 3, 440, .98, 1 },
	{ "AMR/8000", "octet-align=1", by_amr, "", MR122, 1, 440, .98, 1 },
	{ "AMR/8000", "mode-set=5; octet-align=1", by_amr, "", MR795, 4, 440, .98, 1 },
	{ "AMR-WB/16000", "", by_amr_wb, "", 8, 1, 440, .98, 1 },
	{ "AMR-WB/16000", "", by_amr_wb, "", 2, 3, 1000, .98, 1 },
	{ "AMR-WB/16000/1", "octet-align=1", by_amr_wb, "", 0, 2, 440, .98, 1 },
	{ "AMR-WB/16000", "octet-align=1", by_amr_wb, "", 8, 1, 1000, .98, 1 },
	{ "opus/48000/2", "", by_opus, "", 32000, 960, 440, .95, 1 },
	{ "opus/48000/2", "", by_opus, "", 64000, 120, 1000, .95, 1 },
	{ "opus/48000/2", "", by_opus, "", 64000, 480, 1000, .95, 1 },
	{ "opus/48000/2", "", by_opus, "", 24000, 2880, 440, .95, 1 },
	{ "opus/48000/2", "", by_opus, "", 24000, 5760, 440, .95, 1 },
	{ "opus/48000", "", by_opus, "", 16000, 960, 440, .95, 1 },
};

static unsigned decode_all(struct decoder *d, const struct payloads *p, struct audio *all)
{
	static int16_t samples[300000];
	unsigned frames = 0, ticks = 0;

	*all = (struct audio){ .channels = 1 };

	for (unsigned i = 0; i < p->n; i++) {
		struct audio a;
		bool quiet;

		ticks += decoder_ticks(d, p->list[i]);
		assert_int_equal(decoder_feed(d, p->list[i], &a, &quiet), 0);
		assert_false(quiet);
		assert_true((size_t)(frames + a.frames) * a.channels <= 300000);
		memcpy(samples + (size_t)frames * a.channels, a.samples,
			(size_t)a.frames * a.channels * 2);
		frames += a.frames;
		*all = a;
	}
	all->samples = samples;
	all->frames = frames;
	return ticks;
}

static void check_tone(const struct sound *s, const struct audio *a)
{
	unsigned skip =
		a->rate_hz / 10; /* the codec's delay and its getting used to it */
	int most = 0;

	for (unsigned c = 0; c < a->channels; c++) {
		const int16_t *from = a->samples + (size_t)skip * a->channels + c;
		unsigned n = a->frames - 2 * skip;
		double share = sound_share(from, n, a->channels, a->rate_hz, s->hz);
		double db = 20 *
			log10(sound_rms(from, n, a->channels) / (AMPLITUDE / sqrt(2)));

		print_message("%-18s %-26s %5u Hz %u: %4.0f Hz %.3f, level %+.1f dB\n",
			s->rtpmap, s->fmtp, a->rate_hz, c, s->hz, share, db);
		assert_true(share >= s->least_share);
		assert_true(fabs(db) <= s->most_db);
		assert_true(
			sound_share(from, n, a->channels, a->rate_hz, s->hz * 1.5) < .05);
	}
	/* Nor is there a bang at the beginning, when a codec gets used to it. */
	for (unsigned i = 0; i < a->frames * a->channels; i++)
		most = abs(a->samples[i]) > most ? abs(a->samples[i]) : most;
	print_message("%36s most %d\n", "", most);
	assert_in_range(most, 0, 2 * AMPLITUDE);
}

static void comes_out_as_the_same_tone(void **state)
{
	const struct sound *s = *state;
	struct payloads *p = calloc(1, sizeof(*p));
	struct codec codec;
	const char *reason;
	struct decoder *d;
	struct audio all;
	int16_t *pcm;
	unsigned ticks;

	assert_true(codec_parse(span_text(s->rtpmap), span_text(s->fmtp), &codec));
	pcm = calloc(codec.rate_hz * codec.channels, sizeof(*pcm));
	for (unsigned c = 0; c < codec.channels; c++)
		sound_tone(pcm + c, codec.rate_hz, codec.channels, codec.rate_hz, s->hz,
			AMPLITUDE);
	s->encode(s, pcm, codec.rate_hz, p);
	d = decoder_new(&codec, &reason);
	assert_non_null(d);
	ticks = decode_all(d, p, &all);
	assert_int_equal(all.rate_hz, codec.rate_hz);
	assert_int_equal((uint64_t)all.frames * codec.clock_hz / codec.rate_hz, ticks);
	/* A second, or half of one, less what did not fill a packet. */
	assert_true(all.frames >= codec.rate_hz * 42 / 100 &&
		all.frames <= codec.rate_hz * 102 / 100);
	check_tone(s, &all);
	decoder_free(&d);
	free(pcm);
	free(p);
}

#define SOUNDS (sizeof(sounds) / sizeof(*sounds))

int main(void)
{
	struct CMUnitTest tests[SOUNDS];

	for (size_t i = 0; i < SOUNDS; i++)
		tests[i] =
			(struct CMUnitTest){ sounds[i].rtpmap, comes_out_as_the_same_tone,
				NULL, NULL, (void *)(uintptr_t)&sounds[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
