/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Without watch_check: all of this must come from the kernel's events alone. */
#include "spool/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define DEADLINE (10 * SEC)

static struct {
	uv_loop_t loop;
	struct watch *watch;
	char dir[64];
	unsigned looks, done, whats;
	char last[256];
} t;

static void on_file(void *arg, unsigned dir, const char *name, enum watch_what what)
{
	(void)arg;
	assert_int_equal(dir, 3);
	t.whats |= what;
	snprintf(t.last, sizeof(t.last), "%s", name);
}

static void on_look(void *arg, unsigned dir)
{
	(void)arg;
	assert_int_equal(dir, 3);
	t.looks++;
}

static void on_done(void *arg)
{
	(void)arg;
	t.done++;
}

static const struct watch_events events = { .file = on_file, .look = on_look, .done = on_done };

static const char *path_of(const char *name)
{
	static char path[4][256];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", t.dir, name);
	return path[i];
}

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
}

static void run_until(unsigned *value, unsigned least)
{
	usec_t end = clock_mono() + DEADLINE;
	uv_timer_t timer;

	uv_timer_init(&t.loop, &timer);
	uv_timer_start(&timer, on_deadline, 50, 50); /* so that the loop comes back */
	while (*value < least && clock_mono() < end)
		uv_run(&t.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_true(*value >= least);
}

static void write_file(const char *name)
{
	FILE *f = fopen(path_of(name), "a");

	assert_non_null(f);
	fputs("x", f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/spoolwire-test-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	uv_loop_init(&t.loop);
	t.watch = watch_start(&t.loop, &events, NULL);
	watch_add(t.watch, 3, path_of("a/b/c"), false);
	return t.done == 1 && t.looks == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char *command = xasprintf("rm -rf '%s'", t.dir);
	int failed;

	(void)state;
	watch_stop(&t.watch);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	failed = uv_loop_close(&t.loop) | system(command);
	free(command);
	return failed;
}

static void make_path(void)
{
	assert_int_equal(mkdir(path_of("a"), 0777), 0);
	run_until(&t.done, t.done + 1);
	assert_int_equal(mkdir(path_of("a/b"), 0777), 0);
	assert_int_equal(mkdir(path_of("a/b/c"), 0777), 0);
}

static void waits_for_what_is_not_there(void **state)
{
	(void)state;
	make_path();
	run_until(&t.looks, 1);
	write_file("a/b/c/-f");
	run_until(&t.whats, WATCH_CLOSED);
	assert_string_equal(t.last, "-f");
	t.whats = 0;
	unlink(path_of("a/b/c/-f"));
	run_until(&t.whats, WATCH_GONE);
}

static void sees_it_vanish_and_return(void **state)
{
	(void)state;
	make_path();
	run_until(&t.looks, 1);
	rmdir(path_of("a/b/c"));
	rmdir(path_of("a/b"));
	run_until(&t.looks, 2);
	assert_int_equal(mkdir(path_of("new"), 0777), 0);
	assert_int_equal(mkdir(path_of("new/c"), 0777), 0);
	rename(path_of("new"), path_of("a/b"));
	run_until(&t.looks, 3);
	write_file("a/b/c/.g");
	run_until(&t.whats, WATCH_CLOSED);
	assert_string_equal(t.last, ".g");
}

static void sees_it_moved_away(void **state)
{
	(void)state;
	make_path();
	run_until(&t.looks, 1);
	rename(path_of("a/b/c"), path_of("a/b/d"));
	run_until(&t.looks, 2);
	write_file("a/b/d/f");
	assert_int_equal(mkdir(path_of("a/b/c"), 0777), 0);
	run_until(&t.looks, 3);
	assert_int_equal(t.whats, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waits_for_what_is_not_there),
		TEST(sees_it_vanish_and_return),
		TEST(sees_it_moved_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
