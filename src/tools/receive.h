/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-receive: what its parts share. One thread, one epoll, no lock. */
#ifndef TOOLS_RECEIVE_H
#define TOOLS_RECEIVE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "tools/receive_late.h"

#define RECEIVE_NEVER INT64_MAX

struct receive_opts {
	const char *listen; /* ADDR:PORT */
	const char *dir;    /* NULL: nothing is written */
	bool raw, quiet, stats;
	unsigned stats_every; /* [s] 0: only at exit */
	unsigned rate_hz, channels; /* unless the header says */
	uint64_t expect;      /* connections; 0: run until told to stop */

	bool tcp, self_signed;
	const char *cert, *key, *client_ca, *write_ca;

	/* Faults; times since accept, RECEIVE_NEVER: no such fault */
	usec_t stall_after, stall_for, close_after, reset_after;
	usec_t handshake_after; /* 0: at once; RECEIVE_NEVER: never */
	uint64_t rate;          /* [bytes/s] 0: as fast as they come */
	bool no_read, send_rubbish, small_buffers;
};

/* How a connection ended; the names are in receive_take.c. */
enum receive_end {
	RECEIVE_CLOSE_NOTIFY,
	RECEIVE_EOF,              /* FIN; with TLS: without close_notify before it */
	RECEIVE_RESET,
	RECEIVE_HANDSHAKE_FAILED, /* also: went away before it was done */
	RECEIVE_TLS_ERROR,
	RECEIVE_HEADER_TOO_LONG,
	RECEIVE_CLOSED_BY_US,
	RECEIVE_RESET_BY_US,
	RECEIVE_SHUTDOWN,         /* we were told to stop */
	RECEIVE_ENDS
};

struct receive_totals {
	uint64_t connections, ended, bytes, audio_bytes, silence_ms, audio_ms;
	uint64_t headers, resumed, file_errors;
	uint64_t ends[RECEIVE_ENDS];
	usec_t longest_pause;
	struct histogram header; /* accept to header complete */
	struct histogram handshake;
	struct receive_late late; /* of samples that say when they were written */
	uint64_t displaced;       /* of these, not as far behind the last as they should be */
};

const char *receive_end_name(enum receive_end);

#endif
