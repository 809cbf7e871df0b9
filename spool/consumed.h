/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files have been consumed, and how far, across restarts: the journal <state-dir>/consumed.
 * One line a fact, the last one of a name counts; a line torn by a crash is skipped. The control
 * thread owns it and touches no disk except in consumed_open; what is new is handed as text to a
 * thread that may wait.
 *
 * Cap: CONSUMED_MAX files. Policy: the one noted first is forgotten. Counter: consumed_dropped. */
#ifndef SPOOL_CONSUMED_H
#define SPOOL_CONSUMED_H

#include <stdbool.h>
#include <stdint.h>

#define CONSUMED_MAX      200000
#define CONSUMED_MAX_NAME 1024 /* [bytes] */

struct consumed;

/* False: the file is gone and need not be remembered. */
typedef bool consumed_keep_fn(void *arg, const char *name, uint64_t inode);

/* Loads the journal, leaves out what need not be kept and writes it anew. NULL: it can neither be
 * read nor written, *error is -errno. */
struct consumed *consumed_open(const char *dir, consumed_keep_fn *, void *arg, int *error);
void consumed_free(struct consumed **);

/* False: nothing is known of this file (another inode is another file). */
bool consumed_find(struct consumed *, const char *name, uint64_t inode,
	uint64_t *position, bool *finished);
void consumed_note(struct consumed *, const char *name, uint64_t inode,
	uint64_t position, bool finished);

enum consumed_work {
	CONSUMED_NOTHING,
	CONSUMED_APPEND,  /* text belongs at the journal's end */
	CONSUMED_REPLACE, /* the journal has grown too long: text replaces all of it */
};

/* What is new since the last take, yours to free. Take again only when it has been written:
 * the order of the lines is what they mean. */
enum consumed_work consumed_take(struct consumed *, char **text);
const char *consumed_path(const struct consumed *);

/* For the thread that may wait: does that work. 0 or -errno. */
int consumed_write(const char *path, enum consumed_work, const char *text);

#endif
