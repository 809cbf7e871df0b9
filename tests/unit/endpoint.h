/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For tests: an endpoint on loopback, TLS or plain, that lives on the test's thread and can be as
 * rude as it likes; and certificates made on the spot. */
#ifndef TESTS_ENDPOINT_H
#define TESTS_ENDPOINT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

#define GUESTS_MAX 4096

struct guest {
	int fd; /* -1: gone */
	SSL *ssl;
	bool shaken, closed_in_order, resumed, certified;
	uint8_t *got;
	size_t n, room;
};

struct endpoint {
	int fd;
	uint16_t port;
	SSL_CTX *ssl; /* NULL: plain TCP */
	bool no_handshake, no_read, rubbish;
	bool paced;
	size_t may_read;    /* [bytes] of any connection, when paced */
	size_t reset_after; /* [bytes] of one connection; 0: never */
	unsigned guests;
	struct guest guest[GUESTS_MAX];
};

struct pair { /* certificate and its key */
	X509 *cert;
	EVP_PKEY *key;
};

static inline X509_EXTENSION *make_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	return X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
}

/* issuer NULL: self-signed; alt NULL: none; days: valid until so many from now. */
static inline struct pair make_pair(const struct pair *issuer, const char *name, const char *alt,
	bool is_ca, int days)
{
	static long serial = 1;
	struct pair p = { X509_new(), EVP_EC_gen("P-256") };
	const struct pair *by = issuer ? issuer : &p;
	X509_NAME *subject = X509_get_subject_name(p.cert);
	X509_EXTENSION *e;

	X509_set_version(p.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(p.cert), -864000);
	X509_gmtime_adj(X509_getm_notAfter(p.cert), 86400L * days);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(p.cert, X509_get_subject_name(by->cert));
	X509_set_pubkey(p.cert, p.key);
	e = make_extension(p.cert, by->cert, NID_basic_constraints,
		is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	X509_add_ext(p.cert, e, -1);
	X509_EXTENSION_free(e);
	if (alt) {
		e = make_extension(p.cert, by->cert, NID_subject_alt_name, alt);
		X509_add_ext(p.cert, e, -1);
		X509_EXTENSION_free(e);
	}
	must(X509_sign(p.cert, by->key, EVP_sha256()) > 0);
	return p;
}

static inline void free_pair(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

static inline void write_pair(const struct pair *p, const char *path)
{
	FILE *f = fopen(path, "w");

	must(f && PEM_write_X509(f, p->cert));
	must(PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

static inline SSL_CTX *serve_with(const struct pair *p)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	must(SSL_CTX_use_certificate(ssl, p->cert) == 1);
	must(SSL_CTX_use_PrivateKey(ssl, p->key) == 1);
	SSL_CTX_set_session_id_context(ssl, (const uint8_t *)"test", 4);
	return ssl;
}

/* port 0: any. Takes the SSL_CTX. */
static void endpoint_open(struct endpoint *e, uint16_t port, SSL_CTX *ssl)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(sin);
	int on = 1;

	memset(e, 0, sizeof(*e));
	e->ssl = ssl;
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(bind(e->fd, (struct sockaddr *)&sin, size) == 0 && listen(e->fd, 512) == 0);
	getsockname(e->fd, (struct sockaddr *)&sin, &size);
	e->port = ntohs(sin.sin_port);
}

/* What the kernel holds for a reader is not the peer's any more: from now on as little as possible. */
static inline void endpoint_narrow(struct endpoint *e)
{
	int bytes = 4096;

	must(setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
}

/* Closes one connection: with a reset, or in order. */
static void guest_leave(struct guest *g, bool reset)
{
	struct linger hard = { .l_onoff = 1 };
	void (*before)(int);

	if (g->fd < 0)
		return;
	before = signal(SIGPIPE, SIG_IGN);
	if (reset)
		setsockopt(g->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	else if (g->ssl && g->shaken)
		SSL_shutdown(g->ssl);
	SSL_free(g->ssl);
	g->ssl = NULL;
	close(g->fd);
	g->fd = -1;
	signal(SIGPIPE, before);
}

/* What has been received stays until endpoint_forget. */
static void endpoint_close(struct endpoint *e)
{
	for (unsigned i = 0; i < e->guests; i++)
		guest_leave(&e->guest[i], false);
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	SSL_CTX_free(e->ssl);
	e->ssl = NULL;
}

static void endpoint_forget(struct endpoint *e)
{
	endpoint_close(e);
	for (unsigned i = 0; i < e->guests; i++)
		free(e->guest[i].got);
	e->guests = 0;
}

static void guest_arrive(struct endpoint *e, int fd)
{
	struct guest *g = &e->guest[e->guests];

	must(e->guests < GUESTS_MAX);
	e->guests++;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	*g = (struct guest){ .fd = fd, .shaken = !e->ssl };
	if (!e->ssl)
		return;
	g->ssl = SSL_new(e->ssl);
	SSL_set_fd(g->ssl, fd);
	SSL_set_accept_state(g->ssl);
}

/* 0: nothing there. */
static ssize_t guest_read(struct guest *g, uint8_t *out, size_t max)
{
	ssize_t n;

	if (!g->ssl) {
		n = recv(g->fd, out, max, 0);
		g->closed_in_order |= n == 0;
		return n < 0 && errno == EAGAIN ? 0 : n ? n : -1;
	}
	ERR_clear_error();
	n = SSL_read(g->ssl, out, (int)max);
	if (n > 0)
		return n;
	if (SSL_get_error(g->ssl, (int)n) == SSL_ERROR_WANT_READ)
		return 0;
	g->closed_in_order |= SSL_get_shutdown(g->ssl) & SSL_RECEIVED_SHUTDOWN;
	return -1;
}

static void guest_shake(struct guest *g)
{
	int ok;

	ERR_clear_error();
	ok = SSL_do_handshake(g->ssl);
	if (ok == 1) {
		X509 *theirs = SSL_get1_peer_certificate(g->ssl);

		g->shaken = true;
		g->resumed = SSL_session_reused(g->ssl);
		g->certified = theirs != NULL;
		X509_free(theirs);
	} else if (SSL_get_error(g->ssl, ok) != SSL_ERROR_WANT_READ) {
		guest_leave(g, false);
	}
}

static ssize_t guest_take(struct endpoint *e, struct guest *g, uint8_t *out, size_t max)
{
	ssize_t n;

	if (!e->paced)
		return guest_read(g, out, max);
	if (!e->may_read)
		return 0;
	n = guest_read(g, out, e->may_read < max ? e->may_read : max);
	e->may_read -= n > 0 ? (size_t)n : 0;
	return n;
}

static void guest_serve(struct endpoint *e, struct guest *g)
{
	static uint8_t chunk[65536];
	ssize_t n;

	if (g->fd < 0 || (e->no_handshake && !g->shaken))
		return;
	if (!g->shaken)
		guest_shake(g);
	if (!g->shaken || g->fd < 0 || e->no_read)
		return;
	if (e->rubbish && g->ssl)
		SSL_write(g->ssl, chunk, 1000);
	else if (e->rubbish)
		(void)!send(g->fd, chunk, 1000, MSG_NOSIGNAL);
	while ((n = guest_take(e, g, chunk, sizeof(chunk))) > 0) {
		if (g->n + (size_t)n > g->room) {
			g->room = (g->n + (size_t)n) * 2;
			g->got = realloc(g->got, g->room);
		}
		memcpy(g->got + g->n, chunk, (size_t)n);
		g->n += (size_t)n;
	}
	if (n < 0)
		guest_leave(g, false);
	else if (e->reset_after && g->n >= e->reset_after)
		guest_leave(g, true);
}

/* All that can be done now without waiting. OpenSSL's own BIO raises SIGPIPE; ours must not, so
 * it is ignored here only. */
static void endpoint_serve(struct endpoint *e)
{
	void (*before)(int);
	int fd;

	if (e->fd < 0)
		return;
	before = signal(SIGPIPE, SIG_IGN);
	while ((fd = accept(e->fd, NULL, NULL)) >= 0)
		guest_arrive(e, fd);
	for (unsigned i = 0; i < e->guests; i++)
		guest_serve(e, &e->guest[i]);
	signal(SIGPIPE, before);
}

#endif
