/* SPDX-License-Identifier: GPL-3.0-or-later */
/* telephone-event (RFC 4733): packets to digits with their durations. Pure. */
#ifndef MEDIA_EVENT_H
#define MEDIA_EVENT_H

#include "media/rtp.h"

struct event {
	char digit;           /* 0-9 * # A-D; 0: a flash, a tone or another signal (code tells) */
	uint8_t code;         /* 0-255 */
	uint32_t ts;          /* RTP timestamp of its beginning */
	uint32_t duration;    /* [RTP ticks] */
	uint8_t volume;       /* [-dBm0] */
};

struct event_tracker { /* one per SSRC; zeroed = nothing running */
	bool running, ended;
	struct event now;
};

/* One packet. True when an event is complete: *done. It is when its end bit comes, and also when
 * another event begins without one. Repeated ends are silent. */
bool event_feed(struct event_tracker *, const struct rtp *, struct event *done);
/* No more packets: the running event, if any, is complete as far as it came. */
bool event_finish(struct event_tracker *, struct event *done);

#endif
