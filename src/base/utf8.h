/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes from anywhere as text that every JSON reader takes (RFC 8259 8.1). Pure. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/span.h"

/* Bytes of the well-formed sequence (RFC 3629 4) that s begins with, 1 to 4; 0: none. */
size_t utf8_sequence(struct span s);
/* A copy, at most max_bytes long, in which each byte that belongs to no well-formed sequence, and
 * each NUL (many readers stop at it, or refuse it), is U+FFFD; cut between sequences. malloc'd,
 * ends with a NUL. */
char *utf8_clean(struct span s, size_t max_bytes);

#endif
