/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sequences of output-pattern. Pure. For name.c. */
#ifndef RECORD_NAME_PATTERN_H
#define RECORD_NAME_PATTERN_H

#include "base/span.h"

#define NAME_MAX_COMPONENTS 16 /* of a pattern */

/* What is behind a '%': its letter ('{': a key, '0': a number), the bytes it takes, and what is in
 * it. kind is negative when it is none. */
struct name_sequence {
	int kind;
	size_t bytes;
	unsigned number;
	struct span key;
};

struct name_sequence name_read_sequence(struct span behind_percent);

struct name_pattern {
	bool call_id, type; /* %c and %t are in it */
};

/* NULL: all of it can be read, and no directory of it is . or ..; else what is wrong. */
const char *name_read_pattern(struct span, struct name_pattern *);

#endif
