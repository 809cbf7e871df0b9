/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packet FIFOs in place of the kernel's streams, watched by inotify: who has them open.
 * One reader a FIFO; of two that come at the same moment only one may be seen. */
#ifndef TOOLS_FEED_FIFO_H
#define TOOLS_FEED_FIFO_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/span.h"

struct feed_fifos;
struct feed_fifo {
	char *path;        /* NULL: not there */
	int fd, watch;
	int readers;
	bool held_at_end;
	usec_t opened_at, ended_at,
		closed_at; /* 0: not yet; opened_at is the first time */
	uint64_t written;
	uint64_t overruns; /* packets that went because the reader let the queue fill */
	uint64_t unread;   /* the same, while nobody had it open */
	uint64_t lost_at_end;
};

struct feed_fifos *feed_fifos_new(void); /* NULL with errno */
void feed_fifos_free(struct feed_fifos **);
int feed_fifos_fd(const struct feed_fifos *); /* readable: call feed_fifos_read */
/* Takes in what readers did. True when there was something. */
bool feed_fifos_read(struct feed_fifos *, usec_t now);
bool feed_fifos_overflowed(
	const struct feed_fifos *); /* events were lost: results are worthless */

/* Makes the FIFO; the struct must stay where it is. 0 or -errno. */
int feed_fifo_make(struct feed_fifos *, struct feed_fifo *, const char *path);
/* One packet; a full queue loses its oldest, as in the kernel. */
void feed_fifo_write(struct feed_fifo *, struct span packet);
/* The reader sees the end; lose: what it has not read yet is gone. */
void feed_fifo_end(struct feed_fifo *, usec_t now, bool lose);
/* Takes the name away; after feed_fifo_end. Idempotent. */
void feed_fifo_remove(struct feed_fifos *, struct feed_fifo *);

#endif
