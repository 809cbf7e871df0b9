/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one connection brought: the header up to its NUL, then samples; written as WAV (or as it
 * came) and described as JSON. The WAV is valid at any moment. */
#ifndef TOOLS_RECEIVE_TAKE_H
#define TOOLS_RECEIVE_TAKE_H

#include "base/span.h"
#include "tools/receive.h"

#define TAKE_MAX_HEADER ((size_t)16 * 1024 * 1024) /* [bytes] */

struct take;

struct take *take_new(const struct receive_opts *, struct receive_totals *, uint64_t number,
	const char *peer);
/* False: the header has no end. */
bool take_feed(struct take *, struct span bytes, usec_t mono);
void take_secured(struct take *, const char *version, const char *cipher, bool resumed, usec_t mono);
void take_flush(struct take *); /* what is buffered goes to the file, its header is brought up to date */

/* The last word: writes the JSON, adds to the totals, frees. */
void take_end(struct take **, enum receive_end, const char *why);

#endif
