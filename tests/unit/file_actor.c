/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Order across failures: what the owner gave before it knew of one comes back undone. */
#include "sink/file_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"

#include "folder.h"

#define DEADLINE (10 * SEC)

static char name[128], out[128];
static struct writer *writer;
static struct file_actor *actor;

static struct file_sink_opts options(void)
{
	return (struct file_sink_opts){ .writer = writer, .file = { .path = name, .parent = "call",
		.label = "mixed", .format = RECORDING_RAW, .channels = 1, .rate_hz = 8000,
		.mode = -1, .dir_mode = -1, .owner = -1, .group = -1 } };
}

static int setup(void **state)
{
	struct file_sink_opts o;

	if (folder_make(state) < 0)
		return -1;
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(name, sizeof(name), "%s/out/x.raw", dir);
	writer = writer_start(1, 10);
	o = options();
	actor = file_actor_new(&o);
	return 0;
}

static int teardown(void **state)
{
	file_actor_leave(&actor);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
	return folder_remove(state);
}

/* Gives one sample at that frame, and returns what became of it. */
static int do_one(enum file_verb verb, uint64_t frame, bool retry)
{
	struct file_work *w = xalloc(sizeof(*w) + 2);
	usec_t over = clock_mono() + DEADLINE;
	int err;

	w->verb = verb;
	w->frame = frame;
	w->retry = retry;
	w->bytes = verb == FILE_WRITE ? 2 : 0;
	w->samples[0] = (uint8_t)('a' + frame);
	file_actor_give(actor, &w);
	assert_null(w);
	while (!(w = file_actor_take(actor)) && clock_mono() < over) {
		file_actor_kick(actor);
		sched_yield();
	}
	assert_non_null(w);
	assert_null(w->mail.next);
	err = w->err;
	free(w);
	return err;
}

static void test_nothing_passes_what_failed(void **state)
{
	struct recording_result result;
	char bytes[5] = "";
	int fd;

	(void)state;
	close(open(out, O_CREAT | O_WRONLY, 0600)); /* a file where the directory should be */
	assert_int_equal(do_one(FILE_WRITE, 0, false), -ENOTDIR);
	unlink(out);
	assert_int_equal(do_one(FILE_WRITE, 1, false), -EAGAIN);
	assert_int_equal(do_one(FILE_PUBLISH, 2, false), -EAGAIN);
	assert_int_equal(do_one(FILE_WRITE, 0, true), 0);
	assert_int_equal(do_one(FILE_WRITE, 1, false), 0);
	assert_int_equal(do_one(FILE_PUBLISH, 2, false), 0);
	assert_true(file_actor_result(actor, &result));
	assert_string_equal(result.path, name);
	free(result.path);
	fd = open(name, O_RDONLY);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 4);
	close(fd);
	assert_memory_equal(bytes, "a\0b\0", 4);
}

static void test_discard_passes(void **state)
{
	(void)state;
	close(open(out, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(do_one(FILE_WRITE, 0, false), -ENOTDIR);
	assert_int_equal(do_one(FILE_DISCARD, 0, false), 0);
	unlink(out);
	assert_int_equal(do_one(FILE_WRITE, 0, true), 0); /* it has ended: nothing is made */
	assert_int_equal(access(name, F_OK), -1);
}

/* What nobody waits for stays for the next start, unless it is worth nothing. */
static void test_leave_and_drop(void **state)
{
	char part[140];

	(void)state;
	snprintf(part, sizeof(part), "%s.part", name);
	for (unsigned drop = 0; drop < 2; drop++) {
		struct file_sink_opts o = options();

		actor = actor ? actor : file_actor_new(&o);
		assert_int_equal(do_one(FILE_WRITE, 0, false), 0);
		assert_int_equal(access(part, F_OK), 0);
		if (drop)
			file_actor_drop(&actor);
		else
			file_actor_leave(&actor);
		assert_null(actor);
		assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
		assert_int_equal(access(part, F_OK), drop ? -1 : 0);
		unlink(part);
		writer = writer_start(1, 10);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_passes_what_failed),
		TEST(test_discard_passes),
		TEST(test_leave_and_drop),
	};

	log_set_level(LOG_CLASS_CORE, 3); /* what is said of bad disks is meant for operators */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
