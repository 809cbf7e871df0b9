/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files have been consumed, and how far, across restarts: the journal <state-dir>/consumed.
 * One line a fact, the last one of a name counts; a line torn by a crash is skipped. The control
 * thread owns it and touches no disk except in consumed_open; what is new is handed as text to a
 * thread that may wait.
 *
 * Cap: max files, some 180 bytes each. Policy: the one not noted for longest is forgotten, said when it
 * had been finished. Counter: consumed_dropped. Pcaps that nobody asks for again go before that. */
#ifndef SPOOL_CONSUMED_H
#define SPOOL_CONSUMED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define CONSUMED_MAX      (1000 * 1000) /* 10 finished pcaps a second, 27 hours long */
#define CONSUMED_MAX_NAME 1024          /* [bytes] */

struct consumed;

/* False: the file is gone and need not be remembered. */
typedef bool consumed_keep_fn(void *arg, const char *name, uint64_t inode);

struct consumed_opts {
	const char *dir;
	unsigned max;          /* files; at most CONSUMED_MAX */
	usec_t forget_after;   /* a pcap finished so long ago is too old to be told again */
	consumed_keep_fn *keep; /* or NULL */
	void *arg;
};

/* Loads the journal, leaves out what need not be kept and writes it anew. NULL: it can neither be
 * read nor written, *error is -errno. now, here and below: clock_mono. */
struct consumed *consumed_open(const struct consumed_opts *, usec_t now, int *error);
void consumed_free(struct consumed **);

/* False: nothing is known of this file (another inode is another file). inode 0: of a pcap; PCM files
 * have their own, and may grow on at any age. */
bool consumed_find(struct consumed *, const char *name, uint64_t inode,
	uint64_t *position, bool *finished);
void consumed_note(struct consumed *, const char *name, uint64_t inode,
	uint64_t position, bool finished, usec_t now);

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
