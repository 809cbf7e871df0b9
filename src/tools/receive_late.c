/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_late.h"

void receive_late_add(struct receive_late *l, usec_t v)
{
	usec_t step = v < 0 ? 0 : v / RECEIVE_LATE_STEP;

	if (v > l->max)
		l->max = v;
	l->count[step < RECEIVE_LATE_STEPS ? step : RECEIVE_LATE_STEPS - 1]++;
	l->n++;
}

usec_t receive_late_quantile(const struct receive_late *l, double share)
{
	uint64_t seen = 0;

	for (unsigned i = 0; l->n && i < RECEIVE_LATE_STEPS; i++) {
		seen += l->count[i];
		if ((double)seen >= share * (double)l->n)
			return (i + 1) * RECEIVE_LATE_STEP < l->max ?
				(i + 1) * RECEIVE_LATE_STEP : l->max;
	}
	return l->max;
}
