/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection to one address, TLS or plain TCP; never waits. What comes back is read and thrown
 * away. What has been taken by conn_send is in order and whole on its way or, once the connection
 * is over, perhaps lost: there are no acknowledgements in the protocol.
 *
 * Cap: what the socket did not take of one conn_send (16 KiB and TLS framing); until that is out
 * nothing more is taken. In the kernel at most CONN_UNSENT bytes wait beyond the other side's
 * window, so that a stalled endpoint is noticed by the queue that has a policy for it. */
#ifndef TLS_CONN_H
#define TLS_CONN_H

#include "base/clock.h"
#include "base/span.h"
#include "tls/ctx.h"

struct sockaddr;
struct uv_loop_s;

#define CONN_SEND_MAX 16384 /* [bytes] one TLS record */
#define CONN_UNSENT   16384 /* [bytes] */

enum conn_status {
	CONN_CONNECTING,
	CONN_SHAKING, /* TLS handshake */
	CONN_OPEN,    /* conn_send works */
	CONN_CLOSING, /* all is said, close_notify too; the other side may still be reading */
	CONN_OVER,    /* conn_fault and conn_reason say why */
};

enum conn_fault {
	CONN_IN_ORDER,    /* closed after conn_close */
	CONN_UNREACHABLE, /* connect refused or timed out */
	CONN_REFUSED,     /* the handshake failed, by either side */
	CONN_UNTRUSTED,   /* we refused the certificate */
	CONN_LOST,        /* after it was open */
};

/* What an endpoint gave us to resume with; shared by the connections of one thread to it. */
struct conn_session;
struct conn_session *conn_session_new(void);
void conn_session_free(struct conn_session **);

struct conn_opts {
	struct uv_loop_s *loop;
	const struct sockaddr *address;
	struct ctx *ctx;              /* NULL: plain TCP */
	struct conn_session *session; /* outlives the connection; may be NULL */
	const char *name;             /* name or IP that the certificate must bear */
	usec_t connect_timeout, handshake_timeout, write_timeout;
};

struct conn;

/* on_change: the status is another one, or there is room again after conn_send said no. It comes
 * from the loop, never from within a function of this header, and may free the connection. */
struct conn *conn_new(const struct conn_opts *, void (*on_change)(void *arg), void *arg);
void conn_free(struct conn **); /* at once; the memory goes with the loop's next round */

/* All (at most CONN_SEND_MAX bytes) or nothing: false when it is full or no longer open. */
bool conn_send(struct conn *, struct span);
bool conn_has_room(const struct conn *);   /* conn_send would take something */
bool conn_all_out(const struct conn *);    /* the kernel has all that conn_send took, and our end */
void conn_close(struct conn *);            /* close_notify and half-close; not again */
void conn_tick(struct conn *, usec_t now); /* looks at the deadlines */

enum conn_status conn_status(const struct conn *);
enum conn_fault conn_fault(const struct conn *);
const char *conn_reason(const struct conn *); /* a sentence and its cure; "" before it is over */

#endif
