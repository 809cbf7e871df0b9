/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  owner --give--> in --run, a writer's job--> out --take--> owner
 *
 * scheduled says that a job is queued or running: nothing else touches the recording. Order is
 * kept across failures: after one, all is handed back undone until the owner says retry. */
#include "sink/file_actor.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define FILE_ACTOR_MAGIC 0xf11eac70u

struct file_actor {
	MAGIC_MEMBER;
	struct file_sink_opts opts;
	struct file_actor *first; /* the one whose fallback this is; held */
	struct mailbox in, out;
	atomic_bool scheduled;
	atomic_uint users;        /* the owner, the job, and its fallback */
	atomic_bool left;         /* of the owner: it counts as given up, if it was not published */
	bool ends;                /* of the owner: asked to publish */
	/* Of the job; of whoever comes when nothing is scheduled. */
	struct recording *recording;
	int64_t shift; /* [frames] its frame 0 is that of the owner's count, negated */
	bool resumed, failed, ended, published;
	struct recording_result result;
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

struct file_actor *file_actor_after(struct file_actor *first, uint64_t frame)
{
	struct file_sink_opts o = first->opts;
	struct file_actor *a;

	must(o.fallback_path && !first->first);
	o.file.path = o.fallback_path;
	o.file.started += (usec_t)(frame * 1000 / o.file.rate_hz) * MSEC;
	o.fallback_path = NULL;
	o.resume = false;
	o.release = NULL;
	a = file_actor_new(&o);
	a->shift = -(int64_t)frame;
	a->first = first;
	atomic_fetch_add(&first->users, 1);
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
	free(a->result.path);
	if (a->opts.release)
		a->opts.release(a->opts.arg);
	if (a->first)
		unref(a->first);
	free_text(a->opts.file.path);
	free_text(a->opts.file.state);
	free_text(a->opts.file.parent);
	free_text(a->opts.file.label);
	free_text(a->opts.fallback_path);
	a->magic = 0;
	free(a);
}

/* ---- on a writer thread -------------------------------------------------------------------- */

static uint64_t place(const struct file_actor *a, uint64_t frame)
{
	return a->shift < 0 && frame < (uint64_t)-a->shift ? 0 : frame + (uint64_t)a->shift;
}

/* In its own time: the file may have begun before the crash. */
static int64_t shift_of(const struct file_actor *a, const struct recording *r)
{
	return (a->opts.file.started - recording_started(r)) / MSEC * a->opts.file.rate_hz / 1000;
}

/* -ENOENT: there is nothing to go on with. */
static int resume(struct file_actor *a)
{
	uint64_t frames;
	int err;

	if (!a->opts.resume)
		return -ENOENT;
	a->recording = recording_resume(&a->opts.file, &frames, &err);
	if (!a->recording)
		return err && err != -EBUSY ? err : -ENOENT;
	a->shift = shift_of(a, a->recording);
	a->resumed = true;
	return 0;
}

static int open_recording(struct file_actor *a)
{
	int err = a->recording ? 0 : resume(a);

	if (err == -ENOENT)
		a->recording = recording_create(&a->opts.file, &err);
	return err;
}

static int do_write(struct file_actor *a, const struct file_work *w)
{
	int err = open_recording(a);

	if (err)
		return err;
	err = recording_write(a->recording, place(a, w->frame), span_of(w->samples, w->bytes));
	return err || !w->sync ? err : recording_sync(a->recording);
}

static int do_publish(struct file_actor *a, const struct file_work *w)
{
	int err = w->leftover && !a->recording ? resume(a) : open_recording(a);

	if (!err)
		err = recording_publish(&a->recording, place(a, w->frame),
			a->opts.before_publish, a->opts.arg, &a->result);
	else if (w->leftover && err == -ENOENT)
		err = 0;
	a->published = a->result.path != NULL;
	a->ended = !err;
	counter_add(COUNT_REC_LATE, a->published && atomic_load(&a->left));
	return err;
}

/* Also what a publish has made that the owner does not know of yet. */
static void discard(struct file_actor *a)
{
	if (a->recording || a->published)
		counter_add(COUNT_REC_DISCARDED, 1);
	recording_discard(&a->recording);
	if (a->published)
		recording_remove(a->result.path);
	free(a->result.path);
	a->result.path = NULL;
	a->published = false;
}

static int do_work(struct file_actor *a, struct file_work *w)
{
	switch (w->verb) {
	case FILE_WRITE:
		return a->ended ? 0 : do_write(a, w);
	case FILE_PUBLISH:
		return a->ended ? 0 : do_publish(a, w);
	case FILE_CLOSE:
		recording_close(&a->recording);
		break;
	case FILE_DROP:
		if (a->resumed)
			recording_close(&a->recording);
		else
			discard(a);
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
		bool must_do = w->retry || (w->verb != FILE_WRITE && w->verb != FILE_PUBLISH);

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
	a->ends |= (*w)->verb == FILE_PUBLISH;
	mailbox_put(&a->in, &(*w)->mail);
	*w = NULL;
}

struct file_work *file_actor_ungive(struct file_actor *a)
{
	return (struct file_work *)mailbox_take(&a->in);
}

void file_actor_kick(struct file_actor *a)
{
	if (!atomic_load(&a->in.head) || atomic_exchange(&a->scheduled, true))
		return;
	atomic_fetch_add(&a->users, 1);
	if (writer_put(a->opts.writer, a->ends ? WRITER_LONG : WRITER_WRITE, a->opts.file.path,
		run, a))
		return;
	atomic_store(&a->scheduled, false);
	unref(a);
}

struct file_work *file_actor_take(struct file_actor *a)
{
	return (struct file_work *)mailbox_take(&a->out);
}

bool file_actor_result(struct file_actor *a, struct recording_result *out)
{
	bool published = a->published;

	*out = a->result;
	a->result.path = NULL;
	a->published = false;
	return published;
}

/* Closing a file may wait as long as writing it: never here. Where no writer takes it, the kernel
 * closes it at our end. */
static void leave(struct file_actor **ap, enum file_verb verb)
{
	struct file_actor *a = *ap;
	struct file_work *w;

	*ap = NULL;
	if (!a)
		return;
	atomic_store(&a->left, true);
	if (atomic_load(&a->scheduled) || a->recording) {
		w = xnew(struct file_work);
		w->verb = verb;
		file_actor_give(a, &w);
		file_actor_kick(a);
		if (!atomic_load(&a->scheduled) && a->recording && atomic_load(&a->in.head))
			return;
	}
	unref(a);
}

void file_actor_leave(struct file_actor **ap)
{
	leave(ap, FILE_CLOSE);
}

void file_actor_drop(struct file_actor **ap)
{
	leave(ap, FILE_DROP);
}
