/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One recording on disk, from its first sample to its published file. Everything here may wait for
 * a disk: writer threads only, one at a time for one recording.
 *
 * While a call runs, its audio is PCM in <path>.part: a WAV whose header is right at any moment (as
 * of the last recording_sync, RF64 beyond 4 GiB), pauses are holes in the file. At the end it
 * becomes the asked format, and appears under its name: fsync, rename. With growing set the final
 * name is used from the start, and the format is written as it grows (wav, raw, mp3).
 * What is needed to go on after a crash lies in <state>/recordings/<id>.json. */
#ifndef RECORD_RECORDING_H
#define RECORD_RECORDING_H

#include "base/clock.h"
#include "base/span.h"

enum recording_format {
	RECORDING_WAV, RECORDING_RAW, RECORDING_MP3, RECORDING_OPUS, RECORDING_FLAC,
};

struct recording_opts {
	const char *path;      /* of the finished file, without number; absolute */
	char *const *roots;    /* not copied; where links of the path may lead; NULL: anywhere */
	const char *state;     /* directory of <id>.json; NULL: a crash cannot be made good */
	const char *parent;    /* of the call */
	const char *label;     /* "stream 2", "mixed"; of equal ones of a call the newest goes on */
	enum recording_format format;
	unsigned channels;
	uint32_t rate_hz;
	unsigned mp3_bitrate;  /* [bits/s] 0: the encoder's default */
	usec_t started;        /* clock_wall of sample 0 */
	bool growing;          /* flush-packets; Opus and FLAC cannot, they stay .part */
	bool drop_empty;       /* without any frame nothing is published but the sidecar */
	unsigned buffer_bytes; /* output-buffer */
	int mode, dir_mode;    /* -1: leave */
	int owner, group;      /* -1: leave */
};

struct recording;

unsigned recording_max_channels(enum recording_format);

/* Makes directories and file (O_EXCL; a number when the name is taken). When a link leads out of all
 * roots, the file is made in its root itself, without its directories. NULL: *error is -errno. */
struct recording *recording_create(const struct recording_opts *, int *error);
/* Goes on with what a crash left; NULL: nothing is there for that parent and label, or *error. The
 * samples that are in the file already: *frames. */
struct recording *recording_resume(const struct recording_opts *, uint64_t *frames, int *error);

/* clock_wall of sample 0: after a resume not that of the options. */
usec_t recording_started(const struct recording *);

/* Samples of all channels, interleaved, at a frame position that never goes back; what is between
 * is silence (no samples: silence up to there). 0, or -errno: it may be tried again, as nothing of it
 * was written; only an encoder that has failed, of growing MP3, fails from then on. */
int recording_write(struct recording *, uint64_t frame, struct span samples);
/* Header right; data on disk when the pass has ended that begins within DISK_SYNC_APART. */
int recording_sync(struct recording *);

struct recording_result {
	char *path;            /* of the published file; malloc'd; NULL when dropped */
	enum recording_format format;
	uint64_t frames, bytes;
	char sha256[65];       /* hex */
	uint32_t rate_hz;
	unsigned channels;
	usec_t started;        /* clock_wall of sample 0 */
	bool recovered;
	bool dropped;          /* drop_empty: there is no file of that path */
	bool resumed;          /* an earlier run has begun it */
};

/* Ends at that frame (or the last written), encodes where the format asks, runs before_publish (for
 * the sidecar) and publishes; frees. -errno: it is still there as .part, to be tried again, or to be
 * closed for the next start. When the name is taken by then, before_publish runs again with
 * another: the last one counts. Before what is dropped it runs, too, with the path that it had. */
int recording_publish(struct recording **, uint64_t frames,
	int (*before_publish)(void *arg, const struct recording_result *), void *arg,
	struct recording_result *);
/* Leaves it as a crash would, but whole: the next start publishes it. Frees. */
void recording_close(struct recording **);
void recording_discard(struct recording **); /* nothing of it stays; frees */
void recording_remove(const char *path); /* the same of a published one */

/* At start: what earlier runs left, one call for each recording that nobody goes on with: repairs
 * and publishes it as recovered, or removes it where the memo of its call says so. keep(): true when
 * the call still runs (then it is left alone, and note says what to give to recording_recover_note
 * at its end). */
void recording_recover(const char *state,
	bool (*keep)(void *arg, const char *parent, const char *note),
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg);

/* The same for one that was kept and may not have been gone on with. discard: it must go. */
void recording_recover_note(const char *state, const char *note, bool discard,
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg);

#endif
