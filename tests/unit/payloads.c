/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/payloads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define AMR "AMR/8000"

static void test_static_types_need_no_rtpmap(void **state)
{
	struct payloads *p = payloads_new();

	(void)state;
	assert_int_equal(payloads_find(p, 0)->id, CODEC_PCMU);
	assert_int_equal(payloads_find(p, 8)->id, CODEC_PCMA);
	assert_int_equal(payloads_find(p, 13)->id, CODEC_CN);
	assert_null(payloads_find(p, 96));
	assert_null(payloads_find(p, 127));
	payloads_free(&p);
	assert_null(p);
	payloads_free(&p);
}

static void test_rtpmap_and_fmtp_in_any_order(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct payloads *p = payloads_new();

		if (first)
			payloads_set_fmtp(p, 97, span_text("octet-align=1"));
		assert_null(payloads_find(p, 97));
		payloads_set_rtpmap(p, 97, span_text(AMR));
		assert_int_equal(payloads_find(p, 97)->id, CODEC_AMR);
		if (!first) {
			assert_false(payloads_find(p, 97)->octet_aligned);
			payloads_set_fmtp(p, 97, span_text("octet-align=1"));
		}
		assert_true(payloads_find(p, 97)->octet_aligned);
		payloads_free(&p);
	}
}

/* rtpengine writes everything again at each offer and answer. */
static void test_generation_tells_changes_only(void **state)
{
	struct payloads *p = payloads_new();
	unsigned before;

	(void)state;
	payloads_set_rtpmap(p, 96, span_text(AMR));
	payloads_set_fmtp(p, 96, span_text("octet-align=1"));
	before = payloads_generation(p);
	payloads_set_rtpmap(p, 96, span_text(AMR));
	payloads_set_fmtp(p, 96, span_text("octet-align=1"));
	assert_int_equal(payloads_generation(p), before);
	payloads_set_fmtp(p, 96, span_text("octet-align=1;mode-set=0"));
	assert_int_equal(payloads_generation(p), before); /* nothing a decoder would see */
	payloads_set_rtpmap(p, 96, span_text("opus/48000/2"));
	assert_int_not_equal(payloads_generation(p), before);
	assert_int_equal(payloads_find(p, 96)->id, CODEC_OPUS);
	payloads_free(&p);
}

/* A static type keeps its meaning when only its fmtp, or its own rtpmap, is said. */
static void test_static_type_said_again(void **state)
{
	struct payloads *p = payloads_new();
	unsigned before;

	(void)state;
	assert_int_equal(payloads_find(p, 18)->id, CODEC_G729);
	before = payloads_generation(p);
	payloads_set_fmtp(p, 18, span_text("annexb=no"));
	assert_int_equal(payloads_find(p, 18)->id, CODEC_G729);
	payloads_set_rtpmap(p, 18, span_text("G729/8000"));
	assert_int_equal(payloads_find(p, 18)->id, CODEC_G729);
	assert_false(payloads_find(p, 18)->annexb);
	assert_int_not_equal(payloads_generation(p), before);
	assert_int_equal(payloads_find(p, 0)->id, CODEC_PCMU);
	before = payloads_generation(p);
	payloads_set_rtpmap(p, 0, span_text("PCMU/8000"));
	assert_int_equal(payloads_generation(p), before);
	payloads_free(&p);
}

static void test_unknown_and_rubbish(void **state)
{
	struct payloads *p = payloads_new();
	char text[4000];

	(void)state;
	payloads_set_rtpmap(p, 96, span_text("X-FOO/16000"));
	assert_int_equal(payloads_find(p, 96)->id, CODEC_UNKNOWN);
	assert_int_equal(payloads_find(p, 96)->clock_hz, 16000);
	payloads_set_rtpmap(p, 98, span_text("PCMA/0"));
	payloads_set_rtpmap(p, 99, span_text(""));
	payloads_set_rtpmap(p, 100, span_of("\0\0/\0", 4));
	for (unsigned pt = 98; pt <= 100; pt++)
		if (payloads_find(p, pt))
			assert_true(payloads_find(p, pt)->clock_hz > 0);
	memset(text, 'x', sizeof(text));
	payloads_set_rtpmap(p, 101, span_of(text, sizeof(text)));
	payloads_set_fmtp(p, 101, span_of(text, sizeof(text)));
	payloads_free(&p);
}

/* Two media of one call may use one number for two codecs. */
static void test_tables_are_apart(void **state)
{
	struct payloads *a = payloads_new(), *b = payloads_new();

	(void)state;
	payloads_set_rtpmap(a, 96, span_text(AMR));
	payloads_set_rtpmap(b, 96, span_text("telephone-event/8000"));
	assert_int_equal(payloads_find(a, 96)->id, CODEC_AMR);
	assert_int_equal(payloads_find(b, 96)->id, CODEC_EVENT);
	payloads_free(&a);
	payloads_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_static_types_need_no_rtpmap),
		cmocka_unit_test(test_rtpmap_and_fmtp_in_any_order),
		cmocka_unit_test(test_generation_tells_changes_only),
		cmocka_unit_test(test_static_type_said_again),
		cmocka_unit_test(test_unknown_and_rubbish),
		cmocka_unit_test(test_tables_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
