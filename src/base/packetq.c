/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/packetq.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"

#define OPEN_MAX (10 * MSEC) /* a chunk is handed over at least that often */
#define SPARES   16          /* chunks that stay when nothing waits any more */
#define TRIM     4           /* beyond them, given back at a time */

struct chunk {
	struct packetq *home;
	size_t used, read; /* [bytes] */
	unsigned out;      /* packets of it that the consumer has not done */
	_Alignas(8) uint8_t data[];
};

/* Ring of pointers, one thread puts and one takes. */
struct ring {
	struct chunk **slot;
	unsigned mask;
	_Alignas(64) atomic_uint head; /* next to take */
	_Alignas(64) atomic_uint tail; /* next to put */
};

struct packetq_pool {
	uint8_t *memory;       /* of all chunks */
	size_t bytes;
	unsigned n;
	struct chunk *chunk[]; /* n of them are here; the last that came is the first to go */
};

struct packetq {
	struct budget *budget;
	struct packetq_pool *pool; /* may be NULL */
	struct ring full;  /* producer to consumer */
	struct ring spare; /* consumer to producer: emptied chunks come back */
	_Alignas(64) struct chunk *open; /* producer's */
	usec_t opened;
	_Alignas(64) struct chunk *reading; /* consumer's */
	unsigned held; /* chunks with packets that are not read or not done */
};

static void ring_init(struct ring *r, unsigned size)
{
	must(size && (size & (size - 1)) == 0);
	r->slot = xalloc(size * sizeof(*r->slot));
	r->mask = size - 1;
}

static unsigned ring_count(struct ring *r)
{
	return atomic_load_explicit(&r->tail, memory_order_acquire) -
	       atomic_load_explicit(&r->head, memory_order_acquire);
}

static struct chunk *ring_peek(struct ring *r)
{
	unsigned head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&r->tail, memory_order_acquire))
		return NULL;
	return r->slot[head & r->mask];
}

static bool ring_put(struct ring *r, struct chunk *c)
{
	unsigned tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&r->head, memory_order_acquire) > r->mask)
		return false;
	r->slot[tail & r->mask] = c;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

static struct chunk *ring_take(struct ring *r)
{
	struct chunk *c = ring_peek(r);

	if (c)
		atomic_store_explicit(&r->head,
			atomic_load_explicit(&r->head, memory_order_relaxed) + 1,
			memory_order_release);
	return c;
}

static struct chunk *pool_take(struct packetq_pool *pool)
{
	return pool && pool->n ? pool->chunk[--pool->n] : NULL;
}

/* False: it is not one of the pool's. */
static bool pool_put(struct packetq_pool *pool, struct chunk *c)
{
	const uint8_t *at = (const uint8_t *)c;

	if (!pool || at < pool->memory || at >= pool->memory + pool->bytes)
		return false;
	pool->chunk[pool->n++] = c;
	return true;
}

static void chunk_free(struct packetq *q, struct chunk *c)
{
	if (!c)
		return;
	if (!pool_put(q->pool, c))
		free(c);
	budget_return(q->budget, PACKETQ_CHUNK);
}

/* Only when there is a place for it in the queue: so no chunk stays open, with old packets that the
 * consumer cannot see, for longer than OPEN_MAX. */
static struct chunk *chunk_new(struct packetq *q)
{
	struct chunk *c;

	if (ring_count(&q->full) > q->full.mask)
		return NULL;
	c = ring_take(&q->spare);
	if (!c) {
		if (!budget_take_reserved(q->budget, PACKETQ_CHUNK))
			return NULL;
		c = pool_take(q->pool);
		if (!c)
			c = xalloc(PACKETQ_CHUNK);
		c->home = q;
	}
	c->used = c->read = 0;
	return c;
}

/* Addresses only: pages come when they are written to, and stay. */
static uint8_t *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

struct packetq_pool *packetq_pool_new(unsigned chunks)
{
	struct packetq_pool *pool = xalloc(sizeof(*pool) + chunks * sizeof(*pool->chunk));

	pool->memory = reserve(chunks * PACKETQ_CHUNK);
	if (!pool->memory)
		return pool; /* as if there was none */
	pool->bytes = chunks * PACKETQ_CHUNK;
	for (unsigned i = chunks; i-- > 0;)
		pool_put(pool, (struct chunk *)(void *)(pool->memory + i * PACKETQ_CHUNK));
	return pool;
}

void packetq_pool_free(struct packetq_pool **pp)
{
	struct packetq_pool *pool = *pp;

	*pp = NULL;
	if (pool && pool->memory)
		munmap(pool->memory, pool->bytes);
	free(pool);
}

void packetq_use(struct packetq *q, struct packetq_pool *pool)
{
	must(!q->open && !ring_count(&q->full));
	q->pool = pool;
}

struct packetq *packetq_new(struct budget *budget, unsigned max_chunks)
{
	struct packetq *q = aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);

	if (!q)
		die("out of memory");
	memset(q, 0, sizeof(*q));
	q->budget = budget;
	ring_init(&q->full, max_chunks);
	ring_init(&q->spare, 2 * max_chunks); /* all that can be on their way or with the consumer */
	return q;
}

void packetq_free(struct packetq **qp)
{
	struct packetq *q = *qp;
	struct chunk *c;

	*qp = NULL;
	if (!q)
		return;
	while ((c = ring_take(&q->full)))
		chunk_free(q, c);
	while ((c = ring_take(&q->spare)))
		chunk_free(q, c);
	chunk_free(q, q->open);
	chunk_free(q, q->reading);
	free(q->full.slot);
	free(q->spare.slot);
	free(q);
}

/* Here and not where the consumer has emptied them: free() of what another thread has allocated
 * locks that thread's arena, and a consumer that loses the processor just then would hold up the
 * producer (for seconds, when workers starve). */
static void trim(struct packetq *q)
{
	for (unsigned i = 0; i < TRIM && ring_count(&q->spare) > SPARES; i++)
		chunk_free(q, ring_take(&q->spare));
}

static size_t record_size(size_t bytes)
{
	return (sizeof(struct packet) + bytes + 7) & ~(size_t)7;
}

static void hand_over(struct packetq *q)
{
	bool has_place = ring_put(&q->full, q->open);

	must(has_place);
	q->open = NULL;
}

bool packetq_put(struct packetq *q, void *to, enum packet_kind kind, usec_t time, struct span data)
{
	size_t need = record_size(data.n);
	struct packet *p;

	must(need <= PACKETQ_CHUNK - sizeof(struct chunk));
	if (q->open && q->open->used + need > PACKETQ_CHUNK - sizeof(struct chunk))
		hand_over(q);
	if (!q->open) {
		q->open = chunk_new(q);
		if (!q->open)
			return false;
		q->opened = 0;
	}
	p = (struct packet *)(void *)(q->open->data + q->open->used);
	p->to = to;
	p->time = time;
	p->bytes = (uint32_t)data.n;
	p->kind = kind;
	if (data.n)
		memcpy(p->data, data.p, data.n);
	q->open->used += need;
	return true;
}

bool packetq_flush(struct packetq *q, usec_t now)
{
	bool idle = ring_count(&q->full) == 0;

	trim(q);
	if (!q->open || !q->open->used)
		return false;
	if (!q->opened)
		q->opened = now;
	if (!idle && now - q->opened < OPEN_MAX)
		return false;
	hand_over(q);
	return idle;
}

bool packetq_unflushed(const struct packetq *q)
{
	return q->open && q->open->used;
}

bool packetq_half_full(struct packetq *q)
{
	return ring_count(&q->full) > q->full.mask / 2;
}

/* All of it is read and done. */
static void recycle(struct packetq *q, struct chunk *c)
{
	bool has_place;

	if (q->reading == c)
		q->reading = NULL;
	q->held--;
	has_place = ring_put(&q->spare, c);
	must(has_place);
}

static bool is_read(const struct chunk *c)
{
	return !c || c->read == c->used;
}

const struct packet *packetq_peek(struct packetq *q)
{
	const struct chunk *c = is_read(q->reading) ? ring_peek(&q->full) : q->reading;

	return c ? (const struct packet *)(const void *)(c->data + c->read) : NULL;
}

static struct chunk *next_chunk(struct packetq *q)
{
	struct chunk *c = q->reading;

	if (!is_read(c))
		return c;
	if (q->held > q->full.mask)
		return NULL;
	c = ring_take(&q->full);
	if (c) {
		q->held++;
		q->reading = c;
	}
	return c;
}

struct packet *packetq_get(struct packetq *q)
{
	struct chunk *c = next_chunk(q);
	struct packet *p;

	if (!c)
		return NULL;
	p = (struct packet *)(void *)(c->data + c->read);
	c->read += record_size(p->bytes);
	c->out++;
	p->inside = c;
	return p;
}

void packetq_done(struct packet *p)
{
	struct chunk *c = p->inside;

	must(c->out > 0);
	if (--c->out == 0 && c->read == c->used)
		recycle(c->home, c);
}
