/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/ctx.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/check.h"
#include "base/mem.h"
#include "tls/ctx_ssl.h"

#define CTX_MAGIC 0x43545831u

/* What was read at one time. Immutable; the SSL objects made from it hold its SSL_CTX. */
struct generation {
	struct generation *retired; /* the one retired before */
	SSL_CTX *ssl;
	unsigned number;
};

/* Workers take a reference of the current generation while another thread may replace it, and
 * nobody waits: who reads says so in readers. A replaced generation is retired, and freed by a
 * replacement that sees no reader after it has put the new one in place: whoever reads from then
 * on reads the new one. */
struct ctx {
	MAGIC_MEMBER;
	struct ctx_opts opts;
	_Atomic(struct generation *) current;
	atomic_int readers;
	struct generation *retired; /* of the thread that reloads */
};

static void set_reason(char **reason, const char *option, const char *file)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	*reason = xasprintf("%s: cannot use %s: %s", option, file ? file : "the system's",
		why ? why : "unknown error");
	ERR_clear_error();
}

/* A key with a passphrase would make OpenSSL ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return 0;
}

static int load_authorities(SSL_CTX *ssl, const struct ctx_opts *o, char **reason)
{
	int ok;

	if (o->no_verify)
		return 0;
	if (o->ca_file)
		ok = SSL_CTX_load_verify_locations(ssl, o->ca_file, NULL);
	else
		ok = SSL_CTX_set_default_verify_paths(ssl);
	if (!ok) {
		set_reason(reason, o->ca_option, o->ca_file);
		return -1;
	}
	/* What the operator names is trusted, be it a root or the endpoint's own certificate. */
	if (o->ca_file)
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
	return 0;
}

static int load_certificate(SSL_CTX *ssl, const struct ctx_opts *o, char **reason)
{
	const char *key = o->private_key ? o->private_key : o->certificate;

	if (!o->certificate)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ssl, o->certificate) != 1) {
		set_reason(reason, o->certificate_option, o->certificate);
		return -1;
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1) {
		set_reason(reason, o->certificate_option, key);
		return -1;
	}
	return 0;
}

static void free_generation(struct generation **gp)
{
	struct generation *g = *gp;

	*gp = NULL;
	if (!g)
		return;
	SSL_CTX_free(g->ssl);
	free(g);
}

static struct generation *read_files(const struct ctx_opts *o, char **reason)
{
	struct generation *g = xnew(struct generation);

	ERR_clear_error();
	g->ssl = SSL_CTX_new(TLS_client_method());
	if (!g->ssl)
		die("OpenSSL cannot make a context: out of memory or badly installed");
	SSL_CTX_set_min_proto_version(g->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(g->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* 2000 connections that write now and then: no buffers held in between. */
	SSL_CTX_set_mode(g->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(g->ssl, 1); /* one read for a flight, not two for each record of it */
	SSL_CTX_set_session_cache_mode(g->ssl,
		SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(g->ssl, conn_keep_session);
	SSL_CTX_set_default_passwd_cb(g->ssl, no_passphrase);
	SSL_CTX_set_verify(g->ssl, o->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (load_authorities(g->ssl, o, reason) < 0 || load_certificate(g->ssl, o, reason) < 0)
		free_generation(&g);
	return g;
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

struct ctx *ctx_new(const struct ctx_opts *o, char **reason)
{
	struct generation *first = read_files(o, reason);
	struct ctx *c;

	if (!first)
		return NULL;
	c = xnew(struct ctx);
	c->magic = CTX_MAGIC;
	c->opts = (struct ctx_opts){
		.ca_file = copy(o->ca_file),
		.certificate = copy(o->certificate),
		.private_key = copy(o->private_key),
		.ca_option = copy(o->ca_option),
		.certificate_option = copy(o->certificate_option),
		.no_verify = o->no_verify,
	};
	atomic_store(&c->current, first);
	return c;
}

static void free_retired(struct ctx *c)
{
	while (c->retired) {
		struct generation *g = c->retired;

		c->retired = g->retired;
		free_generation(&g);
	}
}

void ctx_free(struct ctx **cp)
{
	struct ctx *c = *cp;
	struct generation *current;

	*cp = NULL;
	if (!c)
		return;
	must(c->magic == CTX_MAGIC && atomic_load(&c->readers) == 0);
	current = atomic_load(&c->current);
	free_generation(&current);
	free_retired(c);
	free((char *)c->opts.ca_file);
	free((char *)c->opts.certificate);
	free((char *)c->opts.private_key);
	free((char *)c->opts.ca_option);
	free((char *)c->opts.certificate_option);
	c->magic = 0;
	free(c);
}

int ctx_reload(struct ctx *c, char **reason)
{
	struct generation *next = read_files(&c->opts, reason), *old;

	if (!next)
		return -1;
	next->number = atomic_load(&c->current)->number + 1;
	old = atomic_exchange(&c->current, next);
	old->retired = c->retired;
	c->retired = old;
	if (atomic_load(&c->readers) == 0)
		free_retired(c);
	return 0;
}

SSL *ctx_ssl(struct ctx *c, unsigned *generation)
{
	const struct generation *g;
	SSL *ssl;

	atomic_fetch_add(&c->readers, 1);
	g = atomic_load(&c->current);
	ssl = SSL_new(g->ssl);
	*generation = g->number;
	atomic_fetch_sub(&c->readers, 1);
	return ssl;
}

bool ctx_verifies(const struct ctx *c)
{
	return !c->opts.no_verify;
}

const char *ctx_ca_option(const struct ctx *c)
{
	return c->opts.ca_option;
}

const char *ctx_certificate_option(const struct ctx *c)
{
	return c->opts.certificate_option;
}
