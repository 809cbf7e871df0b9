/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward-to: one SOCK_SEQPACKET connection a call to a Unix socket. First message: the call's
 * metadata without NUL (again when it changes), then each whole IP packet as one message
 * (rtpengine recording-daemon/forward.c). Never waits: full or down, the newest go, counted. */
#ifndef SINK_UNIX_PEER_H
#define SINK_UNIX_PEER_H

#include "base/budget.h"
#include "base/clock.h"
#include "base/span.h"

struct unix_peer_opts {
	const char *path;      /* copied */
	struct budget *budget;
	size_t max_bytes;      /* of messages waiting */
};

struct unix_peer;

struct unix_peer *unix_peer_new(const struct unix_peer_opts *);
void unix_peer_free(struct unix_peer **); /* what waits is tried once more, then counted as dropped */
void unix_peer_metadata(struct unix_peer *, struct span metadata);
void unix_peer_put(struct unix_peer *, struct span packet);
void unix_peer_tick(struct unix_peer *, usec_t now); /* sends what waits, connects again */
void unix_peer_counts(const struct unix_peer *, uint64_t *sent, uint64_t *dropped, uint64_t *waiting);

#endif
