/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection to spoolwire-receive, with the faults it was asked to have. */
#ifndef TOOLS_RECEIVE_CONN_H
#define TOOLS_RECEIVE_CONN_H

#include <stdint.h>

#include "tools/receive.h"

struct ssl_ctx_st;
struct conn;

struct conn_env {
	const struct receive_opts *opts;
	struct receive_totals *totals;
	struct ssl_ctx_st *ctx; /* NULL: plain TCP */
	int epoll;              /* data.ptr of its events is the conn */
	struct conn *conns;     /* all that run */
};

/* Takes the descriptor. */
void conn_start(struct conn_env *, int fd, const char *peer);
void conn_event(struct conn_env *, struct conn *, uint32_t events); /* may free it */
void conn_tick_all(struct conn_env *, usec_t now); /* what is due in time */
void conn_flush_all(struct conn_env *);            /* brings the files up to date */
void conn_stop_all(struct conn_env *);

#endif
