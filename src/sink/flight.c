/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sink/flight.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define FALLBACK      (2 * SEC) /* of failing */
#define FIRST_BACKOFF (100 * MSEC)
#define MAX_BACKOFF   (2 * SEC)

void flight_init(struct flight *f, const struct file_sink_opts *o, unsigned frame)
{
	*f = (struct flight){ .budget = o->budget, .writer = o->writer, .frame = frame,
		.buffer_ms = o->buffer_ms, .resumes = o->resume };
	f->actor = file_actor_new(o);
	f->path = xstrdup(o->file.path);
	f->fallback_path = o->fallback_path ? xstrdup(o->fallback_path) : NULL;
	f->last_failed = &f->failed;
}

void flight_fini(struct flight *f)
{
	flight_give_up(f);
	for (unsigned i = 0; i < f->result.files; i++)
		free(f->result.file[i].recording.path);
	free(f->path);
	free(f->fallback_path);
}

/* ---- works --------------------------------------------------------------------------------- */

/* The first may use what is kept for packets, so that a disk goes on when others have filled the
 * rest. */
struct file_work *flight_work(struct flight *f, enum file_verb verb, uint64_t frame, size_t bytes)
{
	struct file_work *w;

	if (bytes && !(f->given ? budget_take(f->budget, bytes) :
		budget_take_reserved(f->budget, bytes)))
		return NULL;
	w = xalloc(sizeof(*w) + bytes);
	w->verb = verb;
	w->frame = frame;
	w->charged = bytes;
	f->charged += bytes;
	return w;
}

static void free_work(struct flight *f, struct file_work *w)
{
	budget_return(f->budget, w->charged);
	f->charged -= w->charged;
	f->audio -= w->audio;
	free(w);
}

void flight_drop(struct flight *f, struct file_work **w)
{
	f->audio += (*w)->audio;
	free_work(f, *w);
	*w = NULL;
}

static void give(struct flight *f, struct file_work *w, usec_t now)
{
	if (!f->given)
		f->since = now;
	for (unsigned i = 0; i < FLIGHT_MAX && w->verb == FILE_WRITE; i++)
		if (!f->now[i]) {
			f->now[i] = w;
			break;
		}
	f->given++;
	file_actor_give(f->actor, &w);
}

bool flight_takes(const struct flight *f)
{
	return f->given < FLIGHT_MAX && !f->failing_since;
}

bool flight_is_empty(const struct flight *f)
{
	return !f->given && !f->failed;
}

static void forget(struct flight *f, struct file_work *w)
{
	for (unsigned i = 0; i < FLIGHT_MAX; i++)
		if (f->now[i] == w)
			f->now[i] = NULL;
}

static void lose(struct flight *f, struct file_work *list)
{
	for (struct file_work *w = list, *next; w; w = next) {
		next = (struct file_work *)w->mail.next;
		f->lost += w->audio;
		free_work(f, w);
	}
}

static struct file_work *take_failed(struct flight *f)
{
	struct file_work *list = f->failed;

	f->failed = NULL;
	f->last_failed = &f->failed;
	return list;
}

/* ---- the other directory ------------------------------------------------------------------- */

static uint64_t oldest_frame(const struct flight *f, uint64_t frame)
{
	for (unsigned i = 0; i < FLIGHT_MAX; i++)
		if (f->now[i] && f->now[i]->frame < frame)
			frame = f->now[i]->frame;
	return frame;
}

/* Nobody writes to a work while it is under way, so it may be read here. */
static void write_once_more(struct flight *f, const struct file_work *of, usec_t now)
{
	struct file_work *w = flight_work(f, FILE_WRITE, of->frame, of->bytes);

	f->audio -= of->audio;
	if (!w) {
		f->lost += of->audio;
		return;
	}
	memcpy(w->samples, of->samples, of->bytes);
	w->bytes = of->bytes;
	w->audio = of->audio;
	f->audio += w->audio;
	give(f, w, now);
}

/* What no thread has begun with comes along, what one has is copied: the first file will have it,
 * too, should its disk come back. */
static void take_along(struct flight *f, struct file_work *mine, usec_t now)
{
	struct file_work *held[FLIGHT_MAX], *next;

	memcpy(held, f->now, sizeof(held));
	memset(f->now, 0, sizeof(f->now));
	f->given = 0;
	if (held[0] && held[1] && held[1]->frame < held[0]->frame) {
		struct file_work *older = held[1];

		held[1] = held[0];
		held[0] = older;
	}
	for (unsigned i = 0; i < FLIGHT_MAX; i++)
		if (held[i])
			write_once_more(f, held[i], now);
	for (struct file_work *w = mine; w; w = next) {
		next = (struct file_work *)w->mail.next;
		give(f, w, now);
	}
}

/* mine: works that go there first. frame: of what comes when nothing is under way. */
static void fall_over(struct flight *f, struct file_work *mine, uint64_t frame, usec_t now)
{
	if (mine && mine->frame < frame)
		frame = mine->frame;
	f->first = f->actor;
	f->first_given = f->given;
	f->first_begun = f->begun;
	f->actor = file_actor_after(f->first, oldest_frame(f, frame));
	if (!f->first_given && !f->begun)
		file_actor_drop(&f->first); /* there is no file, or nothing of this run in it */
	counter_add(COUNT_REC_FALLBACKS, 1);
	log_warn_limited("recordings to %s go on in %s: its disk %s", log_mark(f->path),
		log_mark(f->fallback_path), f->failing_since ? "fails" : "hangs");
	free(f->fallback_path);
	f->fallback_path = NULL;
	f->failing_since = f->backoff = 0;
	take_along(f, mine, now);
}

static usec_t patience(const struct flight *f)
{
	usec_t half = f->buffer_ms * MSEC / 2;

	return half < WRITER_HANG ? half : WRITER_HANG;
}

static void look_for_hang(struct flight *f, usec_t now)
{
	struct file_work *mine;

	if (!f->fallback_path || f->asked || !f->given || now - f->since < patience(f))
		return;
	mine = file_actor_ungive(f->actor);
	for (struct file_work *w = mine; w; w = (struct file_work *)w->mail.next) {
		forget(f, w);
		f->given--;
	}
	fall_over(f, mine, UINT64_MAX, now);
}

void flight_give(struct flight *f, struct file_work **wp, usec_t now)
{
	struct file_work *w = *wp;
	bool is_first = !f->begun && !f->given && !f->failed && f->fallback_path;

	*wp = NULL;
	f->audio += w->audio;
	if (is_first && writer_hangs(f->writer, f->path, now))
		fall_over(f, w, w->frame, now);
	else
		give(f, w, now);
}

/* ---- what comes back ----------------------------------------------------------------------- */

static void on_failed(struct flight *f, struct file_work *w, usec_t now)
{
	w->mail.next = NULL;
	*f->last_failed = w;
	f->last_failed = (struct file_work **)&w->mail.next;
	if (w->err == -EAGAIN && f->failing_since)
		return;
	counter_add(COUNT_REC_ERRORS, 1);
	f->result.error = w->err;
	f->backoff = f->backoff ? 2 * f->backoff : FIRST_BACKOFF;
	if (f->backoff > MAX_BACKOFF)
		f->backoff = MAX_BACKOFF;
	f->retry_at = now + f->backoff;
	if (f->failing_since)
		return;
	f->failing_since = now;
	log_warn_limited("recording to %s fails: %s; what is written is kept, what comes waits in "
		"memory (%u ms of it, then the oldest becomes silence), and it is tried again",
		log_mark(f->path), strerror(-w->err), f->buffer_ms);
}

static void on_done(struct flight *f, struct file_work *w, usec_t now)
{
	f->failing_since = f->backoff = 0;
	f->result.error = 0;
	if (w->bytes && !f->first_byte)
		f->first_byte = now;
	f->begun |= w->verb == FILE_WRITE;
	f->sent += w->audio;
	f->done = f->asked && w->verb == f->end;
	free_work(f, w);
}

static void take_back(struct flight *f, usec_t now)
{
	struct file_work *next;

	for (struct file_work *w = file_actor_take(f->actor); w; w = next) {
		next = (struct file_work *)w->mail.next;
		f->given--;
		f->since = now;
		forget(f, w);
		if (w->err)
			on_failed(f, w, now);
		else
			on_done(f, w, now);
	}
}

/* What it was given is with the other one, too. */
static void take_back_first(struct flight *f)
{
	struct file_work *next;

	for (struct file_work *w = f->first ? file_actor_take(f->first) : NULL; w; w = next) {
		next = (struct file_work *)w->mail.next;
		f->first_given--;
		f->first_error = f->asked ? w->err : 0;
		f->audio += w->audio;
		free_work(f, w);
	}
}

static void give_again(struct flight *f, usec_t now)
{
	bool needed = f->failed && (f->failed->verb == FILE_WRITE || !f->begun);
	struct file_work *list, *next;

	if (!f->failed || f->given || now < f->retry_at)
		return;
	list = take_failed(f);
	list->retry = true;
	if (needed && f->fallback_path && now - f->failing_since >= FALLBACK) {
		fall_over(f, list, list->frame, now);
		return;
	}
	for (struct file_work *w = list; w; w = next) {
		next = (struct file_work *)w->mail.next;
		give(f, w, now);
	}
}

/* ---- the end ------------------------------------------------------------------------------- */

static void add_result(struct flight *f, struct file_actor *a)
{
	struct recording_result r;

	if (!a || !file_actor_result(a, &r))
		return;
	f->result.file[f->result.files].started = r.started;
	f->result.file[f->result.files++].recording = r;
}

/* The first one is not waited for as long as its disk hangs: it ends when it can, or at the next
 * start. */
static void finish(struct flight *f)
{
	if (!f->done || f->over)
		return;
	if (f->first_begun && (f->first_given || f->first_error)) {
		counter_add(COUNT_REC_GIVEN_UP, f->end == FILE_PUBLISH);
		f->result.error = f->first_error ? f->first_error : -ETIMEDOUT;
	} else if (!f->first_given) {
		add_result(f, f->first);
	}
	add_result(f, f->actor);
	file_actor_leave(&f->first);
	f->over = true;
}

/* When it has not begun, all that it may have is in the other one, too; but what is gone on with
 * after a crash is older. */
static void end_first(struct flight *f, enum file_verb verb)
{
	bool keep = f->first_begun || f->resumes;
	struct file_work *w;

	if (!f->first)
		return;
	w = flight_work(f, verb == FILE_PUBLISH && !keep ? FILE_DISCARD : verb, 0, 0);
	w->leftover = w->retry = true;
	f->first_given++;
	file_actor_give(f->first, &w);
}

void flight_end(struct flight *f, enum file_verb verb, uint64_t frame)
{
	struct file_work *w = flight_work(f, verb, frame, 0);

	f->asked = true;
	f->asked_at = f->ticked;
	f->end = verb;
	f->done = false;
	flight_give(f, &w, f->ticked);
	end_first(f, verb);
}

void flight_discard(struct flight *f, uint64_t frame)
{
	lose(f, take_failed(f));
	flight_end(f, FILE_DISCARD, frame);
	flight_kick(f);
}

void flight_give_up(struct flight *f)
{
	finish(f);
	lose(f, take_failed(f));
	f->lost += f->audio;
	budget_return(f->budget, f->charged);
	f->audio = f->charged = 0;
	f->given = f->first_given = 0;
	file_actor_leave(&f->first);
	file_actor_leave(&f->actor);
}

void flight_tick(struct flight *f, usec_t now)
{
	f->ticked = now;
	take_back(f, now);
	take_back_first(f);
	give_again(f, now);
	look_for_hang(f, now);
	if (!f->first_begun || !f->first_given || now - f->asked_at >= WRITER_HANG)
		finish(f);
}

void flight_kick(struct flight *f)
{
	if (f->over)
		return;
	file_actor_kick(f->actor);
	if (f->first)
		file_actor_kick(f->first);
}
