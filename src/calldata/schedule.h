/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is due next: a binary heap, so that one timer serves any number of calls. Pure. */
#ifndef CALLDATA_SCHEDULE_H
#define CALLDATA_SCHEDULE_H

#include "base/clock.h"

struct scheduled { /* embed as first member of what waits; zeroed = not in the schedule */
	usec_t due;
	unsigned place; /* in the heap, from 1; 0: not in it */
};

struct schedule {
	struct scheduled **heap; /* heap[1] is the earliest */
	unsigned used, room;
};

void schedule_fini(struct schedule *); /* what is in it is only forgotten */
/* Puts it in, or moves it to another time. */
void schedule_put(struct schedule *, struct scheduled *, usec_t due);
void schedule_drop(struct schedule *, struct scheduled *); /* may be out of it already */
struct scheduled *schedule_first(const struct schedule *); /* stays in; NULL when empty */

#endif
