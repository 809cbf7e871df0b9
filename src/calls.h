/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of calls on the control thread: what the spool says of a call goes to its worker, its
 * streams to the openers, its call-id to the call data, its account to a writer. Everything here
 * is called on the control thread except calls_opened. */
#ifndef CALLS_H
#define CALLS_H

#include "spool/change.h"
#include "spool/intake.h"
#include "spool/opener.h"
#include "spool/tail.h"
#include "worker.h"

struct uv_loop_s;
struct consumed;
struct join;
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
	/* Whether the call's metadata file is still there; asked when its streams have ended. */
	bool (*still_there)(void *arg, const char *parent);
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
void calls_free(struct calls **); /* the loop must run once more */
/* Takes in what the threads said before they stopped: the last accounts go to the writers. */
void calls_flush(struct calls *);
void calls_shut_down(struct calls *); /* ends every call; takes no new ones */
unsigned calls_running(const struct calls *);

/* From the spool. */
bool calls_on_call(struct calls *, const char *parent, enum spool_layout);
void calls_on_change(struct calls *, const char *parent, const struct change *);
void calls_on_grew(struct calls *, const char *parent);
void calls_on_end(struct calls *, const char *parent, enum spool_end);

/* From call data. */
void calls_on_data(struct calls *, uint64_t call, struct span json, unsigned elements);
void calls_on_data_finished(struct calls *, uint64_t call);

/* From other threads. */
void calls_opened(struct calls *, struct source **);                 /* openers */
void calls_streams_ended(struct calls *, uint64_t call, uint64_t epoch); /* intake */
void calls_consumed(struct calls *, uint64_t call, uint64_t position, bool finished); /* tail */
void calls_over(struct calls *, uint64_t call, struct account **);   /* workers */

#endif
