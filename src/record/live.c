/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/live.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "media/encoder.h"
#include "record/disk.h"

#define QUIET_FRAMES 1024u

struct live {
	struct encoder *encoder;
	int fd;
	uint64_t at;           /* of what waits */
	unsigned channels;
	uint8_t *waiting;
	size_t bytes, room;
	bool resumed;          /* nothing has been encoded yet behind what was there */
	bool finished;
};

static size_t id3_tag(struct span head)
{
	if (!span_starts(head, "ID3"))
		return 0;
	return 10 + ((size_t)(span_u8(head, 6) & 127) << 21 | (span_u8(head, 7) & 127) << 14 |
		(span_u8(head, 8) & 127) << 7 | (span_u8(head, 9) & 127));
}

/* An encoder begins with a tag; behind what a crash left players would stumble over it. */
static int keep(void *arg, struct span bytes)
{
	struct live *l = arg;

	if (l->resumed)
		bytes = span_skip(bytes, id3_tag(bytes));
	l->resumed = false;
	if (bytes.n > l->room - l->bytes) {
		l->room = 2 * (l->bytes + bytes.n);
		l->waiting = xrealloc(l->waiting, l->room);
	}
	if (bytes.n)
		memcpy(l->waiting + l->bytes, bytes.p, bytes.n);
	l->bytes += bytes.n;
	return 0;
}

struct live *live_new(const struct live_opts *o, int *error)
{
	struct live *l = xnew(struct live);
	const char *reason = NULL;

	l->fd = o->fd;
	l->at = o->at;
	l->resumed = o->at > 0;
	l->channels = o->channels;
	l->encoder = encoder_new(&(struct encoder_opts){ .format = ENCODER_MP3,
		.rate_hz = o->rate_hz, .channels = o->channels, .bitrate = o->bitrate,
		.write = keep, .arg = l }, &reason);
	*error = 0;
	if (!l->encoder) {
		log_warn_limited("no MP3 is written: %s", reason);
		*error = -EINVAL;
		live_free(&l);
	}
	return l;
}

void live_free(struct live **lp)
{
	struct live *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	encoder_free(&l->encoder);
	free(l->waiting);
	free(l);
}

int live_flush(struct live *l)
{
	int err = disk_write(l->fd, l->at, span_of(l->waiting, l->bytes));

	if (err)
		return err;
	l->at += l->bytes;
	l->bytes = 0;
	return 0;
}

static int feed_silence(struct live *l, uint64_t frames)
{
	int16_t *quiet = xalloc(QUIET_FRAMES * l->channels * sizeof(*quiet));
	int err = 0;

	while (frames && !err) {
		unsigned n = frames < QUIET_FRAMES ? (unsigned)frames : QUIET_FRAMES;

		err = encoder_feed(l->encoder, quiet, n);
		frames -= n;
		if (!err && l->bytes > 64 * QUIET_FRAMES)
			live_flush(l); /* what fails waits on */
	}
	free(quiet);
	return err;
}

int live_write(struct live *l, uint64_t silent_frames, struct span samples)
{
	unsigned frames = (unsigned)(samples.n / sizeof(int16_t) / l->channels);
	int err = live_flush(l);

	if (!err)
		err = feed_silence(l, silent_frames);
	if (!err && frames)
		err = encoder_feed(l->encoder, (const int16_t *)(const void *)samples.p, frames);
	if (!err)
		live_flush(l); /* the samples are taken: a full disk is told to the next write */
	return err;
}

int live_finish(struct live *l)
{
	int err = l->finished ? 0 : encoder_finish(l->encoder);

	if (!err)
		l->finished = true;
	return err ? err : live_flush(l);
}

/* ---- after a crash ------------------------------------------------------------------------- */

static const uint16_t kbits[2][16] = { /* layer III: MPEG 1; MPEG 2 and 2.5 */
	{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0 },
	{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0 },
};
static const uint16_t rates[4] = { 44100, 48000, 32000, 0 };

/* The frame's length, and how much sound of which rate it holds; 0: it is none. */
static size_t mp3_frame(struct span head, unsigned *frames, unsigned *rate_hz)
{
	uint32_t h = span_be32(head, 0);
	unsigned version = h >> 19 & 3, layer = h >> 17 & 3;
	unsigned old = version == 3, rate = rates[h >> 10 & 3], kbit;

	if (h >> 21 != 0x7ff || version == 1 || layer != 1)
		return 0;
	rate >>= old ? 0 : version == 2 ? 1 : 2;
	kbit = kbits[!old][h >> 12 & 15];
	if (!rate || !kbit)
		return 0;
	*rate_hz = rate;
	*frames = old ? 1152 : 576;
	return *frames / 8 * kbit * 1000 / rate + (h >> 9 & 1);
}

int live_scan(int fd, uint32_t rate_hz, uint64_t *bytes, uint64_t *frames)
{
	uint8_t head[10], last;
	uint64_t total = 0;
	unsigned mp3_rate = rate_hz;

	*bytes = *frames = 0;
	for (;;) {
		ssize_t n = disk_read(fd, *bytes, head, sizeof(head));
		unsigned sound = 0;
		size_t length;

		if (n < 0)
			return (int)n;
		length = id3_tag(span_of(head, (size_t)n));
		if (!length)
			length = mp3_frame(span_of(head, (size_t)n), &sound, &mp3_rate);
		if (!length || disk_read(fd, *bytes + length - 1, &last, 1) != 1)
			return 0;
		*bytes += length;
		total += sound;
		*frames = total * rate_hz / mp3_rate;
	}
}
