/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "base/check.h"
#include "base/mem.h"
#include "tools/receive_take.h"
#include "tools/receive_tls.h"

#define CONN_MAGIC   0xc0227ec7u
#define MAX_READ     (64 * 1024) /* [bytes] of one connection before it is the next one's turn */
#define RUBBISH      256         /* [bytes] at each tick */

enum conn_state {
	CONN_HOLDING,     /* a slow handshake has not begun */
	CONN_HANDSHAKING,
	CONN_READING,
	CONN_PAUSED,      /* stalled, over its rate, or never to be read */
};

struct conn {
	MAGIC_MEMBER;
	enum conn_state state;
	int fd;
	uint32_t wants;      /* epoll events */
	struct ssl_st *ssl;  /* NULL: plain TCP */
	struct take *take;
	usec_t begun;
	uint64_t allowed;    /* [bytes] that --rate still allows; */
	usec_t allowed_at;   /* when that was worked out */
	struct conn *prev, *next;
};

static void want(const struct conn_env *env, struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (c->wants == events)
		return;
	c->wants = events;
	must(epoll_ctl(env->epoll, EPOLL_CTL_MOD, c->fd, &ev) == 0);
}

static void enter(const struct conn_env *env, struct conn *c, enum conn_state next)
{
	c->state = next;
	want(env, c, next == CONN_READING || next == CONN_HANDSHAKING ? EPOLLIN : 0);
}

static void end(struct conn_env *env, struct conn *c, enum receive_end how, const char *why)
{
	const struct linger at_once = { .l_onoff = 1 };

	take_end(&c->take, how, why);
	DL_DELETE(env->conns, c);
	if (how == RECEIVE_RESET_BY_US)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	else if (c->ssl && (how == RECEIVE_CLOSE_NOTIFY || how == RECEIVE_CLOSED_BY_US ||
		how == RECEIVE_SHUTDOWN) && c->state >= CONN_READING)
		receive_tls_shutdown(c->ssl);
	receive_tls_free(&c->ssl);
	close(c->fd);
	c->magic = 0;
	free(c);
}

/* ---- reading ---- */

static enum receive_io read_plain(struct conn *c, void *to, size_t max, size_t *n, const char **why)
{
	ssize_t got = recv(c->fd, to, max, MSG_DONTWAIT);

	*n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return RECEIVE_IO_DONE;
	if (got == 0)
		return RECEIVE_IO_EOF;
	if (errno == EAGAIN || errno == EINTR)
		return RECEIVE_IO_WANT_READ;
	*why = strerror(errno);
	return RECEIVE_IO_RESET;
}

/* False: the connection is gone. */
static bool go_on(struct conn_env *env, struct conn *c, enum receive_io io, const char *why)
{
	bool shaking = c->state == CONN_HANDSHAKING;

	switch (io) {
	case RECEIVE_IO_DONE:
		return true;
	case RECEIVE_IO_WANT_READ:
		want(env, c, EPOLLIN);
		return true;
	case RECEIVE_IO_WANT_WRITE:
		want(env, c, EPOLLOUT);
		return true;
	case RECEIVE_IO_CLOSE_NOTIFY:
		end(env, c, shaking ? RECEIVE_HANDSHAKE_FAILED : RECEIVE_CLOSE_NOTIFY, NULL);
		return false;
	case RECEIVE_IO_EOF:
		end(env, c, shaking ? RECEIVE_HANDSHAKE_FAILED : RECEIVE_EOF, NULL);
		return false;
	case RECEIVE_IO_RESET:
		end(env, c, shaking ? RECEIVE_HANDSHAKE_FAILED : RECEIVE_RESET, why);
		return false;
	case RECEIVE_IO_ERROR:
		end(env, c, shaking ? RECEIVE_HANDSHAKE_FAILED : RECEIVE_TLS_ERROR, why);
		return false;
	}
	return false;
}

static size_t may_read(const struct conn *c, const struct receive_opts *o)
{
	return o->rate && c->allowed < MAX_READ ? (size_t)c->allowed : MAX_READ;
}

static void read_some(struct conn_env *env, struct conn *c)
{
	static uint8_t buffer[MAX_READ];
	size_t left = may_read(c, env->opts), n;
	enum receive_io io = RECEIVE_IO_DONE;
	const char *why = NULL;

	/* OpenSSL may hold the rest of a record, of which epoll knows nothing; of what the kernel
	 * holds epoll speaks again. */
	while (io == RECEIVE_IO_DONE && left) {
		io = c->ssl ? receive_tls_read(c->ssl, buffer, left, &n, &why) :
			      read_plain(c, buffer, left, &n, &why);
		if (io != RECEIVE_IO_DONE)
			break;
		if (!take_feed(c->take, span_of(buffer, n), clock_mono())) {
			end(env, c, RECEIVE_HEADER_TOO_LONG, NULL);
			return;
		}
		left -= n;
		if (env->opts->rate)
			c->allowed -= n;
		if (!c->ssl || !receive_tls_has_pending(c->ssl))
			break;
		if (!env->opts->rate && !left)
			left = sizeof(buffer);
	}
	if (!go_on(env, c, io, why))
		return;
	if (env->opts->rate && !c->allowed)
		enter(env, c, CONN_PAUSED);
}

static void begin_reading(struct conn_env *env, struct conn *c)
{
	enter(env, c, env->opts->no_read ? CONN_PAUSED : CONN_READING);
	if (c->state == CONN_READING && c->ssl)
		read_some(env, c);
}

static void handshake(struct conn_env *env, struct conn *c)
{
	const char *why = NULL;
	enum receive_io io = receive_tls_handshake(c->ssl, &why);

	if (!go_on(env, c, io, why) || io != RECEIVE_IO_DONE)
		return;
	take_secured(c->take, receive_tls_version(c->ssl), receive_tls_cipher(c->ssl),
		receive_tls_resumed(c->ssl), clock_mono());
	begin_reading(env, c);
}

void conn_event(struct conn_env *env, struct conn *c, uint32_t events)
{
	c = OBJ(c, struct conn, CONN_MAGIC);
	switch (c->state) {
	case CONN_HANDSHAKING:
		handshake(env, c);
		break;
	case CONN_READING:
		read_some(env, c);
		break;
	case CONN_HOLDING:
	case CONN_PAUSED:
		/* not asked for, so it is an end: RST, or both directions closed */
		if (events & (EPOLLHUP | EPOLLERR))
			end(env, c, c->state == CONN_HOLDING ? RECEIVE_HANDSHAKE_FAILED : RECEIVE_RESET,
				"while we did not read");
		break;
	}
}

/* ---- life ---- */

void conn_start(struct conn_env *env, int fd, const char *peer)
{
	struct epoll_event ev = { .events = 0 };
	struct conn *c = xnew(struct conn);

	c->magic = CONN_MAGIC;
	c->fd = fd;
	c->begun = c->allowed_at = clock_mono();
	c->take = take_new(env->opts, env->totals, ++env->totals->connections, peer);
	c->ssl = env->ctx ? receive_tls_new(env->ctx, fd) : NULL;
	c->allowed = env->opts->rate;
	DL_APPEND(env->conns, c);
	ev.data.ptr = c;
	must(epoll_ctl(env->epoll, EPOLL_CTL_ADD, fd, &ev) == 0);
	if (c->ssl)
		enter(env, c, env->opts->handshake_after ? CONN_HOLDING : CONN_HANDSHAKING);
	else
		begin_reading(env, c);
}

/* ---- time ---- */

static bool over(const struct conn *c, usec_t after, usec_t now)
{
	return after != RECEIVE_NEVER && now - c->begun >= after;
}

static void send_rubbish(struct conn *c)
{
	uint8_t rubbish[RUBBISH];

	for (size_t i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = (uint8_t)random();
	if (c->ssl)
		receive_tls_write(c->ssl, rubbish, sizeof(rubbish));
	else if (send(c->fd, rubbish, sizeof(rubbish), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		must(errno != EBADF); /* anything else is the peer's affair */
}

/* Whether --stall-after and --stall-for keep it from being read now. */
static bool stalls(const struct conn *c, const struct receive_opts *o, usec_t now)
{
	return over(c, o->stall_after, now) &&
	       (o->stall_for == RECEIVE_NEVER || now - c->begun - o->stall_after < o->stall_for);
}

static void allow_more(struct conn *c, uint64_t rate, usec_t now)
{
	uint64_t more = (uint64_t)(now - c->allowed_at) * rate / (uint64_t)SEC;

	if (!more)
		return;
	c->allowed_at = now;
	c->allowed = c->allowed + more < rate ? c->allowed + more : rate;
}

static void pause_or_read(struct conn_env *env, struct conn *c, usec_t now)
{
	const struct receive_opts *o = env->opts;

	if (o->rate)
		allow_more(c, o->rate, now);
	if (stalls(c, o, now)) {
		enter(env, c, CONN_PAUSED);
	} else if (c->state == CONN_PAUSED && !o->no_read && (!o->rate || c->allowed)) {
		enter(env, c, CONN_READING);
		read_some(env, c);
	}
}

static void tick(struct conn_env *env, struct conn *c, usec_t now)
{
	const struct receive_opts *o = env->opts;

	if (over(c, o->reset_after, now)) {
		end(env, c, RECEIVE_RESET_BY_US, NULL);
		return;
	}
	if (over(c, o->close_after, now)) {
		end(env, c, RECEIVE_CLOSED_BY_US, NULL);
		return;
	}
	if (c->state == CONN_HOLDING) {
		if (over(c, o->handshake_after, now)) {
			enter(env, c, CONN_HANDSHAKING);
			handshake(env, c);
		}
		return;
	}
	if (c->state == CONN_HANDSHAKING)
		return;
	if (o->send_rubbish)
		send_rubbish(c);
	pause_or_read(env, c, now);
}

void conn_tick_all(struct conn_env *env, usec_t now)
{
	struct conn *c, *next;

	DL_FOREACH_SAFE(env->conns, c, next)
		tick(env, c, now);
}

void conn_flush_all(struct conn_env *env)
{
	struct conn *c;

	DL_FOREACH(env->conns, c)
		take_flush(c->take);
}

void conn_stop_all(struct conn_env *env)
{
	struct conn *c, *next;

	DL_FOREACH_SAFE(env->conns, c, next)
		end(env, c, RECEIVE_SHUTDOWN, NULL);
}
