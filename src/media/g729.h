/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The door to bcg729: frames of G.729 (also Annex A) and the SIDs of Annex B to 10 ms of
 * s16 each, 80 samples. libavcodec's decoder is as good on speech at twice the cost, but
 * knows neither SIDs nor lost frames. */
#ifndef MEDIA_G729_H
#define MEDIA_G729_H

#include "base/span.h"

struct g729;

struct g729 *g729_open(void);
void g729_free(struct g729 **);

/* 10 bytes of speech or 2 of SID, else -EINVAL. */
int g729_decode(struct g729 *, struct span frame, int16_t *out);
/* A frame that did not come: noise in a pause, else the speech fading. */
void g729_conceal(struct g729 *, int16_t *out);

#endif
