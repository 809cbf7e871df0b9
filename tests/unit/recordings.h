/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recordings in a directory of each test's own, with samples that say where they belong. */
#ifndef TEST_RECORDINGS_H
#define TEST_RECORDINGS_H

#include "record/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/wave.h"

#include "folder.h"

#define RATE   8000u
#define PARENT "call-0123456789abcdef"

static char name[128], part[160], state_dir[128];
static unsigned told;       /* calls of the listeners */
static int refuse;          /* what they answer */
static char told_path[256];

static inline int setup(void **state)
{
	if (folder_make(state) < 0)
		return -1;
	snprintf(name, sizeof(name), "%s/out/a.b/x.wav", dir);
	snprintf(part, sizeof(part), "%s.part", name);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	told = 0;
	refuse = 0;
	return 0;
}

static inline struct recording_opts options(void)
{
	return (struct recording_opts){
		.path = name, .state = state_dir, .parent = PARENT, .label = "mixed",
		.format = RECORDING_WAV, .channels = 1, .rate_hz = RATE, .started = 1000 * SEC,
		.mode = -1, .dir_mode = -1, .owner = -1, .group = -1,
	};
}

static inline int on_publish(void *arg, const struct recording_result *result)
{
	(void)arg;
	told++;
	snprintf(told_path, sizeof(told_path), "%s", result->path);
	assert_int_equal(access(result->path, F_OK), -1); /* before */
	return refuse;
}

static inline struct recording *create(const struct recording_opts *o)
{
	int err;
	struct recording *r = recording_create(o, &err);

	assert_int_equal(err, 0);
	assert_non_null(r);
	return r;
}

/* Never 0, and different at each frame. */
static inline int16_t sample(uint64_t frame)
{
	return (int16_t)(1 + frame % 32749);
}

static inline int write_frames(struct recording *r, uint64_t from, unsigned n)
{
	int16_t samples[RATE];

	assert_true(n <= RATE);
	for (unsigned i = 0; i < n; i++)
		samples[i] = sample(from + i);
	return recording_write(r, from, span_of(samples, n * sizeof(*samples)));
}

static inline uint64_t file_bytes(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static inline struct wave header_of(const char *path)
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
static inline void check_samples(const char *path, uint64_t from, uint64_t to, bool silent)
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

static inline unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static inline unsigned notes(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/recordings", state_dir);
	return entries(path);
}

static inline unsigned files(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/out/a.b", dir);
	return entries(path);
}

static inline struct recording_result publish(struct recording *r, uint64_t frames)
{
	struct recording_result result;

	assert_int_equal(recording_publish(&r, frames, on_publish, NULL, &result), 0);
	assert_null(r);
	return result;
}

static inline bool keep_all(void *arg, const char *parent, const char *note)
{
	(void)arg;
	(void)note;
	assert_string_equal(parent, PARENT);
	return true;
}

static inline int on_recovered(void *arg, const char *parent, const char *label,
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

static inline void recover(void)
{
	recording_recover(state_dir, NULL, on_recovered, NULL);
}

#endif
