/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pointer and length into bytes that somebody else owns, and readers that cannot overrun. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n;
};

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){ .p = p, .n = n };
}

static inline struct span span_text(const char *text)
{
	return span_of(text, strlen(text));
}

static inline bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static inline bool span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

/* What is left after n bytes; empty when there are fewer. */
static inline struct span span_skip(struct span s, size_t n)
{
	if (n > s.n)
		n = s.n;
	return span_of(s.p + n, s.n - n);
}

static inline struct span span_head(struct span s, size_t n)
{
	return span_of(s.p, n < s.n ? n : s.n);
}

/* Big-endian (network order) reads; 0 when out of bounds: check the length first. */
static inline uint8_t span_u8(struct span s, size_t at)
{
	return at < s.n ? s.p[at] : 0;
}

static inline uint16_t span_be16(struct span s, size_t at)
{
	if (s.n < 2 || at > s.n - 2)
		return 0;
	return (uint16_t)(s.p[at] << 8 | s.p[at + 1]);
}

static inline uint32_t span_be32(struct span s, size_t at)
{
	return (uint32_t)span_be16(s, at) << 16 | span_be16(s, at + 2);
}

static inline uint32_t span_le32(struct span s, size_t at)
{
	if (s.n < 4 || at > s.n - 4)
		return 0;
	return (uint32_t)s.p[at] | (uint32_t)s.p[at + 1] << 8 |
	       (uint32_t)s.p[at + 2] << 16 | (uint32_t)s.p[at + 3] << 24;
}

/* Cuts the first line off *rest, without its LF or CRLF. False when nothing is left. */
bool span_line(struct span *rest, struct span *line);

/* Cuts the first word (up to a blank or tab) off *rest. False when there is none. */
bool span_word(struct span *rest, struct span *word);

/* The whole span as a decimal number up to max. False when it is anything else. */
bool span_number(struct span s, uint64_t max, uint64_t *out);

/* Percent-decodes once (RFC 3986 2.1) into out, at most max bytes; a lone % stays as it is.
 * Returns the bytes written, or -1 when they did not fit. No NUL is added. */
ptrdiff_t span_unescape(struct span s, uint8_t *out, size_t max);

/* FNV-1a of what came before, SPAN_HASH for nothing, and of s: who can choose the bytes can make two
 * that are equal. */
#define SPAN_HASH 0xcbf29ce484222325u
uint64_t span_hash(struct span s, uint64_t before);

#endif
