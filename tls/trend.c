/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/trend.h"

#define STILL (2 * SEC) /* more than lies between two writes at real time: 16 KiB, 1 s at 8 kHz */

bool trend_falls(struct trend *t, uint64_t waiting, usec_t now)
{
	if (waiting >= t->high || (waiting >= t->low && now - t->low_at >= STILL)) {
		*t = (struct trend){ .high = waiting, .low = waiting, .low_at = now };
	} else if (waiting < t->low) {
		t->low = waiting;
		t->low_at = now;
	}
	return t->low < t->high;
}
