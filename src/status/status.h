/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator can see of the running daemon: all counters, and how long things take. */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include "base/budget.h"
#include "base/histogram.h"

#define STATUS_MEMORIES 2

struct status_time {
	const char *name, *help;
	struct histogram *histogram; /* [us] */
};

struct status {
	unsigned calls;               /* running now */
	struct budget *memory[STATUS_MEMORIES]; /* or NULL; what is said is their sum */
	const struct status_time *times;
	unsigned n_times;
};

/* To the log, one line for the counters that are not zero and one for each histogram. */
void status_log(const struct status *);

#endif
