/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of a recording: whatever fails, what there is stays, and can be tried again.
 *
 *     x.wav.part --encode--> x.opus.part2 --rename--> x.opus.part --sidecar, rename--> x.opus
 *
 * Each arrow is one atomic step: a crash in between leaves either the PCM or the finished file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/encoder.h"
#include "media/sha.h"
#include "record/recording_private.h"
#include "record/wave.h"

#define MIN_CHUNK  ((size_t)64 * 1024)
#define MAX_CHUNK  ((size_t)1024 * 1024)
#define PART_MODE  0600 /* until it has got its own */
#define MAX_NAMES  1000 /* taken between looking and renaming */

struct output {
	int fd;
	uint64_t at;
};

static int on_bytes(void *arg, struct span bytes)
{
	struct output *o = arg;
	int err = disk_write(o->fd, o->at, bytes);

	if (!err)
		o->at += bytes.n;
	return err;
}

static int on_seek(void *arg, uint64_t to)
{
	struct output *o = arg;

	o->at = to;
	return 0;
}

static size_t chunk_of(const struct recording *r)
{
	size_t n = r->opts.buffer_bytes;

	n = n < MIN_CHUNK ? MIN_CHUNK : n > MAX_CHUNK ? MAX_CHUNK : n;
	return n - n % r->frame;
}

static int feed_all(struct recording *r, struct encoder *e)
{
	size_t chunk = chunk_of(r);
	int16_t *samples = xalloc(chunk);
	uint64_t at = r->header, end = at + r->frames * r->frame;
	int err = 0;

	while (!err && at < end) {
		ssize_t n = disk_read(r->fd, at, (uint8_t *)samples,
			end - at < chunk ? (size_t)(end - at) : chunk);

		n -= n > 0 ? n % (ssize_t)r->frame : 0;
		if (n <= 0)
			err = n < 0 ? (int)n : -EIO; /* somebody made it shorter */
		else
			err = encoder_feed(e, samples, (unsigned)((size_t)n / r->frame));
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(samples);
	return err ? err : encoder_finish(e);
}

static const enum encoder_format encoder_of[] = {
	[RECORDING_MP3] = ENCODER_MP3, [RECORDING_OPUS] = ENCODER_OPUS,
	[RECORDING_FLAC] = ENCODER_FLAC,
};

unsigned recording_max_channels(enum recording_format format)
{
	return format <= RECORDING_RAW ? WAVE_MAX_CHANNELS : encoder_max_channels(encoder_of[format]);
}

static int encode_to(struct recording *r, int fd)
{
	struct output out = { .fd = fd };
	const char *reason = NULL;
	struct encoder *e = encoder_new(&(struct encoder_opts){
		.format = encoder_of[r->opts.format], .rate_hz = r->opts.rate_hz,
		.channels = r->opts.channels, .bitrate = r->opts.mp3_bitrate,
		.write = on_bytes, .seek = on_seek, .arg = &out }, &reason);
	int err;

	if (!e) {
		log_warn_limited("%s is not encoded: %s", log_mark(r->path), reason);
		return -EINVAL;
	}
	err = feed_all(r, e);
	encoder_free(&e);
	if (!err && fsync(fd) < 0)
		err = -errno;
	return err;
}

/* The finished file takes the place of the PCM. */
static int encode(struct recording *r)
{
	char *part2 = xasprintf("%s.part2", r->path);
	struct disk_access access = recording_access(r);
	int fd, err;

	unlink(part2); /* of a crash; the lock says that it is nobody's now */
	fd = disk_create(part2, access.mode >= 0 ? PART_MODE : 0666);
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB); /* it becomes the .part, which is locked */
	err = fd < 0 ? fd : encode_to(r, fd);
	if (!err) {
		disk_give(fd, part2, &access);
		err = rename(part2, r->file) < 0 ? -errno : 0;
	}
	if (err) {
		if (fd >= 0)
			close(fd);
		unlink(part2);
	} else {
		close(r->fd);
		r->fd = fd;
		r->encoded = true;
	}
	free(part2);
	return err;
}

/* Encoding takes its time: whoever is killed meanwhile shall not go on with it, and shall know how
 * long it is when all that is left is the encoded file. What fails costs only that. */
static void note_end(struct recording *r)
{
	struct note n;

	r->ended = true;
	n = recording_note(r);
	if (r->note)
		notes_update(r->opts.state, r->note, &n);
}

/* Up to its last frame, all of it on disk. */
static int complete(struct recording *r, uint64_t frames)
{
	bool ready = r->opts.format <= RECORDING_RAW || r->opts.growing;
	int err = 0;

	if (!r->encoded)
		err = recording_write(r, frames, span_of(NULL, 0));
	if (!err && r->live)
		err = live_finish(r->live);
	if (!err && !r->live && !r->encoded)
		err = recording_write_header(r);
	if (!err && fsync(r->fd) < 0)
		err = -errno;
	if (!err && !ready && !r->encoded) {
		note_end(r);
		err = encode(r);
	}
	return err;
}

static int measure(struct recording *r, struct recording_result *out)
{
	struct sha *sha = sha_new();
	size_t chunk = chunk_of(r);
	uint8_t *bytes = xalloc(chunk);
	ssize_t n;

	out->bytes = 0;
	while ((n = disk_read(r->fd, out->bytes, bytes, chunk)) > 0) {
		sha_feed(sha, span_of(bytes, (size_t)n));
		out->bytes += (uint64_t)n;
	}
	free(bytes);
	sha_end(&sha, out->sha256);
	out->frames = r->frames;
	out->recovered = r->recovered;
	out->resumed = r->resumed;
	out->format = r->opts.format;
	out->rate_hz = r->opts.rate_hz;
	out->channels = r->opts.channels;
	out->started = recording_started(r);
	return (int)n;
}

struct listener {
	int (*before_publish)(void *arg, const struct recording_result *);
	void *arg;
};

/* It has its name: to try again would be to give it a second one. */
static void sync_name(const struct recording *r)
{
	int err = disk_sync_parent(r->path);

	if (err)
		log_warn_limited("%s may not outlast a power cut: its directory cannot be synced: %s",
			log_mark(r->path), strerror(-err));
}

/* Sidecar first, then the name; another one when somebody was faster. */
static int appear(struct recording *r, const struct listener *l, struct recording_result *out)
{
	unsigned number = 0;
	int err = -EEXIST;

	for (unsigned i = 0; err == -EEXIST && i < MAX_NAMES; i++) {
		if (i > 0 || (!r->opts.growing && disk_taken(r->path))) {
			free(r->path);
			r->path = recording_free_path(r->opts.path, &number);
		}
		out->path = r->path;
		err = l->before_publish ? l->before_publish(l->arg, out) : 0;
		r->sidecar = true;
		if (!err && !r->opts.growing)
			err = disk_rename_new(r->file, r->path);
	}
	if (!err)
		sync_name(r);
	return err;
}

static bool is_to_be_dropped(const struct recording *r, uint64_t frames)
{
	return r->opts.drop_empty && !r->encoded && !r->frames && !frames;
}

static int drop(struct recording **rp, const struct listener *l, struct recording_result *out)
{
	int err;

	out->path = (*rp)->path;
	out->dropped = true;
	err = l->before_publish ? l->before_publish(l->arg, out) : 0;
	out->path = NULL;
	if (!err)
		recording_discard(rp);
	return err;
}

int recording_publish(struct recording **rp, uint64_t frames,
	int (*before_publish)(void *arg, const struct recording_result *), void *arg,
	struct recording_result *out)
{
	struct recording *r = *rp;
	struct listener listener = { before_publish, arg };
	int err;

	must(r && r->magic == RECORDING_MAGIC);
	*out = (struct recording_result){ 0 };
	if (is_to_be_dropped(r, frames))
		return drop(rp, &listener, out);
	err = complete(r, frames);
	if (!err)
		err = measure(r, out);
	if (!err)
		err = appear(r, &listener, out);
	out->path = err ? NULL : xstrdup(r->path);
	if (err)
		return err;
	if (r->note)
		notes_remove(r->note);
	counter_add(COUNT_REC_PUBLISHED, 1);
	recording_free(rp);
	return 0;
}
