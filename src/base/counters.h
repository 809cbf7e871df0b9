/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything the daemon counts, process-wide. Each thread counts for itself without locks or
 * locked instructions; the reader sums. The table in counters.c names, explains and orders them. */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(id, name, help) id,
#include "base/counters.def"
#undef COUNTER
	COUNTERS
};

extern _Thread_local _Atomic(uint64_t) *counters_mine; /* NULL until this thread counts */
void counters_attach(void);

static inline void counter_add(enum counter id, uint64_t n)
{
	_Atomic(uint64_t) *c;

	if (!counters_mine)
		counters_attach();
	c = &counters_mine[id];
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
		memory_order_relaxed);
}

uint64_t counter_sum(enum counter id);
const char *counter_name(enum counter id);

#endif
