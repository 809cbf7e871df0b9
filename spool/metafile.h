/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of `LABEL\nLENGTH:\nCONTENT\n\n`, as rtpengine's daemon/recording.c (append_meta_chunk)
 * writes them: each with one write, so that only the last can be half there. Pure, and without a
 * memory: the caller keeps the position behind the last whole section and reads again from it.
 * Caps: labels METAFILE_MAX_LABEL; content over METAFILE_MAX_CONTENT is stepped over unread. */
#ifndef SPOOL_METAFILE_H
#define SPOOL_METAFILE_H

#include <sys/types.h>

#include "base/span.h"

#define METAFILE_MAX_LABEL   256         /* [bytes] */
#define METAFILE_MAX_CONTENT (64 * 1024) /* [bytes] */
/* A buffer of this size always holds a section that is to be read. */
#define METAFILE_MAX_SECTION (METAFILE_MAX_LABEL + METAFILE_MAX_CONTENT + 32)

struct metafile_section {
	struct span label;   /* parts of what was given */
	struct span content; /* empty when too_long */
	bool too_long;
};

/* The section that in begins with. Returns the bytes to go on by (more than in holds when the
 * section is too_long), 0 when there is not enough to know, -EBADMSG when this is no section. */
ssize_t metafile_next(struct span in, struct metafile_section *out);

#endif
