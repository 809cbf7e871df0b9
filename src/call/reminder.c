/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/reminder.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/memo.h"
#include "sink/writer.h"

#define REMINDER_MAGIC 0x4e311d64u
#define INTERVAL       (2 * SEC)

struct reminder {
	MAGIC_MEMBER;
	struct writer *writer;
	char *state, *parent;
	usec_t next;
	uint64_t written;    /* changes of the last one */
	char *json;          /* the job's */
	atomic_bool busy;    /* a job is waiting or running */
	atomic_bool discarded;
	atomic_bool over;    /* no memo may stay */
	atomic_uint users;   /* the call, and jobs */
};

struct reminder *reminder_new(const struct call_record_opts *o, const char *parent)
{
	struct reminder *r = xnew(struct reminder);

	r->magic = REMINDER_MAGIC;
	r->writer = o->writer;
	r->state = xstrdup(o->file.state);
	r->parent = xstrdup(parent);
	atomic_store(&r->users, 1);
	return r;
}

static void unref(struct reminder *r)
{
	if (atomic_fetch_sub(&r->users, 1) > 1)
		return;
	free(r->state);
	free(r->parent);
	free(r->json);
	r->magic = 0;
	free(r);
}

/* ---- on a writer thread ---- */

static void discard(struct reminder *r)
{
	int err = memo_discard(r->state, r->parent);

	if (err)
		log_warn_limited("after a crash of now a discarded call would be published: "
			"%s/recordings: %s", r->state, strerror(-err));
}

/* Either this sees that the call is discarded, or over, or the job that says so comes after. */
static void settle(struct reminder *r)
{
	if (atomic_load(&r->discarded))
		discard(r);
	if (atomic_load(&r->over))
		memo_remove(r->state, r->parent);
	unref(r);
}

static void run_discard(void *arg)
{
	settle(OBJ(arg, struct reminder, REMINDER_MAGIC));
}

static void run(void *arg)
{
	struct reminder *r = OBJ(arg, struct reminder, REMINDER_MAGIC);
	int err = memo_write(r->state, r->parent, r->json);

	if (err)
		log_warn_limited("after a crash of now a sidecar would not know its call: "
			"%s/recordings: %s", r->state, strerror(-err));
	atomic_store(&r->busy, false);
	settle(r);
}

/* ---- on the worker ---- */

bool reminder_is_due(const struct reminder *r, uint64_t changes, usec_t now)
{
	return changes != r->written && now >= r->next && !atomic_load(&r->busy);
}

void reminder_write(struct reminder *r, char **account_json, uint64_t changes, usec_t now)
{
	must(!atomic_load(&r->busy));
	free(r->json);
	r->json = *account_json;
	*account_json = NULL;
	r->written = changes;
	r->next = now + INTERVAL;
	atomic_store(&r->busy, true);
	atomic_fetch_add(&r->users, 1);
	if (writer_put(r->writer, WRITER_WRITE, NULL, run, r))
		return;
	atomic_store(&r->busy, false); /* the next one says more */
	unref(r);
}

void reminder_discard(struct reminder *r)
{
	if (atomic_exchange(&r->discarded, true))
		return;
	atomic_fetch_add(&r->users, 1);
	if (writer_put(r->writer, WRITER_WRITE, NULL, run_discard, r))
		return;
	log_warn_limited("after a crash of now a discarded call would be published: the disk of %s "
		"is too slow", r->state);
	unref(r);
}

void reminder_free(struct reminder **rp, bool remove)
{
	struct reminder *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	atomic_store(&r->over, remove);
	unref(r);
}
