/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of bencoding (BEP 3) that rtpengine's NG protocol speaks. Pure. */
#ifndef TOOLS_FEED_BENCODE_H
#define TOOLS_FEED_BENCODE_H

#include "base/span.h"

/* Writer into a buffer of the caller's. What does not fit sets `full` and is left out
 * whole. */
struct feed_bencode {
	char *p;
	size_t size, used;
	bool full;
};

void feed_bencode_open(struct feed_bencode *, char kind); /* 'd' or 'l' */
void feed_bencode_close(struct feed_bencode *);
void feed_bencode_text(struct feed_bencode *, const char *text);
void feed_bencode_number(struct feed_bencode *, long long);
void feed_bencode_pair(struct feed_bencode *, const char *key, const char *value);

/* Bytes of the element at the start, 0 when it is not well-formed or nested over 32
 * deep. */
size_t feed_bencode_length(struct span);
/* The value of a key of a dictionary: a string's content, any other element as it is
 * written. */
bool feed_bencode_find(struct span dict, const char *key, struct span *value);

#endif
