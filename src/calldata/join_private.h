/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between join.c (the schedule, reading lists) and join_messages.c (subscriptions). */
#ifndef CALLDATA_JOIN_PRIVATE_H
#define CALLDATA_JOIN_PRIVATE_H

#include <uthash.h>
#include <uv.h>

#include "base/check.h"
#include "calldata/client.h"
#include "calldata/join.h"
#include "calldata/record.h"
#include "calldata/schedule.h"
#include "calldata/tally.h"

#define JOIN_MAGIC 0x101a4ed1u

enum phase {
	JOIN_SEEKING,   /* no data yet: read with back-off */
	JOIN_FOLLOWING, /* read now and then */
	JOIN_ENDING,    /* one more read, within END_LIMIT */
	JOIN_FINISHED,
};

struct channel {
	UT_hash_handle hh; /* by name */
	struct span name;
	struct call *first;
};

struct call {
	struct scheduled scheduled; /* first */
	UT_hash_handle hh;          /* by number */
	uint64_t number;
	struct span key;
	struct channel *channel;
	struct call *next_on_channel;
	struct record *record;
	struct tally *tally;
	enum phase phase;
	usec_t wait_until, backoff; /* seeking */
	usec_t end_read, end_limit; /* ending */
	unsigned place;      /* elements of the list that were read */
	unsigned from, to;   /* what is asked for now, inclusive */
	uint64_t last;       /* hash of the list's element before place */
	bool asking, again;  /* again: something came since it was asked */
	bool asked_last;     /* what is asked for now is the last read */
	bool given_up;       /* its list cannot be had */
	unsigned read_on;    /* generation of the connection that place is of; 0: none */
};

struct join {
	MAGIC_MEMBER;
	struct join_opts opts; /* its texts are ours */
	struct redis_url url;
	struct join_events events;
	void *arg;
	struct client *commands, *messages; /* messages NULL: no channel is configured */
	struct call *calls;       /* uthash */
	struct channel *channels; /* uthash */
	struct schedule schedule;
	uv_timer_t timer;
};

/* join.c */
void join_settle(struct join *); /* after whatever changed the schedule or gave commands */
void join_due_in(struct join *, struct call *, usec_t wait);
void join_add(struct join *, struct call *, const struct redis_reply *element);
void join_tell(struct join *, struct call *, unsigned before); /* elements there were before */
void join_free_span(struct span);

/* join_messages.c */
void join_enter_channel(struct join *, struct call *, struct span name); /* takes the name */
void join_leave_channel(struct join *, struct call *);
void join_on_messages_up(void *arg);
void join_on_push(void *arg, const struct redis_reply *);

#endif
