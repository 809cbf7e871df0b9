/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Samples go to the place of their time; what is never written is a hole. */
#include "record/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
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

struct recording *recording_new(const struct recording_opts *o)
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
		.directory = r->directory,
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
		r->directory = disk_directory(r->file);
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

int recording_start_live(struct recording *r, uint64_t at)
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
	struct recording *r = recording_new(o);
	struct disk_access access = recording_access(r);

	*error = stay_inside(r);
	if (!*error)
		*error = disk_make_parents(r->opts.path, &access);
	if (!*error)
		*error = create_file(r);
	if (!*error)
		*error = recording_write_header(r);
	if (!*error)
		*error = recording_start_live(r, 0);
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
	return err ? err : disk_sync_all(r->fd, r->file, clock_mono());
}

void recording_close(struct recording **r)
{
	if (*r && (*r)->live)
		live_finish((*r)->live);
	if (*r)
		recording_sync(*r);
	recording_free(r);
}

static void remove_sidecar(const char *path)
{
	char *sidecar = name_sidecar(path);

	unlink(sidecar);
	free(sidecar);
}

void recording_remove(const char *path)
{
	unlink(path);
	remove_sidecar(path);
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
	if (r->sidecar)
		remove_sidecar(r->path);
	if (r->note)
		notes_remove(r->note);
	recording_free(rp);
}
