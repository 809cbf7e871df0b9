/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between client.c (commands, answers, looking after it) and client_connect.c. */
#ifndef CALLDATA_CLIENT_PRIVATE_H
#define CALLDATA_CLIENT_PRIVATE_H

#include <uv.h>

#include "base/check.h"
#include "calldata/client.h"

#define CLIENT_MAX_REPLY  ((size_t)64 * 1024 * 1024)
#define CLIENT_READ_BYTES ((size_t)64 * 1024)
#define CLIENT_GREETING_ROOM 8u /* room for the commands of logging in */

enum client_state {
	CLIENT_PAUSING,
	CLIENT_RESOLVING,
	CLIENT_CONNECTING,
	CLIENT_GREETING,
	CLIENT_UP,
};

struct command {
	client_answer_fn *fn;
	void *arg;
	uint64_t token, sent; /* [ms] uv_now */
};

/* A socket with its buffer. Outlives its owner until libuv has closed it. */
struct link {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	uv_connect_t connect;
	struct client *owner; /* NULL: given up */
	char bytes[CLIENT_READ_BYTES];
};

struct lookup {
	uv_getaddrinfo_t req;
	struct client *owner; /* NULL: given up */
};

struct outgoing {
	uv_write_t req;
	char *bytes;
};

struct client {
	MAGIC_MEMBER;
	uv_loop_t *loop;
	uv_timer_t timer; /* the state's: end of a pause, time limit, or looking after */
	struct client_opts opts;
	struct client_events events;
	void *arg;
	enum client_state state;
	struct link *link;
	struct lookup *lookup;
	struct addrinfo *found, *next_address;
	struct redis_reader *reader;
	struct command commands[CLIENT_MAX_COMMANDS + CLIENT_GREETING_ROOM]; /* ring, oldest at head */
	unsigned head, in_flight;
	char *out;
	size_t out_used, out_room;
	uint64_t heard, pinged, up_since; /* [ms] uv_now; pinged 0: no ping is out */
	unsigned failures, generation;
	bool said_down, said_up; /* in the log */
	char said_reason[128];   /* of said_down, cut */
};

/* client.c */
void client_enter(struct client *, enum client_state next);
void client_lose(struct client *, const char *reason);
void client_greet(struct client *);
void client_on_bytes(uv_stream_t *, ssize_t n, const uv_buf_t *);

/* client_connect.c */
void client_begin(struct client *);
void client_connect_next(struct client *, const char *reason);
void client_drop_link(struct client *);
void client_drop_addresses(struct client *);

#endif
