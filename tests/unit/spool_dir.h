/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real spool on a directory of its own, in a real loop: things are done to files, and the loop
 * runs until what must be told was told, or a deadline is over. */
#ifndef TEST_SPOOL_DIR_H
#define TEST_SPOOL_DIR_H

#include "spool/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/counters.h"
#include "base/mem.h"

#define TAG_A    "-0123456789abcdef"
#define DEADLINE (10 * SEC)
#define MAX_LOG  (1024 * 1024)

static struct {
	uv_loop_t loop;
	struct spool *spool;
	struct spool_opts opts;
	char dir[64];
	char log[MAX_LOG]; /* what was told, a line each */
	size_t bytes;
	unsigned changes;
	enum spool_answer answer;
} t;

static inline void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t.bytes += (size_t)vsnprintf(t.log + t.bytes, MAX_LOG - t.bytes, fmt, ap);
	va_end(ap);
	assert_true(t.bytes < MAX_LOG);
}

static inline enum spool_answer on_call(void *arg, const char *parent, enum spool_layout layout,
	const struct spool_file *file)
{
	(void)arg;
	assert_true(file ? layout != SPOOL_PROC : layout != SPOOL_PCM);
	note("call %d %s\n", (int)layout, parent);
	return t.answer;
}

static inline void on_change(void *arg, const char *parent, const struct change *c)
{
	(void)arg;
	t.changes++;
	note("%s kind%d n%u v%llu [%.*s]\n", parent, (int)c->kind, c->n,
		(unsigned long long)c->value, (int)(c->text.n < 200 ? c->text.n : 200),
		(const char *)c->text.p);
}

static inline void on_grew(void *arg, const char *parent)
{
	(void)arg;
	note("grew %s\n", parent);
}

static inline void on_end(void *arg, const char *parent, enum spool_end why)
{
	(void)arg;
	note("end %d %s\n", (int)why, parent);
}

static const struct spool_events events = {
	.call = on_call, .change = on_change, .grew = on_grew, .end = on_end,
};

static inline char *path_of(const char *name)
{
	static char path[8][512];
	static unsigned i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", t.dir, name);
	return path[i];
}

static inline void append(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline void section(const char *file, const char *label, const char *content)
{
	char *text = xasprintf("%s\n%zu:\n%s\n\n", label, strlen(content), content);

	append(file, text);
	free(text);
}

static inline void make_dir(const char *name)
{
	assert_int_equal(mkdir(path_of(name), 0777), 0);
}

static inline void make_pcap_dirs(void)
{
	make_dir("spool");
	make_dir("spool/tmp");
	make_dir("spool/pcaps");
	make_dir("spool/metadata");
}

static inline void move(const char *from, const char *to)
{
	assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

static inline void start(void)
{
	t.spool = spool_start(&t.loop, &t.opts, &events, NULL);
}

static inline void on_deadline(uv_timer_t *timer)
{
	(void)timer;
}

static inline unsigned count(const char *line)
{
	unsigned n = 0;

	for (const char *at = t.log; (at = strstr(at, line)); at++)
		n++;
	return n;
}

/* Runs the loop until the text was told so many times. */
static inline void want_times(const char *line, unsigned times)
{
	usec_t end = clock_mono() + DEADLINE;
	uv_timer_t timer;

	uv_timer_init(&t.loop, &timer);
	uv_timer_start(&timer, on_deadline, 50, 50); /* so that the loop comes back */
	while (count(line) < times && clock_mono() < end)
		uv_run(&t.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	if (count(line) < times)
		print_message("not told: %s\n%s", line, t.log);
	assert_true(count(line) >= times);
}

static inline void want(const char *line)
{
	want_times(line, 1);
}

static inline void want_order(const char *first, const char *second)
{
	const char *a = strstr(t.log, first), *b = strstr(t.log, second);

	assert_true(a && b && a < b);
}

/* Root may read everything: tests of what may not be read are somebody else meanwhile. */
static inline void be(uid_t uid)
{
	if (getuid() != 0)
		return;
	assert_int_equal(seteuid(uid), 0);
	prctl(PR_SET_DUMPABLE, 1); /* for leak checkers: a change of user clears it */
}

#define NOBODY 65534

static inline int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.answer = SPOOL_TAKEN;
	strcpy(t.dir, "/tmp/spoolwire-test-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	uv_loop_init(&t.loop);
	t.opts = (struct spool_opts){ .dir = xstrdup(path_of("spool")),
		.pcm_dir = xstrdup(path_of("pcm")), .orphan_timeout = 3600 * SEC,
		.pcap_max_age = 86400 * SEC, .pcm_idle_timeout = 3600 * SEC, .max_calls = 5000 };
	return 0;
}

static inline int tear_down(void **state)
{
	char *command = xasprintf("rm -rf '%s'", t.dir);
	int failed;

	(void)state;
	be(0);
	spool_stop(&t.spool);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	failed = uv_loop_close(&t.loop);
	failed |= system(command);
	free(command);
	free((char *)t.opts.dir);
	free((char *)t.opts.pcm_dir);
	return failed;
}

struct meanwhile {
	void (*fn)(void *arg);
	void *arg;
};

static inline void on_check(uv_check_t *check)
{
	struct meanwhile *m = check->data;

	if (!count("[f]") || !m->fn)
		return;
	assert_true(count("[f]") < 1200);
	m->fn(m->arg);
	m->fn = NULL;
}

/* More names than one turn looks at, so that the file behind them is looked at in the next turn.
 * fn is called between the two: what it does is there when the file is looked at, and told later. */
static inline void do_before_its_turn(const char *file, void (*fn)(void *arg), void *arg)
{
	struct meanwhile meanwhile = { .fn = fn, .arg = arg };
	uv_check_t check; /* called behind the poll, before any timer */
	char name[64];

	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "spool/f%u" TAG_A ".meta", i);
		section(name, "CALL-ID", "f");
	}
	append(file, "\n");
	uv_check_init(&t.loop, &check);
	check.data = &meanwhile;
	uv_check_start(&check, on_check);
	for (unsigned i = 0; i < 100 && meanwhile.fn; i++)
		uv_run(&t.loop, UV_RUN_ONCE);
	assert_null(meanwhile.fn);
	uv_close((uv_handle_t *)&check, NULL);
	uv_run(&t.loop, UV_RUN_NOWAIT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
