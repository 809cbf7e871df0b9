/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "status/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/counters.h"
#include "base/log.h"

#define LINE 1000 /* [bytes] */

static void log_counters(void)
{
	char line[LINE];
	size_t n = 0;

	for (enum counter c = 0; c < COUNTERS; c++) {
		uint64_t value = counter_sum(c);

		if (!value)
			continue;
		if (n > LINE - 100) {
			log_info("status: %s", line + 1);
			n = 0;
		}
		n += (size_t)snprintf(line + n, LINE - n, " %s=%" PRIu64, counter_name(c), value);
	}
	if (n)
		log_info("status: %s", line + 1);
}

static void log_time(const struct status_time *t)
{
	struct histogram *h = t->histogram;

	log_info("status: time %s [us] n=%" PRIu64 " p50=%" PRId64 " p90=%" PRId64 " p99=%" PRId64
		" max=%" PRId64 " (%s)", t->name, histogram_total(h), histogram_quantile(h, 0.5),
		histogram_quantile(h, 0.9), histogram_quantile(h, 0.99), histogram_max(h), t->help);
}

static void log_load(const struct status *s)
{
	size_t used = 0, limit = 0;

	for (unsigned i = 0; i < STATUS_MEMORIES; i++)
		if (s->memory[i]) {
			used += budget_used(s->memory[i]);
			limit += s->memory[i]->limit;
		}
	log_info("status: calls_running=%u queue_memory=%zu of %zu bytes", s->calls, used, limit);
}

void status_log(const struct status *s)
{
	log_load(s);
	log_counters();
	for (unsigned i = 0; i < s->n_times; i++)
		if (histogram_total(s->times[i].histogram))
			log_time(&s->times[i]);
}
