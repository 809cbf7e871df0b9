/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of the table of calls, for calls.c (life), calls_spool.c (what the spool says) and
 * calls_notices.c (what other threads and call data say) only. */
#ifndef CALLS_PRIVATE_H
#define CALLS_PRIVATE_H

#include <uthash.h>
#include <uv.h>

#include "accounts.h"
#include "base/check.h"
#include "calls.h"

#define CALLS_MAGIC 0xca115001u

/* RUNNING -> (GRACE_GIVEN, when its metafile went: rtpengine restored from its Redis makes it
 * anew) -> ENDING -> over (account came from the worker) -> forgotten (account written, call data
 * final). */
enum known_state { RUNNING, GRACE_GIVEN, ENDING };

struct stream_file {
	struct stream_file *next;
	unsigned stream;
	uint64_t epoch; /* of its last opening */
	bool again;     /* could not be opened, for a reason that passes */
	bool failed;    /* could not be opened, for another */
	bool told;      /* once more, since it was asked for */
	char *name;
};

/* What a call waits for, if for anything. */
enum due {
	DUE_NOTHING,
	DUE_REOPEN, /* its streams ended, its metafile is still there: they are opened once more */
	DUE_RETRY,  /* some could not be opened, for a reason that passes: these are, once more */
	DUE_STALE,  /* none could be opened, for another reason: it is given up */
	DUE_GRACE,  /* its metafile has not come back: it ends */
	DUE_INSIST, /* it has ended: streams that were still being opened then are closed */
};

struct known {
	uint64_t number;
	char *parent;
	UT_hash_handle by_number, by_parent; /* by_parent: until ENDING */
	enum spool_layout layout;
	enum known_state state;
	unsigned worker;
	char *file;                /* pcap, pcm: path, until the source is made */
	bool reading;              /* pcap, pcm: the source was made */
	uint64_t position;         /* where reading begins */
	uint64_t inode;            /* pcm, else 0 */
	struct stream_file *files; /* proc: interfaces by number */
	uint64_t epoch;            /* of this call's openings */
	unsigned asked, failed;    /* openings of this epoch, without those tried again */
	enum due due;
	usec_t due_at;             /* clock_mono */
	bool reopened;             /* since the metafile last said something */
	bool gone;                 /* the streams of this epoch have ended */
	const char *reason;        /* of the end; static */
	bool asked_data, data_final, over, written;
};

struct calls {
	MAGIC_MEMBER;
	struct calls_opts opts;
	struct calls_parts parts;
	struct spool *spool; /* NULL: it has not told all that lies there, or it has stopped */
	struct mailbox box;
	uv_async_t async;
	uv_timer_t timer;
	struct known *numbers, *parents;
	uint64_t last_number;
	unsigned *load;  /* calls of each worker */
	struct accounts *accounts;
	bool shutting_down;
	bool said_twice;     /* that a call is in the spool twice */
};

/* calls.c */
struct known *known_by_number(struct calls *, uint64_t number);
struct known *known_by_parent(struct calls *, const char *parent);
struct worker *known_worker(struct calls *, const struct known *);
struct known *known_new(struct calls *, const char *parent, enum spool_layout);
struct stream_file *known_file(const struct known *, unsigned stream); /* or NULL */
void known_new_epoch(struct known *); /* its streams are other ones from now on */
void known_set_due(struct known *, enum due, usec_t in); /* in place of what was due */
void known_open_stream(struct calls *, struct known *, struct stream_file *);
void known_read_file(struct calls *, struct known *);
void known_end(struct calls *, struct known *, const char *reason);
void known_may_forget(struct calls *, struct known *); /* it is gone if nothing is left to do */

/* calls_notices.c */
void calls_read_notices(struct calls *);

#endif
