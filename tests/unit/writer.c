/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sink/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"

#define DEADLINE (10 * SEC)

static char dir[64], path[PATH_MAX];

/* Jobs stop here until the gate is opened. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all of these */
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static unsigned at_gate, done;

static void open_gate(bool open)
{
	pthread_mutex_lock(&mutex);
	gate_open = open;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&mutex);
}

static void job(void *arg)
{
	pthread_mutex_lock(&mutex);
	at_gate++;
	while (!gate_open)
		pthread_cond_wait(&opened, &mutex);
	at_gate--;
	done += *(unsigned *)arg;
	pthread_mutex_unlock(&mutex);
}

static unsigned locked(const unsigned *what)
{
	unsigned n;

	pthread_mutex_lock(&mutex);
	n = *what;
	pthread_mutex_unlock(&mutex);
	return n;
}

static void wait_for(const unsigned *what, unsigned n)
{
	usec_t over = clock_mono() + DEADLINE;

	while (locked(what) != n && clock_mono() < over)
		sched_yield();
	assert_int_equal(locked(what), n);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/spoolwire-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file.json", dir);
	done = at_gate = 0;
	gate_open = false;
	return 0;
}

/* Nothing but the file may be left, whatever went wrong. */
static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void check_file(const char *want, unsigned mode)
{
	char text[100] = "";
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	fstat(fd, &st);
	close(fd);
	assert_string_equal(text, want);
	assert_int_equal(st.st_mode & 0777, mode);
}

static void test_publish(void **state)
{
	(void)state;
	umask(022);
	assert_int_equal(writer_publish(path, span_text("one\n"), 0640, NULL), 0);
	check_file("one\n", 0640);
	assert_int_equal(writer_publish(path, span_text("2"), 0640, NULL), 0); /* as a whole, again */
	check_file("2", 0640);
	assert_int_equal(writer_publish(path, span_text(""), 0640, NULL), 0);
	check_file("", 0640);
}

/* A reader that has the old file open sees the old file. */
static void test_publish_replaces(void **state)
{
	char text[10] = "";
	int fd;

	(void)state;
	writer_publish(path, span_text("old"), 0600, NULL);
	fd = open(path, O_RDONLY);
	writer_publish(path, span_text("newer"), 0600, NULL);
	assert_int_equal(read(fd, text, 9), 3);
	assert_string_equal(text, "old");
	close(fd);
}

static void test_publish_fails(void **state)
{
	char text[PATH_MAX + 10], part[PATH_MAX + 8];

	(void)state;
	snprintf(text, sizeof(text), "%s/no/such/dir", dir);
	assert_int_equal(writer_publish(text, span_text("x"), 0600, NULL), -ENOENT);
	memset(text, 'x', PATH_MAX - 3);
	text[PATH_MAX - 3] = '\0';
	assert_int_equal(writer_publish(text, span_text("x"), 0600, NULL), -ENAMETOOLONG);
	/* the name is taken by a directory: what was half done is gone (teardown looks) */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(writer_publish(path, span_text("x"), 0600, NULL), -EISDIR);
	rmdir(path);
	/* nobody can make us write elsewhere by a link */
	snprintf(part, sizeof(part), "%s.part", path);
	assert_int_equal(symlink("/dev/null", part), 0);
	assert_int_equal(writer_publish(path, span_text("x"), 0600, NULL), -ELOOP);
	unlink(part);
}

static void test_all_jobs_are_done(void **state)
{
	struct writer *w = writer_start(3, 1000);
	unsigned one = 1;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(writer_put(w, WRITER_WRITE, NULL, job, &one));
	open_gate(true);
	assert_true(writer_stop(&w, clock_mono() + DEADLINE));
	assert_null(w);
	assert_int_equal(done, 1000);
	assert_true(writer_stop(&w, clock_mono()));
}

static void test_jobs_of_one_thread_keep_their_order(void **state)
{
	struct writer *w = writer_start(1, 10);
	unsigned value[4] = { 1, 10, 100, 1000 };

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		writer_put(w, WRITER_WRITE, NULL, job, &value[i]);
	open_gate(true);
	wait_for(&done, 1111);
	assert_true(writer_stop(&w, clock_mono() + DEADLINE));
}

static void test_full_refuses(void **state)
{
	struct writer *w = writer_start(1, 2);
	unsigned one = 1;

	(void)state;
	assert_true(writer_put(w, WRITER_WRITE, NULL, job, &one));
	wait_for(&at_gate, 1); /* it does not wait any more */
	assert_true(writer_put(w, WRITER_WRITE, NULL, job, &one));
	assert_true(writer_put(w, WRITER_WRITE, NULL, job, &one));
	assert_false(writer_put(w, WRITER_WRITE, NULL, job, &one));
	open_gate(true);
	wait_for(&done, 3);
	assert_true(writer_put(w, WRITER_WRITE, NULL, job, &one));
	assert_true(writer_stop(&w, clock_mono() + DEADLINE));
	assert_int_equal(done, 4);
}

/* The disk holds a job: stopping does not wait for it beyond the deadline. */
static void test_a_hung_job_holds_nobody(void **state)
{
	uint64_t dropped = counter_sum(COUNT_WRITER_DROPPED);
	struct writer *w = writer_start(1, 10);
	usec_t begin = clock_mono();
	static unsigned one = 1;

	(void)state;
	writer_put(w, WRITER_WRITE, NULL, job, &one);
	wait_for(&at_gate, 1);
	writer_put(w, WRITER_WRITE, NULL, job, &one);
	writer_put(w, WRITER_WRITE, NULL, job, &one);
	assert_false(writer_stop(&w, clock_mono() + 20 * MSEC));
	assert_null(w);
	assert_in_range(clock_mono() - begin, 20 * MSEC, 5 * SEC);
	assert_int_equal(counter_sum(COUNT_WRITER_DROPPED), dropped + 3);
	assert_int_equal(locked(&done), 0); /* the gate stays shut: it may hang for ever */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_publish),
		TEST(test_publish_replaces),
		TEST(test_publish_fails),
		TEST(test_all_jobs_are_done),
		TEST(test_jobs_of_one_thread_keep_their_order),
		TEST(test_full_refuses),
		TEST(test_a_hung_job_holds_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
