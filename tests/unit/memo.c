/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/memo.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "folder.h"

static const char earlier[] = "{\"parent\":\"a-1\",\"seen\":\"2026-01-01T00:00:00.000001Z\","
	"\"first-packet\":\"2026-01-01T00:00:01.000000Z\",\"joined-after-ms\":3,"
	"\"data-elements\":2,\"data\":{\"merged\":{\"x\":1}},\"metadata\":{\"raw\":\"old\"},"
	"\"events\":[{\"at\":\"2026-01-01T00:00:02.000000Z\",\"kind\":\"sdp\"}]}";
static const char now[] = "{\"parent\":\"a-1\",\"seen\":\"2026-01-01T00:00:05.000000Z\","
	"\"first-packet\":null,\"joined-after-ms\":null,\"data-elements\":0,\"data\":null,"
	"\"metadata\":{\"raw\":\"new\"},"
	"\"events\":[{\"at\":\"2026-01-01T00:00:06.000000Z\",\"kind\":\"digit\"}]}";
static const char both[] = "{\"parent\":\"a-1\",\"seen\":\"2026-01-01T00:00:00.000001Z\","
	"\"first-packet\":\"2026-01-01T00:00:01.000000Z\",\"joined-after-ms\":3,"
	"\"data-elements\":2,\"data\":{\"merged\":{\"x\":1}},\"metadata\":{\"raw\":\"new\"},"
	"\"events\":[{\"at\":\"2026-01-01T00:00:02.000000Z\",\"kind\":\"sdp\"},"
	"{\"at\":\"2026-01-01T00:00:06.000000Z\",\"kind\":\"digit\"}]}";

static void check_join(const char *a, const char *b, const char *want)
{
	char *text = memo_join(a, b);

	if (want)
		assert_string_equal(text, want);
	else
		assert_null(text);
	free(text);
}

static void test_join(void **state)
{
	(void)state;
	check_join(earlier, now, both);
	check_join(both, now, both); /* again and again */
	check_join(NULL, now, now);
	check_join("[1]", now, now);
	check_join(earlier, NULL, earlier);
	check_join("", "{", NULL);
	check_join("{\"events\":7,\"seen\":{},\"data\":1}", now, "{\"parent\":\"a-1\","
		"\"seen\":\"2026-01-01T00:00:05.000000Z\",\"first-packet\":null,"
		"\"joined-after-ms\":null,\"data-elements\":0,\"data\":1,\"metadata\":"
		"{\"raw\":\"new\"},\"events\":[{\"at\":\"2026-01-01T00:00:06.000000Z\","
		"\"kind\":\"digit\"}]}");
}

static void check_who(const char *label, unsigned channels, unsigned channel, const char *want)
{
	static const char account[] = "{\"tags\":[{\"number\":1,\"tag\":\"t1\",\"role\":\"\"},"
		"{\"number\":0,\"tag\":\"t0\",\"role\":\"caller\"}],\"streams\":["
		"{\"number\":0,\"tag\":0,\"channel\":0},{\"number\":2,\"tag\":0,\"channel\":2},"
		"{\"number\":3,\"tag\":1,\"channel\":2},{\"number\":4,\"tag\":1,\"channel\":null}]}";
	char *who = memo_who(account, label, channels, channel);

	assert_string_equal(who, want);
	free(who);
}

static void test_who(void **state)
{
	char *who;

	(void)state;
	check_who("mixed", 1, 0, "all");
	check_who("mixed", 2, 0, "caller");
	check_who("mixed", 2, 1, "caller+t1"); /* it is shared */
	check_who("mixed", 4, 1, "");
	check_who("mixed", 4, 2, "caller+t1");
	check_who("mixed", 4, 3, "");
	check_who("stream 3", 1, 0, "t1");
	who = memo_who(NULL, "stream 1", 1, 0);
	assert_string_equal(who, "");
	free(who);
}

static bool keep_none(void *arg, const char *parent)
{
	assert_string_equal(parent, "a-1");
	++*(unsigned *)arg;
	return false;
}

static void test_on_disk(void **state)
{
	unsigned asked = 0;
	char *text;

	(void)state;
	assert_null(memo_load(dir, "a-1"));
	assert_int_equal(memo_write(dir, "a-1", earlier), 0);
	assert_int_equal(memo_write(dir, "a-1", now), 0);
	text = memo_load(dir, "a-1");
	assert_string_equal(text, both);
	free(text);
	memo_sweep(dir, keep_none, &asked);
	assert_int_equal(asked, 1);
	assert_null(memo_load(dir, "a-1"));
	memo_sweep(dir, keep_none, &asked);
	assert_int_equal(asked, 1);
}

/* Nothing of what was known of the call stays. */
static void test_discard(void **state)
{
	char *text;

	(void)state;
	assert_false(memo_is_discarded(dir, "a-1"));
	assert_int_equal(memo_write(dir, "a-1", earlier), 0);
	assert_false(memo_is_discarded(dir, "a-1"));
	assert_int_equal(memo_discard(dir, "a-1"), 0);
	assert_true(memo_is_discarded(dir, "a-1"));
	assert_false(memo_is_discarded(dir, "a-2"));
	text = memo_load(dir, "a-1");
	assert_string_equal(text, "{\"parent\":\"a-1\",\"discard\":true}");
	free(text);
	memo_remove(dir, "a-1");
	assert_false(memo_is_discarded(dir, "a-1"));
}

/* A note says whose memo is looked for, and it may say anything. */
static void test_hostile(void **state)
{
	char path[200], name[300];
	int fd;

	(void)state;
	assert_int_equal(memo_write(dir, "a-1", earlier), 0);
	snprintf(path, sizeof(path), "%s/victim.call", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	memo_remove(dir, "../victim");
	memo_remove(dir, "");
	memo_remove(dir, "..");
	assert_int_equal(access(path, F_OK), 0);
	assert_null(memo_load(dir, "../victim"));
	assert_int_not_equal(memo_write(dir, "../victim", now), 0);
	assert_null(memo_load(dir, "recordings/../a-1"));
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(memo_write(dir, name, now), -ENAMETOOLONG);
	assert_null(memo_load(dir, name));
	snprintf(path, sizeof(path), "%s/recordings/b-1.call", dir); /* another call's */
	snprintf(name, sizeof(name), "%s/recordings/a-1.call", dir);
	assert_int_equal(rename(name, path), 0);
	assert_null(memo_load(dir, "b-1"));
	fd = open(path, O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	assert_null(memo_load(dir, "b-1"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(memo_load(dir, "b-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_who),
		cmocka_unit_test_setup_teardown(test_on_disk, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_discard, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_hostile, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
