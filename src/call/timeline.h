/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From RTP timestamps to the call's time. Media time runs with the RTP clock, mapped to the time
 * of coming at the first packet; silence suppression only moves the timestamp. It is mapped anew
 * (a jump) when the sender's timestamps and the time of coming part by more than JUMP (a new
 * beginning, a clock that is not what the SDP said), or when the quickest packet of a WINDOW was
 * more than DRIFT early or late. Pure. */
#ifndef CALL_TIMELINE_H
#define CALL_TIMELINE_H

#include <stdbool.h>

#include "base/clock.h"

struct timeline {
	bool begun;
	uint32_t clock_hz;
	int64_t ts;       /* extended timestamp of the newest packet */
	int64_t base_ts;  /* this timestamp ... */
	usec_t base;      /* ... is at this call time [us] */
	usec_t skew_min;  /* smallest (coming - media time) of the running window: delay and drift */
	usec_t window;    /* call time at which the window ends */
};

/* Maps the timestamp of a packet that came at `now` (call time) to call time. The first one is at
 * now, or at `floor` (where the stream's audio ends so far) when that is a little later. Audio that
 * reaches further is itself ahead of its time: what is mapped anew steps back over it.
 * *jumped: mapped anew. */
usec_t timeline_map(struct timeline *, uint32_t ts, uint32_t clock_hz, usec_t now, usec_t floor,
	bool *jumped);

/* RTP ticks from `from` to `to` in call time. */
uint32_t timeline_ticks(uint32_t clock_hz, usec_t from, usec_t to);

#endif
