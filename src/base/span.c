/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/span.h"

bool span_line(struct span *rest, struct span *line)
{
	const uint8_t *lf;
	size_t n;

	if (!rest->n)
		return false;
	lf = memchr(rest->p, '\n', rest->n);
	n = lf ? (size_t)(lf - rest->p) : rest->n;
	*line = span_head(*rest, n);
	*rest = span_skip(*rest, n + 1);
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool span_word(struct span *rest, struct span *word)
{
	size_t n = 0;

	while (rest->n && is_blank(rest->p[0]))
		*rest = span_skip(*rest, 1);
	while (n < rest->n && !is_blank(rest->p[n]))
		n++;
	*word = span_head(*rest, n);
	*rest = span_skip(*rest, n);
	return n > 0;
}

bool span_number(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)s.p[i] - '0';

		if (s.p[i] < '0' || s.p[i] > '9' || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

ptrdiff_t span_unescape(struct span s, uint8_t *out, size_t max)
{
	size_t n = 0;

	while (s.n) {
		int hi = s.p[0] == '%' && s.n > 2 ? hex_digit(s.p[1]) : -1;
		int lo = hi >= 0 ? hex_digit(s.p[2]) : -1;

		if (n == max)
			return -1;
		out[n++] = (uint8_t)(lo >= 0 ? hi << 4 | lo : s.p[0]);
		s = span_skip(s, lo >= 0 ? 3 : 1);
	}
	return (ptrdiff_t)n;
}

uint64_t span_hash(struct span s, uint64_t before)
{
	for (size_t i = 0; i < s.n; i++)
		before = (before ^ s.p[i]) * 0x100000001b3u;
	return before;
}
