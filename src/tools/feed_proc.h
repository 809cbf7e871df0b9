/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-feed proc: rtpengine with its kernel module, played on files. */
#ifndef TOOLS_FEED_PROC_H
#define TOOLS_FEED_PROC_H

#include <signal.h>

#include "tools/feed_opts.h"

/* Exit status. stop counts interrupts: one ends all calls, two end the program. */
int feed_proc_run(const struct feed_opts *, const volatile sig_atomic_t *stop);

#endif
