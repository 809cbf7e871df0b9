/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a peer comes to a connection to the endpoint: it asks for leave, tries the addresses in
 * turn, and tells how it went. Used by peer.c only. */
#ifndef TLS_DEST_START_H
#define TLS_DEST_START_H

#include <netinet/in.h>

#include "tls/conn.h"
#include "tls/dest.h"

union dest_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* One leave. All zero: none. */
struct dest_start {
	bool held;      /* counts among the unfinished */
	unsigned next;  /* address */
	unsigned left;  /* addresses not tried yet */
	unsigned epoch; /* of the verdict it was given under */
	union dest_address tried; /* last; all zero: none */
	bool again;     /* another one before it, which failed */
};

/* False: not now (back-off, budget, or the name is being resolved); ask again at the next tick. */
bool dest_begin(struct dest *, struct dest_start *);
/* A connection to the next address; only while s->left. */
struct conn *dest_connect(struct dest *, struct dest_start *, void (*on_change)(void *), void *arg);

/* One of these ends it; all three may also be called without a leave, when it ended before. */
void dest_opened(struct dest *, struct dest_start *);
void dest_failed(struct dest *, struct dest_start *, enum conn_fault, const char *reason);
void dest_abandoned(struct dest *, struct dest_start *); /* says nothing about the endpoint */

/* A connection has lasted long enough to believe in: the back-off starts from its beginning. */
void dest_settled(struct dest *);
/* How long to wait after so many failures (1: the first), jitter included. */
usec_t dest_backoff(struct dest *, unsigned failures);

#endif
