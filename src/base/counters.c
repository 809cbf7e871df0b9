/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/counters.h"

#include "base/check.h"
#include "base/mem.h"

/* One block a thread; blocks outlive their threads so that nothing counted is lost. */
struct block {
	struct block *next;
	_Atomic(uint64_t) count[COUNTERS];
};

static _Atomic(struct block *) blocks;

_Thread_local _Atomic(uint64_t) *counters_mine;

static const char *const names[COUNTERS] = {
#define COUNTER(id, name, what) [id] = name,
#include "base/counters.def"
#undef COUNTER
};

void counters_attach(void)
{
	struct block *b = xnew(struct block);

	b->next = atomic_load(&blocks);
	while (!atomic_compare_exchange_weak(&blocks, &b->next, b))
		;
	counters_mine = b->count;
}

uint64_t counter_sum(enum counter id)
{
	uint64_t sum = 0;

	must(id < COUNTERS);
	for (struct block *b = atomic_load(&blocks); b; b = b->next)
		sum += atomic_load_explicit(&b->count[id], memory_order_relaxed);
	return sum;
}

const char *counter_name(enum counter id)
{
	must(id < COUNTERS);
	return names[id];
}
