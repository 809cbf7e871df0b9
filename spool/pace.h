/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How fast a file may be read: at most speed times its own time, so that what was missed reaches
 * nobody as one burst. Pure. */
#ifndef SPOOL_PACE_H
#define SPOOL_PACE_H

#include "base/clock.h"

#include <stdbool.h>

/* What a growing file gets in one block is passed on at once. */
#define PACE_AT_ONCE (500 * MSEC)
/* A longer gap in the file's time (hold, a wrong clock) is not waited out. */
#define PACE_MAX_GAP (2 * SEC)

/* Who has to wait waits at least this long, so that each look is worth its system calls. */
#define PACE_STEP    (50 * MSEC)

struct pace {
	bool set;
	usec_t file, mono; /* this moment of the file was passed on at this moment of ours */
	usec_t last;       /* of the file */
};

/* The reader has caught up with the writer: what comes next comes in its own time. */
void pace_restart(struct pace *);

/* How long until what has this time may be passed on; 0: now. */
usec_t pace_wait(struct pace *, usec_t file, usec_t mono, unsigned speed);

#endif
