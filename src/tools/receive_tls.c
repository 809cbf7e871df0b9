/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_tls.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/mem.h"

#define SELF_SIGNED_DAYS 30
#define DAY              (24L * 60 * 60)

static const char *reason(void)
{
	unsigned long e = ERR_peek_error();
	const char *text = e ? ERR_reason_error_string(e) : NULL;

	return text ? text : "unknown error";
}

/* ---- certificates ---- */

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (!ext || !X509_add_ext(cert, ext, -1))
		die("cannot make a certificate: %s", reason());
	X509_EXTENSION_free(ext);
}

/* Its own authority: the peer verifies with the same file. */
static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if (!cert)
		die("out of memory");
	name = X509_get_subject_name(cert);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(cert), clock_wall());
	X509_gmtime_adj(X509_getm_notBefore(cert), -DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), SELF_SIGNED_DAYS * DAY);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)"spoolwire-receive", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
	if (!X509_sign(cert, key, EVP_sha256()))
		die("cannot sign a certificate: %s", reason());
	return cert;
}

/* By rename: who waits for the file finds all of it. */
static void write_pem(X509 *cert, const char *path)
{
	char *part = xasprintf("%s.part", path);
	FILE *f = fopen(part, "we");

	if (!f || !PEM_write_X509(f, cert) || fclose(f) != 0 || rename(part, path) < 0)
		die("cannot write the certificate to %s: %s", path, strerror(errno));
	free(part);
}

static void use_self_signed(SSL_CTX *ctx, const char *write_ca)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert;

	if (!key)
		die("cannot make a key: %s", reason());
	cert = make_certificate(key);
	if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		die("cannot use the certificate just made: %s", reason());
	if (write_ca)
		write_pem(cert, write_ca);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void use_files(SSL_CTX *ctx, const char *cert, const char *key)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		die("cannot use the certificate %s (--cert): %s", cert, reason());
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die("cannot use the key %s (--key): %s", key, reason());
}

struct ssl_ctx_st *receive_tls_ctx(const struct receive_opts *o)
{
	static const unsigned char context[] = "spoolwire-receive";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		die("cannot start TLS: %s", reason());
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	/* Buffers of an idle connection would be 34 kB, times thousands. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* One read() for the head and the body of a record. */
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Sessions are resumed by tickets; nothing is kept here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1);
	if (o->self_signed)
		use_self_signed(ctx, o->write_ca);
	else
		use_files(ctx, o->cert, o->key ? o->key : o->cert);
	if (o->client_ca) {
		if (SSL_CTX_load_verify_locations(ctx, o->client_ca, NULL) != 1)
			die("cannot use %s (--client-ca): %s", o->client_ca, reason());
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(o->client_ca));
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return ctx;
}

void receive_tls_ctx_free(struct ssl_ctx_st **ctx)
{
	SSL_CTX_free(*ctx);
	*ctx = NULL;
}

/* ---- one connection ---- */

struct ssl_st *receive_tls_new(struct ssl_ctx_st *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		die("out of memory");
	SSL_set_accept_state(ssl);
	return ssl;
}

void receive_tls_free(struct ssl_st **ssl)
{
	SSL_free(*ssl);
	*ssl = NULL;
}

static enum receive_io result(SSL *ssl, int ret, const char **why)
{
	int error = errno;

	switch (SSL_get_error(ssl, ret)) {
	case SSL_ERROR_NONE:
		return RECEIVE_IO_DONE;
	case SSL_ERROR_WANT_READ:
		return RECEIVE_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return RECEIVE_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return RECEIVE_IO_CLOSE_NOTIFY;
	case SSL_ERROR_SYSCALL:
		*why = strerror(error);
		return error == 0 ? RECEIVE_IO_EOF : RECEIVE_IO_RESET;
	default:
		*why = reason();
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ?
			RECEIVE_IO_EOF : RECEIVE_IO_ERROR;
	}
}

enum receive_io receive_tls_handshake(struct ssl_st *ssl, const char **why)
{
	ERR_clear_error();
	errno = 0;
	return result(ssl, SSL_do_handshake(ssl), why);
}

enum receive_io receive_tls_read(struct ssl_st *ssl, void *to, size_t max, size_t *n, const char **why)
{
	ERR_clear_error();
	errno = 0;
	return result(ssl, SSL_read_ex(ssl, to, max, n), why);
}

void receive_tls_write(struct ssl_st *ssl, const void *from, size_t n)
{
	ERR_clear_error();
	SSL_write(ssl, from, (int)n);
}

void receive_tls_shutdown(struct ssl_st *ssl)
{
	ERR_clear_error();
	SSL_shutdown(ssl);
}

bool receive_tls_has_pending(const struct ssl_st *ssl)
{
	return SSL_has_pending(ssl);
}

const char *receive_tls_version(const struct ssl_st *ssl)
{
	return SSL_get_version(ssl);
}

const char *receive_tls_cipher(const struct ssl_st *ssl)
{
	return SSL_get_cipher_name(ssl);
}

bool receive_tls_resumed(const struct ssl_st *ssl)
{
	return SSL_session_reused(ssl);
}
