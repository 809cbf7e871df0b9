/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A TCP socket that takes all that is written to it and never waits: what the kernel does not take
 * is kept. Writers stop while wire_full; cap WIRE_REST_MAX, then the wire counts as broken.
 * No SIGPIPE can come of it (MSG_NOSIGNAL): the process need not ignore it. */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"

#define WIRE_REST_MAX ((size_t)65536) /* one record and answers to the other side's key updates */

struct sockaddr;

struct wire {
	int fd;        /* -1: none */
	int error;     /* errno, once broken */
	bool eof;      /* the other side has closed its half */
	bool half_closed;
	uint8_t *rest; /* NULL: nothing is kept */
	size_t rest_from, rest_to;
};

/* Begins to connect; unsent: what may wait in the kernel beyond the other side's window [bytes];
 * lost_after: with nothing acknowledged or taken. 0 or -errno. */
int wire_open(struct wire *, const struct sockaddr *, int unsent, usec_t lost_after);
void wire_close(struct wire *); /* at once; twice is once */
int wire_connected(const struct wire *); /* 0 or -errno, when writable for the first time */

bool wire_write(struct wire *, const void *bytes, size_t n); /* false: broken */
ssize_t wire_flush(struct wire *);  /* bytes that went on of what was kept; -1: broken */
bool wire_full(const struct wire *);
ssize_t wire_read(struct wire *, void *out, size_t max); /* 0: none now; -1: eof or broken */
void wire_half_close(struct wire *); /* once all is out; before, nothing */

#endif
