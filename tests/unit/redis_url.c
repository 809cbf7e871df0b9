/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "calldata/redis_url.h"

static void same(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void expect(const char *text, const char *host, const char *service, const char *user,
	const char *pass, unsigned db, const char *shown)
{
	struct redis_url u;
	char *reason;

	assert_true(redis_url_parse(text, &u, &reason));
	assert_null(reason);
	same(u.host, host);
	same(u.service, service);
	same(u.user, user);
	same(u.pass, pass);
	assert_int_equal(u.db, db);
	same(u.shown, shown);
	redis_url_fini(&u);
}

static void tcp(void **state)
{
	(void)state;
	expect("redis://h", "h", "6379", NULL, NULL, 0, "h:6379");
	expect("redis://h:1/", "h", "1", NULL, NULL, 0, "h:1");
	expect("redis://[::1]:7000/3", "::1", "7000", NULL, NULL, 3, "[::1]:7000");
	expect("redis://[::1]", "::1", "6379", NULL, NULL, 0, "[::1]:6379");
	expect("redis://:p%40%2fw@h/2", "h", "6379", NULL, "p@/w", 2, "h:6379");
	expect("redis://u:p@w@h:1", "h", "1", "u", "p@w", 0, "h:1");
}

static void expect_path(const char *text, const char *path, unsigned db)
{
	struct redis_url u;
	char *reason;

	assert_true(redis_url_parse(text, &u, &reason));
	same(u.path, path);
	same(u.shown, path);
	assert_int_equal(u.db, db);
	redis_url_fini(&u);
	assert_null(u.path);
}

static void unix_socket(void **state)
{
	(void)state;
	expect_path("/run/redis.sock", "/run/redis.sock", 0);
	expect_path("unix:///run/r?db=5", "/run/r", 5);
}

static void what_cannot_be_understood(void **state)
{
	static const char *const bad[] = {
		"", "localhost:6379", "rediss://h", "redis://", "redis://:6379", "redis://h:0",
		"redis://h:x", "redis://h:70000", "redis://h/x", "redis://h/1/2", "redis://u@h",
		"redis://[::1", "redis://[::1]x", "unix://x", "/x?db=", "/x?a=1", "unix:///x?db=-1",
		("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	};
	struct redis_url u;
	char *reason;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (redis_url_parse(bad[i], &u, &reason))
			fail_msg("was understood: %s", bad[i]);
		assert_non_null(strstr(reason, "redis-url"));
		free(reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp),
		cmocka_unit_test(unix_socket),
		cmocka_unit_test(what_cannot_be_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
