/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"

static int pipe_out, old_stderr;
static char text[1024 * 1024];

/* What is on stderr so far, as text. */
static const char *written(void)
{
	ssize_t n = read(pipe_out, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int catch_stderr(void **state)
{
	int fds[2];

	(void)state;
	if (pipe2(fds, O_NONBLOCK) < 0)
		return -1;
	fcntl(fds[1], F_SETPIPE_SZ, 1024 * 1024);
	old_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	pipe_out = fds[0];
	return 0;
}

static int give_stderr_back(void **state)
{
	(void)state;
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	close(pipe_out);
	return 0;
}

static struct log_opts plain(void)
{
	return (struct log_opts){ .level = { 6, 6, 6 }, .to_stderr = true,
		.no_timestamps = true, .mark_prefix = "<", .mark_suffix = ">" };
}

static void test_levels(void **state)
{
	struct log_opts o = plain();

	(void)state;
	log_start(&o);
	log_info("one %d", 1);
	log_debug("two");
	log_set_level(LOG_CLASS_CORE, 3);
	log_warn("three");
	log_err("four");
	log_write(LOG_CLASS_FFMPEG, 6, "five");
	log_stop();
	assert_string_equal(written(), "INFO: one 1\nERR: four\nINFO: five\n");
}

static void test_before_start_and_after_stop(void **state)
{
	(void)state;
	log_warn("early");
	assert_non_null(strstr(written(), "Z WARNING: early\n"));
}

static void test_long_lines_go_on(void **state)
{
	struct log_opts o = plain();

	(void)state;
	o.max_length = 4;
	log_start(&o);
	log_info("abcdefghij");
	log_info("abcd");
	log_stop();
	assert_string_equal(written(),
		"INFO: abcd ...\nINFO: ... efgh ...\nINFO: ... ij\nINFO: abcd\n");
}

static void test_several_lines(void **state)
{
	struct log_opts o = plain();

	(void)state;
	log_start(&o);
	log_info("a\nb\x1b[2J");
	log_stop();
	assert_string_equal(written(), "INFO: a b [2J\n");
	o.split = true;
	log_start(&o);
	log_info("a\nb");
	log_stop();
	assert_string_equal(written(), "INFO: a ...\nINFO: ... b\n");
}

static void test_marks(void **state)
{
	struct log_opts o = plain();
	char many[400];
	const char *shown;

	(void)state;
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	log_start(&o);
	assert_string_equal(log_mark("a\n\x7f\xc3\xa4%s"), "<a\\x0a\\x7f\xc3\xa4%s>");
	shown = log_mark(many);
	assert_int_equal(strlen(shown), 202);
	for (int i = 0; i < 7; i++)
		log_mark("other");
	assert_int_equal(strlen(shown), 202);
	log_stop();
	assert_string_equal(log_mark("plain"), "plain");
}

static void test_limit(void **state)
{
	struct log_limit l = { 0 };
	uint64_t suppressed;

	(void)state;
	assert_true(log_allowed(&l, 5, 10, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_false(log_allowed(&l, 6, 10, &suppressed));
	assert_false(log_allowed(&l, 14, 10, &suppressed));
	assert_true(log_allowed(&l, 15, 10, &suppressed));
	assert_int_equal(suppressed, 2);
}

/* Nobody reads the pipe: its thread hangs in write, whoever logs does not, memory is bounded. */
static void test_slow_reader_costs_lines(void **state)
{
	struct log_opts o = plain();
	uint64_t before = counter_sum(COUNT_LOG_DROPPED);
	char line[512];

	(void)state;
	fcntl(STDERR_FILENO, F_SETFL, 0); /* writing waits from here on */
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	log_start(&o);
	for (int i = 0; i < 20000; i++)
		log_info("%s", line);
	assert_true(counter_sum(COUNT_LOG_DROPPED) > before);
	close(pipe_out); /* without a reader writing fails, and the thread goes on */
	log_stop();
	pipe_out = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, catch_stderr, give_stderr_back),
		cmocka_unit_test_setup_teardown(test_before_start_and_after_stop, catch_stderr,
			give_stderr_back),
		cmocka_unit_test_setup_teardown(test_long_lines_go_on, catch_stderr,
			give_stderr_back),
		cmocka_unit_test_setup_teardown(test_several_lines, catch_stderr, give_stderr_back),
		cmocka_unit_test_setup_teardown(test_marks, catch_stderr, give_stderr_back),
		cmocka_unit_test(test_limit),
		cmocka_unit_test_setup_teardown(test_slow_reader_costs_lines, catch_stderr,
			give_stderr_back),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
