/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts are percent-escaped where they are not plain ASCII: a path may be any bytes, JSON may not. */
#include "record/notes.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/disk.h"
#include "record/wave.h"

#define MAX_PATH_TEXT (PATH_MAX - 16) /* ".part2" and a number are added */
#define MAX_NAME_TEXT 4096            /* parent, label */
#define MAX_SAME      1000            /* unfinished recordings of one parent and label */
#define MAX_LOOKS     8               /* for the newest of them: what is not found is not gone on with */
#define MAX_LISTED    (1000 * 1000)
#define NOTE_MODE     0600
#define PREFIX_BYTES  32

static const char *const format_name[] = {
	[RECORDING_WAV] = "wav", [RECORDING_RAW] = "raw", [RECORDING_MP3] = "mp3",
	[RECORDING_OPUS] = "opus", [RECORDING_FLAC] = "flac",
};
#define FORMATS (sizeof(format_name) / sizeof(format_name[0]))

/* ---- the document, pure -------------------------------------------------------------------- */

static json_t *text_json(const char *text)
{
	char *escaped = xalloc(3 * strlen(text) + 1), *out = escaped;
	json_t *json;

	for (const char *c = text; *c; c++) {
		if (*c > ' ' && *c < 0x7f && *c != '%')
			*out++ = *c;
		else
			out += sprintf(out, "%%%02x", (unsigned char)*c);
	}
	json = json_string(escaped);
	free(escaped);
	must(json);
	return json;
}

static char *json_text(const json_t *object, const char *key, size_t max)
{
	const json_t *value = json_object_get(object, key);
	struct span s = span_of(json_string_value(value), json_string_length(value));
	char *text;
	ptrdiff_t n;

	if (!s.p || s.n > 3 * max)
		return NULL;
	text = xalloc(s.n + 1);
	n = span_unescape(s, (uint8_t *)text, s.n);
	if (n >= 0 && (size_t)n <= max && strlen(text) == (size_t)n)
		return text;
	free(text);
	return NULL;
}

static bool json_number(const json_t *object, const char *key, int64_t min, int64_t max,
	int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= min && *out <= max;
}

char *note_json(const struct note *n)
{
	json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:s, s:b, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:i}",
		"version", 1,
		"path", text_json(n->path), "parent", text_json(n->parent),
		"label", text_json(n->label),
		"format", format_name[n->format], "growing", (int)n->growing,
		"channels", (int)n->channels, "rate_hz", (int)n->rate_hz,
		"mp3_bitrate", (int)n->mp3_bitrate, "started", (json_int_t)n->started,
		"frames", (json_int_t)n->frames, "mode", n->mode, "owner", n->owner, "group", n->group);
	char *text;

	must(o);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	must(text);
	return text;
}

void note_fini(struct note *n)
{
	free(n->path);
	free(n->parent);
	free(n->label);
	*n = (struct note){ 0 };
}

/* Absolute, and nothing in it leads back up. */
static bool path_is_plain(const char *path)
{
	const char *at = path;

	if (*path != '/')
		return false;
	while (*at) {
		size_t n = strcspn(++at, "/");

		if (n == 0 || (n == 1 && at[0] == '.') ||
			(n == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += n;
	}
	return true;
}

static bool parse_format(const json_t *o, enum recording_format *out)
{
	const char *name = json_string_value(json_object_get(o, "format"));

	for (unsigned i = 0; name && i < FORMATS; i++)
		if (strcmp(name, format_name[i]) == 0) {
			*out = (enum recording_format)i;
			return true;
		}
	return false;
}

static bool parse_numbers(const json_t *o, struct note *out)
{
	int64_t channels, rate, bitrate, started, frames, mode, owner, group, version;

	if (!json_number(o, "version", 1, 1, &version) ||
		!json_number(o, "channels", 1, WAVE_MAX_CHANNELS, &channels) ||
		!json_number(o, "rate_hz", 1, WAVE_MAX_RATE_HZ, &rate) ||
		!json_number(o, "mp3_bitrate", 0, 1000 * 1000, &bitrate) ||
		!json_number(o, "started", 0, INT64_MAX / 2, &started) ||
		!json_number(o, "frames", -1, INT64_MAX / 256, &frames) ||
		!json_number(o, "mode", -1, 07777, &mode) ||
		!json_number(o, "owner", -1, INT_MAX, &owner) ||
		!json_number(o, "group", -1, INT_MAX, &group))
		return false;
	out->channels = (unsigned)channels;
	out->rate_hz = (uint32_t)rate;
	out->mp3_bitrate = (unsigned)bitrate;
	out->started = started;
	out->frames = frames;
	out->mode = (int)mode;
	out->owner = (int)owner;
	out->group = (int)group;
	return true;
}

bool note_parse(struct span bytes, struct note *out)
{
	json_t *o = bytes.n > NOTE_MAX_BYTES ? NULL :
		json_loadb((const char *)bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
	bool good;

	*out = (struct note){
		.path = json_text(o, "path", MAX_PATH_TEXT),
		.parent = json_text(o, "parent", MAX_NAME_TEXT),
		.label = json_text(o, "label", MAX_NAME_TEXT),
		.growing = json_is_true(json_object_get(o, "growing")),
	};
	good = out->path && out->parent && out->label && path_is_plain(out->path) &&
		parse_format(o, &out->format) && parse_numbers(o, out);
	json_decref(o);
	if (!good)
		note_fini(out);
	return good;
}

/* ---- on disk ------------------------------------------------------------------------------- */

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
 * one without a file, goes. */
static void adopt(const char *state, const char *tmp)
{
	struct note n;
	char *file = NULL, *part;

	if (notes_load(tmp, &n) == 0) {
		part = xasprintf("%s%s", n.path, n.growing ? "" : ".part");
		if (disk_taken(part))
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
