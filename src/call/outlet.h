/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The audio of one stream at one rate: resampled once, for all that want this rate. Keeps the
 * position: small differences between the sender's clock and the samples that come out of a
 * resampler are let be, real gaps move the position, overlaps are cut. */
#ifndef CALL_OUTLET_H
#define CALL_OUTLET_H

#include "base/clock.h"
#include "media/decoder.h"
#include "media/pcm.h"

struct outlet_events {
	void (*audio)(void *arg, const struct pcm *);          /* in order, never overlapping */
	void (*advance)(void *arg, int64_t position);          /* nothing until there */
};

struct outlet;

/* A rate or a number of channels of 0: that of the first audio, from then on. */
struct outlet *outlet_new(uint32_t rate_hz, unsigned channels, const struct outlet_events *,
	void *arg);
void outlet_free(struct outlet **);
/* Audio that begins at call time `at`. */
void outlet_write(struct outlet *, usec_t at, const struct audio *);
/* Time goes on without audio, at least to `until`. */
void outlet_quiet(struct outlet *, usec_t until);
int64_t outlet_position(const struct outlet *); /* end of what was put out; -1: nothing yet */
uint32_t outlet_rate(const struct outlet *);    /* [Hz] 0: not known yet */
/* Before anything was put out. Channels beyond the most share the last one: their mean. */
void outlet_set_rate(struct outlet *, uint32_t rate_hz);
void outlet_set_max_channels(struct outlet *, unsigned most);

/* All that listen to one stream; borrowed. Zeroed = nobody. */
#define OUTLETS_MAX 3 /* to forward, to record, to record mixed */
struct outlets {
	unsigned n;
	struct outlet *list[OUTLETS_MAX];
};
void outlets_add(struct outlets *, struct outlet *);
void outlets_remove(struct outlets *, struct outlet *);
void outlets_write(struct outlets *, usec_t at, const struct audio *);
void outlets_quiet(struct outlets *, usec_t until);
bool outlets_begun(const struct outlets *); /* something was put out */

#endif
