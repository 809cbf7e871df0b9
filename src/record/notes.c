/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/notes.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "record/disk.h"

#define MAX_SAME     1000 /* unfinished recordings of one parent and label */
#define MAX_LOOKS    8    /* for the newest of them: what is not found is not gone on with */
#define MAX_LISTED   (1000 * 1000)
#define NOTE_MODE    0600
#define PREFIX_BYTES 32

/* Two that are equal by chance are told apart by what is in them. */
static uint64_t hash(const char *parent, const char *label)
{
	uint64_t h = span_hash(span_text(parent), SPAN_HASH);

	return span_hash(span_text(label), span_hash(span_text("\xff"), h));
}

static char *name_of(const char *state, uint64_t id, unsigned number)
{
	return xasprintf("%s/recordings/%016llx-%u.json", state, (unsigned long long)id, number);
}

static int write_note(const char *file, const struct note *n)
{
	char *text = note_json(n);
	int err = disk_save(file, NOTE_MODE, span_text(text), true);

	free(text);
	return err;
}

/* Under the first number that is free. */
static int name_note(const char *tmp, const char *state, uint64_t id, char **file)
{
	for (unsigned i = 0; i < MAX_SAME; i++) {
		char *name = name_of(state, id, i);
		int err = disk_taken(name) ? -EEXIST : disk_rename_new(tmp, name);

		if (!err)
			*file = name;
		else
			free(name);
		if (err != -EEXIST)
			return err;
	}
	return -EEXIST;
}

/* What our temporary files begin with. In a container one daemon after the other has the same number,
 * so it also says when we began. */
static void write_prefix(char out[PREFIX_BYTES])
{
	static _Atomic usec_t began;
	usec_t then = 0, now = clock_wall();

	if (atomic_compare_exchange_strong(&began, &then, now))
		then = now;
	snprintf(out, PREFIX_BYTES, "%u-%llx-", (unsigned)getpid(), (unsigned long long)then);
}

/* What is left of them goes at the next look. */
static char *temporary_name(const char *state)
{
	static atomic_uint serial; /* two threads never share a temporary file */
	char prefix[PREFIX_BYTES];

	write_prefix(prefix);
	return xasprintf("%s/recordings/%s%u.tmp", state, prefix, atomic_fetch_add(&serial, 1));
}

int notes_prepare(const char *state, const struct note *n, char **tmp)
{
	char *name = temporary_name(state);
	int err = disk_make_parents(name, &(struct disk_access){ -1, -1, -1, -1 });

	if (!err)
		err = write_note(name, n);
	if (!err) {
		*tmp = name;
		return 0;
	}
	unlink(name);
	free(name);
	return err;
}

int notes_commit(const char *state, const struct note *n, char **tmp, char **file)
{
	int err = name_note(*tmp, state, hash(n->parent, n->label), file);

	if (err)
		unlink(*tmp);
	else
		disk_sync_parent(*file); /* without it a power cut may orphan an empty .part */
	free(*tmp);
	*tmp = NULL;
	return err;
}

int notes_add(const char *state, const struct note *n, char **file)
{
	char *tmp;
	int err = notes_prepare(state, n, &tmp);

	return err ? err : notes_commit(state, n, &tmp, file);
}

int notes_replace(const char *state, const char *file, struct span content, bool safe)
{
	char *tmp = temporary_name(state);
	int err = disk_save(tmp, NOTE_MODE, content, safe);

	if (!err && rename(tmp, file) < 0)
		err = -errno;
	if (err)
		unlink(tmp);
	free(tmp);
	return err;
}

int notes_update(const char *state, const char *file, const struct note *n)
{
	char *text = note_json(n);
	int err = notes_replace(state, file, span_text(text), true);

	free(text);
	return err;
}

int notes_remove(const char *file)
{
	return unlink(file) < 0 && errno != ENOENT ? -errno : 0;
}

int notes_load(const char *file, struct note *out)
{
	uint8_t *bytes = xalloc(NOTE_MAX_BYTES + 1);
	size_t n;
	int err = disk_load(file, bytes, NOTE_MAX_BYTES + 1, &n);

	*out = (struct note){ 0 };
	if (!err && !note_parse(span_of(bytes, n), out))
		err = -EBADMSG;
	free(bytes);
	return err;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *name, const char *suffix)
{
	const char *dot = strrchr(name, '.');

	return dot && strcmp(dot, suffix) == 0;
}

/* Somebody was killed between making a file and naming its note: it gets its name. What is no note, or
 * one whose file is gone, goes. */
static void adopt(const char *state, const char *tmp)
{
	struct note n;
	char *file = NULL, *part;

	if (notes_load(tmp, &n) == 0) {
		part = xasprintf("%s%s", n.path, n.growing ? "" : ".part");
		if (!disk_is_gone(part, n.directory))
			name_note(tmp, state, hash(n.parent, n.label), &file);
		free(part);
	}
	if (!file)
		unlink(tmp);
	free(file);
	note_fini(&n);
}

/* Temporary files of others. */
static void adopt_all(const char *state, DIR *d)
{
	char mine[PREFIX_BYTES];
	struct dirent *e;

	write_prefix(mine);
	while ((e = readdir(d)))
		if (ends_with(e->d_name, ".tmp") &&
			strncmp(e->d_name, mine, strlen(mine)) != 0) {
			char *tmp = xasprintf("%s/recordings/%s", state, e->d_name);

			adopt(state, tmp);
			free(tmp);
		}
	rewinddir(d);
}

char **notes_list(const char *state)
{
	char *dir = xasprintf("%s/recordings", state);
	DIR *d = opendir(dir);
	struct dirent *e;
	char **files = xalloc(sizeof(*files));
	unsigned n = 0;

	if (d)
		adopt_all(state, d);
	while (d && n < MAX_LISTED && (e = readdir(d))) {
		if (!ends_with(e->d_name, ".json"))
			continue;
		files = xrealloc(files, (n + 2) * sizeof(*files));
		files[n++] = xasprintf("%s/%s", dir, e->d_name);
	}
	if (d)
		closedir(d);
	free(dir);
	files[n] = NULL;
	qsort(files, n, sizeof(*files), compare);
	return files;
}

char **notes_parents(const char *state)
{
	char **names = notes_list(state), **to = names;
	struct note n;

	for (char **from = names; *from; from++) {
		int err = notes_load(*from, &n);

		free(*from);
		if (err)
			continue;
		*to++ = xstrdup(n.parent);
		note_fini(&n);
	}
	*to = NULL;
	return names;
}

static bool is_of(const struct note *n, const char *parent, const char *label)
{
	return strcmp(n->parent, parent) == 0 && strcmp(n->label, label) == 0;
}

int notes_find(const char *state, const char *parent, const char *label, struct note *out,
	char **file)
{
	uint64_t id = hash(parent, label);

	*file = NULL;
	*out = (struct note){ 0 };
	for (unsigned i = 0; i < MAX_LOOKS; i++) {
		char *name = name_of(state, id, i);
		struct note n = { 0 };

		if (disk_taken(name) && notes_load(name, &n) == 0 && is_of(&n, parent, label) &&
			(!*file || n.started >= out->started)) {
			note_fini(out);
			free(*file);
			*out = n;
			*file = name;
		} else {
			note_fini(&n);
			free(name);
		}
	}
	return *file ? 0 : -ENOENT;
}
