/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our own open() stands before the library's: it hangs where the test wants it to. */
#undef _FORTIFY_SOURCE
#include "spool/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"

#define HANG     "/hang"
#define DEADLINE (10 * SEC)
#define LATER    (clock_mono() + 100 * SEC)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all of these */
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static unsigned hanging, late_fds;
static bool release;
static int late_fd = -1;
static struct mail *back;  /* sources that came back */
static unsigned backs;

static int hang(void)
{
	int fd;

	pthread_mutex_lock(&mutex);
	hanging++;
	while (!release)
		pthread_cond_wait(&released, &mutex);
	hanging--;
	fd = late_fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null",
		O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	late_fds++;
	pthread_mutex_unlock(&mutex);
	return fd;
}

int open(const char *path, int flags, ...)
{
	unsigned mode = 0;
	va_list ap;

	if (strncmp(path, HANG, strlen(HANG)) == 0)
		return hang();
	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, unsigned);
	va_end(ap);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
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

static void on_done(void *arg, struct source **s)
{
	assert_ptr_equal(arg, &back);
	pthread_mutex_lock(&mutex);
	(*s)->mail.next = back;
	back = &(*s)->mail;
	backs++;
	pthread_mutex_unlock(&mutex);
	*s = NULL;
}

static struct opener *opener_of(unsigned threads, unsigned max_lost, unsigned max_waiting)
{
	struct opener_opts opts = { .threads = threads, .max_lost = max_lost,
		.max_waiting = max_waiting, .hang_after = 50 * MSEC };

	release = false;
	backs = late_fds = 0;
	late_fd = -1;
	return opener_new(&opts, on_done, &back);
}

static void give(struct opener *o, const char *path)
{
	struct source *s = source_new(SOURCE_PROC, 1, path);

	opener_give(o, &s);
	assert_null(s);
}

/* The source of this path that came back; checks its error and frees it. */
static void came_back(const char *path, int error)
{
	struct mail **m = &back;
	struct source *s;

	pthread_mutex_lock(&mutex);
	while (*m && strcmp(((struct source *)(void *)*m)->path, path) != 0)
		m = &(*m)->next;
	assert_non_null(*m);
	s = (struct source *)(void *)*m;
	*m = s->mail.next;
	pthread_mutex_unlock(&mutex);
	assert_int_equal(s->error, error);
	if (error) {
		assert_int_equal(s->fd, -1);
		assert_int_equal(s->end, SOURCE_END_FAILED);
	} else {
		assert_true(s->fd >= 0);
		assert_true(fcntl(s->fd, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(s->fd, F_GETFL) & O_NONBLOCK);
		close(s->fd);
		s->fd = -1;
	}
	source_free(&s);
}

/* The kernel lets go of all that hang; what they bring too late is closed. */
static void let_go(unsigned n)
{
	usec_t over = clock_mono() + DEADLINE;

	pthread_mutex_lock(&mutex);
	release = true;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&mutex);
	wait_for(&late_fds, n);
	while (fcntl(late_fd, F_GETFD) >= 0 && clock_mono() < over)
		sched_yield();
	assert_int_equal(fcntl(late_fd, F_GETFD), -1);
}

static void test_opens(void **state)
{
	struct opener *o = opener_of(2, 1, 100);
	char dir[] = "/tmp/spoolwire-unit-XXXXXX", fifo[64], link[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink(fifo, link), 0);
	give(o, fifo); /* nobody writes there: it must not be waited for */
	give(o, link);
	give(o, "/nowhere/at/all");
	for (unsigned i = 0; i < 50; i++)
		give(o, "/dev/null");
	wait_for(&backs, 53);
	came_back(fifo, 0);
	came_back(link, ELOOP);
	came_back("/nowhere/at/all", ENOENT);
	for (unsigned i = 0; i < 50; i++)
		came_back("/dev/null", 0);
	opener_free(&o);
	assert_null(o);
	opener_free(&o);
	unlink(link);
	unlink(fifo);
	rmdir(dir);
}

static void test_a_hung_one_is_written_off(void **state)
{
	uint64_t lost = counter_sum(COUNT_OPENERS_LOST);
	struct opener *o = opener_of(1, 1, 100);

	(void)state;
	give(o, HANG "1");
	wait_for(&hanging, 1);
	give(o, "/dev/null");
	opener_check(o, clock_mono()); /* it may still come back */
	assert_int_equal(locked(&backs), 0);
	opener_check(o, LATER);
	wait_for(&backs, 2); /* the second by who replaced it */
	came_back(HANG "1", ETIMEDOUT);
	came_back("/dev/null", 0);
	assert_int_equal(counter_sum(COUNT_OPENERS_LOST), lost + 1);
	let_go(1);
	give(o, "/dev/null");
	wait_for(&backs, 3);
	came_back("/dev/null", 0);
	opener_free(&o);
}

/* Beyond the limit nothing is opened any more, and nothing waits for ever. */
static void test_too_many_are_lost(void **state)
{
	struct opener *o = opener_of(2, 0, 100);

	(void)state;
	give(o, HANG "1");
	give(o, HANG "2");
	wait_for(&hanging, 2);
	give(o, "/dev/null");
	give(o, "/dev/zero");
	opener_check(o, LATER);
	assert_int_equal(locked(&backs), 4);
	came_back(HANG "1", ETIMEDOUT);
	came_back(HANG "2", ETIMEDOUT);
	came_back("/dev/null", EAGAIN);
	came_back("/dev/zero", EAGAIN);
	give(o, "/dev/null");
	came_back("/dev/null", EAGAIN);
	let_go(2);
	opener_free(&o);
}

static void test_the_queue_is_bounded(void **state)
{
	struct opener *o = opener_of(1, 1, 2);

	(void)state;
	give(o, HANG);
	wait_for(&hanging, 1);
	for (unsigned i = 0; i < 3; i++)
		give(o, "/dev/null");
	assert_int_equal(locked(&backs), 1);
	came_back("/dev/null", EAGAIN);
	pthread_mutex_lock(&mutex);
	release = true;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&mutex);
	wait_for(&backs, 4); /* slow is not hung */
	came_back(HANG, 0);
	came_back("/dev/null", 0);
	came_back("/dev/null", 0);
	opener_free(&o);
}

/* At the end: what waits is opened or comes back, and who hangs holds nobody. */
static void test_free_does_not_hang(void **state)
{
	struct opener *o = opener_of(1, 1, 100);

	(void)state;
	give(o, HANG);
	wait_for(&hanging, 1);
	give(o, "/dev/null");
	opener_free(&o);
	assert_int_equal(locked(&backs), 2);
	came_back(HANG, ETIMEDOUT);
	came_back("/dev/null", EAGAIN);
	let_go(1);
	o = opener_of(2, 1, 100);
	for (unsigned i = 0; i < 50; i++)
		give(o, "/dev/null");
	opener_free(&o);
	assert_int_equal(locked(&backs), 50);
	for (unsigned i = 0; i < 50; i++)
		came_back("/dev/null", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens),
		cmocka_unit_test(test_a_hung_one_is_written_off),
		cmocka_unit_test(test_too_many_are_lost),
		cmocka_unit_test(test_the_queue_is_bounded),
		cmocka_unit_test(test_free_does_not_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
