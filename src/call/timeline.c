/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/timeline.h"

#define JUMP   (2 * SEC)    /* one packet that is this far off begins a new mapping */
#define DRIFT  (400 * MSEC) /* the quickest packet of a window that is this far off is drift */
#define WINDOW (10 * SEC)

static usec_t media_time(const struct timeline *t)
{
	int64_t ticks = t->ts - t->base_ts;
	int64_t seconds = ticks / t->clock_hz, rest = ticks % t->clock_hz;

	return t->base + seconds * SEC + rest * SEC / t->clock_hz;
}

static void begin(struct timeline *t, uint32_t ts, uint32_t clock_hz, usec_t now, usec_t floor)
{
	t->begun = true;
	t->clock_hz = clock_hz;
	t->ts = t->base_ts = ts;
	t->base = now > floor || floor - now > DRIFT ? now : floor;
	t->skew_min = INT64_MAX;
	t->window = now + WINDOW;
}

/* True when the sender's clock has left ours. The quickest packet of a window tells it: what the
 * others lack they have waited on their way. */
static bool drifted(struct timeline *t, usec_t now, usec_t skew)
{
	bool off;

	if (skew < t->skew_min)
		t->skew_min = skew;
	if (now < t->window)
		return false;
	off = t->skew_min > DRIFT || t->skew_min < -DRIFT;
	t->skew_min = INT64_MAX;
	t->window = now + WINDOW;
	return off;
}

usec_t timeline_map(struct timeline *t, uint32_t ts, uint32_t clock_hz, usec_t now, usec_t floor,
	bool *jumped)
{
	usec_t at, skew;
	bool step;

	*jumped = false;
	if (!t->begun || t->clock_hz != clock_hz) {
		*jumped = t->begun;
		begin(t, ts, clock_hz, now, floor);
		return t->base;
	}
	t->ts += (int32_t)(ts - (uint32_t)t->ts); /* wraps with the timestamp */
	at = media_time(t);
	skew = now - at;
	step = skew > JUMP || skew < -JUMP;
	if (step || drifted(t, now, skew)) {
		*jumped = true;
		begin(t, ts, clock_hz, now, step ? floor : now);
		return t->base;
	}
	return at;
}

uint32_t timeline_ticks(uint32_t clock_hz, usec_t from, usec_t to)
{
	if (to <= from)
		return 0;
	return (uint32_t)((to - from) * clock_hz / SEC);
}
