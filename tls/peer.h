/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One forwarding stream to an endpoint: connection + bounded backlog + reconnection.
 * On the wire (rtpengine recording-daemon/tls_send.c): header, one NUL, then s16le samples without
 * any framing; the header again on each new connection. Lives on one worker; never waits.
 *
 * Cap: opts.max_bytes of audio, 8 times that while an outage is made good, and the process's
 * budget; policy: opts.policy; what is dropped is replaced by silence and counted. After an outage
 * the backlog goes out at no more than max_speed times real time. Invariant: put = sent + dropped +
 * waiting, in bytes of audio. */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include "base/backlog.h"
#include "tls/dest.h"

struct peer_opts {
	struct dest *dest;
	struct budget *budget;
	const char *name;        /* for the log, "call-id stream 2"; copied */
	size_t max_bytes;        /* of audio waiting */
	unsigned frame;          /* [bytes] of one sample of all channels */
	unsigned bytes_per_second; /* of real time */
	size_t coalesce;         /* [bytes] written at once in the steady state (tls-latency-ms) */
	unsigned max_speed;      /* times real time; 8 */
	usec_t linger;           /* after peer_finish: time to get rid of the backlog */
	enum backlog_policy policy;
};

struct peer_stats {
	uint64_t put, sent, dropped; /* [bytes] of audio */
	uint64_t silence;            /* [bytes] of silence sent */
	uint64_t connects;           /* connections that became usable */
	uint64_t full_episodes;
	usec_t first_byte;           /* clock_mono of the first byte sent; 0: never */
};

struct peer;

struct peer *peer_new(const struct peer_opts *); /* begins to connect at the next tick */
void peer_free(struct peer **);                  /* at once; what waits is dropped and counted */

/* The bytes before the NUL. Nothing is sent before it is set; connecting goes on meanwhile. */
void peer_set_header(struct peer *, struct span header);
bool peer_has_header(const struct peer *);

void peer_put(struct peer *, struct span samples); /* whole frames; copied */
void peer_put_silence(struct peer *, uint64_t bytes);
void peer_tick(struct peer *, usec_t now); /* every worker tick, about 20 ms */

/* No more will be put: drain within linger, close_notify, close. */
void peer_finish(struct peer *);
bool peer_done(const struct peer *); /* after peer_finish: all is out or given up */
void peer_cut(struct peer *);        /* what is not out now is given up: next tick is the last */

void peer_get_stats(const struct peer *, struct peer_stats *);
uint64_t peer_waiting(const struct peer *); /* [bytes] of audio */

#endif
