/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static struct note sample(void)
{
	static char path[] = "/var/lib/rec/a b%\xff\n.wav", parent[] = "call%40host-0123",
		    label[] = "stream \xc3\xbc";

	return (struct note){
		.path = path, .parent = parent, .label = label, .format = RECORDING_FLAC, .growing = true, .channels = 2,
		.mp3_bitrate = 64000, .rate_hz = 8000, .started = 1795243720801310, .frames = 77, .mode = 0640,
		.owner = -1, .group = 5, .directory = 0xfedcba9876543210,
	};
}

static void check_equal(const struct note *a, const struct note *b)
{
	assert_string_equal(a->path, b->path);
	assert_string_equal(a->parent, b->parent);
	assert_string_equal(a->label, b->label);
	assert_int_equal(a->format, b->format);
	assert_int_equal(a->growing, b->growing);
	assert_int_equal(a->channels, b->channels);
	assert_int_equal(a->mp3_bitrate, b->mp3_bitrate);
	assert_int_equal(a->rate_hz, b->rate_hz);
	assert_true(a->started == b->started);
	assert_true(a->frames == b->frames);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->owner, b->owner);
	assert_int_equal(a->group, b->group);
	assert_true(a->directory == b->directory);
}

static void test_parse_is_the_reverse(void **state)
{
	struct note want = sample(), got;
	char *json = note_json(&want);

	(void)state;
	assert_null(strchr(json, '\n'));
	assert_true(note_parse(span_text(json), &got));
	check_equal(&got, &want);
	note_fini(&got);
	for (size_t n = 0; n < strlen(json); n++) /* torn */
		assert_false(note_parse(span_of(json, n), &got));
	free(json);
}

/* One word of a good note replaced. */
static bool parses_with(const char *word, const char *by)
{
	static char short_path[] = "/rec/x.wav";
	struct note want = sample(), got;
	char *json, text[8192], *at;
	bool good;

	want.path = short_path;
	json = note_json(&want);
	at = strstr(json, word);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - json), json, by, at + strlen(word));
	free(json);
	good = note_parse(span_text(text), &got);
	note_fini(&got);
	return good;
}

static void test_hostile_notes(void **state)
{
	char path[PATH_MAX + 10];

	(void)state;
	assert_true(parses_with("/rec/x.wav", "/rec/..x/.y"));
	assert_false(parses_with("/rec/x.wav", "/rec/../x.wav"));
	assert_false(parses_with("/rec/x.wav", "/rec/.."));
	assert_false(parses_with("/rec/x.wav", "/rec/./x"));
	assert_false(parses_with("/rec/x.wav", "/rec/%2e%2e/x"));
	assert_false(parses_with("/rec/x.wav", "/rec//x"));
	assert_false(parses_with("/rec/x.wav", "/rec/"));
	assert_false(parses_with("/rec/x.wav", "rec/x"));
	assert_false(parses_with("/rec/x.wav", ""));
	assert_false(parses_with("/rec/x.wav", "/rec/%00x"));
	assert_false(parses_with("\"/rec/x.wav\"", "null"));
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_false(parses_with("/rec/x.wav", path));
	assert_false(parses_with("\"flac\"", "\"exe\""));
	assert_false(parses_with("\"flac\"", "3"));
	assert_false(parses_with("\"version\":1", "\"version\":2"));
	assert_false(parses_with("\"channels\":2", "\"channels\":0"));
	assert_false(parses_with("\"channels\":2", "\"channels\":65"));
	assert_false(parses_with("\"channels\":2", "\"channels\":4294967298"));
	assert_false(parses_with("\"channels\":2", "\"channels\":2.0"));
	assert_false(parses_with("\"rate_hz\":8000", "\"rate_hz\":-8000"));
	assert_false(parses_with("\"rate_hz\":8000", "\"rate_hz\":0"));
	assert_false(parses_with("\"started\":", "\"started\":-"));
	assert_true(parses_with("\"frames\":77", "\"frames\":-1"));
	assert_false(parses_with("\"frames\":77", "\"frames\":-2"));
	assert_false(parses_with("\"frames\":77", "\"frames\":9223372036854775807"));
	assert_false(parses_with("\"mode\":416", "\"mode\":65536"));
	assert_false(parses_with("\"owner\":-1", "\"owner\":-2"));
	assert_false(parses_with("\"mode\":416,", "\"mode\":416,\"path\":\"/other\","));
	assert_true(parses_with("\"mode\":416,", "\"mode\":416,\"more\":[],"));
	assert_true(parses_with("\"directory\":", "\"of a later version\":"));
	assert_false(note_parse(span_text("[]"), &(struct note){ 0 }));
	assert_false(note_parse(span_of(NULL, 0), &(struct note){ 0 }));
}

static void test_add_find_remove(void **state)
{
	struct note want = sample(), got;
	char *first, *second, *found, **files;

	(void)state;
	assert_int_equal(notes_find(dir, want.parent, want.label, &got, &found), -ENOENT);
	assert_int_equal(notes_add(dir, &want, &first), 0);
	assert_int_equal(notes_find(dir, want.parent, "another", &got, &found), -ENOENT);
	want.started++;
	assert_int_equal(notes_add(dir, &want, &second), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(notes_find(dir, want.parent, want.label, &got, &found), 0);
	check_equal(&got, &want); /* the newest */
	assert_string_equal(found, second);
	note_fini(&got);
	free(found);
	files = notes_list(dir);
	assert_string_equal(files[0], first);
	assert_string_equal(files[1], second);
	assert_null(files[2]);
	free(files[0]);
	free(files[1]);
	free(files);
	assert_int_equal(notes_remove(first), 0);
	assert_int_equal(notes_remove(first), 0);
	assert_int_equal(notes_remove(second), 0);
	assert_int_equal(notes_find(dir, want.parent, want.label, &got, &found), -ENOENT);
	free(first);
	free(second);
}

static unsigned directories_read;

/* In place of libc's: counts. */
DIR *opendir(const char *path)
{
	directories_read++;
	return fdopendir(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Each recording that begins asks: what others have there may not matter. The older one is gone, so
 * the newer one's number is not the first. */
static void test_find_reads_no_directory(void **state)
{
	struct note want = sample(), got;
	char *first, *second, *found;

	(void)state;
	assert_int_equal(notes_add(dir, &want, &first), 0);
	want.started++;
	assert_int_equal(notes_add(dir, &want, &second), 0);
	assert_int_equal(notes_remove(first), 0);
	directories_read = 0;
	assert_int_equal(notes_find(dir, want.parent, want.label, &got, &found), 0);
	assert_int_equal(directories_read, 0);
	assert_string_equal(found, second);
	note_fini(&got);
	free(found);
	free(first);
	free(second);
}

/* Beside ours: a link, a FIFO, a directory, an endless file, what a crash half wrote. */
static void test_strange_things_in_the_directory(void **state)
{
	struct note want = sample(), got;
	char *file, path[200], **files;
	int fd;

	(void)state;
	assert_int_equal(notes_add(dir, &want, &file), 0);
	snprintf(path, sizeof(path), "%s/recordings/link.json", dir);
	assert_int_equal(symlink(file, path), 0);
	assert_int_equal(notes_load(path, &got), -ELOOP);
	snprintf(path, sizeof(path), "%s/recordings/fifo.json", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(notes_load(path, &got), -EINVAL);
	snprintf(path, sizeof(path), "%s/recordings/dir.json", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(notes_load(path, &got), -EINVAL);
	snprintf(path, sizeof(path), "%s/recordings/huge.json", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	assert_int_equal(notes_load(path, &got), -EBADMSG);
	snprintf(path, sizeof(path), "%s/recordings/1-0.tmp", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	files = notes_list(dir);
	for (unsigned i = 0; i < 5; i++) {
		assert_non_null(files[i]);
		free(files[i]);
	}
	assert_null(files[5]);
	free(files);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(notes_load(file, &got), 0);
	note_fini(&got);
	free(file);
}

/* A container's daemon has the number that the one before it had. */
static void test_left_by_the_same_number(void **state)
{
	struct note n = sample();
	char path[200], left[200], *tmp, *file, **files;

	(void)state;
	snprintf(path, sizeof(path), "%s/x.wav", dir);
	n.path = path;
	assert_int_equal(notes_prepare(dir, &n, &tmp), 0);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	for (unsigned i = 0; i < 3; i++) {
		snprintf(left, sizeof(left), "%s/recordings/%u-%u.tmp", dir, (unsigned)getpid(), i);
		assert_int_equal(link(tmp, left), 0);
	}
	assert_int_equal(notes_add(dir, &n, &file), 0);
	files = notes_list(dir);
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(files[i]);
		free(files[i]);
	}
	assert_null(files[4]);
	free(files);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(access(tmp, F_OK), 0);
	free(file);
	free(tmp);
}

/* Of a crash before the note had its name. What its directory is not there for may be there later. */
static void test_left_where_nothing_is_mounted(void **state)
{
	struct note n = sample();
	char path[200], left[200], *tmp, **files;
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/x.wav", dir);
	snprintf(left, sizeof(left), "%s/recordings/0-7.tmp", dir);
	n.path = path;
	assert_int_equal(stat(dir, &st), 0);
	for (unsigned i = 0; i < 2; i++) {
		n.directory = st.st_ino + 1 - i; /* another one; that one */
		assert_int_equal(notes_prepare(dir, &n, &tmp), 0);
		assert_int_equal(rename(tmp, left), 0);
		files = notes_list(dir);
		assert_int_equal(files[0] != NULL, i == 0);
		assert_int_equal(access(left, F_OK), -1);
		if (files[0])
			assert_int_equal(notes_remove(files[0]), 0);
		free(files[0]);
		free(files);
		free(tmp);
	}
}

static void test_no_directory(void **state)
{
	struct note n = sample();
	char path[100], **files, *file = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", dir);
	files = notes_list(path);
	assert_null(files[0]);
	free(files);
	assert_int_equal(notes_add("/proc/self/nothing", &n, &file), -ENOENT);
	assert_null(file);
}

#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_is_the_reverse),
		cmocka_unit_test(test_hostile_notes),
		DISK_TEST(test_add_find_remove),
		DISK_TEST(test_find_reads_no_directory),
		DISK_TEST(test_strange_things_in_the_directory),
		DISK_TEST(test_left_by_the_same_number),
		DISK_TEST(test_left_where_nothing_is_mounted),
		DISK_TEST(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
