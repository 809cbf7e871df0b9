/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts are percent-escaped where they are not plain ASCII: a path may be any bytes, JSON may not. */
#include "record/note.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/name.h"
#include "record/wave.h"

#define MAX_PATH_TEXT (PATH_MAX - 16) /* ".part2" and a number are added */
#define MAX_NAME_TEXT 4096            /* parent, label */

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
	json_t *o = json_pack(
		"{s:i, s:o, s:o, s:o, s:s, s:b, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:i, s:I}",
		"version", 1,
		"path", text_json(n->path), "parent", text_json(n->parent),
		"label", text_json(n->label),
		"format", name_format(n->format), "growing", (int)n->growing,
		"channels", (int)n->channels, "rate_hz", (int)n->rate_hz,
		"mp3_bitrate", (int)n->mp3_bitrate, "started", (json_int_t)n->started,
		"frames", (json_int_t)n->frames, "mode", n->mode, "owner", n->owner, "group", n->group,
		"directory", (json_int_t)n->directory);
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

	for (*out = 0; name && name_format(*out); ++*out)
		if (strcmp(name, name_format(*out)) == 0)
			return true;
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
		.directory = (uint64_t)json_integer_value(json_object_get(o, "directory")),
	};
	good = out->path && out->parent && out->label && path_is_plain(out->path) &&
		parse_format(o, &out->format) && parse_numbers(o, out);
	json_decref(o);
	if (!good)
		note_fini(out);
	return good;
}
