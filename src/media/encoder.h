/* SPDX-License-Identifier: GPL-3.0-or-later */
/* s16 PCM to MP3, Opus in Ogg or FLAC. The door to libavformat and to libavcodec's encoders.
 * Channels are participants, not loudspeakers: none is mixed into another. */
#ifndef MEDIA_ENCODER_H
#define MEDIA_ENCODER_H

#include "base/span.h"

enum encoder_format { ENCODER_MP3, ENCODER_OPUS, ENCODER_FLAC };

struct encoder_opts {
	enum encoder_format format;
	uint32_t rate_hz;      /* of the input; where the format cannot, the next higher that it can */
	unsigned channels;     /* encoder_max_channels() at most */
	unsigned bitrate;      /* [bits/s] MP3, Opus: the nearest there is; 0: the encoder's default */
	/* Where the bytes go; seek: to an absolute place in what was written, for headers that are
	 * made right at the end (NULL: cannot). Both return 0 or -errno. */
	int (*write)(void *arg, struct span bytes);
	int (*seek)(void *arg, uint64_t to);
	void *arg;
};

struct encoder;

unsigned encoder_max_channels(enum encoder_format); /* MP3: 2; Opus, FLAC: 8 */
/* NULL: *reason is a sentence. */
struct encoder *encoder_new(const struct encoder_opts *, const char **reason);
/* 0 or -errno: that of write or seek; from then on it does nothing but return it. */
int encoder_feed(struct encoder *, const int16_t *samples, unsigned frames);
int encoder_finish(struct encoder *); /* all is out, once; 0 or -errno */
void encoder_free(struct encoder **);

#endif
