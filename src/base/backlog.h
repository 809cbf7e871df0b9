/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a sink has not passed on yet: bytes of PCM in order, with runs of silence that cost no
 * memory. Bounded by its own limit and by the process's budget; when full, the policy decides what
 * becomes silence, so that time stays true. Owned by one thread.
 * Invariant: put = taken + what was said to be lost + bytes of audio inside (silence not counted
 * in any). */
#ifndef BASE_BACKLOG_H
#define BASE_BACKLOG_H

#include "base/budget.h"
#include "base/span.h"

enum backlog_policy {
	BACKLOG_DROP_OLDEST, /* the oldest audio becomes silence */
	BACKLOG_DROP_NEWEST, /* what comes becomes silence */
	BACKLOG_DISCONNECT,  /* everything becomes silence; the owner also starts anew */
};

struct backlog_opts {
	struct budget *budget;
	size_t max_bytes;    /* of audio */
	unsigned frame;      /* [bytes] of one sample of all channels; cuts happen between frames */
	enum backlog_policy policy;
};

struct backlog;

struct backlog *backlog_new(const struct backlog_opts *);
void backlog_free(struct backlog **); /* gives everything back, clears *b */

/* Appends; whole frames. Returns the bytes of audio that became silence because of it: 0 when
 * there was room. */
size_t backlog_put(struct backlog *, struct span audio);
void backlog_put_silence(struct backlog *, uint64_t bytes);

/* The next bytes to pass on, at most max, copied out (zeros for silence); how many. They stay
 * until backlog_skip. Cheap when repeated. */
size_t backlog_peek(struct backlog *, uint8_t *out, size_t max);
void backlog_skip(struct backlog *, size_t bytes);
/* What comes next: that much silence, then that much audio up to the next silence or the end. */
void backlog_front(const struct backlog *, uint64_t *silence, size_t *audio);

/* Another bound from now on. With BACKLOG_DROP_OLDEST what is beyond it becomes silence at once,
 * else nothing is taken until there is room; returns the bytes of audio that became silence. */
size_t backlog_set_limit(struct backlog *, size_t max_bytes);

/* All of it is forgotten, silence too; returns the bytes of audio that were lost. */
size_t backlog_clear(struct backlog *);

uint64_t backlog_bytes(const struct backlog *); /* waiting, silence included */
size_t backlog_audio(const struct backlog *);   /* waiting, audio only */

#endif
