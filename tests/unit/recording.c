/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/name.h"
#include "tests/unit/recordings.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

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

static int write_sidecar(void *arg, const struct recording_result *r)
{
	char *sidecar = name_sidecar(r->path);
	FILE *f = fopen(sidecar, "w");

	*(bool *)arg = r->dropped;
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	free(sidecar);
	return 0;
}

static void test_empty_is_dropped(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r;
	bool dropped;

	(void)state;
	o.drop_empty = true;
	for (unsigned i = 0; i < 2; i++) {
		r = create(&o); /* a name of its own: the first one's sidecar is there */
		assert_int_equal(recording_publish(&r, 0, write_sidecar, &dropped, &result), 0);
		assert_true(dropped && result.dropped);
		assert_null(r);
		assert_null(result.path);
		assert_int_equal(files(), i + 1);
		assert_int_equal(notes(), 0);
	}
	r = create(&o);
	write_frames(r, 0, 1);
	assert_int_equal(recording_publish(&r, 1, write_sidecar, &dropped, &result), 0);
	assert_false(dropped || result.dropped);
	assert_int_equal(files(), 4);
	free(result.path);
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

/* Of what is written to a directory that may not be read, or with no descriptor left, the directory
 * cannot be synced: it is published all the same, and once. */
static void test_a_name_that_is_not_synced(void **state)
{
	struct recording_opts o = options();
	struct rlimit before, none;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	for (unsigned growing = 0; growing < 2; growing++) {
		struct recording_result result;
		struct recording *r;
		int next, err;

		o.growing = growing;
		r = create(&o);
		assert_int_equal(write_frames(r, 0, 100), 0);
		none = before;
		next = dup(STDERR_FILENO);
		none.rlim_cur = (rlim_t)next;
		close(next);
		setrlimit(RLIMIT_NOFILE, &none);
		next = open(dir, O_RDONLY);
		err = recording_publish(&r, 100, NULL, NULL, &result);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_int_equal(next, -1);
		assert_int_equal(err, 0);
		assert_string_equal(result.path, name);
		assert_int_equal(header_of(name).frames, 100);
		assert_int_equal(files(), 1);
		assert_int_equal(notes(), 0);
		unlink(name);
		free(result.path);
	}
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

/* As a disk does that fails between the sidecar and the name. */
static int write_sidecar_and_fail(void *arg, const struct recording_result *r)
{
	int err = write_sidecar(arg, r);

	unlink(part);
	return err;
}

static void test_discard_takes_the_sidecar_along(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	uint64_t frames;
	bool dropped;
	int err;

	(void)state;
	assert_int_equal(recording_publish(&r, 1, write_sidecar_and_fail, &dropped, &result),
		-ENOENT);
	assert_int_equal(files(), 1);
	recording_discard(&r);
	assert_int_equal(files(), 0);
	r = create(&o);
	recording_close(&r);
	result.path = name;
	write_sidecar(&dropped, &result); /* and then a crash */
	r = recording_resume(&o, &frames, &err);
	assert_non_null(r);
	recording_discard(&r);
	assert_int_equal(files(), 0);
	assert_int_equal(notes(), 0);
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

/* ---- full disks ---------------------------------------------------------------------------- */

static void test_a_limit_is_told_and_gone_over_later(void **state)
{
	struct recording_opts o = options();
	struct recording_result result;
	struct recording *r = create(&o);
	struct rlimit before, small;
	uint64_t moved;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = WAVE_HEADER + 2 * 1500;
	setrlimit(RLIMIT_FSIZE, &small);
	moved = counter_sum(COUNT_DISK_BYTES);
	assert_int_equal(write_frames(r, 0, 1000), 0);
	assert_int_equal(counter_sum(COUNT_DISK_BYTES), moved + 2000);
	assert_int_equal(write_frames(r, 1000, 1000), -EFBIG);
	assert_int_equal(counter_sum(COUNT_DISK_BYTES), moved + 2000);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_raw_has_no_header),
		TEST(test_growing_has_its_name_at_once),
		TEST(test_empty_is_dropped),
		TEST(test_names_are_numbered_without_limit),
		TEST(test_a_name_taken_meanwhile_is_not_overwritten),
		TEST(test_a_name_that_is_not_synced),
		TEST(test_modes),
		TEST(test_owner),
		TEST(test_discard_leaves_nothing),
		TEST(test_discard_takes_the_sidecar_along),
		TEST(test_the_listener_can_stop_it),
		TEST(test_encoded_at_the_end),
		TEST(test_growing_mp3),
		TEST(test_growing_mp3_is_resumed),
		TEST(test_a_limit_is_told_and_gone_over_later),
		TEST(test_full_disk),
		TEST(test_nowhere_to_write),
		TEST(test_beyond_4_gib),
	};

	log_set_level(LOG_CLASS_CORE, 3); /* what is said of bad files is meant for operators */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
