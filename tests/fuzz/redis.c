/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server sends, in pieces whose size is the first byte. */
#include <stdlib.h>

#include "base/check.h"
#include "calldata/redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct redis_reply *reply)
{
	must(reply);
	if (reply->text.p)
		must(reply->text.p[reply->text.n] == 0);
	for (unsigned i = 0; i < reply->n; i++)
		walk(reply->list[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_reader *r = redis_reader_new(64, 4096);
	struct span rest = span_of(data, size), piece;
	size_t step = 1u + span_u8(rest, 0);
	struct redis_reply *reply;
	int error = 0;

	for (rest = span_skip(rest, 1); rest.n && !error; rest = span_skip(rest, piece.n)) {
		piece = span_head(rest, step);
		redis_reader_feed(r, piece);
		do {
			error = redis_reader_next(r, &reply);
			if (reply)
				walk(reply);
		} while (reply && (redis_reply_free(&reply), true));
	}
	redis_reader_free(&r);
	return 0;
}
