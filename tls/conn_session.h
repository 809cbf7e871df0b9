/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an endpoint gave us to resume with (RFC 8446 2.2), as its connections use it. */
#ifndef TLS_CONN_SESSION_H
#define TLS_CONN_SESSION_H

#include <stdbool.h>

#include "tls/conn.h"

struct ssl_st;
struct ssl_session_st;

/* generation: of the certificates that the connection was, or is to be, verified with. */
bool conn_session_offer(const struct conn_session *, struct ssl_st *, unsigned generation);
/* 1 when it keeps the reference. */
int conn_session_keep(struct conn_session *, struct ssl_session_st *, unsigned generation);

/* The endpoint refuses what it gave: nothing of it is kept any more. Seen of servers on OpenSSL
 * that ask for a certificate and have no session id context: they fail each handshake that
 * resumes. False: that is known. */
bool conn_session_refused(struct conn_session *);

#endif
