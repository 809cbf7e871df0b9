/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All participants of a call in one signal, to one sink. */
#ifndef CALL_MIX_H
#define CALL_MIX_H

#include "media/mixer.h"
#include "sink/sink.h"

#define MIX_SPAN_MS 3000 /* a stream may be two seconds ahead of its time: call/timeline.c */

struct mix;

/* Takes the sink. */
struct mix *mix_new(const struct mixer_opts *, struct sink **);
void mix_free(struct mix **);
void mix_put(struct mix *, unsigned channel, const struct pcm *);
/* Everybody has been heard up to here: mixes and passes on, but nothing that is later than now (the
 * call's time): others may have to say something then. A participant that hangs behind is waited for
 * at most HOLD, and the last that was said for at most MIX_SPAN_MS. */
void mix_run(struct mix *, int64_t heard, usec_t now);
void mix_drain(struct mix *); /* up to the newest audio there is */
struct sink *mix_sink(const struct mix *);
struct sink *mix_take_sink(struct mix *); /* the caller's from now on */

#endif
