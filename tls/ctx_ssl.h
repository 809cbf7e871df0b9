/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between ctx.c and conn.c, which are the door to OpenSSL; nobody else includes this. */
#ifndef TLS_CTX_SSL_H
#define TLS_CTX_SSL_H

#include "tls/ctx.h"

struct ssl_st;
struct ssl_session_st;

/* A new SSL object with what has been read last; NULL when OpenSSL has no memory.
 * *generation counts the readings. Any thread, never waits. */
struct ssl_st *ctx_ssl(struct ctx *, unsigned *generation);

bool ctx_verifies(const struct ctx *);
const char *ctx_ca_option(const struct ctx *);
const char *ctx_certificate_option(const struct ctx *);

/* OpenSSL's new-session callback, in conn.c: 1 when it keeps the reference. */
int conn_keep_session(struct ssl_st *, struct ssl_session_st *);

#endif
