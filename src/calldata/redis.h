/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Redis's protocol (RESP2) as bytes: commands out, replies in; the door to hiredis. Pure. */
#ifndef CALLDATA_REDIS_H
#define CALLDATA_REDIS_H

#include "base/span.h"

enum redis_kind {
	REDIS_TEXT, REDIS_STATUS, REDIS_FAILURE, REDIS_NUMBER, REDIS_NONE, REDIS_LIST,
	REDIS_TOO_LARGE, /* given instead of a reply that passed the cap */
};

struct redis_reply {
	enum redis_kind kind;
	int64_t number;
	struct span text;          /* ends with a NUL; only its head when too_long */
	bool too_long;             /* over max_text */
	unsigned n;                /* of list */
	struct redis_reply **list; /* no member is NULL */
};

struct redis_reader;

/* max_text: of one text that is kept whole; max_reply: of one reply with all that is in it. */
struct redis_reader *redis_reader_new(size_t max_text, size_t max_reply);
void redis_reader_free(struct redis_reader **);
void redis_reader_feed(struct redis_reader *, struct span bytes);
/* 0: *reply is yours, or NULL when more bytes are needed. -EMSGSIZE: the reply is over a cap.
 * -EPROTO: this is not Redis. After an error the reader is of no use any more. */
int redis_reader_next(struct redis_reader *, struct redis_reply **reply);
void redis_reply_free(struct redis_reply **);

/* One command for the wire; malloc'd. Arguments may hold any bytes. */
char *redis_command(const struct span *argv, unsigned n, size_t *bytes);

#endif
