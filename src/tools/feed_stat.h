/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every duration that was measured, for exact quantiles; and text for JSON. */
#ifndef TOOLS_FEED_STAT_H
#define TOOLS_FEED_STAT_H

#include <stdio.h>

#include "base/clock.h"

struct feed_stat {
	usec_t *v;
	size_t n, room;
};

void feed_stat_add(struct feed_stat *, usec_t);
usec_t feed_stat_quantile(struct feed_stat *, double share); /* sorts; 0 when empty */
void feed_stat_fini(struct feed_stat *);
/* "  what  n 12  p50 0.3 ms  p99 ..." */
void feed_stat_print(FILE *, const char *what, struct feed_stat *);
/* ,"name":{"n":12,"p50_ms":0.3,...}: begins with a comma. */
void feed_stat_json(FILE *, const char *name, struct feed_stat *);

/* A string with its quotes; bytes over 0x7f go through as they are. */
void feed_stat_text(FILE *, const char *text);

#endif
