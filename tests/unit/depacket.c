/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/depacket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct codec parse(const char *rtpmap, const char *fmtp)
{
	struct codec c;

	assert_true(codec_parse(span_text(rtpmap), span_text(fmtp), &c));
	return c;
}

/* Frames as text: s = speech, d = silence descriptor, - = nothing; bytes and samples of
 * each. */
static void describe(const struct codec *c, struct span payload, char *out, size_t max)
{
	uint8_t *copy = malloc(payload.n + 1); /* so that an overrun is seen */
	struct depacket_frame f;
	struct depacket d;
	unsigned samples = 0, frames = 0;
	size_t at = 0;

	memcpy(copy, payload.p, payload.n);
	snprintf(out, max, "bad");
	if (depacket_start(&d, c, span_of(copy, payload.n)) == 0) {
		out[0] = '\0';
		while (depacket_next(&d, &f)) {
			at += (size_t)snprintf(out + at, max - at, "%c%zu:%u ",
				"sd-"[f.kind], f.data.n, f.samples);
			samples += f.samples;
			frames++;
		}
		assert_int_equal(samples, d.samples);
		assert_int_equal(frames, d.frames);
	}
	free(copy);
}

struct row {
	const char *rtpmap, *fmtp;
	size_t n;
	uint8_t first[4]; /* the rest is 0xd0 */
	const char *out;
};

static const struct row rows[] = {
	{ "G729/8000", "", 10, { 0 }, "s10:80 " },
	{ "G729/8000", "", 20, { 0 }, "s10:80 s10:80 " },
	{ "G729/8000", "", 22, { 0 }, "s10:80 s10:80 d2:80 " },
	{ "G729/8000", "", 2, { 0 }, "d2:80 " }, { "G729/8000", "", 4, { 0 }, "bad" },
	{ "G729/8000", "", 15, { 0 }, "bad" }, { "G729/8000", "", 0, { 0 }, "bad" },
	{ "G729/8000", "", 1010, { 0 }, "bad" }, /* over the cap of frames */
	{ "G723/8000", "", 24, { 0 }, "s24:240 " },
	{ "G723/8000", "", 20, { 1 }, "s20:240 " },
	{ "G723/8000", "", 4, { 2 }, "d4:240 " }, { "G723/8000", "", 4, { 3 }, "bad" },
	{ "G723/8000", "", 48, { 0 }, "s24:240 s24:240 " },
	{ "G723/8000", "", 23, { 0 }, "bad" },
	{ "GSM/8000", "", 33, { 0xd3 }, "s33:160 " },
	{ "GSM/8000", "", 66, { 0xd3 }, "s33:160 s33:160 " },
	{ "GSM/8000", "", 33, { 0x13 }, "bad" }, { "GSM/8000", "", 34, { 0xd3 }, "bad" },
	{ "iLBC/8000", "mode=20", 38, { 0 }, "s38:160 " },
	{ "iLBC/8000", "mode=30", 50, { 0 }, "s50:240 " },
	{ "iLBC/8000", "mode=20", 100, { 0 }, "s50:240 s50:240 " },
	{ "iLBC/8000", "mode=30", 76, { 0 }, "s38:160 s38:160 " },
	{ "iLBC/8000", "mode=30", 51, { 0 }, "bad" },
	{ "G722/8000", "", 160, { 0 }, "s160:320 " },
	{ "G722/8000", "", 13000, { 0 }, "bad" },
	{ "G726-40/8000", "", 100, { 0 }, "s100:160 " },
	{ "G726-16/8000", "", 40, { 0 }, "s40:160 " },
	{ "G726-24/8000", "", 1, { 0 }, "s1:2 " },
	/* bandwidth-efficient: CMR 4, then F 1, FT 4, Q 1 for each */
	{ "AMR/8000", "", 32, { 0xf3, 0xc0 }, "s32:160 " }, /* FT 7, Q 1 */
	{ "AMR/8000", "", 31, { 0xf3, 0xc0 }, "bad" },
	{ "AMR/8000", "", 7, { 0xf4, 0x40 }, "d6:160 " },   /* FT 8 */
	{ "AMR/8000", "", 2, { 0xf7, 0xc0 }, "-1:160 " },   /* FT 15 */
	{ "AMR/8000", "", 32, { 0xf3, 0x80 }, "-32:160 " }, /* FT 7, Q 0: damaged */
	{ "AMR/8000", "", 32, { 0xf6, 0x40 }, "bad" },	    /* FT 12 */
	{ "AMR/8000", "", 1, { 0xf3 }, "bad" },
	{ "AMR/8000", "", 2, { 0xff, 0xdf }, "-1:160 -1:160 " },
	{ "AMR-WB/16000", "", 61, { 0xf4, 0x40 }, "s61:320 " }, /* FT 8 */
	{ "AMR-WB/16000", "", 7, { 0xf4, 0xc0 }, "d6:320 " },	/* FT 9 */
	{ "AMR-WB/16000", "", 2, { 0xf7, 0x40 }, "-1:320 " },	/* FT 14: lost */
	/* octet-aligned: CMR 4 + 4, then F 1, FT 4, Q 1 + 2 for each */
	{ "AMR/8000", "octet-align=1", 33, { 0xf0, 0x3c }, "s32:160 " },
	{ "AMR/8000", "octet-align=1", 32, { 0xf0, 0x3c }, "bad" },
	{ "AMR/8000", "octet-align=1", 34, { 0xf0, 0xbc, 0x7c }, "s32:160 -1:160 " },
	{ "AMR/8000", "octet-align=1", 8, { 0xf0, 0xfc, 0x44 }, "-1:160 d6:160 " },
	{ "AMR/8000", "octet-align=1", 1, { 0xf0 }, "bad" },
	{ "AMR-WB/16000", "octet-align=1", 62, { 0xf0, 0x44 }, "s61:320 " },
	{ "speex/8000", "", 20, { 0x1d }, "s20:160 " }, /* mode 3: 160 bits */
	{ "speex/8000", "", 19, { 0x1d }, "bad" },
	{ "speex/8000", "", 21, { 0x1d }, "bad" }, /* a layer 5 follows, there is none */
	{ "speex/8000", "", 3, { 0x04, 0x43, 0xc0 }, "s3:160 " }, /* two layers above it */
	{ "speex/8000", "", 3, { 0x04, 0x44, 0x3c }, "bad" }, /* three */
	{ "speex/8000", "", 1, { 0x7f }, "bad" },  /* the end, and no frame */
	{ "PCMA/8000", "", 160, { 0 }, "bad" },	   /* nothing to take apart */
};

static void takes_payloads_apart(void **state)
{
	uint8_t payload[14000];
	char out[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct codec c = parse(rows[i].rtpmap, rows[i].fmtp);

		memset(payload, 0xd0, sizeof(payload));
		memcpy(payload, rows[i].first, 4);
		if (c.id == CODEC_G7231 || c.id == CODEC_G729)
			memset(payload + 4, 0, sizeof(payload) - 4);
		if (c.id == CODEC_GSM)
			payload[33] = 0xd1;
		describe(&c, span_of(payload, rows[i].n), out, sizeof(out));
		if (strcmp(out, rows[i].out) != 0)
			fail_msg("%s %s of %zu, row %zu: \"%s\" instead of \"%s\"",
				rows[i].rtpmap, rows[i].fmtp, rows[i].n, i, out,
				rows[i].out);
	}
}

/* 4 bits of mode request, 6 of type, then 95 bits of ones: they have to be shifted into
 * place. */
static void moves_amr_bits(void **state)
{
	uint8_t payload[14] = { 0xf0, 0x40 };
	struct codec c = parse("AMR/8000", "");
	struct depacket_frame f;
	struct depacket d;

	(void)state;
	for (unsigned bit = 10; bit < 10 + 95; bit += 2)
		payload[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	payload[13] |= 0x7f; /* padding, and not speech */
	assert_int_equal(depacket_start(&d, &c, span_of(payload, sizeof(payload))), 0);
	assert_true(depacket_next(&d, &f));
	assert_int_equal(f.data.n, 13);
	assert_int_equal(f.data.p[0], 0x04);
	for (unsigned i = 1; i < 12; i++)
		assert_int_equal(f.data.p[i], 0xaa);
	assert_int_equal(f.data.p[12], 0xaa);
	assert_false(depacket_next(&d, &f));
}

/* Narrowband mode 8 is 79 bits, mode 0 five, the wideband layer's mode 1 36; mode 15
 * ends. */
static void counts_speex_frames(void **state)
{
	uint8_t payload[40] = { 0 };
	struct codec c = parse("speex/16000", "");
	struct depacket d;

	(void)state;
	payload[0] = 0x40;            /* 0 1000: mode 8, to bit 79 */
	payload[9] = 0x01;            /* bit 79: a wideband layer */
	payload[10] = 0x20;           /* 001: its mode 1, to bit 115 */
	payload[14] = 0x0f;           /* 0 1111 is at 115-119: after 000, 0x0f */
	assert_int_equal(depacket_start(&d, &c, span_of(payload, 15)), 0);
	assert_int_equal(d.samples, 320);
	payload[14] = 0;              /* instead of the end: an empty frame, 115-119 */
	assert_int_equal(depacket_start(&d, &c, span_of(payload, 15)), 0);
	assert_int_equal(d.samples, 640);
	assert_int_equal(depacket_start(&d, &c, span_of(payload, 14)),
		-EINVAL);	      /* cut in the layer */
	payload[0] = 0x48;            /* 0 1001: no such mode */
	assert_int_equal(depacket_start(&d, &c, span_of(payload, 15)), -EINVAL);
}

static void survives_anything(void **state)
{
	static const char *const maps[] = { "G729/8000", "G723/8000", "GSM/8000",
		"iLBC/8000", "speex/8000", "speex/32000", "AMR/8000", "AMR-WB/16000",
		"G726-24/8000", "G722/8000" };
	uint8_t payload[200];
	char out[8000];

	(void)state;
	srand(11);
	for (unsigned i = 0; i < 40000; i++) {
		struct codec c = parse(maps[i % 10], i % 20 < 10 ? "" : "octet-align=1");
		size_t n = (size_t)rand() % sizeof(payload);

		for (size_t k = 0; k < n; k++)
			payload[k] = (uint8_t)rand();
		describe(&c, span_of(payload, n), out, sizeof(out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_payloads_apart),
		cmocka_unit_test(moves_amr_bits),
		cmocka_unit_test(counts_speex_frames),
		cmocka_unit_test(survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
