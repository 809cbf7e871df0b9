/* SPDX-License-Identifier: GPL-3.0-or-later */
/* In place of tls/peer.c and sink/unix_peer.c: what a call would send, kept to be looked at. */
#ifndef TESTS_FAKE_PEER_H
#define TESTS_FAKE_PEER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "sink/unix_peer.h"
#include "tls/peer.h"

#define FAKE_PEERS 64
#define FAKE_BYTES 400000

struct peer {
	char name[64];
	char *header;
	bool stuck, finished, cut, freed;
	size_t n, sent; /* [bytes]; sent: handed over, never before the header */
	uint64_t put, silence, dropped;
	int16_t sample[FAKE_BYTES / 2];
};

static struct peer *fake_peer[FAKE_PEERS];
static unsigned fake_peers;
static bool fake_stuck; /* peers made from now on get rid of nothing */

static void fake_peers_free(void)
{
	for (unsigned i = 0; i < fake_peers; i++) {
		free(fake_peer[i]->header);
		free(fake_peer[i]);
	}
	fake_peers = 0;
	fake_stuck = false;
}

struct peer *peer_new(const struct peer_opts *o)
{
	struct peer *p = xnew(struct peer);

	must(fake_peers < FAKE_PEERS && o->frame && o->max_bytes);
	snprintf(p->name, sizeof(p->name), "%s", o->name);
	p->stuck = fake_stuck;
	return fake_peer[fake_peers++] = p;
}

void peer_free(struct peer **p)
{
	must(!(*p)->freed);
	(*p)->freed = true;
	*p = NULL;
}

void peer_set_header(struct peer *p, struct span header)
{
	must(!p->header);
	p->header = xstrndup((const char *)header.p, header.n);
}

bool peer_has_header(const struct peer *p)
{
	return p->header;
}

void peer_put(struct peer *p, struct span samples)
{
	must(!p->finished && p->n + samples.n <= FAKE_BYTES);
	memcpy((uint8_t *)p->sample + p->n, samples.p, samples.n);
	p->n += samples.n;
	p->put += samples.n;
}

void peer_put_silence(struct peer *p, uint64_t bytes)
{
	must(!p->finished && p->n + bytes <= FAKE_BYTES);
	p->n += bytes;
	p->silence += bytes;
}

void peer_tick(struct peer *p, usec_t now)
{
	(void)now;
	if (p->header && !p->stuck)
		p->sent = p->n;
}

void peer_finish(struct peer *p)
{
	p->finished = true;
}

void peer_cut(struct peer *p)
{
	must(p->finished);
	p->cut = true;
}

bool peer_done(const struct peer *p)
{
	return p->cut || (p->finished && p->sent == p->n);
}

void peer_get_stats(const struct peer *p, struct peer_stats *s)
{
	*s = (struct peer_stats){ .put = p->put, .silence = p->silence };
	if (p->sent == p->n)
		s->sent = p->put;
	else
		s->dropped = p->cut ? p->put : 0;
}

uint64_t peer_waiting(const struct peer *p)
{
	return p->sent == p->n || p->cut ? 0 : p->put;
}

/* ---- forward-to ---- */

struct unix_peer {
	int unused;
};

static char fake_metadata[100];
static uint64_t fake_messages, fake_bytes;

struct unix_peer *unix_peer_new(const struct unix_peer_opts *o)
{
	must(o->path && o->max_bytes);
	fake_messages = fake_bytes = 0;
	return xnew(struct unix_peer);
}

void unix_peer_free(struct unix_peer **u)
{
	free(*u);
	*u = NULL;
}

void unix_peer_metadata(struct unix_peer *u, struct span text)
{
	(void)u;
	snprintf(fake_metadata, sizeof(fake_metadata), "%.*s", (int)text.n, (const char *)text.p);
}

void unix_peer_put(struct unix_peer *u, struct span packet)
{
	(void)u;
	fake_messages++;
	fake_bytes += packet.n;
}

void unix_peer_tick(struct unix_peer *u, usec_t now)
{
	(void)u;
	(void)now;
}

void unix_peer_counts(const struct unix_peer *u, uint64_t *sent, uint64_t *dropped,
	uint64_t *waiting)
{
	(void)u;
	*sent = fake_messages;
	*dropped = *waiting = 0;
}

#endif
