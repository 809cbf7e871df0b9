/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What earlier runs left. Whoever writes a file holds its lock, so nothing is taken from a
 * recording that goes on meanwhile. The file's own length is the truth: the header is as of the last
 * sync, so what is there is measured, not believed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/memo.h"
#include "record/recording_private.h"
#include "record/wave.h"

/* ---- one file, made right ------------------------------------------------------------------ */

/* What an encoder has made begins so; it was synced before it got that name. */
static bool is_encoded(enum recording_format format, struct span head)
{
	switch (format) {
	case RECORDING_OPUS:
		return span_starts(head, "OggS");
	case RECORDING_FLAC:
		return span_starts(head, "fLaC");
	case RECORDING_MP3:
		return span_starts(head, "ID3") || span_be16(head, 0) >> 5 == 0x7ff;
	default:
		return false;
	}
}

/* Ours, as far as it goes: a power cut may leave it short, or zeros. */
static bool is_our_wave(const struct recording *r, struct span head)
{
	static const uint8_t zeros[WAVE_HEADER];
	struct wave w;

	if (memcmp(head.p, zeros, head.n) == 0)
		return true;
	if (head.n < WAVE_HEADER)
		return memcmp(head.p, "RIFF", head.n < 4 ? head.n : 4) == 0;
	return wave_parse(head, &w) && w.channels == r->opts.channels &&
		w.rate_hz == r->opts.rate_hz;
}

/* Whole frames only, and a header that says how many. */
static int repair_pcm(struct recording *r, uint64_t bytes)
{
	uint8_t head[WAVE_HEADER];
	ssize_t n = disk_read(r->fd, 0, head, sizeof(head));

	if (n < 0)
		return (int)n;
	if (r->header && r->opts.format >= RECORDING_MP3 &&
		is_encoded(r->opts.format, span_of(head, (size_t)n))) {
		r->encoded = true; /* its frames are those of the note */
		return 0;
	}
	if (r->header && !is_our_wave(r, span_of(head, (size_t)n)))
		return -EBADMSG;
	r->frames = bytes > r->header ? (bytes - r->header) / r->frame : 0;
	if (ftruncate(r->fd, (off_t)(r->header + r->frames * r->frame)) < 0)
		return -errno;
	return recording_write_header(r);
}

/* Killed between link and unlink, where a disk has no better rename: it is published. */
static bool has_its_name(const struct recording *r, const struct stat *part)
{
	struct stat st;

	return !r->opts.growing && lstat(r->path, &st) == 0 &&
		st.st_ino == part->st_ino && st.st_dev == part->st_dev;
}

static int repair(struct recording *r)
{
	struct stat st;
	uint64_t bytes, frames;
	int err;

	if (flock(r->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	if (fstat(r->fd, &st) < 0)
		return -errno;
	if (has_its_name(r, &st))
		return unlink(r->file) < 0 ? -errno : -ENOENT;
	if (r->header || r->opts.format == RECORDING_RAW)
		return repair_pcm(r, (uint64_t)st.st_size);
	err = live_scan(r->fd, r->opts.rate_hz, &bytes, &frames);
	if (!err && st.st_size && !bytes)
		err = -EBADMSG;
	if (!err && ftruncate(r->fd, (off_t)bytes) < 0)
		err = -errno;
	if (err)
		return err;
	r->frames = frames;
	return recording_start_live(r, bytes);
}

/* From a note, and whatever the file is by now, made right. Takes the note and its file's name.
 * NULL: *error: -ENOENT: the file is gone, -ENOMEDIUM: so is its directory, -EBUSY: somebody
 * writes it, -EBADMSG: it is not ours. */
static struct recording *reopen(struct note *n, char **file, const char *state, int *error)
{
	struct recording *r = recording_new(&(struct recording_opts){
		.path = n->path, .state = state, .parent = n->parent, .label = n->label,
		.format = n->format, .channels = n->channels, .rate_hz = n->rate_hz,
		.mp3_bitrate = n->mp3_bitrate, .started = n->started, .growing = n->growing,
		.mode = n->mode, .dir_mode = -1, .owner = n->owner, .group = n->group });
	int fd;

	r->path = xstrdup(n->path);
	r->file = r->opts.growing ? xstrdup(n->path) : xasprintf("%s.part", n->path);
	r->directory = n->directory;
	r->sidecar = true;
	r->note = *file;
	*file = NULL;
	r->ended = n->frames >= 0;
	r->frames = r->ended ? (uint64_t)n->frames : 0;
	note_fini(n);
	fd = disk_open(r->file, O_RDWR);
	if (fd == -ENOENT && !disk_is_gone(r->file, r->directory))
		fd = -ENOMEDIUM;
	r->fd = fd < 0 ? -1 : fd;
	*error = fd < 0 ? fd : repair(r);
	if (*error == -EINVAL || *error == -ELOOP)
		*error = -EBADMSG;
	if (*error)
		recording_free(&r);
	return r;
}

/* ---- gone on with -------------------------------------------------------------------------- */

struct recording *recording_resume(const struct recording_opts *o, uint64_t *frames, int *error)
{
	struct note n;
	char *file;
	struct recording *r = NULL;

	*error = o->state ? notes_find(o->state, o->parent, o->label, &n, &file) : -ENOENT;
	if (!*error && n.format == o->format && n.channels == o->channels &&
		n.rate_hz == o->rate_hz && n.growing == recording_is_growing(o)) {
		r = reopen(&n, &file, o->state, error);
	} else if (!*error) {
		note_fini(&n);
		free(file);
	}
	if (*error == -ENOENT || *error == -ENOMEDIUM || *error == -EBADMSG)
		*error = 0; /* as if there were nothing: the next start says what it is */
	if (r && (r->encoded || r->ended))
		recording_free(&r);
	if (!r)
		return NULL;
	r->opts.buffer_bytes = o->buffer_bytes;
	r->opts.dir_mode = o->dir_mode;
	*frames = r->frames;
	r->resumed = true;
	counter_add(COUNT_REC_RESUMED, 1);
	return r;
}

/* ---- published ----------------------------------------------------------------------------- */

struct recovery {
	const char *state;
	bool (*keep)(void *arg, const char *parent, const char *note);
	bool late; /* at the end of a call: a writer of ours may have its file still */
	bool discard;
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *);
	void *arg;
	const struct recording *now; /* the one that is published */
};

static int on_publish(void *arg, const struct recording_result *result)
{
	struct recovery *v = arg;

	if (!v->before_publish)
		return 0;
	return v->before_publish(v->arg, v->now->opts.parent, v->now->opts.label, result);
}

static bool is_newest(const struct recovery *v, const struct note *n, const char *file)
{
	struct note newest;
	char *newest_file;
	bool is;

	if (notes_find(v->state, n->parent, n->label, &newest, &newest_file) < 0)
		return false;
	is = strcmp(newest_file, file) == 0;
	note_fini(&newest);
	free(newest_file);
	return is;
}

/* A call that runs goes on with the newest of its recordings; older ones have ended. */
static bool stays(const struct recovery *v, const struct note *n, const char *file)
{
	return v->keep && v->keep(v->arg, n->parent, file) && is_newest(v, n, file);
}

static const char *reason(int err)
{
	return err == -ENOMEDIUM ? "its directory is another one now: is its disk mounted?" :
		err == -EBUSY ? "somebody writes it still" : strerror(-err);
}

static void give_up(const char *file, int err)
{
	counter_add(COUNT_REC_UNRECOVERABLE, 1);
	log_warn_limited("a recording of an earlier run cannot be recovered: %s: %s", file,
		reason(err));
}

static void publish(struct recovery *v, struct recording *r, const char *file)
{
	struct recording_result result;
	int err;

	r->recovered = true;
	v->now = r;
	err = recording_publish(&r, 0, on_publish, v, &result);
	if (err) {
		give_up(file, err);
		recording_close(&r);
		return;
	}
	counter_add(COUNT_REC_RECOVERED, 1);
	log_info("recovered %s", log_mark(result.path));
	free(result.path);
}

static void recover(struct recovery *v, const char *file)
{
	struct note n;
	struct recording *r;
	char *given;
	bool discard;
	int err = notes_load(file, &n);

	if (err == -ENOENT)
		return;
	if (err) {
		give_up(file, err);
		return;
	}
	if (stays(v, &n, file)) {
		note_fini(&n);
		return;
	}
	given = xstrdup(file);
	discard = v->discard || memo_is_discarded(v->state, n.parent);
	r = reopen(&n, &given, v->state, &err);
	if (r && discard)
		recording_discard(&r);
	else if (r)
		publish(v, r, file);
	else if (err != -ENOENT && !(err == -EBUSY && v->late))
		give_up(file, err);
	if (err == -ENOENT) /* published, or removed by somebody */
		notes_remove(file);
}

void recording_recover(const char *state,
	bool (*keep)(void *arg, const char *parent, const char *note),
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg)
{
	struct recovery v = { .state = state, .keep = keep, .before_publish = before_publish,
		.arg = arg };
	char **files = notes_list(state);

	for (char **f = files; *f; f++) {
		recover(&v, *f);
		free(*f);
	}
	free(files);
}

void recording_recover_note(const char *state, const char *note, bool discard,
	int (*before_publish)(void *arg, const char *parent, const char *label,
		const struct recording_result *), void *arg)
{
	recover(&(struct recovery){ .state = state, .late = true, .discard = discard,
		.before_publish = before_publish, .arg = arg }, note);
}
