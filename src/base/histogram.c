/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/histogram.h"

/* Values 0-3 have buckets of their own; above, the two bits below the leading one choose. */
static unsigned bucket_of(uint64_t v)
{
	unsigned top, b;

	if (v < 4)
		return (unsigned)v;
	top = 63 - (unsigned)__builtin_clzll(v);
	b = (top - 1) * 4 + (unsigned)(v >> (top - 2) & 3);
	return b < HISTOGRAM_BUCKETS ? b : HISTOGRAM_BUCKETS - 1;
}

static usec_t upper_edge(unsigned bucket)
{
	unsigned top = bucket / 4 + 1;

	if (bucket < 4)
		return bucket;
	return (usec_t)(((bucket % 4 + 5) << (top - 2)) - 1);
}

void histogram_add(struct histogram *h, usec_t value)
{
	uint64_t v = value > 0 ? (uint64_t)value : 0;
	int64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

	atomic_fetch_add_explicit(&h->count[bucket_of(v)], 1, memory_order_relaxed);
	while (value > max && !atomic_compare_exchange_weak_explicit(&h->max, &max, value,
		memory_order_relaxed, memory_order_relaxed))
		;
}

uint64_t histogram_total(struct histogram *h)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += atomic_load_explicit(&h->count[i], memory_order_relaxed);
	return total;
}

usec_t histogram_quantile(struct histogram *h, double share)
{
	uint64_t total = histogram_total(h), seen = 0;
	usec_t max = histogram_max(h);

	for (unsigned i = 0; total && i < HISTOGRAM_BUCKETS; i++) {
		seen += atomic_load_explicit(&h->count[i], memory_order_relaxed);
		if ((double)seen >= share * (double)total)
			return upper_edge(i) < max ? upper_edge(i) : max;
	}
	return max;
}

usec_t histogram_max(struct histogram *h)
{
	return atomic_load_explicit(&h->max, memory_order_relaxed);
}
