/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that never returns NULL: out of memory ends the process, a restart is safe.
 * A size that came from outside is compared with a cap before it gets here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Each thread allocates from an arena of its own. By default threads share 8 a core, and with it
 * its lock: one that starves with the lock would stop the others. Before the first thread. */
void mem_separate_threads(void);

void *xalloc(size_t bytes); /* zeroed */
void *xrealloc(void *old, size_t bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t bytes); /* bytes copied and a NUL added; may hold NULs */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define xnew(type) ((type *)xalloc(sizeof(type)))

#endif
