/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first seconds of two calls as rtpengine recorded them (raw IP packets): one side says
 * 440 Hz, the other 880 Hz, and that is what is heard of each. */
#include "media/decoder.h"
#include "media/jitter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sound.h"

#define FILE_HEADER 24
#define RECORD_HEADER 16
#define MAX_FILE 40000
#define SIDES 2

struct side {
	uint16_t port; /* the sender's */
	struct jitter *jitter;
	struct decoder *decoder;
	int16_t *samples; /* interleaved */
	unsigned frames;
	struct audio format;
};

struct call {
	const char *file, *rtpmap;
	unsigned packets;
	struct { uint16_t port; double hz; } say[SIDES];
};

static const struct call calls[] = {
	{ "g722.pcap", "G722/8000", 130, { { 55326, 440 }, { 36544, 880 } } },
	{ "opus.pcap", "opus/48000/2", 202, { { 35972, 440 }, { 33990, 880 } } },
};

static size_t read_file(const char *name, uint8_t *bytes)
{
	const char *top = getenv("top_srcdir");
	char path[400];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/data/media/%s", top ? top : ".", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(bytes, 1, MAX_FILE, f);
	assert_true(feof(f));
	fclose(f);
	return n;
}

static void open_side(struct side *s, const struct call *c, unsigned which)
{
	const char *reason;
	struct codec codec;

	assert_true(codec_parse(span_text(c->rtpmap), span_text(""), &codec));
	*s = (struct side){ .port = c->say[which].port,
		.jitter = jitter_new(&(struct jitter_opts){ .window = 64, .hold = SEC }),
		.decoder = decoder_new(&codec, &reason),
		.samples = calloc(2 * 48000 * 4, sizeof(int16_t)) };
	assert_non_null(s->decoder);
}

static void close_side(struct side *s)
{
	jitter_free(&s->jitter);
	decoder_free(&s->decoder);
	free(s->samples);
}

static void decode(struct side *s, const struct rtp *rtp)
{
	bool quiet;

	assert_int_equal(decoder_feed(s->decoder, rtp->payload, &s->format, &quiet), 0);
	assert_false(quiet);
	assert_true(s->frames + s->format.frames <= 48000 * 4);
	memcpy(s->samples + (size_t)s->frames * s->format.channels, s->format.samples,
		(size_t)s->format.frames * s->format.channels * 2);
	s->frames += s->format.frames;
}

static void take_packet(struct side sides[SIDES], struct span packet)
{
	struct side *s = sides;
	struct udp udp;
	struct rtp rtp;

	assert_int_equal(udp_parse(packet, &udp), 0);
	assert_int_equal(rtp_parse(udp.payload, &rtp), 0);
	if (s->port != udp.from_port)
		s++;
	assert_int_equal(s->port, udp.from_port);
	assert_int_equal(jitter_put(s->jitter, &rtp, 0), JITTER_NEXT);
	decode(s, &rtp);
}

/* Each record: time in 8 bytes, bytes kept, bytes there were; the machine's order. */
static unsigned take_records(struct side sides[SIDES], struct span in)
{
	unsigned packets = 0;

	for (in = span_skip(in, FILE_HEADER); in.n; packets++) {
		uint32_t n;

		assert_true(in.n > RECORD_HEADER);
		memcpy(&n, in.p + 8, sizeof(n));
		take_packet(sides, span_head(span_skip(in, RECORD_HEADER), n));
		in = span_skip(in, RECORD_HEADER + n);
	}
	return packets;
}

static void check_side(const struct side *s, unsigned packets, double hz, double other_hz)
{
	const struct audio *f = &s->format;
	unsigned skip = f->rate_hz / 5;
	const int16_t *from = s->samples + (size_t)skip * f->channels;

	assert_in_range(s->frames, f->rate_hz / 50 * (packets / 2 - 2),
		f->rate_hz / 50 * (packets / 2 + 2));
	for (unsigned c = 0; c < f->channels; c++) {
		double share = sound_share(
			from + c, s->frames - 2 * skip, f->channels, f->rate_hz, hz);
		double other = sound_share(
			from + c, s->frames - 2 * skip, f->channels, f->rate_hz, other_hz);

		print_message("port %u: %.0f Hz %.3f, %.0f Hz %.5f\n", s->port, hz, share,
			other_hz, other);
		assert_true(share > .95);
		assert_true(other < .001);
	}
}

static void each_side_says_its_tone(void **state)
{
	static uint8_t bytes[MAX_FILE];

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const struct call *c = &calls[i];
		struct side sides[SIDES];

		for (unsigned s = 0; s < SIDES; s++)
			open_side(&sides[s], c, s);
		assert_int_equal(
			take_records(sides, span_of(bytes, read_file(c->file, bytes))),
			c->packets);
		for (unsigned s = 0; s < SIDES; s++) {
			check_side(&sides[s], c->packets, c->say[s].hz, c->say[!s].hz);
			close_side(&sides[s]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_side_says_its_tone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
