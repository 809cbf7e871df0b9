/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/section.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct change c;

static enum section_kind section(const char *label, const char *content)
{
	return section_read(span_text(label), span_text(content), &c);
}

static void reads_every_kind(void **state)
{
	static const struct {
		const char *label, *content;
		enum change_kind kind;
		unsigned n, pt;
		uint64_t value;
	} rows[] = {
		{ "CALL-ID", "a@b", CHANGE_CALL_ID, 0, 0, 0 },
		{ "METADATA", "k:v", CHANGE_METADATA, 0, 0, 0 },
		{ "METADATA-TAG 1", "k:v", CHANGE_TAG_METADATA, 1, 0, 0 },
		{ "LABEL 4095", "x", CHANGE_TAG_LABEL, 4095, 0, 0 },
		{ "TAG 3", "", CHANGE_TAG, 3, 0, 0 },
		{ "SDP from 2 before offer", "v=0", CHANGE_MEDIA_SDP, 2, 0, 0 },
		{ "SDP from 2 after answer", "v=0", CHANGE_MEDIA_SDP, 2, 0, 1 },
		{ "MEDIA 7 PTIME 20", "", CHANGE_MEDIA_PTIME, 7, 0, 20 },
		{ "MEDIA 7 PAYLOAD TYPE 111", "opus/48000/2", CHANGE_MEDIA_CODEC, 7, 111, 0 },
		{ "MEDIA 7 FMTP 111", "", CHANGE_MEDIA_FMTP, 7, 111, 0 },
		{ "STREAM 5 interface", "tag-0", CHANGE_STREAM_OPEN, 5, 0, 0 },
		{ "STREAM 5 FORWARDING 1", "", CHANGE_STREAM_FORWARDING, 5, 0, 1 },
		{ "RECORDING 1", "", CHANGE_RECORDING, 0, 0, 1 },
		{ "FORWARDING 0", "", CHANGE_FORWARDING, 0, 0, 0 },
		{ "RECORDING_FILE", "f", CHANGE_RECORDING_FILE, 0, 0, 0 },
		{ "OUTPUT_DESTINATION", "f", CHANGE_RECORDING_FILE, 0, 0, 0 },
		{ "SKIP_DATABASE", "", CHANGE_SKIP_DATABASE, 0, 0, 1 },
		{ "SKIP_DATABASE 0", "", CHANGE_SKIP_DATABASE, 0, 0, 0 },
		{ "STARTED", "1.5", CHANGE_STARTED, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(section(rows[i].label, rows[i].content), SECTION_CHANGE);
		assert_int_equal(c.kind, rows[i].kind);
		assert_int_equal(c.n, rows[i].n);
		assert_int_equal(c.pt, rows[i].pt);
		assert_int_equal(c.value, rows[i].value);
		assert_true(span_is(c.text, rows[i].content));
	}
}

static void reads_who_holds(void **state)
{
	const char *held = "m=audio 9000 RTP/AVP 0\na=sendonly\n";

	(void)state;
	section("SDP from 2 before offer", held);
	assert_true(c.hold && !c.answer);
	section("SDP from 2 after answer", "m=audio 9000 RTP/AVP 0\n");
	assert_true(c.answer && !c.hold);
}

static void reads_pairs_of_both_dialects(void **state)
{
	static const char *const details[] = {
		"TAG 1 MEDIA 3 TAG-MEDIA 9 COMPONENT 2 FLAGS 68288513",
		"TAG 1 MEDIA 3 COMPONENT 2 FLAGS 18446744073709551615 MEDIA-SDP-ID 8",
		"TAG 1 MEDIA 3 COMPONENT 2 FLAGS 0 MEDIA-SDP-ID -1 MEDIA-REC-SLOT -1",
		"NEW 7 COMPONENT 2 MEDIA 3 TAG 1 TAG-MEDIA 0",
	};
	static const unsigned sections[] = { 8, 8, 0, 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(section("STREAM 6 details", details[i]), SECTION_CHANGE);
		assert_int_equal(c.section, sections[i]);
		assert_int_equal(c.kind, CHANGE_STREAM);
		assert_int_equal(c.n, 6);
		assert_int_equal(c.tag, 1);
		assert_int_equal(c.media, 3);
		assert_int_equal(c.component, 2);
	}
	assert_int_equal(section("STREAM 6 details", "TAG 1"), SECTION_UNKNOWN);
	assert_int_equal(section("STREAM 6 details", "TAG 1 MEDIA x"), SECTION_UNKNOWN);
	assert_int_equal(section("STREAM 6 details", "TAG 4096 MEDIA 1"), SECTION_UNKNOWN);
	assert_int_equal(section("STREAM 6 details", "TAG 1 MEDIA 1 COMPONENT 3"), SECTION_UNKNOWN);
}

static void interface_is_one_path_component(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "../x" };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(section("STREAM 0 interface", bad[i]), SECTION_UNKNOWN);
	assert_int_equal(section("STREAM 0 interface", ".hidden"), SECTION_CHANGE);
	assert_int_equal(section_read(span_text("STREAM 0 interface"), span_of("a\0b", 3), &c),
		SECTION_UNKNOWN);
}

static void numbers_have_bounds(void **state)
{
	static const char *const bad[] = { "TAG 4096", "TAG -1", "TAG", "TAG 1 2", "TAG x",
		"MEDIA 1 PAYLOAD TYPE 128", "RECORDING 2", "RECORDING", "MEDIA 1 PTIME -1",
		"STREAM 99999999999999999999 interface", "WHATEVER", "" };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(section(bad[i], "x"), SECTION_UNKNOWN);
	assert_int_equal(section("PARENT", "x"), SECTION_SILENT);
	assert_int_equal(section("RANDOM_TAG", "x"), SECTION_SILENT);
	assert_int_equal(section_read(span_text("CALL-ID"), span_of("a\0b", 3), &c),
		SECTION_UNKNOWN);
}

static void finds_what_follows_a_torn_one(void **state)
{
	static const struct {
		const char *text, *found;
	} rows[] = {
		{ "STREAM 3 interRECORDING 0\n0:\n\n\n", "RECORDING 0\n" },
		{ "METADATA\n8:\ncutTAG 0\n2:\nt0\n\nTAG 1\n2:\nt1\n\n", "TAG 0\n2:\nt0" },
		{ "X\n50:\nUNKNOWN\n1:\na\n\nMETADATA-TAG 0\n1:\nm\n\n", "METADATA-TAG 0" },
		{ "X\n50:\nTAG 4096\n1:\na\n\n", NULL },
		{ "METADATA\n8:\ncutTAG 0\n2:\nt0\n", NULL }, /* not whole yet */
		{ "TAG 0\n2:\nt0\n\n", NULL }, /* a whole one is not torn */
		{ "\n\n\n", NULL },
		{ "", NULL },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t at = section_find(span_text(rows[i].text));

		if (rows[i].found)
			assert_true(span_starts(span_skip(span_text(rows[i].text), at),
				rows[i].found));
		else
			assert_int_equal(at, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_kind),
		cmocka_unit_test(reads_who_holds),
		cmocka_unit_test(reads_pairs_of_both_dialects),
		cmocka_unit_test(interface_is_one_path_component),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(finds_what_follows_a_torn_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
