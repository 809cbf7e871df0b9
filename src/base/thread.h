/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts a named thread (at most 15 bytes) with all signals blocked. 0 or -errno. */
int thread_start(pthread_t *, const char *name, void *(*run)(void *), void *arg);
void thread_set_stack(size_t bytes); /* of threads started from now on; 0: the system's default */

/* The calling thread goes before others: real time where allowed, else a better nice value.
 * What was achieved, for the log. */
const char *thread_hurry(void);

#endif
