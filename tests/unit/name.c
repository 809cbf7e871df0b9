/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <time.h>

#include "base/mem.h"
#include "record/name.h"

#define STARTED ((usec_t)1795243720 * SEC + 42) /* 2026-11-21 06:48:40 UTC */

static char *allowed[] = { (char *)"/mnt/archive/", (char *)"/srv//rec", NULL };

static const struct name_opts opts = {
	.dir = "/out", .pattern = "%c-%r-%t", .suffix = "wav", .allow = allowed,
};

static struct name_facts facts(void)
{
	return (struct name_facts){
		.call_id = span_text("a@b"), .parent = "a%40b-0123456789abcdef", .type = "mix",
		.label = span_text("alice"), .metadata = span_text("x|foo:bar|blah:baz|foo:second|k:"),
		.started = STARTED,
	};
}

static char *make(const char *pattern, const struct name_facts *f, const char **refused)
{
	struct name_opts o = opts;

	o.pattern = pattern;
	return name_make(&o, f, refused);
}

static void expect(const char *pattern, struct name_facts f, const char *path)
{
	const char *refused;
	char *made = make(pattern, &f, &refused);

	assert_string_equal(made, path);
	assert_null(refused);
	free(made);
}

static void every_sequence(void **state)
{
	(void)state;
	expect("%c-%r-%t", facts(), "/out/a%40b-0123456789abcdef-mix.wav");
	expect("%%%c%%.%t", facts(), "/out/%a%40b%.mix.wav");
	expect("%Y/%m/%d/%H%M%S.%u-%c-%t", facts(),
		"/out/2026/11/21/064840.000042-a%40b-mix.wav");
	expect("%l/%c%t", facts(), "/out/alice/a%40bmix.wav");
	expect("%{foo}-%{blah}-%{k}-%{none}-%c%t", facts(), "/out/bar-baz---a%40bmix.wav");
	expect("%2/%3/%c%t", facts(), "/out/a%/40b/a%40bmix.wav");
	expect("%1%1/%1/%99/%c%t", facts(), "/out/a%/4/0b/a%40bmix.wav");
	expect("//x//%c%t", facts(), "/out/x/a%40bmix.wav");
}

/* Local time: the operator's. */
static void time_is_local(void **state)
{
	(void)state;
	setenv("TZ", "ABC-03:30", 1);
	tzset();
	expect("%H%M/%c%t", facts(), "/out/1018/a%40bmix.wav");
	setenv("TZ", "UTC", 1);
	tzset();
}

static void patterns_are_checked(void **state)
{
	char more[64] = "";

	(void)state;
	assert_null(name_check("%c-%r-%t"));
	assert_null(name_check("%Y/..x/.%c/%2/%{a b}/%u%%-%t"));
	assert_non_null(name_check(""));
	assert_non_null(strstr(name_check("%t"), "%c"));
	assert_non_null(strstr(name_check("%c"), "%t"));
	assert_non_null(strstr(name_check("%%c%t"), "%c"));
	assert_non_null(strstr(name_check("%c%t%"), "single"));
	assert_non_null(strstr(name_check("%c%t%x"), "letter"));
	assert_non_null(strstr(name_check("%c%t%{key"), "}"));
	assert_non_null(strstr(name_check("%c%t%0"), "1 or more"));
	assert_non_null(strstr(name_check("%c%t%99999999999"), "1 or more"));
	assert_non_null(strstr(name_check("../%c%t"), ".."));
	assert_non_null(strstr(name_check("x/./%c%t"), ".."));
	assert_non_null(strstr(name_check("%c%t/.."), ".."));
	assert_non_null(strstr(name_check("%c%t/"), "name"));
	assert_non_null(strstr(name_check("%c\n%t"), "control"));
	for (int i = 0; i < 16; i++)
		strcat(more, "x/");
	strcat(more, "%c%t");
	assert_non_null(strstr(name_check(more), "16"));
	assert_null(name_check(more + 2));
}

static void what_the_call_says_makes_no_directory(void **state)
{
	struct name_facts f = facts();

	(void)state;
	f.call_id = span_text("../../etc/cron.d/x\n");
	f.label = span_text("../a/b %\x01\x7f\xc2\x85\xff\xc3\xa4");
	f.metadata = span_text("foo:..|b:/etc");
	expect("%c%t", f, "/out/..%2F..%2Fetc%2Fcron.d%2Fx%0Amix.wav");
	expect("%l/%c%t", f,
		"/out/..%2Fa%2Fb %25%01%7F%C2%85%FF\xc3\xa4/..%2F..%2Fetc%2Fcron.d%2Fx%0Amix.wav");
	expect("%{foo}/%{b}/%t", f, "/out/%2E./%2Fetc/mix.wav");
	expect("%1/%1/%t", f, "/out/%2E/%2E/mix.wav");
	expect("%2/%t", f, "/out/%2E./mix.wav");
	f.parent = "x-../..";
	expect("%r/%t", f, "/out/..%2F../mix.wav");
	f.call_id = span_of("", 0);
	f.label = span_of(NULL, 0);
	f.metadata = span_of(NULL, 0);
	expect("%c/%l/%3/%{a}/%t", f, "/out/_/_/_/_/mix.wav");
}

/* Two names that only differ beyond the cut stay two. */
static void long_names_are_cut(void **state)
{
	static uint8_t id[5000];
	struct name_facts f = facts();
	const char *refused;
	char *one, *other;

	(void)state;
	memset(id, 'x', sizeof(id));
	f.call_id = span_of(id, sizeof(id));
	one = make("%c-%t", &f, &refused);
	assert_int_equal(strlen(one), strlen("/out/") + 200 + strlen(".wav"));
	f.type = "0000abcd";
	other = make("%c-%t", &f, &refused);
	assert_string_not_equal(one, other);
	assert_memory_equal(one, other, 5 + 183 + 1);
	free(one);
	free(other);
	f.call_id = span_of(id, 200);
	one = make("%c", &f, &refused);
	assert_int_equal(strlen(one), 5 + 200 + 4);
	assert_int_equal(one[5 + 199], 'x');
	free(one);
}

/* No cut goes through %XX or a UTF-8 sequence. */
static void cuts_keep_escapes_whole(void **state)
{
	static uint8_t id[600];
	struct name_facts f = facts();

	(void)state;
	memset(id, '@', sizeof(id));
	for (size_t lead = 0; lead < 3; lead++) {
		const char *refused;
		char *path;

		memset(id, 'x', lead);
		f.call_id = span_of(id, sizeof(id));
		path = make("%c%t", &f, &refused);
		path[strlen(path) - strlen("-0123456789abcdef.wav")] = '\0';
		assert_int_equal((strlen(path) - 5 - lead) % 3, 0);
		free(path);
	}
	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (const uint8_t[]){ 0xe2, 0x82, 0xac }[i % 3];
	for (size_t lead = 0; lead < 3; lead++) {
		const char *refused;
		char *path;

		f.label = span_of(id + lead, 399 - lead);
		path = make("%l%t", &f, &refused);
		path[strlen(path) - strlen("-0123456789abcdef.wav")] = '\0';
		assert_int_equal((uint8_t)path[strlen(path) - 1], 0xac);
		free(path);
	}
}

static void longest_of_all_fits(void **state)
{
	static uint8_t id[5000];
	char pattern[128] = "%c", dir[NAME_MAX_DIR + 1];
	struct name_opts o = opts;
	struct name_facts f = facts();
	const char *refused;
	char *path;

	(void)state;
	memset(id, '/', sizeof(id));
	memset(dir, 'd', NAME_MAX_DIR);
	dir[0] = '/';
	dir[NAME_MAX_DIR] = '\0';
	for (int i = 1; i < 16; i++)
		strcat(pattern, "/%t%c");
	assert_null(name_check(pattern));
	o.dir = dir;
	o.pattern = pattern;
	f.call_id = span_of(id, sizeof(id));
	path = name_make(&o, &f, &refused);
	assert_true(strlen(path) < 4096 - 64);
	free(path);
}

/* ---- overrides ------------------------------------------------------------------------------ */

static void expect_override(const char *file, const char *dir, const char *pattern,
	const char *path, bool taken)
{
	struct name_facts f = facts();
	const char *refused;
	char *made;

	f.file = span_text(file);
	f.path = span_text(dir);
	f.pattern = span_text(pattern);
	made = name_make(&opts, &f, &refused);
	assert_string_equal(made, path);
	assert_int_equal(!refused, taken);
	free(made);
}

#define PLAIN "/a%40b-0123456789abcdef-mix.wav"

static void overrides_are_followed(void **state)
{
	(void)state;
	expect_override("name", "", "", "/out/name.wav", true);
	expect_override("a b.mp3", "", "", "/out/a b.mp3.wav", true);
	expect_override("/out/sub/x.wav", "", "", "/out/sub/x.wav", true);
	expect_override("/mnt//archive/./x", "", "", "/mnt/archive/x", true);
	expect_override("sub/x.wav", "", "", "/out/sub/x.wav", true);
	expect_override("sub/x.wav", "/srv/rec", "", "/srv/rec/sub/x.wav", true);
	expect_override("x", "/srv/rec/2026/", "", "/srv/rec/2026/x.wav", true);
	expect_override("", "/srv/rec", "", "/srv/rec" PLAIN, true);
	expect_override("", "sub", "", "/out/sub" PLAIN, true);
	expect_override("", "", "%{foo}/%l", "/out/bar/alice.wav", true);
	expect_override("", "/mnt/archive/a", "%l", "/mnt/archive/a/alice.wav", true);
}

static void overrides_stay_inside(void **state)
{
	(void)state;
	expect_override("/etc/cron.d/x", "", "", "/out" PLAIN, false);
	expect_override("/outside/x", "", "", "/out" PLAIN, false);
	expect_override("/out/../etc/x", "", "", "/out" PLAIN, false);
	expect_override("../x", "", "", "/out" PLAIN, false);
	expect_override("..", "", "", "/out" PLAIN, false);
	expect_override(".", "", "", "/out" PLAIN, false);
	expect_override("/", "", "", "/out" PLAIN, false);
	expect_override("/out", "", "", "/out" PLAIN, false);
	expect_override("/srv/rec", "", "", "/out" PLAIN, false);
	expect_override("/out/", "", "", "/out" PLAIN, false);
	expect_override("/out/sub/.", "", "", "/out" PLAIN, false);
	expect_override("/out/x.part", "", "", "/out" PLAIN, false);
	expect_override("/out/x.json", "", "", "/out" PLAIN, false);
	expect_override("/out/a\nb", "", "", "/out" PLAIN, false);
	expect_override("/out/a\xff", "", "", "/out" PLAIN, false);
	expect_override("", "/etc", "", "/out" PLAIN, false);
	expect_override("", "/srv/record", "", "/out" PLAIN, false);
	expect_override("", "/srv", "", "/out" PLAIN, false);
	expect_override("", "/srv/rec/..", "", "/out" PLAIN, false);
	expect_override("", "", "../%c", "/out" PLAIN, false);
	expect_override("", "", "%c%", "/out" PLAIN, false);
	expect_override("", "/etc", "%l", "/out/alice.wav", false);
	expect_override("x", "/etc", "", "/out/x.wav", false);
}

static void long_overrides_are_refused(void **state)
{
	static char longest[5000];
	struct name_facts f = facts();

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/out/", 5);
	for (size_t n = 206; n < sizeof(longest); n += 97) {
		const char *refused;
		char *path;

		f.file = span_of(longest, n);
		path = name_make(&opts, &f, &refused);
		assert_string_equal(path, "/out" PLAIN);
		assert_non_null(refused);
		free(path);
	}
	for (size_t i = 5; i < sizeof(longest); i += 2)
		longest[i] = '/';
	for (size_t n = 8; n < sizeof(longest); n++) {
		const char *refused;
		char *path;

		f.file = span_of(longest, n);
		f.path = span_of(longest, n);
		path = name_make(&opts, &f, &refused);
		assert_true(strlen(path) < 4096 - 64);
		assert_memory_equal(path, "/out/", 5);
		free(path);
	}
}

static void numbers_go_before_the_suffix(void **state)
{
	static const char *const cases[][3] = {
		{ "/out/x.wav", "/out/x-7.wav", "/out/x.json" },
		{ "/o.d/x", "/o.d/x-7", "/o.d/x.json" },
		{ "/out/.x", "/out/.x-7", "/out/.x.json" },
		{ "/out/a.b.mp3", "/out/a.b-7.mp3", "/out/a.b.json" },
		{ "/out/x.opus", "/out/x-7.opus", "/out/x.json" },
		{ "/out/x.ogg", "/out/x-7.ogg", "/out/x.ogg.json" },
		{ "/out/a@10.0.0.1", "/out/a@10.0.0-7.1", "/out/a@10.0.0.1.json" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = name_numbered(cases[i][0], 7);
		char *sidecar = name_sidecar(cases[i][0]);

		assert_string_equal(path, cases[i][1]);
		assert_string_equal(sidecar, cases[i][2]);
		free(path);
		free(sidecar);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sequence),
		cmocka_unit_test(time_is_local),
		cmocka_unit_test(patterns_are_checked),
		cmocka_unit_test(what_the_call_says_makes_no_directory),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(cuts_keep_escapes_whole),
		cmocka_unit_test(longest_of_all_fits),
		cmocka_unit_test(overrides_are_followed),
		cmocka_unit_test(overrides_stay_inside),
		cmocka_unit_test(long_overrides_are_refused),
		cmocka_unit_test(numbers_go_before_the_suffix),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
