/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What other threads say, by mail, and what comes of call data. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"
#include "calls_private.h"
#include "spool/consumed.h"

/* What is due after these: enum due. */
#define REOPEN SEC
#define RETRY  SEC
#define STALE  (10 * SEC)

enum notice_kind {
	NOTICE_OPEN_FAILED, NOTICE_STREAMS_ENDED, NOTICE_CONSUMED, NOTICE_OVER, NOTICE_WRITTEN,
};

struct notice {
	struct mail mail;
	enum notice_kind kind;
	uint64_t call, epoch, position;
	unsigned stream;
	int error;
	bool finished;
	struct account *account;
};

/* ---- from call data ---- */

static void on_data(void *arg, uint64_t call, struct span json, unsigned elements)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_number(t, call);

	if (k)
		worker_data(known_worker(t, k), call, json, elements);
}

static void on_data_finished(void *arg, uint64_t call)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_number(t, call);

	if (!k || k->data_final)
		return;
	k->data_final = true;
	worker_data_done(known_worker(t, k), call);
	known_may_forget(t, k);
}

/* ---- from other threads ---- */

static void post(struct calls *t, const struct notice *what)
{
	struct notice *n = xnew(struct notice);

	*n = *what;
	if (mailbox_put(&t->box, &n->mail))
		uv_async_send(&t->async);
}

/* Straight to the intake: a stream must not wait for the control thread. */
void calls_opened(void *arg, struct source **s)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	if ((*s)->fd < 0)
		post(t, &(struct notice){ .kind = NOTICE_OPEN_FAILED, .call = (*s)->call,
			.epoch = (*s)->epoch, .stream = (*s)->stream, .error = (*s)->error });
	intake_give(t->parts.intake[(*s)->instance], s);
}

void calls_streams_ended(void *arg, uint64_t call, uint64_t epoch)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	post(t, &(struct notice){ .kind = NOTICE_STREAMS_ENDED, .call = call, .epoch = epoch });
}

void calls_consumed(void *arg, uint64_t call, uint64_t position, bool finished)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	post(t, &(struct notice){ .kind = NOTICE_CONSUMED, .call = call, .position = position,
		.finished = finished });
}

void calls_over(void *arg, uint64_t call, struct account **account)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	post(t, &(struct notice){ .kind = NOTICE_OVER, .call = call, .account = *account });
	*account = NULL;
}

static void on_written(void *arg, uint64_t call, bool written)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	post(t, &(struct notice){ .kind = NOTICE_WRITTEN, .call = call, .finished = written });
}

/* What was our own trouble and will pass. Any other open that failed is not tried again before the
 * metafile says so: each leaks a reference of the kernel module (rtpengine kernel module,
 * proc_stream_open). */
static bool is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

static void on_open_failed(struct calls *t, struct known *k, const struct notice *n)
{
	struct stream_file *f = known_file(k, n->stream);

	if (k->state != RUNNING || k->gone || n->epoch != k->epoch)
		return;
	if (is_passing(n->error)) {
		log_warn_limited("call %s: a stream cannot be opened, and is tried again: %s",
			log_mark(k->parent), strerror(n->error));
		k->asked--;
		f->again = true;
		if (k->due != DUE_RETRY)
			known_set_due(k, DUE_RETRY, RETRY);
		return;
	}
	f->failed = true;
	k->failed++;
	if (f->told)
		known_open_stream(t, k, f);
	else if (k->failed == k->asked && k->due != DUE_RETRY)
		/* the metafile of a dead rtpengine: nobody will unlink it */
		known_set_due(k, DUE_STALE, STALE);
}

static void on_streams_ended(struct known *k, uint64_t epoch)
{
	if (k->state != RUNNING || epoch != k->epoch)
		return;
	k->gone = true;
	known_set_due(k, k->reopened ? DUE_NOTHING : DUE_REOPEN, REOPEN);
}

static void on_consumed(struct calls *t, const struct known *k, const struct notice *n)
{
	if (k->layout != SPOOL_PROC && t->parts.consumed)
		consumed_note(t->parts.consumed, k->parent, k->inode, n->position,
			n->finished, clock_mono());
}

static void on_over(struct calls *t, struct notice *n)
{
	if (accounts_write(t->accounts, n->call, &n->account, on_written, t))
		on_written(t, n->call, false);
}

static void on_notice(struct calls *t, struct notice *n)
{
	struct known *k = known_by_number(t, n->call);

	if (!k) {
		account_free(&n->account);
		return;
	}
	switch (n->kind) {
	case NOTICE_OPEN_FAILED:
		on_open_failed(t, k, n);
		break;
	case NOTICE_STREAMS_ENDED:
		on_streams_ended(k, n->epoch);
		break;
	case NOTICE_CONSUMED:
		on_consumed(t, k, n);
		break;
	case NOTICE_OVER:
		on_over(t, n);
		break;
	case NOTICE_WRITTEN:
		k->over = true;
		k->written = n->finished;
		known_may_forget(t, k);
		break;
	}
}

void calls_read_notices(struct calls *t)
{
	struct mail *m = mailbox_take(&t->box);

	while (m) {
		struct notice *n = (struct notice *)(void *)m;

		m = m->next;
		on_notice(t, n);
		free(n);
	}
}

const struct join_events calls_join_events = {
	.data = on_data, .finished = on_data_finished,
};
