/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a crash or a power cut leaves, gone on with or published. */
#include "tests/unit/recordings.h"

#include <sys/wait.h>

static uint64_t encoded_frames;

static int on_encoded(void *arg, const char *parent, const char *label,
	const struct recording_result *result)
{
	encoded_frames = result->frames;
	return on_recovered(arg, parent, label, result);
}

/* A crash between encoding and publishing: the note speaks of PCM, the file is FLAC already. */
static void test_recover_what_was_encoded(void **state)
{
	struct recording_opts o = options();
	struct recording *r;
	struct recording_result result;
	uint64_t frames;
	int err;

	(void)state;
	o.format = RECORDING_FLAC;
	r = create(&o);
	write_frames(r, 0, 8000);
	refuse = -EIO;
	assert_int_equal(recording_publish(&r, 0, on_publish, NULL, &result), -EIO);
	recording_close(&r);
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
	told = 0;
	refuse = 0;
	recording_recover(state_dir, NULL, on_encoded, NULL);
	assert_int_equal(told, 1);
	assert_int_equal(encoded_frames, 8000); /* as the note says */
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
}

/* Between encoding and publishing it is still somebody's. */
static void test_what_was_encoded_is_locked(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;

	(void)state;
	o.format = RECORDING_FLAC;
	r = create(&o);
	write_frames(r, 0, 8000);
	refuse = -EIO;
	assert_int_equal(recording_publish(&r, 0, on_publish, NULL, &result), -EIO);
	refuse = told = 0;
	recover();
	assert_int_equal(told, 0);
	result = publish(r, 0);
	assert_string_equal(result.path, name);
	free(result.path);
}

/* A crash while it is encoded: all that was heard is in the file, nobody goes on with it. */
static void test_no_resume_of_what_has_ended(void **state)
{
	struct recording_opts o = options();
	struct recording *r;
	struct recording_result result;
	uint64_t frames;
	int err;

	(void)state;
	o.format = RECORDING_FLAC;
	r = create(&o);
	write_frames(r, 0, 4000);
	recording_close(&r);
	r = create(&o); /* the newer one: it has ended */
	write_frames(r, 0, 8000);
	refuse = -EIO;
	assert_int_equal(recording_publish(&r, 0, on_publish, NULL, &result), -EIO);
	recording_close(&r);
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
	refuse = 0;
	recover();
	assert_int_equal(notes(), 0);
}

/* A crash between making the file and naming its note. */
static void test_recover_what_was_only_prepared(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);
	char command[400];

	(void)state;
	recording_close(&r);
	snprintf(command, sizeof(command), "cd %s/recordings && mv *.json 0-7.tmp", state_dir);
	assert_int_equal(system(command), 0);
	recording_recover(state_dir, keep_all, on_recovered, NULL); /* it can be gone on with */
	assert_int_equal(told, 0);
	recover();
	assert_int_equal(told, 1);
	assert_int_equal(header_of(name).frames, 0);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
	r = create(&o); /* and before there was a file */
	recording_close(&r);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "rm %s/out/a.b/*.part", dir);
	assert_int_equal(system(command), 0);
	recover();
	assert_int_equal(told, 1);
	assert_int_equal(notes(), 0);
}

/* Where a name is given by link and unlink, and the crash came in between. */
static void test_recover_what_has_two_names(void **state)
{
	uint64_t bad = counter_sum(COUNT_REC_UNRECOVERABLE);
	struct recording_opts o = options();
	struct recording *r = create(&o);

	(void)state;
	write_frames(r, 0, 500);
	recording_close(&r);
	assert_int_equal(link(part, name), 0);
	recover();
	assert_int_equal(told, 0); /* it was */
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad);
}

static void test_resume_goes_on_in_the_same_file(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	uint64_t frames = 0;
	int err;

	(void)state;
	write_frames(r, 0, 1000);
	recording_close(&r);
	assert_int_equal(truncate(part, WAVE_HEADER + 999 * 2 + 1), 0); /* a torn frame */
	o.started += 5 * SEC;
	r = recording_resume(&o, &frames, &err);
	assert_int_equal(err, 0);
	assert_non_null(r);
	assert_int_equal(frames, 999);
	assert_true(recording_started(r) == 1000 * SEC);
	assert_int_equal(header_of(part).frames, 999);
	assert_int_equal(write_frames(r, 500, 1000), 0); /* what is there stays */
	assert_int_equal(write_frames(r, 2000, 1000), 0);
	result = publish(r, 3000);
	check_samples(name, 0, 1500, false);
	check_samples(name, 1500, 2000, true);
	check_samples(name, 2000, 3000, false);
	assert_int_equal(files(), 1);
	free(result.path);
}

static void test_resume_only_the_same(void **state)
{
	struct recording_opts o = options();
	struct recording *r;
	uint64_t frames;
	int err;

	(void)state;
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
	r = create(&o);
	assert_null(recording_resume(&o, &frames, &err)); /* somebody writes it */
	assert_int_equal(err, -EBUSY);
	recording_close(&r);
	o.channels = 2;
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
	o.channels = 1;
	o.label = "stream 1";
	assert_null(recording_resume(&o, &frames, &err));
	o.label = "mixed";
	o.state = NULL;
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
}

static void test_recover_publishes(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o), *running;
	uint64_t bad = counter_sum(COUNT_REC_UNRECOVERABLE);

	(void)state;
	write_frames(r, 0, 1000); /* never synced: the header says 0 */
	recording_recover(state_dir, NULL, on_recovered, NULL);
	assert_int_equal(told, 0); /* it is written still */
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad + 1);
	recording_close(&r);
	recording_recover(state_dir, keep_all, on_recovered, NULL);
	assert_int_equal(told, 0);
	assert_int_equal(notes(), 1);
	o.started += SEC;
	running = create(&o); /* a newer one of the same call */
	recording_recover(state_dir, keep_all, on_recovered, NULL);
	assert_int_equal(told, 1);
	assert_int_equal(notes(), 1);
	assert_int_equal(header_of(name).frames, 1000);
	check_samples(name, 0, 1000, false);
	recording_discard(&running);
	recover();
	assert_int_equal(told, 1);
}

static void tear(const char *content, size_t bytes)
{
	int fd = open(part, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, bytes), bytes);
	close(fd);
}

static void test_recover_torn_files(void **state)
{
	static const char zeros[500];
	static const struct { const char *content; size_t bytes; uint64_t frames; } cases[] = {
		{ "", 0, 0 }, { "RI", 2, 0 }, { "RIFF\x80\0", 6, 0 }, { zeros, 80, 0 },
		{ zeros, 81, 0 }, { zeros, 483, 201 },
	};
	uint64_t bad = counter_sum(COUNT_REC_UNRECOVERABLE);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recording_opts o = options();
		struct recording *r = create(&o);

		recording_close(&r);
		tear(cases[i].content, cases[i].bytes);
		recover();
		assert_int_equal(told, i + 1);
		assert_int_equal(header_of(name).frames, cases[i].frames);
		assert_int_equal(file_bytes(name), WAVE_HEADER + 2 * cases[i].frames);
		unlink(name);
		assert_int_equal(files(), 0);
		assert_int_equal(notes(), 0);
	}
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad);
}

static void test_recover_leaves_alone_what_is_not_ours(void **state)
{
	uint64_t bad = counter_sum(COUNT_REC_UNRECOVERABLE);
	struct recording_opts o = options();
	struct recording *r = create(&o);
	char victim[200];
	FILE *f;

	(void)state;
	recording_close(&r);
	tear("#!/bin/sh and more than eighty bytes of it, so that nobody can say that it is"
		" short", 82);
	recover();
	assert_int_equal(file_bytes(part), 82);
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad + 1);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	f = fopen(victim, "w");
	fclose(f);
	unlink(part);
	assert_int_equal(symlink(victim, part), 0);
	recover();
	assert_int_equal(file_bytes(victim), 0); /* no header was written to it */
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad + 2);
	unlink(part);
	recover(); /* gone: so is the note */
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad + 2);
	assert_int_equal(notes(), 0);
	assert_int_equal(told, 0);
}

static void test_create_follows_no_link(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	char victim[200];
	struct stat st;

	(void)state;
	result = publish(create(&o), 0); /* makes the directory */
	free(result.path);
	unlink(name);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	assert_int_equal(symlink(victim, part), 0);
	result = publish(create(&o), 0);
	assert_true(strcmp(strrchr(result.path, '/'), "/x-1.wav") == 0);
	assert_int_equal(lstat(victim, &st), -1);
	free(result.path);
}

/* Under its final name: only the header has to be made right. */
static void test_recover_growing(void **state)
{
	struct recording_opts o = options();
	struct recording *r;

	(void)state;
	o.growing = true;
	r = create(&o);
	write_frames(r, 0, 500);
	recording_close(&r);
	assert_int_equal(truncate(name, WAVE_HEADER + 901), 0);
	recover();
	assert_int_equal(told, 1);
	assert_string_equal(told_path, name);
	assert_int_equal(header_of(name).frames, 450);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
}

/* The sidecar's disk is full: nothing is lost, the next start tries again. */
static void test_recover_is_tried_again(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);

	(void)state;
	write_frames(r, 0, 500);
	recording_close(&r);
	refuse = -ENOSPC;
	recover();
	assert_int_equal(told, 1);
	assert_int_equal(access(name, F_OK), -1);
	assert_int_equal(notes(), 1);
	refuse = 0;
	recover();
	assert_int_equal(header_of(name).frames, 500);
	assert_int_equal(notes(), 0);
}

/* The disk is not mounted, or not yet: an empty directory in its place, or none at all. */
static void test_recover_waits_for_its_directory(void **state)
{
	uint64_t bad = counter_sum(COUNT_REC_UNRECOVERABLE), frames;
	struct recording_opts o = options();
	struct recording *r = create(&o);
	char command[400];
	int err;

	(void)state;
	write_frames(r, 0, 500);
	recording_close(&r);
	snprintf(command, sizeof(command), "cd %s/out && mv a.b away && mkdir a.b", dir);
	assert_int_equal(system(command), 0);
	recover();
	assert_null(recording_resume(&o, &frames, &err));
	assert_int_equal(err, 0);
	snprintf(command, sizeof(command), "cd %s/out && rmdir a.b", dir);
	assert_int_equal(system(command), 0);
	recover();
	assert_int_equal(counter_sum(COUNT_REC_UNRECOVERABLE), bad + 2);
	assert_int_equal(told, 0);
	assert_int_equal(notes(), 1);
	snprintf(command, sizeof(command), "cd %s/out && mv away a.b", dir);
	assert_int_equal(system(command), 0);
	recover();
	assert_int_equal(told, 1);
	assert_int_equal(header_of(name).frames, 500);
	assert_int_equal(notes(), 0);
}

/* Dies at a random place; tells by the pipe what it has handed over, and what is synced. */
static void crash_at_random(unsigned seed, int out)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);
	uint64_t told_frames[2] = { 0 }, frame = 0;
	unsigned steps = 1 + (unsigned)rand_r(&seed) % 40;

	for (unsigned i = 0; i < steps; i++) {
		unsigned n = 1 + (unsigned)rand_r(&seed) % RATE;

		if (rand_r(&seed) % 8 == 0)
			frame += (unsigned)rand_r(&seed) % RATE;
		if (write_frames(r, frame, n) != 0)
			_exit(1);
		frame += n;
		told_frames[0] = frame;
		if (rand_r(&seed) % 4 == 0 && recording_sync(r) == 0)
			told_frames[1] = frame;
		if (write(out, told_frames, sizeof(told_frames)) < 0)
			_exit(1);
	}
	_exit(0);
}

static void run_crash(unsigned seed, uint64_t frames[2])
{
	uint64_t got[2];
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		crash_at_random(seed, ends[1]);
	close(ends[1]);
	frames[0] = frames[1] = 0;
	while (read(ends[0], got, sizeof(got)) == (ssize_t)sizeof(got))
		memcpy(frames, got, sizeof(got));
	close(ends[0]);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void test_crashes_at_random(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		uint64_t frames[2];

		run_crash(round, frames);
		assert_int_equal(header_of(part).frames, frames[1]); /* as of the last sync */
		recover();
		assert_int_equal(told, round + 1);
		assert_int_equal(header_of(name).frames, frames[0]);
		assert_int_equal(file_bytes(name), WAVE_HEADER + 2 * frames[0]);
		assert_int_equal(files(), 1);
		assert_int_equal(notes(), 0);
		unlink(name);
	}
}

/* A power cut at its worst: of the file there is what the last sync wrote, beyond it nothing, or
 * zeros, and of the header's two states either. */
static void test_power_cut(void **state)
{
	for (unsigned round = 0; round < 4; round++) {
		struct recording_opts o = options();
		struct recording *r = create(&o);
		uint8_t old[WAVE_HEADER];
		int fd;

		(void)state;
		write_frames(r, 0, 4000);
		assert_int_equal(recording_sync(r), 0);
		fd = open(part, O_RDWR);
		assert_int_equal(pread(fd, old, sizeof(old), 0), sizeof(old));
		write_frames(r, 4000, 4000);
		assert_int_equal(recording_sync(r), 0);
		write_frames(r, 8000, 4000);
		recording_close(&r);
		if (round & 1)
			assert_int_equal(pwrite(fd, old, sizeof(old), 0), sizeof(old));
		assert_int_equal(ftruncate(fd, WAVE_HEADER + 16000), 0);
		if (round & 2)
			assert_int_equal(ftruncate(fd, WAVE_HEADER + 24000), 0);
		close(fd);
		recover();
		check_samples(name, 0, 8000, false);
		assert_int_equal(header_of(name).frames, round & 2 ? 12000 : 8000);
		unlink(name);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_recover_what_was_encoded),
		TEST(test_what_was_encoded_is_locked),
		TEST(test_no_resume_of_what_has_ended),
		TEST(test_recover_what_was_only_prepared),
		TEST(test_recover_what_has_two_names),
		TEST(test_resume_goes_on_in_the_same_file),
		TEST(test_resume_only_the_same),
		TEST(test_recover_publishes),
		TEST(test_recover_torn_files),
		TEST(test_recover_leaves_alone_what_is_not_ours),
		TEST(test_create_follows_no_link),
		TEST(test_crashes_at_random),
		TEST(test_power_cut),
		TEST(test_recover_growing),
		TEST(test_recover_is_tried_again),
		TEST(test_recover_waits_for_its_directory),
	};

	log_set_level(LOG_CLASS_CORE, 3); /* what is said of bad files is meant for operators */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
