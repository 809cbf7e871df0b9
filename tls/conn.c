/* SPDX-License-Identifier: GPL-3.0-or-later */
/*   conn_new -> CONNECTING -> SHAKING -> OPEN -> CLOSING -> OVER      any of them -> OVER
 *
 * OpenSSL writes through a BIO of ours onto the wire, which always takes the whole record. So a
 * write is never half done inside OpenSSL and never has to be repeated with the same bytes. */
#include "tls/conn.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <uv.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "tls/conn_reason.h"
#include "tls/conn_session.h"
#include "tls/ctx_ssl.h"
#include "tls/wire.h"

#define CONN_MAGIC 0x434f4e4eu
#define READS_PER_EVENT 4        /* who floods us waits for the others */

struct conn {
	MAGIC_MEMBER;
	struct conn_opts opts;
	void (*on_change)(void *arg);
	void *arg;
	uv_poll_t poll;
	bool polled; /* poll is initialized */
	int wanted;  /* what it polls for */
	struct wire wire;
	enum conn_status status;
	enum conn_fault fault;
	char *reason;
	SSL *ssl; /* NULL: plain TCP */
	bool resuming; /* a session was offered */
	unsigned generation;
	usec_t since; /* when the wait began that has a deadline; 0: at the next tick */
};

static const enum counter fault_counters[] = {
	[CONN_UNREACHABLE] = COUNT_TLS_FAILED_CONNECT,
	[CONN_REFUSED] = COUNT_TLS_FAILED_HANDSHAKE,
	[CONN_UNTRUSTED] = COUNT_TLS_FAILED_VERIFY,
	[CONN_LOST] = COUNT_TLS_LOST,
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* What the socket waits for follows from the status and from what is still to be written. */
static void want(struct conn *c)
{
	int events = 0;

	if (c->status != CONN_OVER && c->status != CONN_CONNECTING)
		events = UV_READABLE;
	if (c->status == CONN_CONNECTING || (events && wire_full(&c->wire)))
		events |= UV_WRITABLE;
	if (events == c->wanted)
		return;
	c->wanted = events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static void enter(struct conn *c, enum conn_status next)
{
	c->status = next;
	c->since = 0;
	if (c->polled)
		want(c);
}

/* Over, with a reason; the first one counts. Takes the reason. */
static void fail(struct conn *c, enum conn_fault fault, char *reason)
{
	if (c->status == CONN_OVER) {
		free(reason);
		return;
	}
	c->fault = fault;
	c->reason = reason;
	counter_add(fault_counters[fault], 1);
	enter(c, CONN_OVER);
}

static void flush(struct conn *c)
{
	ssize_t sent = wire_flush(&c->wire);

	if (sent > 0)
		c->since = 0;
	if (sent < 0)
		fail(c, c->status == CONN_SHAKING ? CONN_REFUSED : CONN_LOST,
			conn_reason_socket(c->wire.error));
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	struct conn *c = OBJ(BIO_get_data(bio), struct conn, CONN_MAGIC);

	BIO_clear_retry_flags(bio);
	return wire_write(&c->wire, bytes, (size_t)n) ? n : -1;
}

static int bio_read(BIO *bio, char *out, int max)
{
	struct conn *c = OBJ(BIO_get_data(bio), struct conn, CONN_MAGIC);
	ssize_t n = wire_read(&c->wire, out, (size_t)max);

	BIO_clear_retry_flags(bio);
	if (n == 0)
		BIO_set_retry_read(bio);
	if (n <= 0)
		return c->wire.eof ? 0 : -1;
	return (int)n;
}

static long bio_ctrl(BIO *bio, int what, long num, void *ptr)
{
	const struct conn *c = OBJ(BIO_get_data(bio), struct conn, CONN_MAGIC);

	(void)num, (void)ptr;
	if (what == BIO_CTRL_EOF)
		return c->wire.eof;
	return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spoolwire");
	must(bio_method);
	BIO_meth_set_write(bio_method, bio_write);
	BIO_meth_set_read(bio_method, bio_read);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

int conn_keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct conn *c = OBJ(SSL_get_app_data(ssl), struct conn, CONN_MAGIC);

	return conn_session_keep(c->opts.session, session, c->generation);
}

static bool is_ip(const char *name)
{
	struct in6_addr any;

	return uv_inet_pton(AF_INET, name, &any) == 0 || uv_inet_pton(AF_INET6, name, &any) == 0;
}

/* Whom we want to speak to: RFC 6125 for names, and SNI, which must not be an address. */
static bool expect_name(SSL *ssl, const char *name)
{
	if (is_ip(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

static bool start_tls(struct conn *c)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_bio_method);
	c->ssl = ctx_ssl(c->opts.ctx, &c->generation);
	bio = BIO_new(bio_method);
	if (!c->ssl || !bio || !expect_name(c->ssl, c->opts.name)) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	c->resuming = conn_session_offer(c->opts.session, c->ssl, c->generation);
	return true;
}

static void opened(struct conn *c)
{
	counter_add(COUNT_TLS_CONNECTED, 1);
	if (c->ssl && SSL_session_reused(c->ssl))
		counter_add(COUNT_TLS_RESUMED, 1);
	enter(c, CONN_OPEN);
}

static bool is_alert(unsigned long error)
{
	return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET;
}

/* Why OpenSSL says no, in the words of the operator. */
static void fail_tls(struct conn *c, enum conn_fault otherwise)
{
	long verdict = SSL_get_verify_result(c->ssl);
	unsigned long error = ERR_peek_error();

	if (c->status == CONN_SHAKING && c->resuming && is_alert(error) &&
		conn_session_refused(c->opts.session))
		log_warn("endpoint %s: it refuses the TLS sessions that it gives; each connection "
			"makes a full handshake from now on", c->opts.name);
	if (c->status == CONN_SHAKING && ctx_verifies(c->opts.ctx) && verdict != X509_V_OK)
		fail(c, CONN_UNTRUSTED, conn_reason_verify(verdict, c->opts.name,
			ctx_ca_option(c->opts.ctx)));
	else if (c->wire.error)
		fail(c, otherwise, conn_reason_socket(c->wire.error));
	else if (c->wire.eof)
		fail(c, otherwise, xstrdup("closed by the endpoint"));
	else
		/* TLS 1.3: we are open before the endpoint has looked at our certificate. */
		fail(c, conn_reason_is_refusal(error) ? CONN_REFUSED : otherwise,
			conn_reason_alert(error, ctx_certificate_option(c->opts.ctx)));
	ERR_clear_error();
}

static void fail_plain(struct conn *c)
{
	fail(c, CONN_LOST, c->wire.eof ? xstrdup("closed by the endpoint") :
		conn_reason_socket(c->wire.error));
}

/* Bytes read, 0 when there are none now, -1 when the connection is over (and said so). */
static ssize_t read_some(struct conn *c, uint8_t *out, int max)
{
	ssize_t n;
	int why;

	if (!c->ssl) {
		n = wire_read(&c->wire, out, (size_t)max);
		if (n < 0)
			fail_plain(c);
		return n;
	}
	ERR_clear_error();
	n = SSL_read(c->ssl, out, max);
	if (n > 0)
		return n;
	why = SSL_get_error(c->ssl, (int)n);
	if (why == SSL_ERROR_WANT_READ)
		return 0;
	if (why == SSL_ERROR_ZERO_RETURN)
		fail(c, CONN_LOST, xstrdup("closed by the endpoint"));
	else
		fail_tls(c, CONN_LOST);
	return -1;
}

static void read_and_discard(struct conn *c)
{
	uint8_t rubbish[16384];
	ssize_t n;

	for (unsigned i = 0; i < READS_PER_EVENT; i++) {
		n = read_some(c, rubbish, sizeof(rubbish));
		if (n <= 0)
			return;
		counter_add(COUNT_TLS_BYTES_REFUSED, (uint64_t)n);
	}
}

static void shake(struct conn *c)
{
	int ok;

	ERR_clear_error();
	ok = SSL_do_handshake(c->ssl);
	if (ok == 1) {
		opened(c);
		read_and_discard(c); /* lets OpenSSL release the handshake's 16 KiB buffer */
	} else if (SSL_get_error(c->ssl, ok) != SSL_ERROR_WANT_READ) {
		fail_tls(c, CONN_REFUSED);
	}
}

static void connected(struct conn *c)
{
	int error = wire_connected(&c->wire);

	if (error) {
		fail(c, CONN_UNREACHABLE, conn_reason_socket(-error));
	} else if (!c->opts.ctx) {
		opened(c);
	} else if (!start_tls(c)) {
		fail(c, CONN_REFUSED, xstrdup("OpenSSL cannot start (out of memory?)"));
	} else {
		enter(c, CONN_SHAKING);
		shake(c);
	}
}

/* Our half is closed when all is out; then the other side's close is all we wait for. */
static void linger(struct conn *c)
{
	uint8_t rubbish[16384];
	ssize_t n = 1;

	wire_half_close(&c->wire);
	for (unsigned i = 0; i < READS_PER_EVENT && n > 0; i++)
		n = wire_read(&c->wire, rubbish, sizeof(rubbish));
	if (n < 0)
		enter(c, CONN_OVER);
}

static void advance(struct conn *c)
{
	switch (c->status) {
	case CONN_CONNECTING:
		connected(c);
		break;
	case CONN_SHAKING:
		shake(c);
		break;
	case CONN_OPEN:
		read_and_discard(c);
		break;
	case CONN_CLOSING:
		linger(c);
		break;
	case CONN_OVER:
		break;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct conn *c = OBJ(poll->data, struct conn, CONN_MAGIC);
	enum conn_status before = c->status;
	bool full = wire_full(&c->wire);

	(void)status, (void)events; /* the socket itself says what is wrong with it */
	flush(c);
	advance(c);
	want(c);
	if (c->status != before || (full && !wire_full(&c->wire)))
		c->on_change(c->arg);
}

static int start_connect(struct conn *c, const struct sockaddr *to)
{
	int error = wire_open(&c->wire, to, CONN_UNSENT, c->opts.write_timeout);

	if (!error)
		error = uv_poll_init(c->opts.loop, &c->poll, c->wire.fd);
	if (error)
		return error;
	c->poll.data = c;
	c->polled = true;
	return 0;
}

struct conn *conn_new(const struct conn_opts *o, void (*on_change)(void *arg), void *arg)
{
	struct conn *c = xnew(struct conn);
	int error;

	c->magic = CONN_MAGIC;
	c->opts = *o;
	c->on_change = on_change;
	c->arg = arg;
	counter_add(COUNT_TLS_CONNECTS, 1);
	error = start_connect(c, o->address);
	if (error)
		fail(c, CONN_UNREACHABLE, conn_reason_socket(-error));
	else
		enter(c, CONN_CONNECTING);
	return c;
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = OBJ(handle->data, struct conn, CONN_MAGIC);

	c->magic = 0;
	free(c);
}

void conn_free(struct conn **cp)
{
	struct conn *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	must(c->magic == CONN_MAGIC);
	if (c->ssl) {
		/* Otherwise OpenSSL spoils the session, which others resume with. */
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(c->ssl);
	}
	free(c->reason);
	if (c->polled)
		uv_close((uv_handle_t *)&c->poll, on_closed);
	wire_close(&c->wire); /* after the loop has forgotten the descriptor */
	if (!c->polled)
		free(c);
}

bool conn_has_room(const struct conn *c)
{
	return c->status == CONN_OPEN && !wire_full(&c->wire);
}

bool conn_send(struct conn *c, struct span bytes)
{
	bool ok;

	must(bytes.n > 0 && bytes.n <= CONN_SEND_MAX);
	if (!conn_has_room(c))
		return false;
	if (ERR_peek_error()) /* for each record: clearing nothing takes 800 instructions */
		ERR_clear_error();
	if (c->ssl)
		ok = SSL_write(c->ssl, bytes.p, (int)bytes.n) == (int)bytes.n;
	else
		ok = wire_write(&c->wire, bytes.p, bytes.n);
	if (ok)
		want(c);
	else if (c->ssl)
		fail_tls(c, CONN_LOST);
	else
		fail_plain(c);
	return ok;
}

bool conn_all_out(const struct conn *c)
{
	return !wire_full(&c->wire);
}

void conn_close(struct conn *c)
{
	if (c->status == CONN_OPEN) {
		ERR_clear_error();
		if (c->ssl)
			SSL_shutdown(c->ssl);
		enter(c, CONN_CLOSING);
		linger(c);
	} else if (c->status != CONN_CLOSING) {
		enter(c, CONN_OVER);
	}
}

void conn_tick(struct conn *c, usec_t now)
{
	usec_t limit = c->opts.write_timeout;

	if (!c->since || (c->status == CONN_OPEN && !wire_full(&c->wire)))
		c->since = now;
	if (c->status == CONN_CONNECTING)
		limit = c->opts.connect_timeout;
	if (c->status == CONN_SHAKING)
		limit = c->opts.handshake_timeout;
	if (now - c->since < limit)
		return;
	if (c->status == CONN_CONNECTING)
		fail(c, CONN_UNREACHABLE, conn_reason_late("no answer to connect", limit));
	else if (c->status == CONN_SHAKING)
		fail(c, CONN_REFUSED, conn_reason_late("handshake not finished", limit));
	else if (c->status == CONN_OPEN)
		fail(c, CONN_LOST, conn_reason_late("took nothing", limit));
}

enum conn_status conn_status(const struct conn *c)
{
	return c->status;
}

enum conn_fault conn_fault(const struct conn *c)
{
	return c->fault;
}

const char *conn_reason(const struct conn *c)
{
	return c->reason ? c->reason : "";
}
