/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the numbers in RTP headers mean in one media of a call: payload type to codec. Two media
 * may use the same dynamic number for different codecs, so each media has a table of its own. */
#ifndef CALL_PAYLOADS_H
#define CALL_PAYLOADS_H

#include "media/codec.h"

#define PAYLOADS_TYPES 128

struct payloads;

struct payloads *payloads_new(void);
void payloads_free(struct payloads **);
/* Both may come in any order and again; the codec is known when the rtpmap is. */
void payloads_set_rtpmap(struct payloads *, unsigned pt, struct span rtpmap);
void payloads_set_fmtp(struct payloads *, unsigned pt, struct span fmtp);
/* The codec of a payload type, static ones included; NULL when nothing is known of it. The
 * generation changes whenever any answer may have changed. */
const struct codec *payloads_find(struct payloads *, unsigned pt);
unsigned payloads_generation(const struct payloads *);

#endif
