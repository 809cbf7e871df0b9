/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From one reader of sources to one worker: packets of many sources, in the order they were read,
 * in chunks that are written once and read once. No lock, no wait, no allocation once warm; and it
 * is the producer alone who allocates and frees.
 *
 * Cap: max_chunks of PACKETQ_CHUNK bytes on their way, and as many with the consumer; each is also
 * taken from the process's budget. Policy: what
 * does not fit is refused (the newest goes; in a lasting overload that leaves the same audio and
 * the same latency as dropping the oldest would, without a third party between two threads).
 * The refused are counted by the producer, who knows whose they are. */
#ifndef BASE_PACKETQ_H
#define BASE_PACKETQ_H

#include "base/budget.h"
#include "base/clock.h"
#include "base/span.h"

#define PACKETQ_CHUNK ((size_t)128 * 1024) /* holds the largest packet, 65,535 bytes */

enum packet_kind {
	PACKET_IP,  /* one whole IP packet */
	PACKET_PCM, /* s16 little-endian samples, whole frames */
	PACKET_END, /* the source is closed: nothing follows, the source is the consumer's */
};

struct packet {
	struct packet *next;  /* the consumer's, as it likes */
	struct chunk *inside; /* where it lies */
	void *to;       /* whose it is: a struct source */
	usec_t time;    /* when it came: our clock_steady, or the file's own time */
	uint32_t bytes; /* of data */
	uint32_t kind;  /* enum packet_kind */
	uint8_t data[];
};

struct packetq;
struct chunk;

struct packetq *packetq_new(struct budget *, unsigned max_chunks); /* a power of two */
void packetq_free(struct packetq **); /* both sides have stopped */

/* Addresses for the chunks of all queues of one producer: what waits grows into them without a
 * mmap(), which has to wait for the lock of the process's memory map, and a thread that starves may
 * hold it. What was written to stays resident, and is used again; it is taken from the budget while
 * it is in use. */
struct packetq_pool;
struct packetq_pool *packetq_pool_new(unsigned chunks);
void packetq_pool_free(struct packetq_pool **); /* after the queues */
void packetq_use(struct packetq *, struct packetq_pool *); /* borrowed; before the first packet */

/* Producer. False: full, nothing was put. */
bool packetq_put(struct packetq *, void *to, enum packet_kind, usec_t time, struct span data);
/* Makes what was put visible; true when the consumer should be woken (it had nothing before).
 * While the consumer is behind, chunks are filled up before they are handed over. */
bool packetq_flush(struct packetq *, usec_t now);
bool packetq_unflushed(const struct packetq *); /* something is put but not visible yet */
bool packetq_half_full(struct packetq *); /* for producers that can wait, as files can */

/* Consumer: the next packet, its own until packetq_done; NULL when there is none, or when it has
 * packets out of max_chunks chunks that are not done. Peek: it stays where it is. */
const struct packet *packetq_peek(struct packetq *);
struct packet *packetq_get(struct packetq *);
void packetq_done(struct packet *);

/* Packets that a consumer has set aside, in their order. */
struct inbox {
	struct packet *first, **last;
};

static inline void inbox_init(struct inbox *b)
{
	b->first = NULL;
	b->last = &b->first;
}

static inline void inbox_put(struct inbox *b, struct packet *p)
{
	p->next = NULL;
	*b->last = p;
	b->last = &p->next;
}

static inline struct packet *inbox_take(struct inbox *b)
{
	struct packet *p = b->first;

	if (p && !(b->first = p->next))
		b->last = &b->first;
	return p;
}

#endif
