/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/sha.h"

#include <libavutil/mem.h>
#include <libavutil/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define DIGEST 32 /* [bytes] */

struct sha {
	struct AVSHA *state;
};

struct sha *sha_new(void)
{
	struct sha *s = xnew(struct sha);

	s->state = av_sha_alloc();
	if (!s->state)
		die("out of memory");
	must(av_sha_init(s->state, DIGEST * 8) == 0);
	return s;
}

void sha_feed(struct sha *s, struct span bytes)
{
	av_sha_update(s->state, bytes.p, bytes.n);
}

void sha_end(struct sha **sha, char hex[SHA_TEXT])
{
	struct sha *s = *sha;
	uint8_t digest[DIGEST];

	if (!s)
		return;
	if (hex) {
		av_sha_final(s->state, digest);
		for (int i = 0; i < DIGEST; i++)
			snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	}
	av_free(s->state);
	free(s);
	*sha = NULL;
}
