/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of calls on the control thread: what the spool says of a call goes to its worker, its
 * streams to the openers, its call-id to the call data, its account to a writer. Everything here
 * is called on the control thread except what says otherwise. */
#ifndef CALLS_H
#define CALLS_H

#include "spool/intake.h"
#include "spool/opener.h"
#include "spool/spool.h"
#include "spool/tail.h"
#include "worker.h"

struct uv_loop_s;
struct consumed;
struct join;
struct join_events;
struct writer;

struct calls_opts {
	struct uv_loop_s *loop;
	const char *proc_root;    /* /proc/rtpengine */
	unsigned table;
	const char *account_dir;  /* NULL: accounts are log lines only */
	unsigned pcm_rate_hz, pcm_channels;
	unsigned max_calls;
	unsigned intakes;         /* how many; the tail thread's queues come after theirs */
	unsigned workers;
	void (*idle)(void *arg);  /* after calls_shut_down: the last call is over */
	void *arg;
};

/* Made by the daemon after the table, as they call back into it. */
struct calls_parts {
	struct worker **worker;
	struct packetq ***queue;  /* [reader][worker] */
	struct opener *opener;
	struct intake **intake;
	struct tail *tail;
	struct join *join;         /* NULL: no call data */
	struct writer *writer;
	struct consumed *consumed; /* NULL: nothing is remembered */
};

struct calls;

struct calls *calls_new(const struct calls_opts *);
void calls_connect(struct calls *, const struct calls_parts *);
/* Whom it asks, from then on, whether a metafile is still there, and tells that a call ends although
 * it is. Until calls_shut_down. */
void calls_set_spool(struct calls *, struct spool *);
void calls_free(struct calls **); /* the loop must run once more */
/* Takes in what the threads said before they stopped: the last accounts go to the writers. */
void calls_flush(struct calls *);
void calls_shut_down(struct calls *); /* ends every call; takes no new ones */
unsigned calls_running(const struct calls *);
char **calls_parents(const struct calls *); /* of those; each and the list malloc'd, NULL at the end */

/* What the spool and call data tell; their arg is the struct calls. */
extern const struct spool_events calls_spool_events;
extern const struct join_events calls_join_events;

/* From other threads; arg is the struct calls. */
void calls_opened(void *arg, struct source **);                        /* openers */
void calls_streams_ended(void *arg, uint64_t call, uint64_t epoch);    /* intake */
void calls_consumed(void *arg, uint64_t call, uint64_t position, bool finished); /* tail */
void calls_over(void *arg, uint64_t call, struct account **);          /* workers */

#endif
