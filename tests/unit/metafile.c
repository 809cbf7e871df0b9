/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/metafile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define MAX_FILE 65536

static size_t load(const char *name, uint8_t *out)
{
	const char *top = getenv("top_srcdir");
	char path[512];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/data/spool/%s", top ? top : ".", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(out, 1, MAX_FILE, f);
	fclose(f);
	return n;
}

/* Sections of the bytes from *position on, which moves as a reader's does. */
static unsigned count(struct span file, size_t *position)
{
	struct metafile_section section;
	unsigned sections = 0;
	ssize_t used;

	while ((used = metafile_next(span_skip(file, *position), &section)) > 0) {
		*position += (size_t)used;
		assert_true(*position <= file.n);
		sections++;
	}
	assert_int_equal(used, 0);
	return sections;
}

static void reads_the_same_byte_by_byte(void **state)
{
	static const char *const files[] = { "complete-call.meta", "forwarding-one-party.meta",
		"reoffer-second-media-hold.meta", "transcoded-labels.meta" };
	static uint8_t bytes[MAX_FILE];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		size_t n = load(files[i], bytes), whole = 0, bytewise = 0;
		unsigned sections = count(span_of(bytes, n), &whole), others = 0;

		for (size_t have = 0; have <= n; have++)
			others += count(span_of(bytes, have), &bytewise);
		assert_int_equal(whole, n);
		assert_int_equal(bytewise, n);
		assert_int_equal(sections, others);
		assert_true(sections > 25);
	}
}

static void content_may_hold_anything(void **state)
{
	const char *text = "METADATA\n9:\na\n\nB\n2:\n\n\n\nTAG 0\n0:\n\n\n";
	struct metafile_section s;
	ssize_t used = metafile_next(span_text(text), &s);

	(void)state;
	assert_true(span_is(s.label, "METADATA"));
	assert_true(span_is(s.content, "a\n\nB\n2:\n\n"));
	used = metafile_next(span_skip(span_text(text), (size_t)used), &s);
	assert_int_equal(used, 11);
	assert_true(span_is(s.label, "TAG 0"));
	assert_int_equal(s.content.n, 0);
}

static void refuses_what_is_no_section(void **state)
{
	static const char *const bad[] = { "\n", "A\nx:\n", "A\n5\n", "A\n-1:\n", "A\n:\n",
		"A\n1:\nab\n\n", "A\n1:\na\nb", "A\tB\n1:\n", "A\n99999999999999", "A\n1 :\na\n\n" };
	char label[300];
	struct metafile_section s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(metafile_next(span_text(bad[i]), &s), -EBADMSG);
	memset(label, 'x', sizeof(label));
	assert_int_equal(metafile_next(span_of(label, METAFILE_MAX_LABEL), &s), 0);
	assert_int_equal(metafile_next(span_of(label, sizeof(label)), &s), -EBADMSG);
}

static void steps_over_what_is_too_long(void **state)
{
	struct metafile_section s;

	(void)state;
	assert_int_equal(metafile_next(span_text("A\n70000:\nxx"), &s), 2 + 7 + 70000 + 2);
	assert_true(s.too_long);
	assert_int_equal(s.content.n, 0);
	assert_int_equal(metafile_next(span_text("A\n65536:\nxx"), &s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_same_byte_by_byte),
		cmocka_unit_test(content_may_hold_anything),
		cmocka_unit_test(refuses_what_is_no_section),
		cmocka_unit_test(steps_over_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
