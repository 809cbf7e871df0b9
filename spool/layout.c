/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the layouts share that needs nothing of the spool's inside. */
#include "spool/layout.h"

bool layout_tell_call_id(struct spool *s, const struct entry *e)
{
	struct span escaped = span_text(e->parent);
	uint8_t id[256];
	ptrdiff_t n;

	if (e->layout == SPOOL_PCAP)
		escaped.n -= 17; /* "-" and 16 hex digits */
	n = span_unescape(escaped, id, sizeof(id));
	if (n < 0 || (n > 0 && memchr(id, '\0', (size_t)n)))
		return false;
	layout_tell(s, e, &(struct change){ .kind = CHANGE_CALL_ID,
		.text = span_of(id, (size_t)n) });
	return true;
}

usec_t layout_mtime(const struct stat *st)
{
	return (usec_t)st->st_mtim.tv_sec * SEC + st->st_mtim.tv_nsec / 1000;
}

bool layout_parent(const char *name, const char *prefix, const char *suffix, struct span *out)
{
	struct span s = span_text(name);
	size_t before = strlen(prefix), after = strlen(suffix);

	if (s.n <= before + after || !span_starts(s, prefix) ||
	    memcmp(s.p + s.n - after, suffix, after) != 0)
		return false;
	*out = span_of(s.p + before, s.n - before - after);
	return true;
}
