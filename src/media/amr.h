/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The door to OpenCORE's AMR and AMR-WB decoders: frames in storage format (RFC 4867 5.3)
 * to 20 ms of s16 each, 160 samples at 8 kHz or 320 at 16 kHz. libavcodec's own decoders
 * are 2 to 10 dB too quiet on steady tones. */
#ifndef MEDIA_AMR_H
#define MEDIA_AMR_H

#include "base/span.h"

struct amr;

struct amr *amr_open(bool wide);
void amr_free(struct amr **);

/* Speech or SID: after a SID comes its comfort noise. -EINVAL: no such frame. */
int amr_decode(struct amr *, struct span frame, int16_t *out);
/* A frame that did not come: noise in a pause, else the speech fading within 0.2 s. */
void amr_conceal(struct amr *, int16_t *out);

#endif
