/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The receiving side of TLS for spoolwire-receive: the only file of it that knows OpenSSL. */
#ifndef TOOLS_RECEIVE_TLS_H
#define TOOLS_RECEIVE_TLS_H

#include <sys/types.h>

#include "tools/receive.h"

struct ssl_st;
struct ssl_ctx_st;

/* Dies with a sentence when the certificates cannot be used. */
struct ssl_ctx_st *receive_tls_ctx(const struct receive_opts *);
void receive_tls_ctx_free(struct ssl_ctx_st **);

struct ssl_st *receive_tls_new(struct ssl_ctx_st *, int fd);
void receive_tls_free(struct ssl_st **); /* the descriptor stays open */

enum receive_io {
	RECEIVE_IO_DONE,
	RECEIVE_IO_WANT_READ,
	RECEIVE_IO_WANT_WRITE,
	RECEIVE_IO_CLOSE_NOTIFY,
	RECEIVE_IO_EOF,
	RECEIVE_IO_RESET,
	RECEIVE_IO_ERROR, /* *why says what */
};

enum receive_io receive_tls_handshake(struct ssl_st *, const char **why);
/* RECEIVE_IO_DONE: *n bytes, at least one. */
enum receive_io receive_tls_read(struct ssl_st *, void *to, size_t max, size_t *n, const char **why);
void receive_tls_write(struct ssl_st *, const void *from, size_t n); /* what does not fit is lost */
void receive_tls_shutdown(struct ssl_st *);
bool receive_tls_has_pending(const struct ssl_st *);

const char *receive_tls_version(const struct ssl_st *);
const char *receive_tls_cipher(const struct ssl_st *);
bool receive_tls_resumed(const struct ssl_st *);

#endif
