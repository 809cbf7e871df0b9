/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

static usec_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (usec_t)ts.tv_sec * SEC + ts.tv_nsec / 1000;
}

usec_t clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

usec_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

static pthread_once_t shift_once = PTHREAD_ONCE_INIT;
static usec_t shift;

static void find_shift(void)
{
	shift = clock_wall() - clock_mono();
}

usec_t clock_steady(usec_t mono)
{
	pthread_once(&shift_once, find_shift);
	return mono + shift;
}

void clock_format(usec_t wall, char out[CLOCK_TEXT])
{
	time_t seconds = (time_t)(wall / SEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLOCK_TEXT - n, ".%06dZ", (int)(wall % SEC));
}
