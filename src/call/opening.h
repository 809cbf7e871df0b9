/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first packets of a kernel stream. Until we opened it the kernel kept the newest ten, and they
 * are read all at once: how long each has waited, the RTP timestamps say. So what comes in the
 * first 10 ms is held until all of it is there, and gets the time at which it came.
 * Cap: 32 packets, 16 KiB; policy: with what does not fit, the opening is over. */
#ifndef CALL_OPENING_H
#define CALL_OPENING_H

#include "base/clock.h"
#include "call/payloads.h"

#define OPENING_MAX_WAIT (SEC / 2) /* nothing is taken to have waited longer */

struct opening;

struct opening *opening_new(void);
void opening_free(struct opening **);
/* False: the opening is over, and this packet is none of it. */
bool opening_put(struct opening *, struct span packet, usec_t now);
bool opening_is_over(const struct opening *, usec_t now);
/* One after the other, with the time at which each came; false: that was all. */
bool opening_get(struct opening *, struct payloads *, struct span *packet, usec_t *came);

#endif
