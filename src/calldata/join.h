/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Call data: what the SIP side pushed into Redis for a call, joined with the call. One connection
 * for the process, pipelined, on the control thread's loop, and where a channel is configured one
 * more for the subscriptions (RESP2 lets a subscriber ask nothing else); they never hold up
 * anything: a call whose data does not come goes without.
 *
 * For each call: SUBSCRIBE first (where a channel is configured), then LRANGE; again with back-off
 * until data came or wait is over; elements published or appended later are taken too; LRANGE once
 * more at the call's end. Caps: elements of a call, bytes of an element, bytes of a call's data,
 * commands in flight; beyond a cap: refused and counted. */
#ifndef CALLDATA_JOIN_H
#define CALLDATA_JOIN_H

#include "base/clock.h"
#include "base/span.h"

struct uv_loop_s;

struct join_opts {
	const char *url;     /* redis://[user:pass@]host:port/db, unix:///path?db=0 or /path */
	const char *list;    /* "call-mq:%c": %c call-id unescaped, %p PARENT, %% */
	const char *channel; /* "call:%c", or NULL */
	usec_t wait;         /* how long data is asked for again at a call's beginning */
	bool consume;        /* delete the list when the call is over and its account is written */
	unsigned max_elements;    /* of a call; 256 */
	size_t max_element_bytes; /* 256 KiB */
	size_t max_call_bytes;    /* 1 MiB */
	usec_t timeout;           /* Redis is given up and connected again; 0: 5 s */
};

struct join_events {
	/* There is (more) data: one JSON object {"merged":{...},"texts":[...]} on one line, all that is
	 * known now; valid during the call. */
	void (*data)(void *arg, uint64_t call, struct span json, unsigned elements);
	/* After join_end: the last read is done or given up. Always comes, within 2 s. */
	void (*finished)(void *arg, uint64_t call);
};

struct join;

/* NULL: the URL or a pattern cannot be understood: *reason is a sentence; malloc'd. A Redis that
 * is down is no reason. */
struct join *join_start(struct uv_loop_s *, const struct join_opts *, const struct join_events *,
	void *arg, char **reason);
void join_stop(struct join **); /* no event follows; not from within one; the loop must run on */
void join_call(struct join *, uint64_t call, struct span call_id, const char *parent);
void join_end(struct join *, uint64_t call);
/* The call's account is on disk (or none is asked for): the list may go if it is to be consumed.
 * Nothing is known of the call afterwards. May be called from within finished, not from data. */
void join_forget(struct join *, uint64_t call, bool account_written);

#endif
