/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When who waits for a disk gives it up: after a minute in which it refused what it was given, or
 * five in which nothing moved, as a slow one may take more than a minute for one fsync. Only time
 * counts in which somebody looked: else its thread was at another file, or the process stopped.
 * Pure. */
#ifndef TOOLS_EXPORT_STALL_H
#define TOOLS_EXPORT_STALL_H

#include <stdbool.h>

#include "base/clock.h"

struct export_stall { /* zeroed: nobody has looked */
	uint64_t moved;
	bool refused;
	usec_t looked, still; /* still: since the first refusal, or since something moved */
};

/* moved: bytes to and from all disks until now, as who waits for others goes on when they do.
 * refused: what failed has not been done yet; the bytes of trying it again are no progress. True:
 * give up. */
bool export_stall_look(struct export_stall *, uint64_t moved, bool refused, usec_t now);

#endif
