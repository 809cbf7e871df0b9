/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/metafile.h"

#include <errno.h>

#define MAX_DIGITS 12 /* of LENGTH */

/* A line of at most max bytes. Like metafile_next: used, 0 or -EBADMSG. */
static ssize_t take_line(struct span in, size_t max, struct span *line)
{
	struct span seen = span_head(in, max + 1);
	const uint8_t *lf = seen.n ? memchr(seen.p, '\n', seen.n) : NULL;

	if (!lf)
		return seen.n > max ? -EBADMSG : 0;
	*line = span_head(in, (size_t)(lf - in.p));
	return (ssize_t)line->n + 1;
}

static bool is_label(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static bool is_length(struct span line, uint64_t *out)
{
	if (!line.n || line.p[line.n - 1] != ':')
		return false;
	return span_number(span_head(line, line.n - 1), INT64_MAX / 2, out);
}

ssize_t metafile_next(struct span in, struct metafile_section *out)
{
	ssize_t label, length;
	struct span digits, rest;
	uint64_t bytes;

	label = take_line(in, METAFILE_MAX_LABEL, &out->label);
	if (label <= 0)
		return label;
	if (!is_label(out->label))
		return -EBADMSG;
	rest = span_skip(in, (size_t)label);
	length = take_line(rest, MAX_DIGITS + 1, &digits);
	if (length <= 0)
		return length;
	if (!is_length(digits, &bytes))
		return -EBADMSG;
	rest = span_skip(rest, (size_t)length);

	out->too_long = bytes > METAFILE_MAX_CONTENT;
	out->content = span_head(rest, out->too_long ? 0 : (size_t)bytes);
	if (!out->too_long && rest.n < bytes + 2)
		return 0;
	if (!out->too_long && (rest.p[bytes] != '\n' || rest.p[bytes + 1] != '\n'))
		return -EBADMSG;
	return label + length + (ssize_t)bytes + 2;
}
