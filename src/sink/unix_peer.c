/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that cannot be sent at once wait in blocks, oldest first; the newest go when max_bytes or
 * the budget is reached. Invariant: put = sent + dropped + waiting, in packets. */
#include "sink/unix_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define UNIX_PEER_MAGIC 0x55504552u
#define BLOCK ((size_t)16384) /* [bytes]; a larger packet gets one of its own */
#define BACKOFF_MIN (250 * MSEC)
#define BACKOFF_MAX (15 * SEC)

/* Packets that wait, each as its length and its bytes. */
struct block {
	struct block *next;
	size_t size, from, to; /* [bytes] of data */
	uint8_t data[];
};

enum outcome { SENT, LATER, UNSENDABLE, BROKEN };

struct unix_peer {
	MAGIC_MEMBER;
	struct unix_peer_opts opts;
	int fd; /* -1: not connected */
	uint8_t *metadata;
	size_t metadata_bytes;
	bool greeted; /* the metadata is out on this connection */
	usec_t now, retry_at;
	unsigned failures; /* in a row */
	uint32_t seed;
	struct block *oldest, *newest;
	size_t bytes;      /* of packets waiting */
	uint64_t waiting;  /* [packets] */
	uint64_t sent, dropped;
};

struct unix_peer *unix_peer_new(const struct unix_peer_opts *o)
{
	struct unix_peer *u = xnew(struct unix_peer);

	u->magic = UNIX_PEER_MAGIC;
	u->opts = *o;
	u->opts.path = xstrdup(o->path);
	u->fd = -1;
	u->seed = (uint32_t)clock_mono();
	return u;
}

static void disconnect(struct unix_peer *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	u->greeted = false;
}

/* Doubling, with 25 % of jitter either way, so that the streams of many calls come back apart. */
static void back_off(struct unix_peer *u)
{
	usec_t wait = BACKOFF_MIN;

	for (unsigned i = 0; i < u->failures && wait < BACKOFF_MAX; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX)
		wait = BACKOFF_MAX;
	u->failures++;
	u->seed = u->seed * 1664525u + 1013904223u;
	u->retry_at = u->now + wait * 3 / 4 + (usec_t)((uint64_t)wait * (u->seed >> 8) >> 25);
}

static void lose(struct unix_peer *u, int error)
{
	log_warn_limited("forward-to %s: %s", u->opts.path, strerrordesc_np(error));
	disconnect(u);
	back_off(u);
}

static void connect_now(struct unix_peer *u)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(u->opts.path);

	if (n >= sizeof(to.sun_path)) {
		lose(u, ENAMETOOLONG);
		return;
	}
	memcpy(to.sun_path, u->opts.path, n);
	u->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A Unix socket connects at once or says EAGAIN: its listener's queue is full. */
	if (u->fd < 0 || connect(u->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		lose(u, errno);
}

static enum outcome send_message(struct unix_peer *u, struct span message)
{
	if (send(u->fd, message.p, message.n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return SENT;
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
		return LATER;
	case EMSGSIZE:
		return UNSENDABLE;
	}
	lose(u, errno);
	return BROKEN;
}

/* The metadata goes before everything else. An empty message would read as the end: not sent. */
static bool greet(struct unix_peer *u)
{
	enum outcome out;

	if (u->fd < 0 || u->greeted)
		return u->fd >= 0;
	out = SENT;
	if (u->metadata_bytes)
		out = send_message(u, span_of(u->metadata, u->metadata_bytes));
	if (out == UNSENDABLE)
		lose(u, EMSGSIZE);
	u->greeted = out == SENT;
	return u->greeted;
}

static void count_dropped(struct unix_peer *u, uint64_t packets)
{
	u->dropped += packets;
	counter_add(COUNT_UNIX_DROPPED, packets);
}

/* True: it needs no other try. */
static bool settle(struct unix_peer *u, enum outcome out)
{
	if (out == SENT) {
		u->sent++;
		u->failures = 0;
		counter_add(COUNT_UNIX_MESSAGES_OUT, 1);
	} else if (out == UNSENDABLE) {
		count_dropped(u, 1);
	}
	return out == SENT || out == UNSENDABLE;
}

static void drop_oldest_block(struct unix_peer *u)
{
	struct block *b = u->oldest;

	u->oldest = b->next;
	if (!u->oldest)
		u->newest = NULL;
	budget_return(u->opts.budget, b->size);
	free(b);
}

static struct block *add_block(struct unix_peer *u, size_t need)
{
	size_t size = need > BLOCK ? need : BLOCK;
	struct block *b;

	if (!budget_take(u->opts.budget, size))
		return NULL;
	b = xalloc(sizeof(*b) + size);
	b->size = size;
	if (u->newest)
		u->newest->next = b;
	else
		u->oldest = b;
	u->newest = b;
	return b;
}

static bool keep(struct unix_peer *u, struct span packet)
{
	size_t need = sizeof(uint32_t) + packet.n;
	uint32_t n = (uint32_t)packet.n;
	struct block *b = u->newest;

	if (u->bytes + packet.n > u->opts.max_bytes)
		return false;
	if ((!b || b->size - b->to < need) && !(b = add_block(u, need)))
		return false;
	memcpy(b->data + b->to, &n, sizeof(n));
	memcpy(b->data + b->to + sizeof(n), packet.p, n);
	b->to += need;
	u->bytes += n;
	u->waiting++;
	return true;
}

static void send_waiting(struct unix_peer *u)
{
	while (u->oldest && greet(u)) {
		struct block *b = u->oldest;
		uint32_t n;

		memcpy(&n, b->data + b->from, sizeof(n));
		if (!settle(u, send_message(u, span_of(b->data + b->from + sizeof(n), n))))
			return;
		b->from += sizeof(n) + n;
		u->bytes -= n;
		u->waiting--;
		if (b->from == b->to)
			drop_oldest_block(u);
	}
}

static void drop_waiting(struct unix_peer *u)
{
	count_dropped(u, u->waiting);
	while (u->oldest)
		drop_oldest_block(u);
	u->bytes = 0;
	u->waiting = 0;
}

void unix_peer_free(struct unix_peer **up)
{
	struct unix_peer *u = *up;

	*up = NULL;
	if (!u)
		return;
	must(u->magic == UNIX_PEER_MAGIC);
	send_waiting(u);
	drop_waiting(u);
	disconnect(u);
	free((char *)u->opts.path);
	free(u->metadata);
	u->magic = 0;
	free(u);
}

void unix_peer_metadata(struct unix_peer *u, struct span metadata)
{
	if (metadata.n == u->metadata_bytes &&
	    (!metadata.n || memcmp(metadata.p, u->metadata, metadata.n) == 0))
		return;
	free(u->metadata);
	u->metadata = xalloc(metadata.n);
	u->metadata_bytes = metadata.n;
	if (metadata.n)
		memcpy(u->metadata, metadata.p, metadata.n);
	u->greeted = false;
}

void unix_peer_put(struct unix_peer *u, struct span packet)
{
	if (packet.n == 0 || packet.n > UINT16_MAX) { /* no IP packet */
		count_dropped(u, 1);
		return;
	}
	if (!u->oldest && greet(u) && settle(u, send_message(u, packet)))
		return;
	if (!keep(u, packet))
		count_dropped(u, 1);
}

void unix_peer_tick(struct unix_peer *u, usec_t now)
{
	u->now = now;
	if (u->fd < 0 && now >= u->retry_at)
		connect_now(u);
	if (greet(u))
		send_waiting(u);
}

void unix_peer_counts(const struct unix_peer *u, uint64_t *sent, uint64_t *dropped, uint64_t *waiting)
{
	*sent = u->sent;
	*dropped = u->dropped;
	*waiting = u->waiting;
}
