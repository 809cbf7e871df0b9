/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  owner --give--> in --run, a writer's job--> out --take--> owner
 *
 * scheduled says that a job is queued or running: nothing else touches the recordings. Order is
 * kept across failures: after one, all is handed back undone until the owner says retry. */
#include "sink/file_actor.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define FILE_ACTOR_MAGIC 0xf11eac70u

struct file {
	struct recording *recording;
	int64_t shift; /* [frames] its frame 0 is that of the owner's count, negated */
};

struct file_actor {
	MAGIC_MEMBER;
	struct file_sink_opts opts;
	struct mailbox in, out;
	atomic_bool scheduled;
	atomic_uint users;    /* the owner, and the job */
	/* Of the job; of whoever comes when nothing is scheduled. */
	struct file first, now; /* first: what the fallback took over from */
	bool fallen, failed, ended;
	struct file_sink_result result;
};

static const char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

struct file_actor *file_actor_new(const struct file_sink_opts *o)
{
	struct file_actor *a = xnew(struct file_actor);

	a->magic = FILE_ACTOR_MAGIC;
	a->opts = *o;
	a->opts.file.path = copy(o->file.path);
	a->opts.file.state = copy(o->file.state);
	a->opts.file.parent = copy(o->file.parent);
	a->opts.file.label = copy(o->file.label);
	a->opts.fallback_path = copy(o->fallback_path);
	atomic_store(&a->users, 1);
	return a;
}

static void free_text(const char *text)
{
	free((char *)(uintptr_t)text);
}

static void free_mail(struct mailbox *box)
{
	struct mail *next;

	for (struct mail *m = mailbox_take(box); m; m = next) {
		next = m->next;
		free(m);
	}
}

static void unref(struct file_actor *a)
{
	if (atomic_fetch_sub(&a->users, 1) > 1)
		return;
	free_mail(&a->in);
	free_mail(&a->out);
	for (unsigned i = 0; i < a->result.files; i++)
		free(a->result.file[i].recording.path);
	if (a->opts.release)
		a->opts.release(a->opts.arg);
	free_text(a->opts.file.path);
	free_text(a->opts.file.state);
	free_text(a->opts.file.parent);
	free_text(a->opts.file.label);
	free_text(a->opts.fallback_path);
	a->magic = 0;
	free(a);
}

/* ---- on a writer thread -------------------------------------------------------------------- */

static uint64_t place(const struct file *f, uint64_t frame)
{
	return f->shift < 0 && frame < (uint64_t)-f->shift ? 0 : frame + (uint64_t)f->shift;
}

/* In its own time: the file may have begun before the crash, or at the fallback. */
static int64_t shift_of(const struct file_actor *a, const struct recording *r)
{
	return (a->opts.file.started - recording_started(r)) / MSEC * a->opts.file.rate_hz / 1000;
}

static int open_first(struct file_actor *a)
{
	uint64_t frames;
	int err;

	if (a->opts.resume) {
		a->now.recording = recording_resume(&a->opts.file, &frames, &err);
		if (a->now.recording)
			a->now.shift = shift_of(a, a->now.recording);
		if (a->now.recording || (err && err != -EBUSY))
			return a->now.recording ? 0 : err;
	}
	a->now.recording = recording_create(&a->opts.file, &err);
	return err;
}

static int open_fallback(struct file_actor *a, uint64_t frame)
{
	struct recording_opts o = a->opts.file;
	struct recording *r;
	int err;

	o.path = a->opts.fallback_path;
	o.started += (usec_t)(frame * 1000 / o.rate_hz) * MSEC;
	r = recording_create(&o, &err);
	if (!r)
		return err;
	counter_add(COUNT_REC_FALLBACKS, 1);
	log_warn_limited("recordings go on in %s", log_mark(o.path));
	a->first = a->now;
	a->now = (struct file){ .recording = r, .shift = -(int64_t)frame };
	a->fallen = true;
	return 0;
}

static int open_now(struct file_actor *a, const struct file_work *w)
{
	bool needed = w->verb == FILE_WRITE || !a->now.recording;

	if (w->fallback && needed && !a->fallen && a->opts.fallback_path)
		return open_fallback(a, w->frame);
	return a->now.recording ? 0 : open_first(a);
}

static int do_write(struct file_actor *a, const struct file_work *w)
{
	int err = open_now(a, w);

	if (err)
		return err;
	err = recording_write(a->now.recording, place(&a->now, w->frame),
		span_of(w->samples, w->bytes));
	return err || !w->sync ? err : recording_sync(a->now.recording);
}

static int publish_one(struct file_actor *a, struct file *f, uint64_t frames)
{
	unsigned n = a->result.files;
	usec_t started = recording_started(f->recording);
	int err = recording_publish(&f->recording, frames, a->opts.before_publish, a->opts.arg,
		&a->result.file[n].recording);

	if (err)
		return err;
	a->result.file[n].started = started;
	a->result.files++;
	return 0;
}

/* What the fallback took over from goes first; when it cannot be, the next start will. */
static int do_publish(struct file_actor *a, const struct file_work *w)
{
	int err = open_now(a, w);

	if (err)
		return err;
	if (a->first.recording) {
		a->result.error = publish_one(a, &a->first, 0);
		if (a->first.recording) {
			counter_add(COUNT_REC_GIVEN_UP, 1);
			recording_close(&a->first.recording);
		}
	}
	err = publish_one(a, &a->now, place(&a->now, w->frame));
	a->ended = !err;
	return err;
}

/* Also what a publish has made that the owner does not know of yet. */
static void discard(struct file_actor *a)
{
	recording_discard(&a->first.recording);
	recording_discard(&a->now.recording);
	while (a->result.files) {
		char *path = a->result.file[--a->result.files].recording.path;

		unlink(path);
		free(path);
	}
	counter_add(COUNT_REC_DISCARDED, 1);
}

static int do_work(struct file_actor *a, struct file_work *w)
{
	switch (w->verb) {
	case FILE_WRITE:
		return a->ended ? 0 : do_write(a, w);
	case FILE_PUBLISH:
		return a->ended ? 0 : do_publish(a, w);
	case FILE_CLOSE:
		recording_close(&a->first.recording);
		recording_close(&a->now.recording);
		break;
	case FILE_DISCARD:
		discard(a);
		break;
	}
	a->ended = true;
	return 0;
}

static void work_off(struct file_actor *a)
{
	struct mail *next;

	for (struct mail *m = mailbox_take(&a->in); m; m = next) {
		struct file_work *w = (struct file_work *)m;
		bool must_do = w->retry || w->verb == FILE_CLOSE || w->verb == FILE_DISCARD;

		next = m->next;
		if (must_do)
			a->failed = false;
		w->err = a->failed ? -EAGAIN : do_work(a, w);
		if (w->err)
			a->failed = true;
		mailbox_put(&a->out, m);
	}
}

static void run(void *arg)
{
	struct file_actor *a = OBJ(arg, struct file_actor, FILE_ACTOR_MAGIC);

	do {
		work_off(a);
		atomic_store(&a->scheduled, false);
	} while (atomic_load(&a->in.head) && !atomic_exchange(&a->scheduled, true));
	unref(a);
}

/* ---- on the owner's ------------------------------------------------------------------------ */

void file_actor_give(struct file_actor *a, struct file_work **w)
{
	mailbox_put(&a->in, &(*w)->mail);
	*w = NULL;
}

void file_actor_kick(struct file_actor *a)
{
	if (!atomic_load(&a->in.head) || atomic_exchange(&a->scheduled, true))
		return;
	atomic_fetch_add(&a->users, 1);
	if (writer_put(a->opts.writer, run, a))
		return;
	atomic_store(&a->scheduled, false);
	unref(a);
}

struct file_work *file_actor_take(struct file_actor *a)
{
	return (struct file_work *)mailbox_take(&a->out);
}

void file_actor_result(struct file_actor *a, struct file_sink_result *out)
{
	*out = a->result;
	a->result.files = 0;
}

/* Closing a file may wait as long as writing it: never here. Where no writer takes it, the kernel
 * closes it at our end. */
void file_actor_leave(struct file_actor **ap)
{
	struct file_actor *a = *ap;
	struct file_work *w;

	*ap = NULL;
	if (!a)
		return;
	if (atomic_load(&a->scheduled) || a->now.recording || a->first.recording) {
		w = xnew(struct file_work);
		w->verb = FILE_CLOSE;
		file_actor_give(a, &w);
		file_actor_kick(a);
		if (!atomic_load(&a->scheduled) && atomic_load(&a->in.head))
			return;
	}
	unref(a);
}
