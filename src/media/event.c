/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/event.h"

#define LONGEST_SEGMENT \
	0xffffU /* [ticks] longer events go on in a new segment, RFC 4733 2.5.1.3 */

static char digit_of(uint8_t code)
{
	static const char digits[] = "0123456789*#ABCD";

	return code < sizeof(digits) - 1 ? digits[code] : '\0';
}

/* The tracked event, or a later segment of it: those begin where the last one was
 * full. */
static bool is_same(const struct event_tracker *t, uint8_t code, uint32_t ts)
{
	uint32_t after = ts - t->now.ts;

	if (!(t->running || t->ended) || code != t->now.code)
		return false;
	return after == 0 ||
	       (t->now.duration >= LONGEST_SEGMENT && after <= t->now.duration);
}

static void begin(struct event_tracker *t, const struct rtp *rtp)
{
	t->running = true;
	t->ended = false;
	t->now.code = rtp->payload.p[0];
	t->now.digit = digit_of(t->now.code);
	t->now.volume = rtp->payload.p[1] & 0x3f;
	t->now.ts = rtp->ts;
	t->now.duration = span_be16(rtp->payload, 2);
}

bool event_finish(struct event_tracker *t, struct event *done)
{
	if (!t->running)
		return false;
	t->running = false;
	t->ended = true;
	*done = t->now;
	return true;
}

bool event_feed(struct event_tracker *t, const struct rtp *rtp, struct event *done)
{
	uint32_t duration;

	if (rtp->payload.n < 4)
		return false;
	if (!is_same(t, rtp->payload.p[0], rtp->ts)) {
		bool previous = event_finish(t, done);

		begin(t, rtp);
		/* One answer a call: should this be an end already, its repetition
		 * tells. */
		if (previous)
			return true;
	}
	if (!t->running)
		return false;
	duration = rtp->ts - t->now.ts + span_be16(rtp->payload, 2);
	if (duration > t->now.duration)
		t->now.duration = duration;
	return (rtp->payload.p[1] & 0x80) && event_finish(t, done);
}
