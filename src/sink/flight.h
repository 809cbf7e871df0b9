/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a recording has under way to the writers, and what becomes of it when they fail or hang:
 *
 *     an error          tried again until it works; after 2 s in fallback_path
 *     no answer at all  waited for; after 5 s (half of what may wait, if that is less) there: what was
 *                       under way is written there once more, the first file ends wherever the
 *                       disk let it, and is published with the second one
 *
 * Cap: FLIGHT_MAX writes; all their bytes are charged to the budget. */
#ifndef SINK_FLIGHT_H
#define SINK_FLIGHT_H

#include "sink/file_actor.h"

#define FLIGHT_MAX 2

struct flight {
	struct file_actor *actor;   /* NULL: given up */
	struct file_actor *first;   /* the one that failed or hung; NULL: all is well, or it is gone */
	struct budget *budget;
	struct writer *writer;
	char *path, *fallback_path; /* for the log; NULL: there is none, or it is in use */
	unsigned buffer_ms, frame;  /* frame: [bytes] */
	unsigned given, first_given; /* works at each */
	struct file_work *now[FLIGHT_MAX]; /* those at actor: only to be read */
	struct file_work *failed, **last_failed;
	size_t audio, charged;      /* [bytes] given or failed; audio: what the first has not counted */
	usec_t since;               /* nothing came back */
	usec_t failing_since, retry_at, backoff; /* failing_since 0: all is well */
	bool begun, first_begun;    /* something was written; to the first */
	bool resumes;
	bool asked;                 /* for the end */
	usec_t asked_at, ticked;
	enum file_verb end;
	bool done, over;            /* done: of actor; over: nothing will come any more */
	size_t sent, lost;          /* [bytes] of audio since the owner looked */
	usec_t first_byte;
	int first_error;
	struct file_sink_result result;
};

void flight_init(struct flight *, const struct file_sink_opts *, unsigned frame);
void flight_fini(struct flight *);

/* Of so many bytes; NULL: not now. Without bytes nothing is charged. */
struct file_work *flight_work(struct flight *, enum file_verb, uint64_t frame, size_t bytes);
void flight_drop(struct flight *, struct file_work **); /* one that was not given */
void flight_give(struct flight *, struct file_work **, usec_t now);
bool flight_takes(const struct flight *);    /* another write: not while it fails */
bool flight_is_empty(const struct flight *); /* all that was given is written */
void flight_end(struct flight *, enum file_verb, uint64_t frame); /* the last work */
void flight_discard(struct flight *, uint64_t frame); /* at any time, also after it */
void flight_tick(struct flight *, usec_t now); /* what came back */
void flight_kick(struct flight *);             /* after what was given since */
/* What a writer has may yet be written; nobody knows, so it counts as lost. What is over but for the
 * first file is over. */
void flight_give_up(struct flight *);

#endif
