/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/name_pattern.h"

#include <limits.h>

#define MAX_PATTERN 512 /* [bytes] */

enum { TRAILING = -1, UNKNOWN = -2, NO_BRACE = -3, NO_NUMBER = -4 };

static struct name_sequence read_number(struct span s)
{
	struct name_sequence q = { .kind = '0' };
	uint64_t number;

	while (q.bytes < s.n && s.p[q.bytes] >= '0' && s.p[q.bytes] <= '9')
		q.bytes++;
	if (!span_number(span_head(s, q.bytes), INT_MAX, &number) || number == 0)
		q.kind = NO_NUMBER;
	else
		q.number = (unsigned)number;
	return q;
}

struct name_sequence name_read_sequence(struct span s)
{
	struct name_sequence q = { .kind = s.n ? s.p[0] : TRAILING, .bytes = 1 };

	if (!s.n)
		return q;
	if (s.p[0] >= '0' && s.p[0] <= '9')
		return read_number(s);
	if (s.p[0] == '{') {
		const uint8_t *end = memchr(s.p, '}', s.n);

		if (!end) {
			q.kind = NO_BRACE;
			return q;
		}
		q.key = span_of(s.p + 1, (size_t)(end - s.p) - 1);
		q.bytes = q.key.n + 2;
	} else if (!memchr("%crtlYmdHMSu", s.p[0], 12)) {
		q.kind = UNKNOWN;
	}
	return q;
}

static const char *bad_sequence(int kind)
{
	switch (kind) {
	case TRAILING:  return "it ends with a single %: write %%";
	case NO_BRACE:  return "a %{ is without its }";
	case NO_NUMBER: return "a number behind % has to be 1 or more";
	default:        return "a letter behind % is none of %crtlYmdHMSu, a number or {key}";
	}
}

struct survey {
	struct name_pattern *found;
	unsigned components;
	size_t length; /* of the present component */
	bool dots;     /* all of it are dots of the pattern */
};

static const char *end_surveyed(struct survey *y)
{
	if (y->dots && (y->length == 1 || y->length == 2))
		return "a directory in it is . or ..";
	y->length = 0;
	y->dots = true;
	return ++y->components > NAME_MAX_COMPONENTS ? "it has more than 16 directories" : NULL;
}

/* One sequence, or why it is none. */
static const char *survey_sequence(struct survey *y, struct span *s)
{
	struct name_sequence q = name_read_sequence(*s);

	y->found->call_id |= q.kind == 'c';
	y->found->type |= q.kind == 't';
	y->length++;
	y->dots = false;
	*s = span_skip(*s, q.bytes);
	return q.kind < 0 ? bad_sequence(q.kind) : NULL;
}

const char *name_read_pattern(struct span s, struct name_pattern *found)
{
	struct survey y = { .found = found, .dots = true };
	const char *bad = NULL;

	*found = (struct name_pattern){ 0 };
	if (s.n > MAX_PATTERN)
		return "it is longer than 512 bytes";
	if (!s.n || s.p[s.n - 1] == '/')
		return "it ends with a directory: a name is missing";
	while (s.n && !bad) {
		uint8_t c = s.p[0];

		s = span_skip(s, 1);
		if (c < 0x20 || c == 0x7f) {
			bad = "a control character is in it";
		} else if (c == '/') {
			bad = end_surveyed(&y);
		} else if (c == '%') {
			bad = survey_sequence(&y, &s);
		} else {
			y.length++;
			y.dots &= c == '.';
		}
	}
	return bad ? bad : end_surveyed(&y);
}
