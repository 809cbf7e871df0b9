/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Anything that takes audio of one rate and channel count, in the order of its time. Each sink has
 * a bounded queue of its own: one that falls behind loses ITS audio, which becomes silence there,
 * counted; the others never notice. A sink lives on its call's worker and never waits. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "base/clock.h"
#include "base/span.h"
#include "media/pcm.h"

struct sink_stats {
	const char *kind;      /* "tls", "tcp", "file" */
	uint32_t rate_hz;
	unsigned channels;
	uint64_t put, sent, dropped, waiting; /* [frames] of audio: put = sent + dropped + waiting */
	uint64_t silence;      /* [frames] passed on in place of gaps and of what was dropped */
	uint64_t connects, full_episodes;
	usec_t first_byte;     /* clock_mono; 0: never */
};

struct sink;

struct sink_ops {
	void (*put)(struct sink *, const struct pcm *);
	void (*advance)(struct sink *, int64_t position); /* silence up to there */
	void (*header)(struct sink *, struct span);       /* what goes before the audio */
	bool (*wants_header)(const struct sink *);
	void (*tick)(struct sink *, usec_t now);
	void (*finish)(struct sink *);     /* no more audio: pass on what waits */
	void (*cut)(struct sink *);        /* what cannot go at once is given up */
	bool (*done)(const struct sink *); /* after finish or cut: nothing is left to do */
	void (*stats)(const struct sink *, struct sink_stats *);
	void (*free)(struct sink *);
};

struct sink {
	const struct sink_ops *ops;
};

static inline void sink_free(struct sink **s)
{
	if (*s)
		(*s)->ops->free(*s);
	*s = NULL;
}

#endif
