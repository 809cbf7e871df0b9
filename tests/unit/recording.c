/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real files in a directory of their own. */
#include "record/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/wave.h"

#define RATE   8000u
#define PARENT "call-0123456789abcdef"

static char dir[64], name[128], part[160], state_dir[128];
static unsigned told;       /* calls of the listeners */
static int refuse;          /* what they answer */
static char told_path[256];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/spoolwire-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(name, sizeof(name), "%s/out/a.b/x.wav", dir);
	snprintf(part, sizeof(part), "%s.part", name);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	told = 0;
	refuse = 0;
	return 0;
}

static int teardown(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static struct recording_opts options(void)
{
	return (struct recording_opts){
		.path = name, .state = state_dir, .parent = PARENT, .label = "mixed",
		.format = RECORDING_WAV, .channels = 1, .rate_hz = RATE, .started = 1000 * SEC,
		.mode = -1, .dir_mode = -1, .owner = -1, .group = -1,
	};
}

static int on_publish(void *arg, const struct recording_result *result)
{
	(void)arg;
	told++;
	snprintf(told_path, sizeof(told_path), "%s", result->path);
	assert_int_equal(access(result->path, F_OK), -1); /* before */
	return refuse;
}

static struct recording *create(const struct recording_opts *o)
{
	int err;
	struct recording *r = recording_create(o, &err);

	assert_int_equal(err, 0);
	assert_non_null(r);
	return r;
}

/* Never 0, and different at each frame. */
static int16_t sample(uint64_t frame)
{
	return (int16_t)(1 + frame % 32749);
}

static int write_frames(struct recording *r, uint64_t from, unsigned n)
{
	int16_t samples[RATE];

	assert_true(n <= RATE);
	for (unsigned i = 0; i < n; i++)
		samples[i] = sample(from + i);
	return recording_write(r, from, span_of(samples, n * sizeof(*samples)));
}

static uint64_t file_bytes(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static struct wave header_of(const char *path)
{
	uint8_t head[WAVE_HEADER];
	struct wave w;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	assert_true(wave_parse(span_of(head, sizeof(head)), &w));
	return w;
}

/* [from, to) is what write_frames wrote, or silence. */
static void check_samples(const char *path, uint64_t from, uint64_t to, bool silent)
{
	int fd = open(path, O_RDONLY);
	int16_t *samples = xalloc((to - from) * sizeof(*samples));
	ssize_t bytes = (ssize_t)((to - from) * sizeof(*samples));

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, samples, (size_t)bytes, (off_t)(WAVE_HEADER + 2 * from)), bytes);
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(samples[i - from], silent ? 0 : sample(i));
	free(samples);
	close(fd);
}

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static unsigned notes(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/recordings", state_dir);
	return entries(path);
}

static unsigned files(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/out/a.b", dir);
	return entries(path);
}

static struct recording_result publish(struct recording *r, uint64_t frames)
{
	struct recording_result result;

	assert_int_equal(recording_publish(&r, frames, on_publish, NULL, &result), 0);
	assert_null(r);
	return result;
}

static bool keep_all(void *arg, const char *parent)
{
	(void)arg;
	assert_string_equal(parent, PARENT);
	return true;
}

static int on_recovered(void *arg, const char *parent, const char *label,
	const struct recording_result *result)
{
	(void)arg;
	told++;
	snprintf(told_path, sizeof(told_path), "%s", result->path);
	assert_string_equal(parent, PARENT);
	assert_string_equal(label, "mixed");
	assert_true(result->recovered);
	return refuse;
}

static void recover(void)
{
	recording_recover(state_dir, NULL, on_recovered, NULL);
}

/* ---- the good days ------------------------------------------------------------------------- */

static void test_life(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	char command[400];

	(void)state;
	assert_int_equal(access(part, F_OK), 0);
	assert_int_equal(notes(), 1);
	assert_int_equal(header_of(part).frames, 0);
	assert_int_equal(write_frames(r, 0, 100), 0);
	assert_int_equal(header_of(part).frames, 0); /* as of the last sync */
	assert_int_equal(recording_sync(r), 0);
	assert_int_equal(header_of(part).frames, 100);
	assert_int_equal(write_frames(r, 8000, 8000), 0); /* a pause of 7900 */
	result = publish(r, 20000);
	assert_string_equal(result.path, name);
	assert_string_equal(told_path, name);
	assert_int_equal(told, 1);
	assert_int_equal(result.frames, 20000);
	assert_int_equal(result.bytes, WAVE_HEADER + 40000);
	assert_int_equal(file_bytes(name), result.bytes);
	assert_false(result.recovered);
	assert_int_equal(header_of(name).frames, 20000);
	check_samples(name, 0, 100, false);
	check_samples(name, 100, 8000, true);
	check_samples(name, 8000, 16000, false);
	check_samples(name, 16000, 20000, true);
	snprintf(command, sizeof(command), "echo '%s  %s' | sha256sum -c --status", result.sha256,
		name);
	assert_int_equal(system(command), 0);
	free(result.path);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
}

static void test_raw_has_no_header(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;

	(void)state;
	o.format = RECORDING_RAW;
	o.channels = 2;
	r = create(&o);
	assert_int_equal(recording_write(r, 5, span_of("abcdefgh", 8)), 0);
	result = publish(r, 0); /* never less than what is there */
	assert_int_equal(result.frames, 7);
	assert_int_equal(file_bytes(name), 28);
	free(result.path);
}

static void test_growing_has_its_name_at_once(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;

	(void)state;
	o.growing = true;
	r = create(&o);
	assert_int_equal(access(part, F_OK), -1);
	write_frames(r, 0, 800);
	assert_int_equal(recording_sync(r), 0);
	assert_int_equal(header_of(name).frames, 800);
	assert_int_equal(recording_publish(&r, 900, NULL, NULL, &result), 0);
	assert_int_equal(header_of(name).frames, 900);
	assert_string_equal(result.path, name);
	free(result.path);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
}

static void test_names_are_numbered_without_limit(void **state)
{
	struct recording_opts o = options();

	(void)state;
	o.state = NULL;
	for (unsigned i = 0; i < 200; i++) {
		struct recording_result result = publish(create(&o), 1);
		char want[200];

		snprintf(want, sizeof(want), i ? "%s/out/a.b/x-%u.wav" : "%s/out/a.b/x.wav", dir, i);
		assert_string_equal(result.path, want);
		free(result.path);
	}
	assert_int_equal(files(), 200);
}

static void test_a_name_taken_meanwhile_is_not_overwritten(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	FILE *f = fopen(name, "w");

	(void)state;
	fputs("somebody else's", f);
	fclose(f);
	result = publish(r, 10);
	assert_true(strcmp(strrchr(result.path, '/'), "/x-1.wav") == 0);
	assert_string_equal(told_path, result.path); /* the last one counts */
	assert_int_equal(file_bytes(name), 15);
	assert_int_equal(files(), 2);
	free(result.path);
}

static void test_modes(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct stat st;
	char path[100];

	(void)state;
	umask(077);
	o.mode = 0664;
	o.dir_mode = 0751;
	result = publish(create(&o), 0);
	stat(name, &st);
	assert_int_equal(st.st_mode & 07777, 0664);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), i ? "%s/out" : "%s/out/a.b", dir);
		stat(path, &st);
		assert_int_equal(st.st_mode & 07777, 0751);
	}
	umask(022);
	free(result.path);
}

static void test_owner(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	o.owner = 12345;
	o.group = 54321;
	result = publish(create(&o), 0);
	stat(name, &st);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	*strrchr(result.path, '/') = '\0';
	stat(result.path, &st);
	assert_int_equal(st.st_uid, 12345);
	free(result.path);
}

static void test_discard_leaves_nothing(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);

	(void)state;
	write_frames(r, 0, 100);
	recording_discard(&r);
	assert_null(r);
	assert_int_equal(files(), 0);
	assert_int_equal(notes(), 0);
	recording_discard(&r);
}

static void test_the_listener_can_stop_it(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);
	struct recording_result result;

	(void)state;
	write_frames(r, 0, 100);
	refuse = -ENOSPC;
	assert_int_equal(recording_publish(&r, 100, on_publish, NULL, &result), -ENOSPC);
	assert_null(result.path);
	assert_int_equal(access(name, F_OK), -1);
	refuse = 0;
	result = publish(r, 100); /* again */
	assert_int_equal(header_of(name).frames, 100);
	free(result.path);
}

/* ---- the encoded formats ------------------------------------------------------------------- */

static void check_encoded(enum recording_format format, const char *magic, bool growing)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;
	char head[8] = "";
	int fd;

	o.format = format;
	o.growing = growing;
	r = create(&o);
	assert_int_equal(write_frames(r, 0, 8000), 0);
	assert_int_equal(write_frames(r, 12000, 8000), 0);
	assert_int_equal(recording_publish(&r, 30000, NULL, NULL, &result), 0);
	assert_int_equal(result.frames, 30000);
	assert_int_equal(file_bytes(name), result.bytes);
	fd = open(name, O_RDONLY);
	assert_true(read(fd, head, 7) == 7);
	close(fd);
	assert_memory_equal(head, magic, strlen(magic));
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
	free(result.path);
	unlink(name);
}

static void test_encoded_at_the_end(void **state)
{
	(void)state;
	check_encoded(RECORDING_FLAC, "fLaC", false);
	check_encoded(RECORDING_OPUS, "OggS", false);
	check_encoded(RECORDING_MP3, "", false);
	check_encoded(RECORDING_FLAC, "fLaC", true); /* cannot grow */
}

static void test_growing_mp3(void **state)
{
	(void)state;
	check_encoded(RECORDING_MP3, "", true);
}

static void test_growing_mp3_is_resumed(void **state)
{
	struct recording_opts o = options();
	struct recording *r;
	struct recording_result result;
	uint64_t frames = 0;
	int err;

	(void)state;
	o.format = RECORDING_MP3;
	o.growing = true;
	r = create(&o);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(write_frames(r, i * RATE, RATE), 0);
	recording_close(&r);
	assert_int_equal(truncate(name, (off_t)file_bytes(name) - 7), 0); /* torn */
	r = recording_resume(&o, &frames, &err);
	assert_non_null(r);
	assert_in_range(frames, 10 * RATE - 2000, 10 * RATE + 4000);
	assert_int_equal(write_frames(r, 12 * RATE, RATE), 0);
	assert_int_equal(recording_publish(&r, 13 * RATE, NULL, NULL, &result), 0);
	assert_int_equal(result.frames, 13 * RATE);
	free(result.path);
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
	recover();
	assert_int_equal(told, 1);
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(files(), 1);
	assert_int_equal(notes(), 0);
}

/* ---- crashes ------------------------------------------------------------------------------- */

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

	(void)state;
	write_frames(r, 0, 1000); /* never synced: the header says 0 */
	recording_recover(state_dir, NULL, on_recovered, NULL);
	assert_int_equal(told, 0); /* it is written still */
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

/* ---- full disks ---------------------------------------------------------------------------- */

static void test_a_limit_is_told_and_gone_over_later(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	struct rlimit before, small;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = WAVE_HEADER + 2 * 1500;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(write_frames(r, 0, 1000), 0);
	assert_int_equal(write_frames(r, 1000, 1000), -EFBIG);
	assert_int_equal(file_bytes(part), WAVE_HEADER + 2000); /* nothing of it */
	assert_int_equal(write_frames(r, 1000, 1000), -EFBIG);
	assert_int_equal(recording_publish(&r, 5000, on_publish, NULL, &result), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(write_frames(r, 1000, 1000), 0);
	result = publish(r, 2000);
	check_samples(name, 0, 2000, false);
	assert_int_equal(result.frames, 2000);
	free(result.path);
}

static bool mount_small(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/out", dir);
	mkdir(path, 0700);
	return mount("none", path, "tmpfs", 0, "size=64k") == 0;
}

static void test_full_disk(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;
	unsigned n = 0;
	char path[100];

	(void)state;
	if (!mount_small()) {
		print_message("not root: no small file system can be mounted\n");
		skip();
	}
	o.format = RECORDING_FLAC;
	r = create(&o);
	while (write_frames(r, 1000 * n, 1000) == 0)
		n++;
	assert_in_range(n, 10, 32);
	assert_int_equal(write_frames(r, 1000 * n, 1000), -ENOSPC);
	assert_int_equal(recording_sync(r), 0);
	assert_int_equal(header_of(part).frames, 1000 * n);
	assert_int_equal(recording_publish(&r, 0, on_publish, NULL, &result), -ENOSPC);
	assert_int_equal(files(), 1); /* only .part, .part2 is gone */
	snprintf(path, sizeof(path), "%s/out", dir);
	assert_int_equal(mount("none", path, "tmpfs", MS_REMOUNT, "size=1m"), 0);
	result = publish(r, 0);
	assert_int_equal(result.frames, 1000 * n);
	free(result.path);
	assert_int_equal(files(), 1);
	assert_int_equal(mount("none", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_null(recording_create(&o, &(int){ 0 }));
	umount(path);
}

static void test_nowhere_to_write(void **state)
{
	struct recording_opts o = options();
	int err;

	(void)state;
	o.path = "/proc/self/no/x.wav";
	assert_null(recording_create(&o, &err));
	assert_int_equal(err, -ENOENT);
	assert_int_equal(notes(), 0);
}

/* ---- large files --------------------------------------------------------------------------- */

static void test_beyond_4_gib(void **state)
{
	struct recording_opts o = options();
	struct recording *r = create(&o);
	struct recording_opts again = o;
	uint64_t at = ((uint64_t)1 << 31) + 5, frames;
	char command[400];
	int err;

	(void)state;
	assert_int_equal(write_frames(r, 0, 100), 0);
	assert_int_equal(write_frames(r, at, 1000), 0);
	assert_int_equal(recording_sync(r), 0);
	assert_int_equal(header_of(part).frames, at + 1000);
	check_samples(part, at, at + 1000, false);
	check_samples(part, at - 1000, at, true);
	recording_close(&r);
	r = recording_resume(&again, &frames, &err);
	assert_int_equal(frames, at + 1000);
	snprintf(command, sizeof(command), "command -v ffprobe >/dev/null || exit 0; "
		"test $(ffprobe -v error -show_entries stream=duration_ts -of csv=p=0 %s) = %llu",
		part, (unsigned long long)(at + 1000));
	assert_int_equal(system(command), 0);
	recording_discard(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_raw_has_no_header),
		TEST(test_growing_has_its_name_at_once),
		TEST(test_names_are_numbered_without_limit),
		TEST(test_a_name_taken_meanwhile_is_not_overwritten),
		TEST(test_modes),
		TEST(test_owner),
		TEST(test_discard_leaves_nothing),
		TEST(test_the_listener_can_stop_it),
		TEST(test_encoded_at_the_end),
		TEST(test_growing_mp3),
		TEST(test_growing_mp3_is_resumed),
		TEST(test_recover_what_was_encoded),
		TEST(test_resume_goes_on_in_the_same_file),
		TEST(test_resume_only_the_same),
		TEST(test_recover_publishes),
		TEST(test_recover_torn_files),
		TEST(test_recover_leaves_alone_what_is_not_ours),
		TEST(test_create_follows_no_link),
		TEST(test_crashes_at_random),
		TEST(test_power_cut),
		TEST(test_a_limit_is_told_and_gone_over_later),
		TEST(test_full_disk),
		TEST(test_nowhere_to_write),
		TEST(test_beyond_4_gib),
	};

	log_set_level(LOG_CLASS_CORE, 3); /* what is said of bad files is meant for operators */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
