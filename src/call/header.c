/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/header.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Escaped (six bytes for one) all of them together stay below HEADER_MAX. */
#define MAX_NAME     ((size_t)4096)      /* [bytes] of call-id, tag, label */
#define MAX_METADATA ((size_t)48 * 1024) /* [bytes] */

static json_t *text_json(struct span s, size_t max)
{
	char *clean = utf8_clean(s, max);
	json_t *text = json_string_nocheck(clean);

	free(clean);
	must(text);
	return text;
}

static void put(json_t *object, const char *key, json_t *value)
{
	must(json_object_set_new(object, key, value) == 0);
}

/* What is before the separator, or all of it; *rest is what is after it. */
static struct span head_of(struct span *rest, int separator)
{
	const uint8_t *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct span head = span_head(*rest, at ? (size_t)(at - rest->p) : rest->n);

	*rest = span_skip(*rest, head.n + 1);
	return head;
}

static json_t *parsed_json(struct span metadata)
{
	json_t *object = json_object();
	struct span value, key;
	char *name;

	must(object);
	while (metadata.n) {
		value = head_of(&metadata, '|');
		if (value.n == 0)
			continue;
		key = head_of(&value, ':');
		name = utf8_clean(key, MAX_METADATA);
		put(object, name, text_json(value, MAX_METADATA));
		free(name);
	}
	return object;
}

static json_t *metadata_json(struct span metadata)
{
	json_t *both;

	if (metadata.n == 0)
		return json_null();
	metadata = span_head(metadata, MAX_METADATA);
	both = json_object();
	put(both, "raw", text_json(metadata, MAX_METADATA));
	put(both, "parsed", parsed_json(metadata));
	return both;
}

char *header_parse_metadata(struct span metadata)
{
	json_t *object = parsed_json(span_head(metadata, MAX_METADATA));
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	must(text);
	return text;
}

/* The wire ends the metadata with a NUL: one inside would let the rest pass for audio. */
char *header_metadata(const struct header_info *h)
{
	struct span s = !h->mixed && h->tag_metadata.n ? h->tag_metadata : h->metadata;
	const uint8_t *nul;

	s = span_head(s, HEADER_MAX);
	nul = s.n ? memchr(s.p, 0, s.n) : NULL;
	if (s.n == 0)
		return xstrdup("");
	return xstrndup((const char *)s.p, nul ? (size_t)(nul - s.p) : s.n);
}

static json_t *describe(const struct header_info *h)
{
	json_t *o = json_object();
	char start[CLOCK_TEXT];

	put(o, "call-id", text_json(h->call_id, MAX_NAME));
	put(o, "parent", text_json(span_text(h->parent), MAX_NAME));
	put(o, "mixed", json_boolean(h->mixed));
	if (!h->mixed) {
		put(o, "stream", json_integer(h->stream));
		put(o, "tag-number", json_integer(h->tag_number));
		put(o, "tag", text_json(h->tag, MAX_NAME));
		put(o, "label", text_json(h->label, MAX_NAME));
		put(o, "role", text_json(span_text(h->role), MAX_NAME));
		put(o, "codec", text_json(span_text(h->codec), MAX_NAME));
		put(o, "tag-metadata", metadata_json(h->tag_metadata));
	}
	clock_format(h->start, start);
	put(o, "start", h->start > 0 ? json_string(start) : json_null());
	put(o, "format", json_string("s16le"));
	put(o, "rate", json_integer(h->rate_hz));
	put(o, "channels", json_integer(h->channels));
	put(o, "metadata", metadata_json(h->metadata));
	return o;
}

/* Call data is one JSON object on one line already, and may be large: it goes in as it is. */
char *header_json(const struct header_info *h)
{
	static const char omitted[] = ",\"data\":null,\"data-omitted\":true}";
	json_t *o = describe(h);
	char *text = json_dumps(o, JSON_COMPACT), *whole;
	size_t bytes;

	json_decref(o);
	must(text);
	bytes = strlen(text) - 1; /* without its closing brace */
	must(bytes + sizeof(omitted) <= HEADER_MAX);
	if (h->data.n == 0)
		whole = xasprintf("%.*s,\"data\":null}", (int)bytes, text);
	else if (h->data.n > HEADER_MAX - bytes - 64)
		whole = xasprintf("%.*s%s", (int)bytes, text, omitted);
	else
		whole = xasprintf("%.*s,\"data\":%.*s}", (int)bytes, text, (int)h->data.n,
			(const char *)h->data.p);
	free(text);
	return whole;
}
