/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One section of a metafile to what it says. Pure. Both dialects: rtpengine 10.5 and 26 differ in
 * the pairs of `STREAM n details` and in which sections exist. */
#ifndef SPOOL_SECTION_H
#define SPOOL_SECTION_H

#include "spool/change.h"

enum section_kind {
	SECTION_CHANGE,  /* out says it */
	SECTION_SILENT,  /* known, nothing to tell: PARENT, RANDOM_TAG */
	SECTION_UNKNOWN, /* label unknown, or its numbers or content out of bounds */
};

/* Texts in out are parts of content. */
enum section_kind section_read(struct span label, struct span content, struct change *out);

/* Where the next whole section of a known label is, behind one that was torn: a full disk took only
 * a part of it, and rtpengine appends the next right there. 0: there is none in it yet. */
size_t section_find(struct span in);

/* Whether this may be a file name below a directory: one component, not "." or "..". */
bool section_is_file_name(struct span);

#endif
