/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-feed ng: calls through a real rtpengine, with sound. */
#ifndef TOOLS_FEED_NG_H
#define TOOLS_FEED_NG_H

#include <signal.h>

#include "tools/feed_opts.h"

/* Exit status. stop counts interrupts: one ends all calls, two end the program. */
int feed_ng_run(const struct feed_opts *, const volatile sig_atomic_t *stop);

#endif
