/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether what waits gets less: in writes and readings as coarse as they come, an endpoint that
 * makes an outage good is told from one that is merely slow. Pure. All zero: nothing waits. */
#ifndef TLS_TREND_H
#define TLS_TREND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct trend {
	uint64_t high, low; /* where it began to fall, and how far that went */
	usec_t low_at;
};

/* False as soon as it is back where it began to fall, or has not fallen any further for a while. */
bool trend_falls(struct trend *, uint64_t waiting, usec_t now);

#endif
