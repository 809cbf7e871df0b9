/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_bencode.h"

#include <stdio.h>

#define MAX_DEPTH 32

static void put(struct feed_bencode *b, const char *bytes, size_t n)
{
	if (b->full || n > b->size - b->used) {
		b->full = true;
		return;
	}
	memcpy(b->p + b->used, bytes, n);
	b->used += n;
}

void feed_bencode_open(struct feed_bencode *b, char kind)
{
	put(b, &kind, 1);
}

void feed_bencode_close(struct feed_bencode *b)
{
	put(b, "e", 1);
}

void feed_bencode_text(struct feed_bencode *b, const char *text)
{
	char prefix[24];
	size_t n = strlen(text);
	size_t p = (size_t)snprintf(prefix, sizeof(prefix), "%zu:", n);

	if (b->full || p + n > b->size - b->used) {
		b->full = true;
		return;
	}
	put(b, prefix, p);
	put(b, text, n);
}

void feed_bencode_number(struct feed_bencode *b, long long v)
{
	char text[32];

	put(b, text, (size_t)snprintf(text, sizeof(text), "i%llde", v));
}

void feed_bencode_pair(struct feed_bencode *b, const char *key, const char *value)
{
	feed_bencode_text(b, key);
	feed_bencode_text(b, value);
}

/* "4:spam": the content. */
static size_t read_string(struct span s, struct span *content)
{
	uint64_t n;
	const uint8_t *colon = memchr(s.p, ':', s.n < 12 ? s.n : 12);
	size_t prefix;

	if (!colon)
		return 0;
	prefix = (size_t)(colon - s.p) + 1;
	if (!span_number(span_head(s, prefix - 1), s.n - prefix, &n))
		return 0;
	*content = span_of(s.p + prefix, n);
	return prefix + n;
}

static size_t read_integer(struct span s)
{
	const uint8_t *end = memchr(s.p, 'e', s.n < 24 ? s.n : 24);
	struct span digits;
	uint64_t n;

	if (!end)
		return 0;
	digits = span_of(s.p + 1, (size_t)(end - s.p) - 1);
	if (span_starts(digits, "-"))
		digits = span_skip(digits, 1);
	return span_number(digits, INT64_MAX, &n) ? (size_t)(end - s.p) + 1 : 0;
}

static size_t element_length(struct span s, unsigned depth)
{
	struct span content;
	size_t used = 1, n;

	if (!s.n || depth > MAX_DEPTH)
		return 0;
	if (s.p[0] == 'i')
		return read_integer(s);
	if (s.p[0] != 'd' && s.p[0] != 'l')
		return read_string(s, &content);
	while (used < s.n && s.p[used] != 'e') {
		n = element_length(span_skip(s, used), depth + 1);
		if (!n)
			return 0;
		used += n;
	}
	return used < s.n ? used + 1 : 0;
}

size_t feed_bencode_length(struct span s)
{
	return element_length(s, 0);
}

bool feed_bencode_find(struct span dict, const char *key, struct span *value)
{
	struct span name;
	size_t n;

	if (!dict.n || dict.p[0] != 'd' || !feed_bencode_length(dict))
		return false;
	dict = span_skip(dict, 1);
	while (dict.n && dict.p[0] != 'e') {
		n = read_string(dict, &name);
		if (!n)
			return false;
		dict = span_skip(dict, n);
		n = feed_bencode_length(dict);
		if (!n)
			return false;
		if (span_is(name, key)) {
			if (!read_string(dict, value))
				*value = span_head(dict, n);
			return true;
		}
		dict = span_skip(dict, n);
	}
	return false;
}
