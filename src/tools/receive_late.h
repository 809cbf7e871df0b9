/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How late audio is, in steps of a quarter of a millisecond up to 20 s. */
#ifndef TOOLS_RECEIVE_LATE_H
#define TOOLS_RECEIVE_LATE_H

#include "base/clock.h"

#define RECEIVE_LATE_STEP  (MSEC / 4)
#define RECEIVE_LATE_STEPS 80000

struct receive_late {
	uint64_t n;
	usec_t max;
	uint32_t count[RECEIVE_LATE_STEPS];
};

void receive_late_add(struct receive_late *, usec_t);
/* Upper edge of the step that holds this share of all; 0 when empty. */
usec_t receive_late_quantile(const struct receive_late *, double share);

#endif
