/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/record.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAX_DEPTH 64 /* whoever writes a document does so by recursion, on a stack of thread-stack */

struct record {
	unsigned max_elements, elements;
	size_t max_element_bytes, max_bytes, bytes;
	json_t *merged, *texts;
};

struct record *record_new(unsigned max_elements, size_t max_element_bytes, size_t max_bytes)
{
	struct record *r = xnew(struct record);

	r->max_elements = max_elements;
	r->max_element_bytes = max_element_bytes;
	r->max_bytes = max_bytes;
	r->merged = json_object();
	r->texts = json_array();
	must(r->merged && r->texts);
	return r;
}

void record_free(struct record **r)
{
	if (!*r)
		return;
	json_decref((*r)->merged);
	json_decref((*r)->texts);
	free(*r);
	*r = NULL;
}

static bool too_deep(const char *text, size_t bytes)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < bytes && depth <= MAX_DEPTH; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else if (text[i] == '{' || text[i] == '[')
			depth++;
		else if ((text[i] == '}' || text[i] == ']') && depth)
			depth--;
	}
	return depth > MAX_DEPTH;
}

/* JSON that is no object (a number, a list), that jansson does not take (torn, \u0000, integers
 * over 64 bits), or that is nested too deep, is kept as it was written: as text nothing of it is
 * lost. */
static int keep(struct record *r, const char *text, size_t bytes)
{
	json_t *document = too_deep(text, bytes) ? NULL : json_loadb(text, bytes, 0, NULL);
	int failed;

	if (json_is_object(document)) {
		failed = json_object_update(r->merged, document);
		json_decref(document);
		return failed;
	}
	json_decref(document);
	return json_array_append_new(r->texts, json_stringn(text, bytes));
}

bool record_add(struct record *r, struct span element)
{
	size_t bytes;
	char *text;
	bool kept = false;

	if (r->elements >= r->max_elements || element.n > r->max_element_bytes ||
		element.n > r->max_bytes - r->bytes)
		return false;
	/* U+FFFD takes three bytes for one: measured again after it. */
	text = utf8_clean(element, 3 * element.n);
	bytes = strlen(text);
	if (bytes <= r->max_bytes - r->bytes && keep(r, text, bytes) == 0) {
		r->bytes += bytes;
		r->elements++;
		kept = true;
	}
	free(text);
	return kept;
}

unsigned record_elements(const struct record *r)
{
	return r->elements;
}

char *record_json(const struct record *r)
{
	json_t *whole;
	char *text;

	if (r->elements == 0)
		return NULL;
	whole = json_pack("{s:O,s:O}", "merged", r->merged, "texts", r->texts);
	/* 16 digits: what was written as 1795243720.80131 comes out so, not as ...801309. */
	text = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(whole);
	must(text);
	return text;
}
