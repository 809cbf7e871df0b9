/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/utf8.h"

#include "base/mem.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
#define REPLACEMENT_BYTES (sizeof(replacement) - 1)

static bool continues(struct span s, size_t at, uint8_t low, uint8_t high)
{
	return at < s.n && s.p[at] >= low && s.p[at] <= high;
}

/* The second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF. */
size_t utf8_sequence(struct span s)
{
	uint8_t first = span_u8(s, 0), low = 0x80, high = 0xbf;
	size_t n;

	if (s.n == 0)
		return 0;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (!continues(s, 1, low, high))
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!continues(s, i, 0x80, 0xbf))
			return 0;
	return n;
}

/* With out NULL only measures. */
static size_t clean(struct span s, size_t max, char *out)
{
	size_t used = 0;

	while (s.n) {
		size_t n = s.p[0] ? utf8_sequence(s) : 0;
		size_t wide = n ? n : REPLACEMENT_BYTES;

		if (wide > max - used)
			break;
		if (out)
			memcpy(out + used, n ? (const char *)s.p : replacement, wide);
		used += wide;
		s = span_skip(s, n ? n : 1);
	}
	return used;
}

char *utf8_clean(struct span s, size_t max_bytes)
{
	size_t n = clean(s, max_bytes, NULL);
	char *out = xalloc(n + 1);

	clean(s, max_bytes, out);
	return out;
}
