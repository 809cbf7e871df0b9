/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t usec_t; /* microseconds */

#define MSEC ((usec_t)1000)
#define SEC  ((usec_t)1000000)

usec_t clock_mono(void); /* CLOCK_MONOTONIC: for everything that is measured or waited for */
usec_t clock_wall(void); /* since 1970: for what people and other systems read */

/* A wall clock that never steps: monotonic time shifted once, at the first call. The time of
 * packets, so that a corrected system clock moves no audio. */
usec_t clock_steady(usec_t mono);

/* RFC 3339 in UTC with microseconds, "2026-11-21T08:44:35.123456Z". */
#define CLOCK_TEXT 32
void clock_format(usec_t wall, char out[CLOCK_TEXT]);

#endif
