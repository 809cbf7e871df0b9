/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

int wire_open(struct wire *w, const struct sockaddr *to, int unsent, usec_t lost_after)
{
	socklen_t size = to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
		sizeof(struct sockaddr_in);
	unsigned lost_ms = (unsigned)(lost_after / MSEC);
	int on = 1;

	*w = (struct wire){ .fd = -1 };
	w->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(w->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(w->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof(lost_ms));
	if (connect(w->fd, to, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static void drop_rest(struct wire *w)
{
	free(w->rest);
	w->rest = NULL;
	w->rest_from = w->rest_to = 0;
}

void wire_close(struct wire *w)
{
	drop_rest(w);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int wire_connected(const struct wire *w)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return -error;
}

static bool is_later(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static ssize_t send_now(struct wire *w, const uint8_t *bytes, size_t n)
{
	ssize_t sent = send(w->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		return sent;
	if (is_later(errno))
		return 0;
	w->error = errno;
	return -1;
}

static bool keep(struct wire *w, const uint8_t *bytes, size_t n)
{
	if (n > WIRE_REST_MAX - w->rest_to) {
		w->error = ENOBUFS;
		return false;
	}
	w->rest = xrealloc(w->rest, w->rest_to + n);
	memcpy(w->rest + w->rest_to, bytes, n);
	w->rest_to += n;
	return true;
}

bool wire_write(struct wire *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;
	ssize_t sent = 0;

	if (!w->rest && (sent = send_now(w, from, n)) < 0)
		return false;
	if ((size_t)sent == n)
		return true;
	return keep(w, from + sent, n - (size_t)sent);
}

ssize_t wire_flush(struct wire *w)
{
	ssize_t sent;

	if (!w->rest)
		return 0;
	sent = send_now(w, w->rest + w->rest_from, w->rest_to - w->rest_from);
	if (sent < 0)
		return -1;
	w->rest_from += (size_t)sent;
	if (w->rest_from == w->rest_to)
		drop_rest(w);
	return sent;
}

bool wire_full(const struct wire *w)
{
	return w->rest != NULL;
}

ssize_t wire_read(struct wire *w, void *out, size_t max)
{
	ssize_t n = recv(w->fd, out, max, MSG_DONTWAIT);

	if (n > 0)
		return n;
	if (n < 0 && is_later(errno))
		return 0;
	w->eof = n == 0;
	w->error = n < 0 ? errno : 0;
	return -1;
}

void wire_half_close(struct wire *w)
{
	if (w->rest || w->half_closed)
		return;
	w->half_closed = true;
	shutdown(w->fd, SHUT_WR);
}
