/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection to Redis on a libuv loop: connects, logs in, selects, gives commands in order and
 * takes their answers, notices when Redis hangs, and comes back with back-off by itself. Nothing
 * is queued while it is down: what is wanted then is asked for again by who wants it.
 *
 * Caps: CLIENT_MAX_COMMANDS in flight, 1 MiB of commands not written yet, 64 MiB of one reply;
 * beyond: client_command refuses, an answer over the cap ends the connection. */
#ifndef CALLDATA_CLIENT_H
#define CALLDATA_CLIENT_H

#include "base/clock.h"
#include "calldata/redis.h"
#include "calldata/redis_url.h"

struct uv_loop_s;

#define CLIENT_MAX_COMMANDS 256

struct client_opts {
	const struct redis_url *url; /* stays valid until client_free */
	bool subscriber;  /* after SUBSCRIBE such a connection (RESP2) takes nothing else */
	size_t max_text;  /* [bytes] longer texts come only with their heads */
	usec_t timeout;   /* of connecting, of logging in, and of Redis saying nothing */
};

struct client_events {
	void (*up)(void *arg);
	void (*down)(void *arg); /* every command has been answered (lost) before it */
	void (*push)(void *arg, const struct redis_reply *); /* subscriber: whatever comes */
};

/* reply: the connection was lost before the answer came, when NULL; valid during the call. */
typedef void client_answer_fn(void *arg, uint64_t token, const struct redis_reply *reply);

struct client;

struct client *client_new(struct uv_loop_s *, const struct client_opts *,
	const struct client_events *, void *arg);
void client_free(struct client **); /* no callback follows; not from within one; the loop must run on */
bool client_is_up(const struct client *);
/* Which connection this is: another number, other contents. */
unsigned client_generation(const struct client *);
/* False: down or full. Goes out with client_flush. A subscriber's answers come by push: fn NULL. */
bool client_command(struct client *, const struct span *argv, unsigned n, client_answer_fn *,
	uint64_t token);
void client_flush(struct client *);

#endif
