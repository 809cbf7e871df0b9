/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests to rtpengine over NG (UDP: a cookie, a blank, a bencoded dictionary), with
 * retransmission; rtpengine answers a repeated cookie as it did the first time. */
#ifndef TOOLS_FEED_CONTROL_H
#define TOOLS_FEED_CONTROL_H

#include "base/clock.h"
#include "base/span.h"

struct feed_control;
/* answer: its dictionary, empty when none came in time; took: since the request. */
typedef void (*feed_control_fn)(void *arg, struct span answer, usec_t took);

/* where: "127.0.0.1:2223". NULL with a sentence in *why. */
struct feed_control *feed_control_new(
	const char *where, usec_t timeout, const char **why);
void feed_control_free(struct feed_control **);
int feed_control_fd(const struct feed_control *);
/* dict: a whole bencoded dictionary. Exactly one call of fn follows, unless all is
 * freed. */
void feed_control_send(struct feed_control *, struct span dict, usec_t now, bool repeat,
	feed_control_fn fn, void *arg);
/* Reads answers, repeats and gives up requests. */
void feed_control_run(struct feed_control *, usec_t now);

#endif
