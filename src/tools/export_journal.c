/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/export_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/mem.h"
#include "record/disk.h"
#include "record/notes.h"

#define MAX_BYTES   ((uint64_t)4 << 30)
#define MAX_SIDECAR ((off_t)16 << 20)
#define OPEN_DIRS   16
#define MARK_BYTES  100 /* of a call-id that names certainly have: long ones are cut */
#define TAG_BYTES   17  /* "-<16 hex>" of a parent */
#define NEVER       INT64_MAX

enum state { UNFINISHED, DONE, DROPPED };

struct line { /* the last that was said of a call */
	UT_hash_handle hh;
	enum state state;
	usec_t begun; /* of UNFINISHED: no file of it is older */
	char parent[];
};

struct export_journal {
	int fd;
	char *state, *options;
	size_t dir_bytes;
	bool names_have_tag;
	struct line *lines;
	unsigned unfinished;
};

static struct line *find(const struct export_journal *j, const char *parent)
{
	struct line *l;

	HASH_FIND_STR(j->lines, parent, l);
	return l;
}

static void note(struct export_journal *j, struct span parent, enum state state, usec_t begun)
{
	char *name = xstrndup((const char *)parent.p, parent.n);
	struct line *l = find(j, name);

	if (!l) {
		l = xalloc(sizeof(*l) + parent.n + 1);
		memcpy(l->parent, name, strlen(name) + 1);
		HASH_ADD_STR(j->lines, parent, l);
	} else if (l->state == UNFINISHED) {
		j->unfinished--;
	}
	l->state = state;
	l->begun = begun;
	j->unfinished += state == UNFINISHED;
	free(name);
}

static int append(struct export_journal *j, const char *verb, const char *text)
{
	char *line = xasprintf("%s %s\n", verb, text);
	size_t n = strlen(line);
	ssize_t written = write(j->fd, line, n); /* O_APPEND: whole lines, of any thread */
	int err = written < 0 ? -errno : (size_t)written < n ? -ENOSPC : 0;

	free(line);
	return err;
}

/* ---- what was there before ---- */

static void read_begun(struct export_journal *j, struct span rest)
{
	struct span word;
	uint64_t begun;

	if (span_word(&rest, &word) && span_number(word, INT64_MAX, &begun))
		note(j, span_skip(rest, 1), UNFINISHED, (usec_t)begun);
}

static bool read_line(struct export_journal *j, struct span line)
{
	static const struct {
		const char *verb;
		enum state state;
	} verbs[] = { { "begin ", UNFINISHED }, { "done ", DONE }, { "drop ", DROPPED } };

	/* begin: as it was before it had a time; what is that call's cannot be told then */
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_starts(line, verbs[i].verb))
			note(j, span_skip(line, strlen(verbs[i].verb)), verbs[i].state, NEVER);
	if (span_starts(line, "begun "))
		read_begun(j, span_skip(line, 6));
	return !span_starts(line, "options ") || span_is(span_skip(line, 8), j->options);
}

static char *read_all(struct export_journal *j)
{
	struct span text = { 0 }, line;
	struct stat st;
	uint8_t *bytes;
	ssize_t n;
	bool same = true;

	if (fstat(j->fd, &st) < 0 || (uint64_t)st.st_size > MAX_BYTES)
		return xstrdup("its journal cannot be read");
	bytes = xalloc((size_t)st.st_size + 1);
	n = disk_read(j->fd, 0, bytes, (size_t)st.st_size);
	if (n > 0)
		text = span_of(bytes, (size_t)n);
	while (span_line(&text, &line))
		same = read_line(j, line) && same;
	/* what a crash cut off in a line is closed */
	if (n == 0 || (n > 0 && bytes[n - 1] != '\n'))
		n = append(j, n ? "\noptions" : "options", j->options);
	free(bytes);
	if (n < 0)
		return xasprintf("its journal cannot be used: %s", strerror((int)-n));
	return same ? NULL : xstrdup("it was exported to with other options; give another "
		"directory, or the same options");
}

/* ---- what calls left that were begun and not done ---- */

static struct export_journal *cleaning; /* of the one thread there is then: nftw has no argument */

static json_t *load_sidecar(const char *path, off_t bytes)
{
	return bytes <= MAX_SIDECAR ? json_load_file(path, 0, NULL) : NULL;
}

/* A daemon's, or that of an export whose journal is gone: call and name may well be the same. */
static bool is_older(const char *path, usec_t begun)
{
	struct stat st;

	return lstat(path, &st) == 0 && export_mtime(&st) < begun;
}

/* The recording before its sidecar: one without the other is never left. */
static void remove_both(const char *path, json_t *sidecar, int dir_bytes, usec_t begun)
{
	bool older = is_older(path, begun);
	size_t i;
	json_t *file;

	json_array_foreach(json_object_get(sidecar, "files"), i, file) {
		const char *name = json_string_value(json_object_get(file, "name"));
		char *recording;

		if (!name || strchr(name, '/'))
			continue;
		recording = xasprintf("%.*s%s", dir_bytes, path, name);
		older |= is_older(recording, begun);
		if (!older)
			unlink(recording);
		free(recording);
	}
	if (!older)
		unlink(path);
}

static bool ends_with(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n >= m && strcmp(path + n - m, suffix) == 0;
}

/* %c is in every name, %r in most. */
static bool is_named_after(const char *name, const char *parent)
{
	size_t n = strlen(parent), id = n > TAG_BYTES ? n - TAG_BYTES : n;

	if (!memmem(name, strlen(name), parent, id < MARK_BYTES ? id : MARK_BYTES))
		return false;
	return !cleaning->names_have_tag || n <= TAG_BYTES || strstr(name, parent + id + 1);
}

/* Whoever writes a recording holds its lock. */
static bool is_locked(const char *path)
{
	int fd = disk_open(path, O_RDWR);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return locked;
}

/* Of a crash between the file and its note, or within a sidecar. */
static void remove_part(const char *path)
{
	for (struct line *l = cleaning->lines; l; l = l->hh.next)
		if (l->state == UNFINISHED && is_named_after(path + cleaning->dir_bytes, l->parent)) {
			if (!is_older(path, l->begun) && !is_locked(path))
				unlink(path);
			return;
		}
}

static int on_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *parent;
	struct line *l;
	json_t *sidecar;

	if (type == FTW_F && (ends_with(path, ".part") || ends_with(path, ".part2")))
		remove_part(path);
	if (type != FTW_F || !ends_with(path, ".json"))
		return 0;
	sidecar = load_sidecar(path, st->st_size);
	parent = json_string_value(json_object_get(json_object_get(sidecar, "call"), "parent"));
	l = parent ? find(cleaning, parent) : NULL;
	if (l && l->state == UNFINISHED)
		remove_both(path, sidecar, at->base, l->begun);
	json_decref(sidecar);
	return 0;
}

static void remove_parts(struct export_journal *j)
{
	char **files = notes_list(j->state);

	for (char **f = files; *f; f++) {
		struct note n;

		if (notes_load(*f, &n) == 0) {
			char *part = xasprintf("%s.part", n.path), *part2 = xasprintf("%s2", part);

			unlink(part);
			unlink(part2);
			free(part);
			free(part2);
			note_fini(&n);
		}
		notes_remove(*f);
		free(*f);
	}
	free(files);
}

static int clean(struct export_journal *j, const char *dir)
{
	int err = 0;

	remove_parts(j);
	if (!j->unfinished)
		return 0;
	cleaning = j;
	if (nftw(dir, on_file, OPEN_DIRS, FTW_PHYS) < 0)
		err = -errno;
	cleaning = NULL;
	for (struct line *l = j->lines; l && !err; l = l->hh.next)
		if (l->state == UNFINISHED) {
			l->state = DROPPED;
			err = append(j, "drop", l->parent);
		}
	j->unfinished = 0;
	return err;
}

/* ---- life ---- */

static char *options_text(const struct export_opts *o)
{
	return xasprintf("%s%s%s %s %u %u %u %s %s", o->format, o->mixed ? " mixed" : "",
		o->single ? " single" : "", o->mix_method, o->channels, o->rate_hz, o->mp3_bitrate,
		o->empty_calls, o->pattern);
}

static char *open_file(struct export_journal *j)
{
	char *path = xasprintf("%s/journal", j->state), *why = NULL;

	if (mkdir(j->state, 0700) < 0 && errno != EEXIST)
		why = xasprintf("cannot be written: %s", strerror(errno));
	else if ((j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		why = xasprintf("cannot be written: %s", strerror(errno));
	else if (flock(j->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		why = xstrdup("another export writes there now");
	free(path);
	return why;
}

struct export_journal *export_journal_open(const struct export_opts *o, char **why)
{
	struct export_journal *j = xnew(struct export_journal);
	int err;

	j->fd = -1;
	j->state = xasprintf("%s/.spoolwire-export", o->dir);
	j->options = options_text(o);
	j->dir_bytes = strlen(o->dir);
	j->names_have_tag = strstr(o->pattern, "%r") != NULL;
	*why = open_file(j);
	if (!*why)
		*why = read_all(j);
	if (!*why && (err = clean(j, o->dir)) < 0)
		*why = xasprintf("what an earlier export left there cannot be removed: %s",
			strerror(-err));
	if (*why)
		export_journal_close(&j);
	return j;
}

void export_journal_close(struct export_journal **jp)
{
	struct export_journal *j = *jp;
	struct line *l, *next;

	*jp = NULL;
	if (!j)
		return;
	HASH_ITER(hh, j->lines, l, next) {
		HASH_DEL(j->lines, l);
		free(l);
	}
	if (j->fd >= 0)
		close(j->fd);
	free(j->state);
	free(j->options);
	free(j);
}

const char *export_journal_state(const struct export_journal *j)
{
	return j->state;
}

bool export_journal_has(const struct export_journal *j, const char *parent)
{
	const struct line *l = find(j, parent);

	return l && l->state == DONE;
}

/* On disk before a recording is: after a power cut it is known whose that was. The time is that of
 * the file system, which recordings get theirs from. */
int export_journal_begin(struct export_journal *j, const char *parent)
{
	struct stat st;
	char *text;
	int err;

	if (futimens(j->fd, NULL) < 0 || fstat(j->fd, &st) < 0)
		return -errno;
	text = xasprintf("%lld %s", (long long)export_mtime(&st), parent);
	err = append(j, "begun", text);
	free(text);
	return !err && fdatasync(j->fd) < 0 ? -errno : err;
}

int export_journal_done(struct export_journal *j, const char *parent)
{
	return append(j, "done", parent);
}
