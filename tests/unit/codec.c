/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
	const char *rtpmap, *fmtp;
	bool ok;
	enum codec_id id;
	uint32_t clock_hz, rate_hz;
	unsigned channels;
};

static const struct row rows[] = {
	{ "PCMA/8000", "", true, CODEC_PCMA, 8000, 8000, 1 },
	{ "pcmu/16000/2", "", true, CODEC_PCMU, 16000, 16000, 2 },
	{ "G722/8000", "", true, CODEC_G722, 8000, 16000, 1 },
	{ "G722/16000", "", true, CODEC_G722, 16000, 16000, 1 },
	{ "G729/8000", "annexb=no", true, CODEC_G729, 8000, 8000, 1 },
	{ "G723/8000", "", true, CODEC_G7231, 8000, 8000, 1 },
	{ "G726-24/8000", "", true, CODEC_G726, 8000, 8000, 1 },
	{ "AAL2-G726-40/8000", "", true, CODEC_G726, 8000, 8000, 1 },
	{ "GSM/8000", "", true, CODEC_GSM, 8000, 8000, 1 },
	{ "iLBC/8000", "mode=20", true, CODEC_ILBC, 8000, 8000, 1 },
	{ "speex/32000", "", true, CODEC_SPEEX, 32000, 32000, 1 },
	{ "AMR/8000/1", "", true, CODEC_AMR, 8000, 8000, 1 },
	{ "AMR-WB/16000", "", true, CODEC_AMR_WB, 16000, 16000, 1 },
	{ "OPUS/48000/2", "", true, CODEC_OPUS, 48000, 48000, 2 },
	{ "L16/44100/2", "", true, CODEC_L16, 44100, 44100, 2 },
	{ "CN/8000", "", true, CODEC_CN, 8000, 8000, 1 },
	{ "telephone-event/48000", "0-16", true, CODEC_EVENT, 48000, 48000, 1 },
	{ "EVS/16000", "", true, CODEC_UNKNOWN, 16000, 16000, 1 },
	{ "a-name-that-is-much-longer-than-any/90000", "", true, CODEC_UNKNOWN, 90000,
		90000, 1 },
	{ "  PCMA / 8000 / 1 ", "", true, CODEC_PCMA, 8000, 8000, 1 },
	{ "PCMA/8000/", "", true, CODEC_PCMA, 8000, 8000, 1 },
	{ "", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "/8000", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/0", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/-1", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/8000x", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/99999999999", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/8000/0", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/8000/1/1", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
	{ "PCMA/8000/1000", "", false, CODEC_UNKNOWN, 8000, 8000, 1 },
};

static void reads_rtpmaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct codec c;

		if (codec_parse(span_text(r->rtpmap), span_text(r->fmtp), &c) != r->ok ||
			c.id != r->id || c.clock_hz != r->clock_hz ||
			c.rate_hz != r->rate_hz || c.channels != r->channels)
			fail_msg("%s: id %d clock %u rate %u channels %u", r->rtpmap,
				c.id, c.clock_hz, c.rate_hz, c.channels);
	}
}

/* Every part of a good one, in memory of just that size. */
static void survives_being_cut(void **state)
{
	static const char whole[] = "AMR-WB/16000/1",
			  fmtp[] = "mode=20; octet-align=1;crc=0;=;;annexb";
	struct codec c;

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		for (size_t k = 0; k < sizeof(fmtp); k++) {
			char *a = malloc(n + 1), *b = malloc(k + 1);

			memcpy(a, whole, n);
			memcpy(b, fmtp, k);
			codec_parse(span_of(a, n), span_of(b, k), &c);
			assert_true(strlen(c.name) < sizeof(c.name));
			free(a);
			free(b);
		}
	}
	assert_false(codec_parse(span_of("PC\0A/8000", 9), span_of(NULL, 0), &c));
	assert_false(codec_parse(span_of(NULL, 0), span_of(NULL, 0), &c));
}

static struct codec parse(const char *rtpmap, const char *fmtp)
{
	struct codec c;

	assert_true(codec_parse(span_text(rtpmap), span_text(fmtp), &c));
	return c;
}

static void reads_parameters(void **state)
{
	struct codec c;

	(void)state;
	c = parse("AMR/8000", "mode-set=0,2,5,7; octet-align=1 ;max-red=0");
	assert_true(
		c.octet_aligned && !c.amr_crc && !c.amr_interleaving && !c.amr_robust);
	assert_false(parse("AMR/8000", "octet-align=0").octet_aligned);
	c = parse("AMR/8000", "OCTET-ALIGN=0;crc=1");
	assert_true(c.amr_crc && c.octet_aligned);
	c = parse("AMR-WB/16000", "interleaving=30");
	assert_true(c.amr_interleaving && c.octet_aligned);
	c = parse("AMR/8000", "robust-sorting=1");
	assert_true(c.amr_robust && c.octet_aligned);
	assert_int_equal(parse("iLBC/8000", "mode=20").ilbc_ms, 20);
	assert_int_equal(parse("iLBC/8000", "mode=30").ilbc_ms, 30);
	assert_int_equal(parse("iLBC/8000", "").ilbc_ms, 30);
	assert_true(parse("G729/8000", "").annexb);
	assert_true(parse("G729/8000", "annexb=yes").annexb);
	assert_false(parse("G729/8000", "foo=1;annexb=no").annexb);
	assert_int_equal(parse("G726-24/8000", "").g726_bits, 3);
	assert_false(parse("G726-24/8000", "").g726_aal2);
	assert_int_equal(parse("aal2-g726-40/8000", "").g726_bits, 5);
	assert_true(parse("aal2-g726-40/8000", "").g726_aal2);
	assert_string_equal(parse("pCmA/8000", "").name, "pCmA");
}

static void knows_static_types(void **state)
{
	static const struct {
		unsigned pt;
		enum codec_id id;
		uint32_t clock_hz;
		unsigned channels;
	} known[] = {
		{ 0, CODEC_PCMU, 8000, 1 },
		{ 2, CODEC_G726, 8000, 1 },
		{ 3, CODEC_GSM, 8000, 1 },
		{ 4, CODEC_G7231, 8000, 1 },
		{ 6, CODEC_UNKNOWN, 16000, 1 },
		{ 8, CODEC_PCMA, 8000, 1 },
		{ 9, CODEC_G722, 8000, 1 },
		{ 10, CODEC_L16, 44100, 2 },
		{ 11, CODEC_L16, 44100, 1 },
		{ 13, CODEC_CN, 8000, 1 },
		{ 18, CODEC_G729, 8000, 1 },
		{ 34, CODEC_UNKNOWN, 90000, 1 },
	};
	struct codec c;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		assert_true(codec_static(known[i].pt, &c));
		assert_int_equal(c.id, known[i].id);
		assert_int_equal(c.clock_hz, known[i].clock_hz);
		assert_int_equal(c.channels, known[i].channels);
	}
	for (unsigned pt = 35; pt < 300; pt++)
		assert_false(codec_static(pt, &c));
}

static void compares(void **state)
{
	struct codec a = parse("AMR/8000", ""), b = parse("amr/8000/1", "mode-set=7");
	struct codec x = parse("EVS/16000", ""), y = parse("VMR/16000", "");

	(void)state;
	assert_true(codec_equal(&a, &b));
	b = parse("AMR/8000", "octet-align=1");
	assert_false(codec_equal(&a, &b));
	assert_false(codec_equal(&x, &y));
	assert_true(codec_equal(&x, &x));
	a = parse("PCMA/8000", "");
	b = parse("PCMA/16000", "");
	assert_false(codec_equal(&a, &b));
}

static void tells_audio(void **state)
{
	struct codec c = parse("PCMA/8000", "");

	(void)state;
	assert_true(codec_is_audio(&c));
	c = parse("CN/8000", "");
	assert_false(codec_is_audio(&c));
	c = parse("telephone-event/8000", "");
	assert_false(codec_is_audio(&c));
	c = parse("EVS/16000", "");
	assert_true(codec_is_audio(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_rtpmaps),
		cmocka_unit_test(survives_being_cut),
		cmocka_unit_test(reads_parameters),
		cmocka_unit_test(knows_static_types),
		cmocka_unit_test(compares),
		cmocka_unit_test(tells_audio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
