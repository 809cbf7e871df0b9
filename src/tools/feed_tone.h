/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A tone in a codec, encoded once, as payloads to be sent round and round: the loop
 * holds a whole number of waves, so that it has no seam. */
#ifndef TOOLS_FEED_TONE_H
#define TOOLS_FEED_TONE_H

#include "base/span.h"

struct feed_codec {
	char name[24];      /* as asked for */
	char rtpmap[32];    /* "PCMA/8000" */
	char fmtp[32];
	uint8_t pt;
	uint32_t clock_hz, rate_hz;
	unsigned channels;
	unsigned bit_rate;
	unsigned frame_bytes; /* of a --payload-file without structure */
	unsigned frame_ms;    /* a packet holds whole frames; 0: any length */
	bool packetwise;      /* each packet of the encoder is one payload */
	const char *encoder;  /* NULL: by table, or from a file only */
};

struct feed_tone {
	unsigned hz, n;
	struct span *payload; /* [n]; slot s sends payload[s % n] */
};

/* Name, or L16/RATE/CHANNELS. -EINVAL: unknown. */
int feed_tone_codec(const char *name, struct feed_codec *);

struct feed_tones;
/* All tones of one codec and packet length; file may be NULL. NULL with a sentence in
 * *why. */
struct feed_tones *feed_tones_new(
	const struct feed_codec *, unsigned ptime_ms, const char *file, const char **why);
void feed_tones_free(struct feed_tones **);
/* Encoded at the first request, kept after that. NULL with a sentence in *why. */
const struct feed_tone *feed_tones_get(
	struct feed_tones *, unsigned hz, const char **why);
const struct feed_codec *feed_tones_codec(const struct feed_tones *);

/* 400 + 10 * (call mod 80) + 800 * participant, or that of the comma list. [Hz] */
unsigned feed_tone_of(const char *list, int call, int participant);

#endif
