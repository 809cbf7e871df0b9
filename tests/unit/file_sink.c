/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real writers and files; the clock of the worker is ours. A list of cases, long because a disk can
 * be bad in so many ways. */
#include "sink/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/name.h"
#include "record/wave.h"

#include "folder.h"

#define RATE     8000u
#define TICK     160u /* [frames] */
#define DEADLINE (10 * SEC)

static char name[128], other[128], state_dir[128];
static struct budget budget;
static struct writer *writer;
static struct sink *sink;
static usec_t now;
static int64_t position;
static int gate[2];         /* what the writers wait at: a pipe */
static atomic_uint released, told;
static atomic_int refuse;
static atomic_uint at_gate;

static int setup(void **state)
{
	if (folder_make(state) < 0 || pipe(gate) < 0)
		return -1;
	snprintf(name, sizeof(name), "%s/out/x.wav", dir);
	snprintf(other, sizeof(other), "%s/other/x.wav", dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	budget = (struct budget){ .limit = 64 << 20 };
	writer = writer_start(2, 100);
	now = 1000 * SEC;
	position = 0;
	released = told = 0;
	refuse = 0;
	at_gate = 0;
	return 0;
}

static int teardown(void **state)
{
	close(gate[1]);
	sink_free(&sink);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
	close(gate[0]);
	assert_int_equal(budget_used(&budget), 0);
	assert_int_equal(released, 1);
	return folder_remove(state);
}

static void on_release(void *arg)
{
	(void)arg;
	released++;
}

static int on_publish(void *arg, const struct recording_result *result)
{
	(void)arg;
	assert_non_null(result->path);
	told++;
	return refuse;
}

static int write_sidecar(void *arg, const struct recording_result *result)
{
	char *sidecar = name_sidecar(result->path);
	int fd = open(sidecar, O_WRONLY | O_CREAT, 0600);

	free(sidecar);
	close(fd);
	return fd < 0 ? -EIO : on_publish(arg, result);
}

static struct file_sink_opts options(void)
{
	return (struct file_sink_opts){
		.writer = writer, .budget = &budget, .buffer_ms = 5000, .release = on_release,
		.before_publish = on_publish,
		.file = { .path = name, .state = state_dir, .parent = "call", .label = "mixed",
			.channels = 1, .rate_hz = RATE, .started = 5000 * SEC, .mode = -1,
			.dir_mode = -1, .owner = -1, .group = -1 },
	};
}

static int16_t sample(uint64_t frame)
{
	return (int16_t)(1 + frame % 32749);
}

static void put_ticks(unsigned ticks)
{
	int16_t samples[TICK];

	for (unsigned t = 0; t < ticks; t++) {
		for (unsigned i = 0; i < TICK; i++)
			samples[i] = sample((uint64_t)position + i);
		sink->ops->put(sink, &(struct pcm){ .position = position, .samples = samples,
			.frames = TICK, .channels = 1, .rate_hz = RATE });
		position += TICK;
	}
}

/* Once a packet. */
static void play(unsigned ticks)
{
	for (unsigned t = 0; t < ticks; t++) {
		put_ticks(1);
		now += 20 * MSEC;
		sink->ops->tick(sink, now);
	}
}

static struct sink_stats stats(void)
{
	struct sink_stats s;

	sink->ops->stats(sink, &s);
	assert_int_equal(s.put, s.sent + s.dropped + s.waiting);
	return s;
}

/* The worker goes on ticking while the writers work; its clock with it. */
static void settle(bool (*until)(void))
{
	usec_t over = clock_mono() + DEADLINE;

	while (!until() && clock_mono() < over) {
		sink->ops->tick(sink, now);
		now += MSEC;
		sched_yield();
		usleep(100);
	}
	assert_true(until());
}

static bool is_done(void)
{
	return sink->ops->done(sink);
}

static bool nothing_waits(void)
{
	return stats().waiting == 0;
}

/* All of it is with the disk. */
static void record(const struct file_sink_opts *o, unsigned ticks)
{
	sink = file_sink_new(o);
	play(ticks);
	settle(nothing_waits);
}

static bool little_waits(void)
{
	return stats().waiting < RATE;
}

static uint64_t wanted;

static bool errors_are_wanted(void)
{
	return counter_sum(COUNT_REC_ERRORS) >= wanted;
}

static void finish(struct file_sink_result *result)
{
	sink->ops->finish(sink);
	settle(is_done);
	file_sink_result(sink, result);
}

static bool exists(const char *path, const char *end)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "%s%s", path, end);
	return access(whole, F_OK) == 0;
}

/* The samples in [from, to) of the file are those of the call from position on; or silence. */
static void check_samples(const char *path, uint64_t from, uint64_t to, int64_t at)
{
	int16_t *samples = xalloc((to - from) * sizeof(*samples));
	ssize_t bytes = (ssize_t)((to - from) * sizeof(*samples));
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, samples, (size_t)bytes, (off_t)(WAVE_HEADER + 2 * from)), bytes);
	for (uint64_t i = 0; i < to - from; i++)
		assert_int_equal(samples[i], at < 0 ? 0 : sample((uint64_t)at + i));
	free(samples);
	close(fd);
}

static void block(void *arg)
{
	char c;

	(void)arg;
	at_gate++;
	if (read(gate[0], &c, 1) < 0)
		abort();
}

/* All writers hang, as they do at a frozen disk; until open_gate. */
static void shut_gate(void)
{
	for (unsigned i = 0; i < 2; i++)
		assert_true(writer_put(writer, WRITER_WRITE, name, block, NULL));
}

static void open_gate(void)
{
	assert_int_equal(write(gate[1], "xx", 2), 2);
}

static void wait_gate(void)
{
	while (at_gate < 2)
		sched_yield();
}

static const char *dir_of_other(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/other", dir);
	return path;
}

/* ---------------------------------------------------------------------------------------------- */

static void test_a_call(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	o.origin = -800;
	sink = file_sink_new(&o);
	for (unsigned i = 0; i < 5; i++) {
		play(100);
		settle(nothing_waits);
	}
	sink->ops->advance(sink, position += 80000); /* a pause of 10 s */
	play(100);
	sink->ops->advance(sink, position + 4000);
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.error, 0);
	assert_int_equal(result.dropped, 0);
	assert_string_equal(result.file[0].recording.path, name);
	assert_int_equal(result.file[0].recording.frames, 800 + 600 * TICK + 80000 + 4000);
	assert_true(result.file[0].started == 5000 * SEC);
	check_samples(name, 0, 800, -1);
	check_samples(name, 800, 80800, 0);
	check_samples(name, 80800, 160800, -1);
	check_samples(name, 160800, 176800, 160000);
	check_samples(name, 176800, 180800, -1);
	assert_int_equal(stats().sent, 600 * TICK);
	assert_int_equal(stats().silence, 84800);
	assert_string_equal(stats().kind, "file");
	assert_int_equal(told, 1);
	assert_false(exists(name, ".part"));
}

static void test_without_audio(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	sink = file_sink_new(&o);
	sink->ops->tick(sink, now);
	assert_false(exists(name, ".part"));
	sink->ops->advance(sink, 8000);
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.file[0].recording.frames, 8000);
}

/* The least that may wait, in the largest portions that are collected: nothing is dropped. */
static void test_large_portions(void **state)
{
	static const unsigned portion[] = { 5, 7, 49, 50 }; /* [ticks] */
	struct file_sink_opts o = options();
	struct file_sink_result result;
	unsigned ticks = 0;

	(void)state;
	o.buffer_ms = 2000;
	sink = file_sink_new(&o);
	for (unsigned p = 0; p < 4; p++)
		for (unsigned i = 0; i < 200 / portion[p]; i++, ticks += portion[p]) {
			put_ticks(portion[p]);
			now += portion[p] * 20 * MSEC;
			sink->ops->tick(sink, now);
			settle(little_waits);
		}
	finish(&result);
	assert_int_equal(result.dropped, 0);
	assert_int_equal(result.file[0].recording.frames, ticks * TICK);
	check_samples(name, 0, ticks * TICK, 0);
}

/* What comes twice, or before the origin, is not written twice. */
static void test_overlaps_are_cut(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	o.origin = 80;
	sink = file_sink_new(&o);
	play(3);
	position -= 200;
	play(2);
	finish(&result);
	assert_int_equal(result.file[0].recording.frames, 600 - 80);
	check_samples(name, 0, 520, 80);
}

/* Not more than 5 s are missing at any moment: of a talk, and of a silence. */
static void test_synced_every_5_seconds(void **state)
{
	struct file_sink_opts o = options();
	struct stat st;
	char part[200];

	(void)state;
	snprintf(part, sizeof(part), "%s.part", name);
	sink = file_sink_new(&o);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t head[WAVE_HEADER];
		struct wave w;
		int fd;

		if (i < 10)
			play(50);
		else
			for (unsigned t = 0; t < 50; t++) {
				sink->ops->advance(sink, position += TICK);
				sink->ops->tick(sink, now += 20 * MSEC);
			}
		usleep(20000);
		if (i < 6)
			continue;
		assert_int_equal(stat(part, &st), 0);
		fd = open(part, O_RDONLY);
		assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
		close(fd);
		assert_true(wave_parse(span_of(head, sizeof(head)), &w));
		assert_in_range(w.frames, (uint64_t)position - 5 * RATE - TICK, position);
	}
}

static void test_blocked_writers(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;
	struct sink_stats s;
	uint64_t lost;

	(void)state;
	record(&o, 100);
	shut_gate();
	play(200); /* 4 s: all of it waits */
	assert_int_equal(stats().dropped, 0);
	play(1000);
	s = stats();
	assert_int_equal(s.full_episodes, 1);
	assert_in_range(s.waiting, 5 * RATE, 7 * RATE + TICK); /* the bound, and two slabs */
	lost = s.dropped;
	assert_true(lost > 15 * RATE);
	assert_true(budget_used(&budget) < 7 * RATE * 2 + 3 * 4096);
	open_gate();
	settle(nothing_waits);
	play(100);
	finish(&result);
	assert_int_equal(result.dropped, lost);
	assert_int_equal(result.file[0].recording.frames, position);
	check_samples(name, 0, 4 * RATE, 0); /* two slabs were with the writers */
	check_samples(name, 4 * RATE, 4 * RATE + lost - RATE, -1);
	check_samples(name, (uint64_t)position - 7 * RATE, (uint64_t)position,
		position - 7 * RATE);
}

/* Others have used up the memory: the disk is not blamed. */
static void test_memory_that_is_used_up(void **state)
{
	struct file_sink_opts o = options();
	int before = dup(STDERR_FILENO);
	FILE *said = tmpfile();
	char line[200] = "";

	(void)state;
	record(&o, 100);
	shut_gate();
	budget.limit = budget_used(&budget);
	dup2(fileno(said), STDERR_FILENO);
	log_set_level(LOG_CLASS_CORE, 4);
	play(100);
	log_set_level(LOG_CLASS_CORE, 3);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_true(stats().dropped > 0);
	assert_true(pread(fileno(said), line, sizeof(line) - 1, 0) > 0);
	assert_non_null(strstr(line, "buffer-memory is used up"));
	fclose(said);
}

static void test_cut_while_the_disk_hangs(void **state)
{
	struct file_sink_opts o = options();
	uint64_t before = counter_sum(COUNT_REC_GIVEN_UP);
	struct file_sink_result result;

	(void)state;
	record(&o, 100);
	shut_gate();
	play(100);
	sink->ops->finish(sink);
	sink->ops->tick(sink, now);
	assert_false(is_done());
	sink->ops->cut(sink);
	assert_true(is_done());
	assert_int_equal(stats().waiting, 0);
	assert_int_equal(counter_sum(COUNT_REC_GIVEN_UP), before + 1);
	file_sink_result(sink, &result);
	assert_int_equal(result.files, 0);
	assert_int_equal(result.error, -ETIMEDOUT);
	assert_true(exists(name, ".part"));
	sink_free(&sink); /* its job still waits */
	assert_int_equal(released, 0);
	open_gate();
}

static bool is_released(void)
{
	return released == 1;
}

/* What is left as .part at the end of one daemon, the next one goes on with. */
static void test_cut_and_resume(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	record(&o, 70);
	sink->ops->cut(sink);
	assert_int_equal(stats().sent, 70 * TICK);
	settle(is_released);
	sink_free(&sink);
	assert_true(exists(name, ".part"));
	assert_false(exists(name, ""));
	released = 0;
	o.resume = true;
	o.file.started += 3 * SEC; /* the new process's sample 0 */
	o.origin = position = 100000;
	sink = file_sink_new(&o);
	play(50);
	finish(&result);
	assert_int_equal(result.file[0].recording.frames, 3 * RATE + 50 * TICK);
	assert_true(result.file[0].started == 5000 * SEC);
	assert_false(result.file[0].recording.recovered);
	check_samples(name, 0, 70 * TICK, 0);
	check_samples(name, 70 * TICK, 3 * RATE, -1);
	check_samples(name, 3 * RATE, 3 * RATE + 50 * TICK, 100000);
}

static void test_discard(void **state)
{
	struct file_sink_opts o = options();

	(void)state;
	record(&o, 100);
	play(10);
	file_sink_discard(sink);
	settle(is_done);
	assert_int_equal(stats().waiting, 0);
	assert_false(exists(name, ".part"));
	assert_false(exists(name, ""));
}

/* The publish is on its way already. */
static void test_discard_after_finish(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;
	char *sidecar = name_sidecar(name);

	(void)state;
	o.before_publish = write_sidecar;
	record(&o, 100);
	shut_gate();
	sink->ops->finish(sink);
	sink->ops->tick(sink, now);
	file_sink_discard(sink);
	open_gate();
	settle(is_done);
	file_sink_result(sink, &result);
	assert_int_equal(result.files, 0);
	assert_int_equal(told, 1);
	assert_false(exists(name, ".part"));
	assert_false(exists(name, ""));
	assert_false(exists(sidecar, ""));
	free(sidecar);
}

static void test_publish_is_tried_again(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	sink = file_sink_new(&o);
	play(100);
	refuse = -ENOSPC;
	wanted = counter_sum(COUNT_REC_ERRORS) + 3;
	sink->ops->finish(sink);
	settle(errors_are_wanted);
	assert_false(is_done());
	refuse = 0;
	settle(is_done);
	file_sink_result(sink, &result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.error, 0);
	check_samples(name, 0, 100 * TICK, 0);
}

/* Frozen, the writers' queue full: nobody waits, and it goes on. */
static void test_full_writers(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	shut_gate();
	sink = file_sink_new(&o);
	for (unsigned i = 0; i < 100; i++)
		writer_put(writer, WRITER_WRITE, name, block, NULL);
	play(100);
	assert_int_equal(stats().waiting, 100 * TICK);
	for (unsigned i = 0; i < 60; i++)
		open_gate();
	finish(&result);
	check_samples(name, 0, 100 * TICK, 0);
}

static bool mount_out(const char *size)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/out", dir);
	mkdir(path, 0700);
	return mount("none", path, "tmpfs", 0, size) == 0;
}

static bool remount_out(unsigned long flags, const char *size)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/out", dir);
	return mount("none", path, "tmpfs", MS_REMOUNT | flags, size) == 0;
}

static void test_full_disk_then_space(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	sink = file_sink_new(&o);
	if (!mount_out("size=64k")) {
		print_message("not root: no small file system can be mounted\n");
		skip();
	}
	wanted = counter_sum(COUNT_REC_ERRORS) + 2;
	play(300); /* 96000 bytes */
	settle(errors_are_wanted);
	assert_true(remount_out(0, "size=1m"));
	settle(nothing_waits);
	play(100);
	finish(&result);
	assert_int_equal(result.dropped, 0);
	assert_int_equal(result.error, 0);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.file[0].recording.frames, 400 * TICK);
	check_samples(name, 0, 400 * TICK, 0);
}

static void test_fallback(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;
	uint64_t begun;

	(void)state;
	o.fallback_path = other;
	sink = file_sink_new(&o);
	if (!mount_out("size=64k")) {
		print_message("not root: no small file system can be mounted\n");
		skip();
	}
	play(100);
	settle(nothing_waits);
	wanted = counter_sum(COUNT_REC_ERRORS) + 2;
	play(110);
	settle(errors_are_wanted);
	play(90);
	settle(nothing_waits); /* after 2 s of our clock */
	play(100);
	finish(&result);
	assert_int_equal(result.files, 2);
	assert_int_equal(result.dropped, 0);
	assert_string_equal(result.file[0].recording.path, name);
	assert_string_equal(result.file[1].recording.path, other);
	begun = (uint64_t)(result.file[1].started - 5000 * SEC) / 1000 * RATE / 1000;
	assert_true(begun > 0);
	assert_int_equal(result.file[0].recording.frames, begun);
	assert_int_equal(result.file[1].recording.frames, 400 * TICK - begun);
	check_samples(name, 0, begun, 0);
	check_samples(other, 0, 400 * TICK - begun, (int64_t)begun);
	assert_int_equal(told, 2);
}

/* Everything is in the other file at once, what the writers hold, too; when the disk comes back
 * the first file is published with what it has. */
static void test_hanging_disk_then_fallback(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;
	uint64_t begun, overlap;

	(void)state;
	writer_add_dir(writer, dir_of_other());
	o.fallback_path = other;
	record(&o, 100);
	shut_gate();
	wait_gate();
	play(200);
	settle(nothing_waits); /* after 2.5 s of our clock */
	play(50);
	open_gate();
	finish(&result);
	assert_int_equal(result.files, 2);
	assert_int_equal(result.dropped, 0);
	assert_string_equal(result.file[0].recording.path, name);
	assert_string_equal(result.file[1].recording.path, other);
	begun = (uint64_t)(result.file[1].started - 5000 * SEC) / 1000 * RATE / 1000;
	overlap = result.file[0].recording.frames;
	assert_int_equal(begun, 100 * TICK);
	assert_in_range(overlap, begun, 300 * TICK);
	check_samples(name, 0, overlap, 0);
	check_samples(other, 0, 350 * TICK - begun, (int64_t)begun);
	assert_int_equal(told, 2);
}

/* While it is known to hang nothing is begun there, and the call is not kept from ending. */
static void test_hanging_disk_is_avoided(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	writer_add_dir(writer, dir_of_other());
	shut_gate();
	wait_gate();
	now = clock_mono() + WRITER_HANG;
	o.fallback_path = other;
	record(&o, 60);
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.error, 0);
	assert_string_equal(result.file[0].recording.path, other);
	check_samples(other, 0, 60 * TICK, 0);
	open_gate();
}

/* Of a file that the hang kept from being made nothing is wanted any more. */
static void test_hangs_from_the_start(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	writer_add_dir(writer, dir_of_other());
	shut_gate();
	wait_gate();
	o.fallback_path = other;
	record(&o, 200);
	open_gate();
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.error, 0);
	assert_string_equal(result.file[0].recording.path, other);
	check_samples(other, 0, 200 * TICK, 0);
	sink_free(&sink);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
	assert_false(exists(name, "") || exists(name, ".part"));
}

/* At the end it is not waited for, and published all the same when it can be. */
static void test_hanging_disk_comes_back_late(void **state)
{
	uint64_t given_up = counter_sum(COUNT_REC_GIVEN_UP), late = counter_sum(COUNT_REC_LATE);
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	writer_add_dir(writer, dir_of_other());
	o.fallback_path = other;
	record(&o, 100);
	shut_gate();
	wait_gate();
	play(200);
	settle(nothing_waits);
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.error, -ETIMEDOUT);
	assert_int_equal(counter_sum(COUNT_REC_GIVEN_UP), given_up + 1);
	open_gate();
	sink_free(&sink);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
	assert_true(exists(name, ""));
	assert_int_equal(told, 2);
	assert_int_equal(counter_sum(COUNT_REC_LATE), late + 1);
}

/* The first file is told, and removed when its disk comes back. */
static void test_discard_while_the_disk_hangs(void **state)
{
	struct file_sink_opts o = options();

	(void)state;
	writer_add_dir(writer, dir_of_other());
	o.fallback_path = other;
	record(&o, 100);
	shut_gate();
	wait_gate();
	play(200);
	settle(nothing_waits);
	file_sink_discard(sink);
	settle(is_done);
	assert_true(exists(name, ".part"));
	assert_false(exists(other, ".part"));
	open_gate();
	sink_free(&sink);
	assert_true(writer_stop(&writer, clock_mono() + DEADLINE));
	assert_false(exists(name, ".part"));
	assert_false(exists(name, ""));
	assert_int_equal(told, 0);
}

static void test_nowhere_then_fallback(void **state)
{
	struct file_sink_opts o = options();
	struct file_sink_result result;

	(void)state;
	o.file.path = "/proc/self/no/x.wav";
	o.fallback_path = other;
	record(&o, 200);
	finish(&result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.dropped, 0);
	assert_string_equal(result.file[0].recording.path, other);
	check_samples(other, 0, 200 * TICK, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_call),
		TEST(test_without_audio),
		TEST(test_large_portions),
		TEST(test_overlaps_are_cut),
		TEST(test_synced_every_5_seconds),
		TEST(test_blocked_writers),
		TEST(test_memory_that_is_used_up),
		TEST(test_cut_while_the_disk_hangs),
		TEST(test_cut_and_resume),
		TEST(test_discard),
		TEST(test_discard_after_finish),
		TEST(test_publish_is_tried_again),
		TEST(test_full_writers),
		TEST(test_full_disk_then_space),
		TEST(test_fallback),
		TEST(test_nowhere_then_fallback),
		TEST(test_hanging_disk_then_fallback),
		TEST(test_hanging_disk_is_avoided),
		TEST(test_hangs_from_the_start),
		TEST(test_hanging_disk_comes_back_late),
		TEST(test_discard_while_the_disk_hangs),
	};

	log_set_level(LOG_CLASS_CORE, 3); /* what is said of bad disks is meant for operators */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
