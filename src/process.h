/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What makes a program a daemon: background, process id file, limits, signals. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>

/* Goes to the background, in a session of its own. The parent waits: it exits with 0 when
 * process_ready is called, with 1 when the child ends before. Call before any thread. */
void process_daemonize(void);
/* The child is up: lets the parent go, and with it the terminal. Nothing when in the foreground. */
void process_ready(void);

/* Creates, locks and fills the file; another process that holds it is an error, one that is gone
 * is not. 0, or -1 with *reason, a sentence; malloc'd. Call in the process that stays. */
int process_pidfile(const char *path, char **reason);
void process_pidfile_remove(void);

/* Raises the limit of open files to what is allowed; what it is now. */
unsigned long process_raise_nofile(void);
/* NULL, or a sentence: the limit does not suffice for so many calls; malloc'd. */
char *process_nofile_warning(unsigned long limit, int max_calls);

/* A peer or a pipe that goes away is an error of write, never a signal. SIGHUP and SIGUSR1 do
 * nothing until the daemon listens to them. */
void process_ignore_signals(void);

#endif
