/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Distribution of durations: four buckets a doubling, from 1 us to 70 s. One writer or many,
 * relaxed; the reader may be a moment behind. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>

#include "base/clock.h"

#define HISTOGRAM_BUCKETS 108

struct histogram {
	_Atomic(uint64_t) count[HISTOGRAM_BUCKETS];
	_Atomic(int64_t) max; /* [us] */
};

void histogram_add(struct histogram *, usec_t value);
uint64_t histogram_total(struct histogram *);
/* Upper edge of the bucket that holds this share (0.99) of all values, never over the maximum;
 * 0 when empty. */
usec_t histogram_quantile(struct histogram *, double share);
usec_t histogram_max(struct histogram *);

#endif
