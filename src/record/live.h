/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MP3 that grows in its file while the call runs. What a full disk does not take waits here: at
 * most what one write made. */
#ifndef RECORD_LIVE_H
#define RECORD_LIVE_H

#include "base/span.h"

struct live_opts {
	int fd;             /* stays the caller's */
	uint64_t at;        /* [bytes] where it goes on */
	uint32_t rate_hz;
	unsigned channels, bitrate;
};

struct live;

struct live *live_new(const struct live_opts *, int *error);
void live_free(struct live **);
/* Silence, then samples. 0, or -errno: nothing was taken; or the encoder has failed, then so does all
 * that follows. */
int live_write(struct live *, uint64_t silent_frames, struct span samples);
int live_flush(struct live *);
int live_finish(struct live *); /* may be tried again */

/* What is in the file after a crash: whole MP3 frames (ISO 11172-3 2.4.2.3, and 13818-3), ID3v2
 * tags between them. *bytes up to the end of the last one, *frames of that rate. */
int live_scan(int fd, uint32_t rate_hz, uint64_t *bytes, uint64_t *frames);

#endif
