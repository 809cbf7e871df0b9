/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passes over a file system. Ours end when the test says so. */
#include "record/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

#define DEADLINE (10 * SEC)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all of these */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned begun, allowed; /* passes; to end */
static int error;

static char path[128];
static usec_t now;
static int fd;

int syncfs(int of)
{
	int err;

	(void)of;
	pthread_mutex_lock(&mutex);
	begun++;
	while (begun > allowed)
		pthread_cond_wait(&changed, &mutex);
	err = error;
	pthread_mutex_unlock(&mutex);
	errno = err;
	return err ? -1 : 0;
}

static void allow(unsigned n, int err)
{
	pthread_mutex_lock(&mutex);
	allowed = n;
	error = err;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static unsigned passes(void)
{
	unsigned n;

	pthread_mutex_lock(&mutex);
	n = begun;
	pthread_mutex_unlock(&mutex);
	return n;
}

static int ask_after(usec_t time)
{
	now += time;
	return disk_sync_all(fd, path, now);
}

/* Asks until one begins: the last one may end, but has not yet. What was answered. */
static int ask_until_begun(unsigned n)
{
	usec_t over = clock_mono() + DEADLINE;
	int err = 0;

	while (passes() < n && clock_mono() < over) {
		err = err ? err : ask_after(0);
		sched_yield();
	}
	assert_int_equal(passes(), n);
	return err;
}

static int setup(void **state)
{
	if (folder_make(state) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = disk_create(path, 0600);
	now += 1000 * SEC; /* no pass of another test is recent */
	begun = allowed = 0;
	error = 0;
	return fd < 0 ? -1 : 0;
}

/* None has begun but those that a test has seen. */
static int teardown(void **state)
{
	unsigned n = passes() + 1;

	allow(n, 0);
	now += DISK_SYNC_APART;
	ask_until_begun(n);
	close(fd);
	return folder_remove(state);
}

static void test_one_serves_all_that_ask(void **state)
{
	(void)state;
	allow(10, 0);
	ask_until_begun(1);
	for (unsigned i = 0; i < 99; i++)
		assert_int_equal(ask_after(DISK_SYNC_APART / 100), 0);
	now += DISK_SYNC_APART / 100;
	ask_until_begun(2);
}

/* However long it takes; and whoever asks meanwhile comes back from it. */
static void test_one_at_a_time(void **state)
{
	(void)state;
	ask_until_begun(1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ask_after(DISK_SYNC_APART), 0);
	allow(10, 0);
	ask_until_begun(2); /* and not the eleventh */
}

static void test_the_next_one_is_told_of_an_error(void **state)
{
	(void)state;
	assert_int_equal(ask_until_begun(1), 0);
	allow(1, EIO);
	now += DISK_SYNC_APART;
	assert_int_equal(ask_until_begun(2), -EIO);
	assert_int_equal(ask_after(0), 0);
}

/* So is one who asks after one that could not begin. */
static void test_one_that_cannot_begin(void **state)
{
	usec_t over = clock_mono() + DEADLINE;
	char gone[160];
	int err;

	(void)state;
	snprintf(gone, sizeof(gone), "%s/gone/file", dir);
	do {
		now += DISK_SYNC_APART;
		err = disk_sync_all(fd, gone, now);
	} while (!err && clock_mono() < over);
	assert_int_equal(err, -ENOENT);
	assert_int_equal(ask_after(0), -ENOENT);
	now += DISK_SYNC_APART;
	assert_int_equal(ask_until_begun(1), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_serves_all_that_ask),
		TEST(test_one_at_a_time),
		TEST(test_the_next_one_is_told_of_an_error),
		TEST(test_one_that_cannot_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
