/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The composition root: makes everything from the bottom up, connects it, undoes it in reverse. */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "config.h"

struct daemon;

/* Everything is running when it returns; what cannot start ends the process with one sentence.
 * The command line is read again at SIGHUP. */
struct daemon *daemon_start(const struct config *, int argc, char **argv);
/* Until SIGTERM or SIGINT, and until calls have drained within shutdown-timeout (a second signal:
 * at once). */
void daemon_run(struct daemon *);
/* False: a disk or the DNS holds a thread that nobody waits for; only _exit ends the process. */
bool daemon_stop(struct daemon **);

#endif
