/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording does on the writer threads: work is given, done in order by one thread at a
 * time, and comes back. Lives until its owner has left and no thread has anything to do for it. */
#ifndef SINK_FILE_ACTOR_H
#define SINK_FILE_ACTOR_H

#include "base/mailbox.h"
#include "record/recording.h"
#include "sink/file_sink.h"

enum file_verb { FILE_WRITE, FILE_PUBLISH, FILE_CLOSE, FILE_DISCARD };

struct file_work {
	struct mail mail;       /* first */
	enum file_verb verb;
	uint64_t frame;         /* since the options' start: where it begins, or where all ends */
	bool sync;              /* all of it on disk, up to that frame or the end of the samples */
	bool retry;             /* nothing was done since one went wrong; from here on again */
	bool fallback;          /* go on in the other directory, unless that is so already */
	int err;                /* comes back; -EAGAIN: not tried because one before failed */
	size_t bytes, audio;    /* of samples; audio: what of it is no silence */
	size_t charged;         /* [bytes] of the owner's budget */
	uint8_t samples[];
};

struct file_actor;

struct file_actor *file_actor_new(const struct file_sink_opts *); /* copies */
void file_actor_give(struct file_actor *, struct file_work **);
void file_actor_kick(struct file_actor *); /* again and again: the writers may have been full */
struct file_work *file_actor_take(struct file_actor *); /* done, oldest first, linked; or NULL */
/* After the last work came back: the paths are the caller's. */
void file_actor_result(struct file_actor *, struct file_sink_result *);
/* Nobody waits for it any more; the .part is closed and stays, unless published or discarded. */
void file_actor_leave(struct file_actor **);

#endif
