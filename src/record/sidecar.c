/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/sidecar.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

#define FORMAT   1
#define MAX_TEXT ((size_t)8192) /* [bytes] of one text; paths and tags are shorter */

static void put(json_t *object, const char *key, json_t *value)
{
	must(json_object_set_new(object, key, value) == 0);
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
	put(object, key, json_integer((json_int_t)number));
}

static json_t *text_json(const char *text)
{
	char *clean = utf8_clean(span_text(text), MAX_TEXT);
	json_t *json = json_string_nocheck(clean);

	free(clean);
	must(json);
	return json;
}

static void put_time(json_t *object, const char *key, usec_t wall)
{
	char text[CLOCK_TEXT];

	clock_format(wall, text);
	put(object, key, json_string(text));
}

static json_t *map_json(const char *const *map)
{
	json_t *array = json_array();

	for (; map && *map; map++)
		must(json_array_append_new(array, text_json(*map)) == 0);
	return array;
}

/* No overflow in 580 years of 1 MHz. */
static usec_t lasted(const struct sidecar_file *f)
{
	uint64_t whole = f->rate_hz ? f->frames / f->rate_hz : 0;
	uint64_t rest = f->rate_hz ? f->frames % f->rate_hz : 0;

	return (usec_t)whole * SEC + (f->rate_hz ? (usec_t)(rest * SEC / f->rate_hz) : 0);
}

static json_t *file_json(const struct sidecar_file *f)
{
	const char *slash = strrchr(f->path, '/');
	json_t *o = json_object();

	put(o, "name", text_json(slash ? slash + 1 : f->path));
	put(o, "path", text_json(f->path));
	put(o, "label", text_json(f->label));
	put(o, "format", text_json(f->format));
	put_number(o, "rate", f->rate_hz);
	put_number(o, "channels", f->channels);
	put(o, "channel-map", map_json(f->channel_map));
	put_time(o, "start", f->started);
	put_time(o, "end", f->started + lasted(f));
	put(o, "duration", json_real((double)lasted(f) / (double)SEC));
	put_number(o, "frames", f->frames);
	put_number(o, "bytes", f->bytes);
	put(o, "sha256", text_json(f->sha256));
	put(o, "recovered", json_boolean(f->recovered));
	return o;
}

char *sidecar_json(const struct sidecar_file *files, unsigned n, const char *account_json)
{
	json_t *o = json_object(), *list = json_array();
	json_t *call = account_json ? json_loads(account_json, 0, NULL) : NULL;
	bool recovered = false;
	char *text;

	for (unsigned i = 0; i < n; i++) {
		recovered |= files[i].recovered;
		must(json_array_append_new(list, file_json(&files[i])) == 0);
	}
	put_number(o, "version", FORMAT);
	put(o, "recovered", json_boolean(recovered));
	put(o, "files", list);
	put(o, "call", call ? call : json_null());
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(o);
	must(text);
	return text;
}
