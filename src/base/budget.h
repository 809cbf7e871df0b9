/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The memory that all queues of the process may hold together (option buffer-memory). */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
	size_t limit;   /* [bytes] */
	size_t reserve; /* [bytes] of them for packets that come in: endpoints that are away or slow
			 * may fill all the rest, and still no call loses a packet; and for the first
			 * write of each recording */
	atomic_size_t used; /* [bytes] */
};

static inline bool budget_take_below(struct budget *b, size_t bytes, size_t limit)
{
	size_t before = atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);

	if (before + bytes <= limit)
		return true;
	atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
	return false;
}

/* False, and nothing taken, when it would pass the limit or touch the reserve. */
static inline bool budget_take(struct budget *b, size_t bytes)
{
	return budget_take_below(b, bytes, b->limit - b->reserve);
}

static inline bool budget_take_reserved(struct budget *b, size_t bytes)
{
	return budget_take_below(b, bytes, b->limit);
}

static inline void budget_return(struct budget *b, size_t bytes)
{
	atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}

/* So much of it becomes another one, before anything is taken; of each a quarter is the reserve. */
static inline void budget_split(struct budget *b, struct budget *part, size_t bytes)
{
	b->limit -= bytes;
	b->reserve = b->limit / 4;
	part->limit = bytes;
	part->reserve = bytes / 4;
}

static inline size_t budget_used(struct budget *b)
{
	return atomic_load_explicit(&b->used, memory_order_relaxed);
}

#endif
