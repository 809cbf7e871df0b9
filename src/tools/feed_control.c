/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_control.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define REPEAT_AFTER (500 * MSEC)
#define MAX_ANSWER   65536

struct request {
	uint64_t cookie;
	char *bytes;
	size_t n;
	usec_t sent, repeat_at;
	feed_control_fn fn;
	void *arg;
};

struct feed_control {
	int fd;
	usec_t timeout;
	uint64_t last_cookie;
	struct request *open; /* [n] */
	size_t n, room;
};

static bool parse_where(const char *where, struct sockaddr_in *to)
{
	char host[64];
	unsigned port;

	if (sscanf(where, "%63[^:]:%u", host, &port) != 2 || port < 1 || port > 65535)
		return false;
	*to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &to->sin_addr) == 1;
}

struct feed_control *feed_control_new(const char *where, usec_t timeout, const char **why)
{
	struct feed_control *c = xnew(struct feed_control);
	struct sockaddr_in to;

	c->timeout = timeout;
	c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*why = NULL;
	if (!parse_where(where, &to))
		*why = "not an IP:PORT";
	else if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		*why = "no socket for it";
	if (*why)
		feed_control_free(&c);
	return c;
}

void feed_control_free(struct feed_control **slot)
{
	struct feed_control *c = *slot;

	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	for (size_t i = 0; i < c->n; i++)
		free(c->open[i].bytes);
	free(c->open);
	free(c);
	*slot = NULL;
}

int feed_control_fd(const struct feed_control *c)
{
	return c->fd;
}

/* What the socket does not take is as good as lost on the way: it will be repeated. */
static void transmit(struct feed_control *c, const struct request *r)
{
	if (send(c->fd, r->bytes, r->n, 0) < 0)
		return;
}

void feed_control_send(struct feed_control *c, struct span dict, usec_t now, bool repeat,
	feed_control_fn fn, void *arg)
{
	struct request *r;

	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->open = xrealloc(c->open, c->room * sizeof(*c->open));
	}
	r = &c->open[c->n++];
	*r = (struct request){
		.cookie = ++c->last_cookie, .sent = now, .fn = fn, .arg = arg,
		.repeat_at = repeat ? now + REPEAT_AFTER : INT64_MAX,
	};
	r->bytes = xalloc(dict.n + 64);
	/* The socket, too: rtpengine keeps the answers of all that ask it by their
	 * cookies. */
	r->n = (size_t)sprintf(r->bytes, "%d.%d.%llu ", (int)getpid(), c->fd,
		(unsigned long long)r->cookie);
	memcpy(r->bytes + r->n, dict.p, dict.n);
	r->n += dict.n;
	transmit(c, r);
}

/* Out of the table first: fn may send the next one. */
static void settle(struct feed_control *c, size_t at, struct span answer, usec_t now)
{
	struct request r = c->open[at];

	c->open[at] = c->open[--c->n];
	free(r.bytes);
	r.fn(r.arg, answer, now - r.sent);
}

static void take_answer(struct feed_control *c, struct span in, usec_t now)
{
	struct span cookie;
	char head[64];
	unsigned long long number;
	int pid, fd;

	if (!span_word(&in, &cookie) || cookie.n >= sizeof(head))
		return;
	memcpy(head, cookie.p, cookie.n);
	head[cookie.n] = '\0';
	if (sscanf(head, "%d.%d.%llu", &pid, &fd, &number) != 3)
		return;
	if (pid != (int)getpid() || fd != c->fd)
		return;
	while (in.n && in.p[0] == ' ')
		in = span_skip(in, 1);
	for (size_t i = 0; i < c->n; i++) {
		if (c->open[i].cookie == number) {
			settle(c, i, in, now);
			return;
		}
	}
}

void feed_control_run(struct feed_control *c, usec_t now)
{
	static uint8_t in[MAX_ANSWER];
	ssize_t n;

	while ((n = recv(c->fd, in, sizeof(in), 0)) > 0)
		take_answer(c, span_of(in, (size_t)n), now);
	for (size_t i = 0; i < c->n;) {
		struct request *r = &c->open[i];

		if (now - r->sent > c->timeout) {
			settle(c, i, span_of(NULL, 0), now);
			continue;
		}
		if (now >= r->repeat_at) {
			r->repeat_at = now + REPEAT_AFTER;
			transmit(c, r);
		}
		i++;
	}
}
