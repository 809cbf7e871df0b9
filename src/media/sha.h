/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 of what is fed. libavutil inside. */
#ifndef MEDIA_SHA_H
#define MEDIA_SHA_H

#include "base/span.h"

#define SHA_TEXT 65 /* hex and a NUL */

struct sha;

struct sha *sha_new(void);
void sha_feed(struct sha *, struct span);
void sha_end(struct sha **, char hex[SHA_TEXT]); /* frees; hex NULL: only that */

#endif
