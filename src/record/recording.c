/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file's own length is the truth: the header is as of the last sync, and what a crash left is
 * measured, not believed. Samples go to the place of their time; what is never written is a hole. */
#include "record/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/name.h"
#include "record/recording_private.h"
#include "record/wave.h"

#define FILE_MODE  0666 /* and the umask */
#define MAX_NUMBER (1u << 30)
#define MAX_RACES  1000 /* names taken between looking and creating */

bool recording_is_growing(const struct recording_opts *o)
{
	return o->growing && o->format <= RECORDING_MP3;
}

struct disk_access recording_access(const struct recording *r)
{
	return (struct disk_access){ r->opts.mode, r->opts.dir_mode, r->opts.owner, r->opts.group };
}

static struct recording *new_recording(const struct recording_opts *o)
{
	struct recording *r = xnew(struct recording);

	must(o->path && o->parent && o->label && o->channels && o->channels <= WAVE_MAX_CHANNELS);
	r->magic = RECORDING_MAGIC;
	r->opts = *o;
	r->opts.path = xstrdup(o->path);
	r->opts.parent = xstrdup(o->parent);
	r->opts.label = xstrdup(o->label);
	r->opts.state = o->state ? xstrdup(o->state) : NULL;
	r->opts.growing = recording_is_growing(o);
	r->fd = -1;
	r->frame = o->channels * (unsigned)sizeof(int16_t);
	if (o->format != RECORDING_RAW && !(r->opts.growing && o->format == RECORDING_MP3))
		r->header = WAVE_HEADER;
	return r;
}

static void drop_prepared(struct recording *r)
{
	if (r->prepared)
		unlink(r->prepared);
	free(r->prepared);
	r->prepared = NULL;
}

void recording_free(struct recording **rp)
{
	struct recording *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	must(r->magic == RECORDING_MAGIC);
	live_free(&r->live);
	if (r->fd >= 0)
		close(r->fd);
	free((char *)(uintptr_t)r->opts.path);
	free((char *)(uintptr_t)r->opts.parent);
	free((char *)(uintptr_t)r->opts.label);
	free((char *)(uintptr_t)r->opts.state);
	free(r->path);
	free(r->file);
	free(r->note);
	drop_prepared(r);
	r->magic = 0;
	free(r);
}

/* ---- names --------------------------------------------------------------------------------- */

static char *numbered(const char *path, unsigned n)
{
	return n ? name_numbered(path, n) : xstrdup(path);
}

static bool number_taken(const char *path, unsigned n)
{
	char *name = numbered(path, n), *part = xasprintf("%s.part", name);
	char *sidecar = name_sidecar(name); /* of a call without a recording */
	bool taken = disk_taken(name) || disk_taken(part) || disk_taken(sidecar);

	free(sidecar);
	free(part);
	free(name);
	return taken;
}

/* Doubling, then halving: 20 looks where a million names are taken. Any free one will do. */
static unsigned free_number(const char *path, unsigned from)
{
	unsigned step = 1, low;

	if (!number_taken(path, from))
		return from;
	while (from + step < MAX_NUMBER && number_taken(path, from + step))
		step *= 2;
	low = step / 2;
	while (step - low > 1) {
		unsigned middle = low + (step - low) / 2;

		if (number_taken(path, from + middle))
			low = middle;
		else
			step = middle;
	}
	return from + step;
}

char *recording_free_path(const char *path, unsigned *from)
{
	unsigned n = free_number(path, *from);

	*from = n + 1;
	return numbered(path, n);
}

/* ---- notes --------------------------------------------------------------------------------- */

struct note recording_note(const struct recording *r)
{
	return (struct note){
		.path = r->path, .parent = (char *)(uintptr_t)r->opts.parent,
		.label = (char *)(uintptr_t)r->opts.label, .format = r->opts.format,
		.growing = r->opts.growing, .channels = r->opts.channels,
		.mp3_bitrate = r->opts.mp3_bitrate, .rate_hz = r->opts.rate_hz,
		.started = r->opts.started, .frames = r->ended ? (int64_t)r->frames : -1,
		.mode = r->opts.mode, .owner = r->opts.owner, .group = r->opts.group,
	};
}

/* Recording is worth more than its safety: without a note it goes on, and each sync tries again. */
static void say_unsafe(const struct recording *r, int err)
{
	if (err)
		log_warn_limited("a crash of now would orphan recordings: %s/recordings: %s",
			r->opts.state, strerror(-err));
}

static void prepare_note(struct recording *r)
{
	struct note n = recording_note(r);

	drop_prepared(r); /* its name was taken */
	if (r->opts.state)
		say_unsafe(r, notes_prepare(r->opts.state, &n, &r->prepared));
}

static void add_note(struct recording *r)
{
	struct note n = recording_note(r);

	if (!r->opts.state || r->note)
		return;
	say_unsafe(r, r->prepared ? notes_commit(r->opts.state, &n, &r->prepared, &r->note) :
		notes_add(r->opts.state, &n, &r->note));
}

/* ---- life ---------------------------------------------------------------------------------- */

static int create_file(struct recording *r)
{
	unsigned number = 0;

	for (unsigned i = 0; r->fd < 0; i++) {
		int fd;

		free(r->path);
		free(r->file);
		r->path = recording_free_path(r->opts.path, &number);
		r->file = r->opts.growing ? xstrdup(r->path) : xasprintf("%s.part", r->path);
		prepare_note(r);
		fd = disk_create(r->file, FILE_MODE);
		if (fd < 0 && (fd != -EEXIST || i == MAX_RACES))
			return fd;
		r->fd = fd;
	}
	flock(r->fd, LOCK_EX | LOCK_NB); /* not everywhere; then only the call's state guards it */
	return 0;
}

int recording_write_header(struct recording *r)
{
	uint8_t header[WAVE_HEADER];

	if (!r->header || r->encoded)
		return 0;
	wave_header(&(struct wave){ r->opts.channels, r->opts.rate_hz, r->frames }, header);
	return disk_write(r->fd, 0, span_of(header, sizeof(header)));
}

static int start_live(struct recording *r, uint64_t at)
{
	int err = 0;

	if (r->opts.growing && r->opts.format == RECORDING_MP3)
		r->live = live_new(&(struct live_opts){ .fd = r->fd, .at = at,
			.rate_hz = r->opts.rate_hz, .channels = r->opts.channels,
			.bitrate = r->opts.mp3_bitrate }, &err);
	return err;
}

/* Somebody may have put a link into an output directory, and a call may bear its name. */
static int stay_inside(struct recording *r)
{
	char *const *root = r->opts.roots;
	int err = root ? disk_check_inside(r->opts.path, root) : 0;
	char *flat;

	if (err != -EXDEV)
		return err;
	counter_add(COUNT_REC_LINKS_REFUSED, 1);
	while (*root && !disk_is_below(r->opts.path, *root))
		root++;
	if (!*root)
		return err;
	flat = xasprintf("%s/%s", *root, strrchr(r->opts.path, '/') + 1);
	log_warn_limited("%s is not made, a link in it leads elsewhere: output-allow-dir could allow "
		"that; %s is made", log_mark(r->opts.path), flat);
	free((char *)(uintptr_t)r->opts.path);
	r->opts.path = flat;
	return 0;
}

struct recording *recording_create(const struct recording_opts *o, int *error)
{
	struct recording *r = new_recording(o);
	struct disk_access access = recording_access(r);

	*error = stay_inside(r);
	if (!*error)
		*error = disk_make_parents(r->opts.path, &access);
	if (!*error)
		*error = create_file(r);
	if (!*error)
		*error = recording_write_header(r);
	if (!*error)
		*error = start_live(r, 0);
	if (*error) {
		recording_discard(&r);
		return NULL;
	}
	disk_give(r->fd, r->file, &access);
	add_note(r);
	counter_add(COUNT_REC_CREATED, 1);
	return r;
}

usec_t recording_started(const struct recording *r)
{
	return r->opts.started;
}

/* A file system that is full may have taken a part: off with it, the same will come again. */
static int write_samples(struct recording *r, uint64_t frame, struct span samples)
{
	int err = disk_write(r->fd, r->header + frame * r->frame, samples);

	if (err && ftruncate(r->fd, (off_t)(r->header + r->frames * r->frame)) < 0)
		return err;
	return err;
}

int recording_write(struct recording *r, uint64_t frame, struct span samples)
{
	uint64_t end;
	int err;

	must(r->magic == RECORDING_MAGIC && samples.n % r->frame == 0);
	if (frame < r->frames) { /* after a resume, when the clocks do not agree */
		uint64_t over = (r->frames - frame) * r->frame;

		samples = over < samples.n ? span_skip(samples, (size_t)over) : span_of(NULL, 0);
		frame = r->frames;
	}
	end = frame + samples.n / r->frame;
	if (end == r->frames)
		return 0;
	if (r->live)
		err = live_write(r->live, frame - r->frames, samples);
	else if (samples.n)
		err = write_samples(r, frame, samples);
	else
		err = ftruncate(r->fd, (off_t)(r->header + end * r->frame)) < 0 ? -errno : 0;
	if (err)
		return err;
	r->frames = end;
	return r->opts.growing ? recording_write_header(r) : 0; /* somebody reads it */
}

/* A power cut may take back samples that the header speaks of: the next start makes it right. */
int recording_sync(struct recording *r)
{
	int err = r->live ? live_flush(r->live) : 0;

	add_note(r);
	if (!err)
		err = recording_write_header(r);
	return err ? err : disk_sync_all(r->fd, clock_mono());
}

void recording_close(struct recording **r)
{
	if (*r && (*r)->live)
		live_finish((*r)->live);
	if (*r)
		recording_sync(*r);
	recording_free(r);
}

void recording_discard(struct recording **rp)
{
	struct recording *r = *rp;

	if (!r)
		return;
	if (r->fd >= 0) {
		char *part2 = xasprintf("%s.part2", r->path);

		unlink(r->file);
		unlink(part2);
		free(part2);
	}
	if (r->note)
		notes_remove(r->note);
	recording_free(rp);
}

/* ---- after a crash ------------------------------------------------------------------------- */

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

static int repair(struct recording *r)
{
	struct stat st;
	uint64_t bytes, frames;
	int err;

	if (flock(r->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	if (fstat(r->fd, &st) < 0)
		return -errno;
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
	return start_live(r, bytes);
}

struct recording *recording_reopen(struct note *n, char **file, const char *state, int *error)
{
	struct recording *r = new_recording(&(struct recording_opts){
		.path = n->path, .state = state, .parent = n->parent, .label = n->label,
		.format = n->format, .channels = n->channels, .rate_hz = n->rate_hz,
		.mp3_bitrate = n->mp3_bitrate, .started = n->started, .growing = n->growing,
		.mode = n->mode, .dir_mode = -1, .owner = n->owner, .group = n->group });
	int fd;

	r->path = xstrdup(n->path);
	r->file = r->opts.growing ? xstrdup(n->path) : xasprintf("%s.part", n->path);
	r->note = *file;
	*file = NULL;
	r->ended = n->frames >= 0;
	r->frames = r->ended ? (uint64_t)n->frames : 0;
	note_fini(n);
	fd = disk_open(r->file, O_RDWR);
	r->fd = fd < 0 ? -1 : fd;
	*error = fd < 0 ? fd : repair(r);
	if (*error == -EINVAL || *error == -ELOOP)
		*error = -EBADMSG;
	if (*error)
		recording_free(&r);
	return r;
}

struct recording *recording_resume(const struct recording_opts *o, uint64_t *frames, int *error)
{
	struct note n;
	char *file;
	struct recording *r = NULL;

	*error = o->state ? notes_find(o->state, o->parent, o->label, &n, &file) : -ENOENT;
	if (!*error && n.format == o->format && n.channels == o->channels &&
		n.rate_hz == o->rate_hz && n.growing == recording_is_growing(o)) {
		r = recording_reopen(&n, &file, o->state, error);
	} else if (!*error) {
		note_fini(&n);
		free(file);
	}
	if (*error == -ENOENT || *error == -EBADMSG)
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
