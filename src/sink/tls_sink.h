/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sink that forwards to an endpoint: PCM and gaps to a tls peer's bytes. */
#ifndef SINK_TLS_SINK_H
#define SINK_TLS_SINK_H

#include "sink/sink.h"
#include "tls/peer.h"

struct tls_sink_opts {
	struct dest *dest;
	struct budget *budget;
	const char *kind; /* "tls" or "tcp"; static */
	const char *name; /* for the log; copied */
	uint32_t rate_hz;
	unsigned channels;
	unsigned buffer_ms;  /* bound of the backlog */
	unsigned latency_ms; /* audio sent in one write */
	usec_t linger;
	enum backlog_policy policy;
};

struct sink *tls_sink_new(const struct tls_sink_opts *);

#endif
