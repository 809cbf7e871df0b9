/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What codecs make of time in which nothing comes: pauses that the encoder of somebody else
 * began with a silence descriptor, and frames that were lost. */
#include "media/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <bcg729/encoder.h>
#include <opencore-amrnb/interf_enc.h>
#include <vo-amrwbenc/enc_if.h>

#include "ilbc_tone.h"
#include "sound.h"

#define SECONDS 6
#define AMPLITUDE 8000.0
#define NOISE 300 /* at most */

struct gap_codec {
	const char *rtpmap, *fmtp;
	void *(*open)(void);
	/* One frame to a payload; 0: not sent. */
	unsigned (*encode)(void *, const int16_t *pcm, uint8_t *payload);
	void (*close)(void *);
	unsigned rate_hz, frame;
};

static void *open_amr(void)
{
	return Encoder_Interface_init(1);
}

/* Octet-aligned: no mode request, then the frame as it is stored. */
static unsigned encode_amr(void *e, const int16_t *pcm, uint8_t *payload)
{
	unsigned n = (unsigned)Encoder_Interface_Encode(e, MR122, pcm, payload + 1, 0);

	payload[0] = 0xf0;
	return payload[1] >> 3 == 15 ? 0 : n + 1;
}

static unsigned encode_amr_wb(void *e, const int16_t *pcm, uint8_t *payload)
{
	unsigned n = (unsigned)E_IF_encode(e, 8, pcm, payload + 1, 1);

	payload[0] = 0xf0;
	return payload[1] >> 3 == 15 ? 0 : n + 1;
}

static void *open_g729(void)
{
	return initBcg729EncoderChannel(1);
}

static unsigned encode_g729(void *e, const int16_t *pcm, uint8_t *payload)
{
	uint8_t n;

	bcg729Encoder(e, pcm, payload, &n);
	return n;
}

static void close_g729(void *e)
{
	closeBcg729EncoderChannel(e);
}

static const struct gap_codec codecs[] = {
	{ "AMR/8000", "octet-align=1", open_amr, encode_amr, Encoder_Interface_exit, 8000, 160 },
	{ "AMR-WB/16000", "octet-align=1", E_IF_init, encode_amr_wb, E_IF_exit, 16000, 320 },
	{ "G729/8000", "", open_g729, encode_g729, close_g729, 8000, 80 },
};

/* Something like a voice for two seconds, then two of noise only, and so on. */
static int16_t *talk(unsigned rate_hz)
{
	int16_t *pcm = calloc(SECONDS * rate_hz, sizeof(*pcm));

	srand(5);
	for (unsigned i = 0; i < SECONDS * rate_hz; i++) {
		double t = (double)i / rate_hz;

		pcm[i] = (int16_t)(rand() % (2 * NOISE) - NOISE);
		if (i / rate_hz % 4 < 2)
			pcm[i] += (int16_t)(AMPLITUDE * sin(2 * M_PI * 140 * t) *
				sin(2 * M_PI * 700 * t) * (1.5 + sin(2 * M_PI * 3 * t)) / 2.5);
	}
	return pcm;
}

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

static unsigned take(const struct audio *a, int16_t *to)
{
	memcpy(to, a->samples, a->frames * sizeof(*to));
	return a->frames;
}

/* Every frame is decoded, or made up as soon as it is missed; returns those not sent. */
static unsigned through(const struct gap_codec *c, const int16_t *pcm, int16_t *out)
{
	struct decoder *d = make(c->rtpmap, c->fmtp);
	void *e = c->open();
	unsigned unsent = 0;

	for (unsigned at = 0; at < SECONDS * c->rate_hz; at += c->frame) {
		uint8_t payload[80];
		unsigned n = c->encode(e, pcm + at, payload);
		struct audio a;
		bool quiet;

		if (n)
			assert_int_equal(decoder_feed(d, span_of(payload, n), &a, &quiet), 0);
		else
			decoder_conceal(d, c->frame, span_of(NULL, 0), &a);
		unsent += !n;
		assert_int_equal(take(&a, out + at), c->frame);
	}
	c->close(e);
	decoder_free(&d);
	return unsent;
}

static void goes_on_in_a_pause(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
		const struct gap_codec *c = &codecs[i];
		int16_t *pcm = talk(c->rate_hz);
		int16_t *out = calloc(SECONDS * c->rate_hz, sizeof(*out));
		unsigned from = c->rate_hz * 3, n = c->rate_hz, unsent;
		double in = sound_rms(pcm + from, n, 1), heard;

		unsent = through(c, pcm, out); /* encoders work within pcm */
		heard = sound_rms(out + from, n, 1);
		print_message("%s: %u frames unsent, noise of %.0f is %.0f\n", c->rtpmap,
			unsent, in, heard);
		assert_true(unsent * c->frame > c->rate_hz / 4);
		assert_true(heard > in / 2 && heard < in * 1.5);
		for (unsigned k = from; k < from + n; k++)
			assert_in_range(abs(out[k]), 0, 6 * NOISE);
		free(pcm);
		free(out);
	}
}

/* G.723.1: a descriptor made by hand, its gain (the last six bits) in the middle. */
static void g7231_goes_on_in_a_pause(void **state)
{
	struct decoder *d = make("G723/8000", "");
	struct audio a;
	bool quiet;

	(void)state;
	assert_int_equal(decoder_feed(d, span_of("\xc6\x70\xa9\x70", 4), &a, &quiet), 0);
	assert_true(quiet);
	assert_int_equal(a.frames, 240);
	decoder_conceal(d, 2400, span_of(NULL, 0), &a);
	assert_int_equal(a.frames, 2400);
	assert_in_range((unsigned)sound_rms(a.samples, 2400, 1), 30, 1000);
	decoder_free(&d);
}

/* What is lost in the middle of a tone goes on, for some frames, and no louder than it was. */
static void check_lost(struct decoder *d, unsigned frame)
{
	struct audio a;

	decoder_conceal(d, frame + frame / 2, span_of(NULL, 0), &a); /* whole frames only */
	assert_int_equal(a.frames, frame);
	print_message("after loss: %.0f\n", sound_rms(a.samples, frame, 1));
	assert_in_range((unsigned)sound_rms(a.samples, frame, 1), AMPLITUDE / 20, AMPLITUDE);
	decoder_free(&d);
}

static void conceals_a_lost_frame(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
		const struct gap_codec *c = &codecs[i];
		struct decoder *d = make(c->rtpmap, c->fmtp);
		int16_t *pcm = calloc(c->rate_hz, sizeof(*pcm));
		void *e = c->open();
		uint8_t payload[80];
		struct audio a;
		bool quiet;

		decoder_conceal(d, c->frame, span_of(NULL, 0), &a);
		assert_int_equal(a.frames, 0); /* nothing came yet */
		sound_tone(pcm, c->rate_hz, 1, c->rate_hz, 440, AMPLITUDE);
		for (unsigned at = 0; at < c->rate_hz; at += c->frame) {
			unsigned n = c->encode(e, pcm + at, payload);

			if (n)
				decoder_feed(d, span_of(payload, n), &a, &quiet);
		}
		c->close(e);
		free(pcm);
		check_lost(d, c->frame);
	}
}

static void conceals_lost_ilbc(void **state)
{
	static const uint8_t *const tone[] = { ilbc_tone_20ms, ilbc_tone_30ms };

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct decoder *d = make("iLBC/8000", "mode=20"); /* and the other length */
		unsigned bytes = k ? 50 : 38;
		struct audio a;
		bool quiet;

		for (unsigned i = 0; i < 10; i++)
			decoder_feed(d, span_of(tone[k] + i * bytes, bytes), &a, &quiet);
		check_lost(d, k ? 240 : 160);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_in_a_pause),
		cmocka_unit_test(g7231_goes_on_in_a_pause),
		cmocka_unit_test(conceals_a_lost_frame),
		cmocka_unit_test(conceals_lost_ilbc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
