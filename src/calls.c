/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"
#include "calls_private.h"

#define INSIST SEC /* streams of an ended call that were still being opened are closed after this */
#define TICK_MS 50

/* ---- the table ---- */

struct known *known_by_number(struct calls *t, uint64_t number)
{
	struct known *k;

	HASH_FIND(by_number, t->numbers, &number, sizeof(number), k);
	return k;
}

struct known *known_by_parent(struct calls *t, const char *parent)
{
	struct known *k;

	HASH_FIND(by_parent, t->parents, parent, strlen(parent), k);
	return k;
}

static unsigned least_loaded(const struct calls *t)
{
	unsigned best = 0;

	for (unsigned i = 1; i < t->opts.workers; i++)
		if (t->load[i] < t->load[best])
			best = i;
	return best;
}

struct worker *known_worker(struct calls *t, const struct known *k)
{
	return t->parts.worker[k->worker];
}

struct known *known_new(struct calls *t, const char *parent, enum spool_layout layout)
{
	struct known *k = xnew(struct known);

	k->number = ++t->last_number;
	k->parent = xstrdup(parent);
	k->layout = layout;
	k->worker = least_loaded(t);
	k->data_final = !t->parts.join;
	t->load[k->worker]++;
	HASH_ADD(by_number, t->numbers, number, sizeof(k->number), k);
	HASH_ADD_KEYPTR(by_parent, t->parents, k->parent, strlen(k->parent), k);
	worker_new_call(known_worker(t, k), k->number, parent, layout);
	if (k->data_final)
		worker_data_done(known_worker(t, k), k->number);
	counter_add(COUNT_CALLS, 1);
	return k;
}

static void forget(struct calls *t, struct known *k)
{
	HASH_DELETE(by_number, t->numbers, k);
	t->load[k->worker]--;
	if (t->parts.join && k->asked_data)
		join_forget(t->parts.join, k->number, k->written);
	while (k->files) {
		struct stream_file *f = k->files;

		k->files = f->next;
		free(f->name);
		free(f);
	}
	free(k->file);
	free(k->parent);
	free(k);
	if (t->shutting_down && !t->numbers)
		t->opts.idle(t->opts.arg);
}

/* ---- sources ---- */

static void send_source(struct calls *t, struct known *k, struct source *s, unsigned reader)
{
	s->instance = reader;
	s->queue = t->parts.queue[reader][k->worker];
	worker_expect_source(known_worker(t, k), k->number, s);
	if (s->kind == SOURCE_PROC)
		opener_give(t->parts.opener, &s);
	else
		tail_give(t->parts.tail, &s);
}

struct stream_file *known_file(const struct known *k, unsigned stream)
{
	struct stream_file *f = k->files;

	while (f && f->stream != stream)
		f = f->next;
	return f;
}

void known_set_due(struct known *k, enum due due, usec_t in)
{
	k->due = due;
	k->due_at = clock_mono() + in;
}

void known_open_stream(struct calls *t, struct known *k, struct stream_file *f)
{
	char *path = xasprintf("%s/%u/calls/%s/%s", t->opts.proc_root, t->opts.table, k->parent,
		f->name);
	struct source *s = source_new(SOURCE_PROC, k->number, path);

	free(path);
	if (k->due == DUE_STALE)
		k->due = DUE_NOTHING; /* this one may be open */
	if (f->failed) {
		k->failed--;
		k->asked--;
	}
	k->asked++;
	f->again = f->failed = f->told = false;
	f->epoch = s->epoch = k->epoch;
	s->stream = f->stream;
	send_source(t, k, s, (unsigned)(k->number % t->opts.intakes));
}

/* A pcap is read when it has grown: then its first SDPs are known, and who sends what. */
void known_read_file(struct calls *t, struct known *k)
{
	struct source *s;

	if (!k->file || k->reading)
		return;
	s = source_new(k->layout == SPOOL_PCAP ? SOURCE_PCAP : SOURCE_PCM, k->number, k->file);
	s->position = k->position;
	s->rate_hz = t->opts.pcm_rate_hz;
	s->channels = t->opts.pcm_channels;
	k->reading = true;
	send_source(t, k, s, t->opts.intakes);
}

void known_new_epoch(struct known *k)
{
	k->epoch++;
	k->asked = k->failed = 0;
	k->gone = false;
	k->due = DUE_NOTHING;
	for (struct stream_file *f = k->files; f; f = f->next)
		f->again = f->failed = f->told = false;
}

static void reopen(struct calls *t, struct known *k)
{
	k->reopened = true;
	if (!spool_has(t->spool, k->parent, SPOOL_PROC))
		return;
	known_new_epoch(k);
	for (struct stream_file *f = k->files; f; f = f->next)
		known_open_stream(t, k, f);
}

static void open_again(struct calls *t, struct known *k)
{
	for (struct stream_file *f = k->files; f; f = f->next)
		if (f->again)
			known_open_stream(t, k, f);
}

/* ---- ends ---- */

static void close_streams(struct calls *t, struct known *k)
{
	for (unsigned i = 0; i < t->opts.intakes; i++)
		intake_close_call(t->parts.intake[i], k->number);
	known_set_due(k, DUE_INSIST, INSIST);
}

void known_end(struct calls *t, struct known *k, const char *reason)
{
	k->state = ENDING;
	k->due = DUE_NOTHING;
	HASH_DELETE(by_parent, t->parents, k);
	worker_end_call(known_worker(t, k), k->number, reason);
	if (k->layout == SPOOL_PROC)
		close_streams(t, k);
	else if (t->shutting_down)
		tail_close_call(t->parts.tail, k->number);
	else
		tail_finish(t->parts.tail, k->number);
	if (t->parts.join && k->asked_data)
		join_end(t->parts.join, k->number);
	else if (t->parts.join)
		calls_join_events.finished(t, k->number);
}

void known_may_forget(struct calls *t, struct known *k)
{
	if (k->over && k->data_final)
		forget(t, k);
}

static void on_due(struct calls *t, struct known *k)
{
	enum due due = k->due;

	k->due = DUE_NOTHING;
	switch (due) {
	case DUE_NOTHING:
		break;
	case DUE_REOPEN:
		reopen(t, k);
		break;
	case DUE_RETRY:
		open_again(t, k);
		break;
	case DUE_STALE:
		spool_give_up(t->spool, k->parent);
		known_end(t, k, "stale");
		break;
	case DUE_GRACE:
		known_end(t, k, k->reason);
		break;
	case DUE_INSIST:
		close_streams(t, k);
		break;
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct calls *t = OBJ(timer->data, struct calls, CALLS_MAGIC);
	usec_t now = clock_mono();
	struct known *k, *tmp;

	HASH_ITER(by_number, t->numbers, k, tmp)
		if (k->due != DUE_NOTHING && now >= k->due_at)
			on_due(t, k);
	opener_check(t->parts.opener, now);
	accounts_tick(t->accounts, t->parts.consumed);
}

void calls_shut_down(struct calls *t)
{
	struct known *k, *tmp;

	t->shutting_down = true;
	t->spool = NULL;
	HASH_ITER(by_number, t->numbers, k, tmp)
		if (k->state != ENDING)
			known_end(t, k, "shutdown");
	if (!t->numbers)
		t->opts.idle(t->opts.arg);
}

/* ---- life ---- */

static void on_async(uv_async_t *async)
{
	calls_read_notices(OBJ(async->data, struct calls, CALLS_MAGIC));
}

struct calls *calls_new(const struct calls_opts *opts)
{
	struct calls *t = xnew(struct calls);

	t->magic = CALLS_MAGIC;
	t->opts = *opts;
	t->load = xalloc(opts->workers * sizeof(*t->load));
	uv_async_init(opts->loop, &t->async, on_async);
	t->async.data = t;
	uv_timer_init(opts->loop, &t->timer);
	t->timer.data = t;
	return t;
}

void calls_connect(struct calls *t, const struct calls_parts *parts)
{
	t->parts = *parts;
	t->accounts = accounts_new(parts->writer, t->opts.account_dir);
	uv_timer_start(&t->timer, on_timer, TICK_MS, TICK_MS);
}

void calls_set_spool(struct calls *t, struct spool *spool)
{
	t->spool = spool;
}

void calls_free(struct calls **tp)
{
	struct calls *t = *tp;
	struct known *k, *tmp;

	*tp = NULL;
	if (!t)
		return;
	calls_read_notices(t);
	t->shutting_down = false; /* nobody is to be told any more */
	HASH_ITER(by_number, t->numbers, k, tmp) {
		if (k->state != ENDING)
			HASH_DELETE(by_parent, t->parents, k);
		forget(t, k);
	}
	accounts_free(&t->accounts);
	uv_close((uv_handle_t *)&t->async, NULL);
	uv_close((uv_handle_t *)&t->timer, NULL);
	uv_run(t->opts.loop, UV_RUN_NOWAIT);
	free(t->load);
	t->magic = 0;
	free(t);
}

void calls_flush(struct calls *t)
{
	calls_read_notices(t);
	accounts_tick(t->accounts, t->parts.consumed);
}

char **calls_parents(const struct calls *t)
{
	char **list = xalloc((HASH_CNT(by_number, t->numbers) + 1) * sizeof(*list));
	unsigned n = 0;

	for (struct known *k = t->numbers; k; k = k->by_number.next)
		list[n++] = xstrdup(k->parent);
	return list;
}

unsigned calls_running(const struct calls *t)
{
	return HASH_CNT(by_number, t->numbers);
}
