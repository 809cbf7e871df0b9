/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording does on the writer threads: work is given, done in order by one thread at a
 * time, and comes back. Lives until its owner has left and no thread has anything to do for it. */
#ifndef SINK_FILE_ACTOR_H
#define SINK_FILE_ACTOR_H

#include "base/mailbox.h"
#include "record/recording.h"
#include "sink/file_sink.h"

enum file_verb { FILE_WRITE, FILE_PUBLISH, FILE_CLOSE, FILE_DROP, FILE_DISCARD };

struct file_work {
	struct mail mail;       /* first */
	enum file_verb verb;
	uint64_t frame;         /* since the options' start: where it begins, or where all ends */
	bool sync;              /* all of it on disk, up to that frame or the end of the samples */
	bool retry;             /* nothing was done since one went wrong; from here on again */
	bool leftover;          /* publish what is there; if there is nothing, make nothing */
	int err;                /* comes back; -EAGAIN: not tried because one before failed */
	size_t bytes, audio;    /* of samples; audio: what of it is no silence */
	size_t charged;         /* [bytes] of the owner's budget */
	uint8_t samples[];
};

struct file_actor;

struct file_actor *file_actor_new(const struct file_sink_opts *); /* copies */
/* Another one, for fallback_path, where the first may hang: frames are the same, its file begins
 * with that one. The options' arg is released when both are gone. */
struct file_actor *file_actor_after(struct file_actor *first, uint64_t frame);
void file_actor_give(struct file_actor *, struct file_work **);
void file_actor_kick(struct file_actor *); /* again and again: the writers may have been full */
struct file_work *file_actor_ungive(struct file_actor *); /* what no thread has begun with */
struct file_work *file_actor_take(struct file_actor *); /* done, oldest first, linked; or NULL */
/* After the last work came back. False: nothing was published; else the path is the caller's. */
bool file_actor_result(struct file_actor *, struct recording_result *);
/* Nobody waits for it any more; the .part is closed and stays, unless published or discarded. */
void file_actor_leave(struct file_actor **);
/* The same of one that nothing was written by: its file goes, unless an earlier run had begun it. */
void file_actor_drop(struct file_actor **);

#endif
