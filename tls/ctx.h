/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and verification policy: one for the process, shared by all workers, replaced as a
 * whole when re-read. Connections that exist keep what they began with. */
#ifndef TLS_CTX_H
#define TLS_CTX_H

#include <stdbool.h>

struct ctx_opts {
	const char *ca_file;     /* PEM; NULL: the system's */
	const char *certificate; /* PEM chain for the endpoint, or NULL */
	const char *private_key; /* PEM; NULL: in the certificate's file */
	const char *ca_option, *certificate_option; /* names to say in reasons: "tls-ca-file" */
	bool no_verify;
};

struct ctx;

/* NULL: *reason is a sentence that says what to do; malloc'd, the caller frees it. */
struct ctx *ctx_new(const struct ctx_opts *, char **reason);
void ctx_free(struct ctx **);
/* Reads the files again (SIGHUP); 0, or -1 with *reason and nothing changed. One at a time. */
int ctx_reload(struct ctx *, char **reason);

#endif
