/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One endpoint as one worker sees it: its addresses, its back-off, its budget of handshakes, its
 * TLS session to resume. All peers of that worker share it, so that 1000 calls make one probe and
 * not 1000 storms while the endpoint is down. Said once in the log (across all workers): first
 * failure with the reason and the option that would cure it; and that it is back. */
#ifndef TLS_DEST_H
#define TLS_DEST_H

#include "base/clock.h"
#include "tls/ctx.h"

struct uv_loop_s;

struct dest_opts {
	const char *host;        /* name or address */
	const char *service;     /* port as text */
	const char *server_name; /* name or IP to check and to send (SNI); NULL: host */
	struct ctx *ctx;         /* NULL: plain TCP */
	usec_t connect_timeout;  /* 5 s */
	usec_t handshake_timeout; /* 5 s */
	usec_t write_timeout;    /* a connection that takes no byte that long is lost; 60 s */
	usec_t backoff_min, backoff_max; /* 250 ms, 15 s: doubling, +-25 % jitter */
	unsigned starts_per_tick; /* connections (with their handshakes) begun in one tick; 16 */
	unsigned max_starting;    /* unfinished at once; 64 */
};

/* What all workers' views of one endpoint share: who has said what. */
struct dest_notice;

struct dest;

struct dest_notice *dest_notice_new(void);
void dest_notice_free(struct dest_notice **);
struct dest *dest_new(struct uv_loop_s *, const struct dest_opts *, struct dest_notice *);
void dest_free(struct dest **); /* no peer is left; the loop must run once more */
/* Before the peers' ticks: renews the budget, lets a probe through when the back-off is over. */
void dest_tick(struct dest *, usec_t now);

#endif
