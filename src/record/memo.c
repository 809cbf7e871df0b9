/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/memo.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/disk.h"
#include "record/notes.h"

#define MAX_EVENTS 1000 /* of all runs together, as in one account */

/* ---- the document, pure -------------------------------------------------------------------- */

static json_t *parse(const char *text)
{
	json_t *o = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void take(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	if (value)
		must(json_object_set(to, key, value) == 0);
}

/* Times are RFC 3339 in UTC, of equal length: their order is that of the texts. */
static void take_earlier(json_t *to, const json_t *from, const char *key)
{
	const char *mine = text_of(to, key), *other = text_of(from, key);

	if (*other && (!*mine || strcmp(other, mine) < 0))
		take(to, from, key);
}

/* Those of before this run; what a memo has already joined is of before, too. */
static void join_events(json_t *to, const json_t *from, const char *seen)
{
	json_t *list = json_array(), *event, *mine = json_object_get(to, "events");
	size_t i;

	json_array_foreach(json_object_get(from, "events"), i, event)
		if (json_array_size(list) < MAX_EVENTS && strcmp(text_of(event, "at"), seen) < 0)
			must(json_array_append(list, event) == 0);
	if (json_array_size(list) + json_array_size(mine) > MAX_EVENTS) {
		json_decref(list); /* the newer ones say more */
		return;
	}
	json_array_foreach(mine, i, event)
		must(json_array_append(list, event) == 0);
	must(json_object_set_new(to, "events", list) == 0);
}

static void join(json_t *to, const json_t *from)
{
	char *seen = xstrdup(text_of(to, "seen"));

	if (json_is_null(json_object_get(to, "data"))) {
		take(to, from, "data");
		take(to, from, "data-elements");
		take(to, from, "joined-after-ms");
	}
	if (json_is_null(json_object_get(to, "metadata")))
		take(to, from, "metadata");
	join_events(to, from, seen);
	take_earlier(to, from, "first-packet");
	take_earlier(to, from, "seen");
	free(seen);
}

char *memo_join(const char *earlier, const char *now)
{
	json_t *from = parse(earlier), *to = parse(now);
	char *text = NULL;

	if (from && to)
		join(to, from);
	if (from || to)
		text = json_dumps(to ? to : from, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(from);
	json_decref(to);
	return text;
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* Of a list of the account, the one with that number. */
static const json_t *numbered(const json_t *account, const char *list, json_int_t number)
{
	const json_t *array = json_object_get(account, list);

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *o = json_array_get(array, i);

		if (number_of(o, "number") == number)
			return o;
	}
	return NULL;
}

static const char *name_of(const json_t *party)
{
	return *text_of(party, "role") ? text_of(party, "role") : text_of(party, "tag");
}

/* Those beyond the channels share the last one. */
static bool is_heard_in(const json_t *account, json_int_t tag, unsigned channel, unsigned channels)
{
	const json_t *streams = json_object_get(account, "streams");

	for (size_t i = 0; i < json_array_size(streams); i++) {
		const json_t *stream = json_array_get(streams, i);
		const json_t *own = json_object_get(stream, "channel");
		json_int_t n = json_integer_value(own);

		if (json_is_integer(own) && number_of(stream, "tag") == tag &&
		    (n < channels ? n : channels - 1) == channel)
			return true;
	}
	return false;
}

/* Oldest first, with + between them, as the call names them. Malloc'd. */
static char *who_is_in(const json_t *account, unsigned channel, unsigned channels)
{
	const json_t *parties = json_object_get(account, "tags");
	char *all = xstrdup("");

	for (size_t i = 0; i < json_array_size(parties); i++) {
		const json_t *party = json_array_get(parties, i);
		char *more;

		if (!*name_of(party) ||
		    !is_heard_in(account, number_of(party, "number"), channel, channels))
			continue;
		more = xasprintf("%s%s%s", name_of(party), *all ? "+" : "", all);
		free(all);
		all = more;
	}
	return all;
}

char *memo_who(const char *account, const char *label, unsigned channels, unsigned channel)
{
	json_t *o = parse(account);
	unsigned number;
	char *who;

	if (sscanf(label, "stream %u", &number) == 1)
		who = xstrdup(name_of(numbered(o, "tags",
			number_of(numbered(o, "streams", number), "tag"))));
	else
		who = channels > 1 ? who_is_in(o, channel, channels) : xstrdup("all");
	json_decref(o);
	return who;
}

/* ---- on disk ------------------------------------------------------------------------------- */

/* Parents are names of files of the spool; those of a note may be anything. NULL: not of a file. */
static char *file_of(const char *state, const char *parent)
{
	if (!*parent || *parent == '.' || strchr(parent, '/') ||
		strlen(parent) + sizeof(".call") > NAME_MAX)
		return NULL;
	return xasprintf("%s/recordings/%s.call", state, parent);
}

char *memo_load(const char *state, const char *parent)
{
	char *file = file_of(state, parent), *text = file ? xalloc(MEMO_MAX_BYTES + 1) : NULL;
	json_t *o = NULL;
	size_t n;

	if (text && disk_load(file, (uint8_t *)text, MEMO_MAX_BYTES + 1, &n) == 0 &&
		n <= MEMO_MAX_BYTES) {
		text[n] = '\0';
		o = parse(text);
	}
	free(file);
	if (strcmp(text_of(o, "parent"), parent) != 0) {
		free(text);
		text = NULL;
	}
	json_decref(o);
	return text;
}

static int replace(const char *state, const char *parent, const char *text, bool safe)
{
	char *file = file_of(state, parent);
	int err = file && text && strlen(text) <= MEMO_MAX_BYTES ? 0 : -ENAMETOOLONG;

	if (!err)
		err = disk_make_parents(file, &(struct disk_access){ -1, -1, -1, -1 });
	if (!err)
		err = notes_replace(state, file, span_text(text), safe);
	free(file);
	return err;
}

int memo_write(const char *state, const char *parent, const char *account_json)
{
	char *earlier = memo_load(state, parent), *text = memo_join(earlier, account_json);
	int err = replace(state, parent, text, false);

	free(text);
	free(earlier);
	return err;
}

int memo_discard(const char *state, const char *parent)
{
	json_t *o = json_pack("{s:s, s:b}", "parent", parent, "discard", 1);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int err = replace(state, parent, text, true);

	free(text);
	json_decref(o);
	return err;
}

bool memo_is_discarded(const char *state, const char *parent)
{
	char *text = memo_load(state, parent);
	json_t *o = parse(text);
	bool is = json_is_true(json_object_get(o, "discard"));

	json_decref(o);
	free(text);
	return is;
}

void memo_remove(const char *state, const char *parent)
{
	char *file = file_of(state, parent);

	if (file)
		unlink(file);
	free(file);
}

void memo_sweep(const char *state, bool (*keep)(void *arg, const char *parent), void *arg)
{
	char *dir = xasprintf("%s/recordings", state);
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char *parent;

		if (n < sizeof(".call") || strcmp(e->d_name + n - 5, ".call") != 0)
			continue;
		parent = xstrndup(e->d_name, n - 5);
		if (!keep(arg, parent))
			memo_remove(state, parent);
		free(parent);
	}
	if (d)
		closedir(d);
	free(dir);
}
