/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A call's way: RUNNING -> (GRACE, when its metafile went: rtpengine restored from its Redis makes
 * it anew) -> ENDING -> over (account came from the worker) -> forgotten (account written, call
 * data final). */
#include "calls.h"

#include <errno.h>
#include <stdlib.h>
#include <uthash.h>
#include <uv.h>

#include "accounts.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"
#include "spool/consumed.h"

#define GRACE  SEC /* a metafile that comes back within goes on as the same call */
#define REOPEN SEC /* streams ended, metafile still there: they are opened once more after this */
#define TICK_MS 50

#define CALLS_MAGIC 0xca115001u

enum state { RUNNING, GRACE_GIVEN, ENDING };

struct known {
	uint64_t number;
	char *parent;
	UT_hash_handle by_number, by_parent; /* by_parent: until ENDING */
	enum spool_layout layout;
	enum state state;
	unsigned worker;
	char *file;               /* pcap, pcm: path, until the source is made */
	bool reading;             /* pcap, pcm: the source was made */
	uint64_t position;        /* where reading begins */
	struct stream_file *files; /* proc: interfaces by number */
	uint64_t epoch;           /* of this call's openings */
	usec_t due;               /* GRACE_GIVEN: when it is over. RUNNING: when to reopen. 0: nothing */
	bool reopened;            /* since the metafile last said something */
	bool gone;                /* the streams of this epoch have ended */
	const char *reason;       /* of the end; static */
	bool asked_data, data_final, over, written;
};

struct stream_file {
	struct stream_file *next;
	unsigned stream;
	uint64_t epoch; /* of its last opening */
	char *name;
};

/* What other threads tell. */
enum notice_kind { NOTICE_STREAMS_ENDED, NOTICE_CONSUMED, NOTICE_OVER, NOTICE_WRITTEN };

struct notice {
	struct mail mail;
	enum notice_kind kind;
	uint64_t call, epoch, position;
	bool finished;
	struct account *account;
};

struct calls {
	MAGIC_MEMBER;
	struct calls_opts opts;
	struct calls_parts parts;
	struct mailbox box;
	uv_async_t async;
	uv_timer_t timer;
	struct known *numbers, *parents;
	uint64_t last_number;
	unsigned *load;  /* calls of each worker */
	struct accounts *accounts;
	bool shutting_down;
};

/* ---- the table ---- */

static struct known *find_number(struct calls *t, uint64_t number)
{
	struct known *k;

	HASH_FIND(by_number, t->numbers, &number, sizeof(number), k);
	return k;
}

static struct known *find_parent(struct calls *t, const char *parent)
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

static struct worker *worker_of(struct calls *t, const struct known *k)
{
	return t->parts.worker[k->worker];
}

static struct known *add(struct calls *t, const char *parent, enum spool_layout layout)
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
	worker_new_call(worker_of(t, k), k->number, parent, layout);
	if (k->data_final)
		worker_data_done(worker_of(t, k), k->number);
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

static struct stream_file *file_of(struct known *k, unsigned stream)
{
	struct stream_file *f;

	for (f = k->files; f; f = f->next)
		if (f->stream == stream)
			return f;
	f = xnew(struct stream_file);
	f->stream = stream;
	f->next = k->files;
	k->files = f;
	return f;
}

static void send_source(struct calls *t, struct known *k, struct source *s, unsigned reader)
{
	s->instance = reader;
	s->queue = t->parts.queue[reader][k->worker];
	worker_expect_source(worker_of(t, k), k->number, s);
	if (s->kind == SOURCE_PROC)
		opener_give(t->parts.opener, &s);
	else
		tail_give(t->parts.tail, &s);
}

static void open_stream(struct calls *t, struct known *k, struct stream_file *f)
{
	char *path = xasprintf("%s/%u/calls/%s/%s", t->opts.proc_root, t->opts.table, k->parent,
		f->name);
	struct source *s = source_new(SOURCE_PROC, k->number, path);

	free(path);
	f->epoch = s->epoch = k->epoch;
	s->stream = f->stream;
	send_source(t, k, s, (unsigned)(k->number % t->opts.intakes));
}

static void on_interface(struct calls *t, struct known *k, const struct change *ch)
{
	struct stream_file *f = file_of(k, ch->n);

	if (k->gone) { /* and yet it is told again: rtpengine has made it anew */
		k->gone = false;
		k->due = 0;
		k->epoch++;
	}
	if (f->name && span_is(ch->text, f->name) && f->epoch == k->epoch)
		return; /* repeated at every offer/answer */
	free(f->name);
	f->name = xstrndup((const char *)ch->text.p, ch->text.n);
	open_stream(t, k, f);
}

/* A pcap is read when it has grown: then its first SDPs are known, and who sends what. */
static void read_file(struct calls *t, struct known *k)
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

static void reopen(struct calls *t, struct known *k)
{
	k->due = 0;
	k->reopened = true;
	k->gone = false;
	if (!t->opts.still_there(t->opts.arg, k->parent))
		return;
	k->epoch++;
	for (struct stream_file *f = k->files; f; f = f->next)
		open_stream(t, k, f);
}

/* ---- ends ---- */

static void end_call(struct calls *t, struct known *k, const char *reason)
{
	k->state = ENDING;
	k->due = 0;
	HASH_DELETE(by_parent, t->parents, k);
	worker_end_call(worker_of(t, k), k->number, reason);
	if (k->layout == SPOOL_PROC) {
		for (unsigned i = 0; i < t->opts.intakes; i++)
			intake_close_call(t->parts.intake[i], k->number);
	} else if (t->shutting_down) {
		tail_close_call(t->parts.tail, k->number);
	} else {
		tail_finish(t->parts.tail, k->number);
	}
	if (t->parts.join && k->asked_data)
		join_end(t->parts.join, k->number);
	else if (t->parts.join)
		calls_on_data_finished(t, k->number);
}

static void may_forget(struct calls *t, struct known *k)
{
	if (k->over && k->data_final)
		forget(t, k);
}

static void on_due(struct calls *t, struct known *k)
{
	if (k->state == GRACE_GIVEN)
		end_call(t, k, k->reason);
	else
		reopen(t, k);
}

static void on_timer(uv_timer_t *timer)
{
	struct calls *t = OBJ(timer->data, struct calls, CALLS_MAGIC);
	usec_t now = clock_mono();
	struct known *k, *tmp;

	HASH_ITER(by_number, t->numbers, k, tmp)
		if (k->due && now >= k->due)
			on_due(t, k);
	opener_check(t->parts.opener, now);
	accounts_tick(t->accounts, t->parts.consumed);
}

void calls_shut_down(struct calls *t)
{
	struct known *k, *tmp;

	t->shutting_down = true;
	HASH_ITER(by_number, t->numbers, k, tmp)
		if (k->state != ENDING)
			end_call(t, k, "shutdown");
	if (!t->numbers)
		t->opts.idle(t->opts.arg);
}

/* ---- from the spool ---- */

/* A finished pcap is told again at each scan of the spool: not while it is still being read, and
 * not when it has been. */
static bool was_consumed(struct calls *t, const char *parent, uint64_t *position)
{
	bool finished = false;

	for (struct known *k = t->numbers; k; k = k->by_number.next)
		if (k->state == ENDING && strcmp(k->parent, parent) == 0)
			return true;
	return t->parts.consumed &&
		consumed_find(t->parts.consumed, parent, 0, position, &finished) && finished;
}

bool calls_on_call(struct calls *t, const char *parent, enum spool_layout layout)
{
	struct known *k = find_parent(t, parent);
	uint64_t position = 0;

	if (t->shutting_down)
		return false;
	if (k) { /* made anew: the same call goes on, with new streams */
		k->state = RUNNING;
		k->due = 0;
		k->epoch++;
		k->gone = false;
		return true;
	}
	if (layout == SPOOL_PCAP && was_consumed(t, parent, &position))
		return false;
	if (HASH_CNT(by_number, t->numbers) >= t->opts.max_calls) {
		counter_add(COUNT_CALLS_REFUSED, 1);
		log_warn_limited("call %s not taken: max-calls (%u) are running",
			log_mark(parent), t->opts.max_calls);
		return false;
	}
	k = add(t, parent, layout);
	k->position = position;
	log_debug("call %s seen", log_mark(parent));
	return true;
}

static void ask_for_data(struct calls *t, struct known *k, struct span call_id)
{
	if (!t->parts.join || k->asked_data)
		return;
	k->asked_data = true;
	join_call(t->parts.join, k->number, call_id, k->parent);
}

void calls_on_change(struct calls *t, const char *parent, const struct change *ch)
{
	struct known *k = find_parent(t, parent);

	if (!k)
		return;
	if (k->layout == SPOOL_PROC && ch->kind == CHANGE_STREAM_OPEN && ch->n >= CALL_MAX_STREAMS)
		return;
	k->reopened = false;
	worker_change(worker_of(t, k), k->number, ch);
	if (ch->kind == CHANGE_CALL_ID) {
		ask_for_data(t, k, ch->text);
	} else if (ch->kind == CHANGE_STREAM_OPEN) {
		on_interface(t, k, ch);
	} else if (ch->kind == CHANGE_FILE_OPEN) {
		free(k->file);
		k->file = xstrndup((const char *)ch->text.p, ch->text.n);
	}
}

void calls_on_grew(struct calls *t, const char *parent)
{
	struct known *k = find_parent(t, parent);

	if (!k)
		return;
	if (k->reading)
		tail_grew(t->parts.tail, k->number);
	else
		read_file(t, k);
}

void calls_on_end(struct calls *t, const char *parent, enum spool_end end)
{
	static const char *const reasons[] = {
		[SPOOL_END_UNLINK] = "ended", [SPOOL_END_DISCARD] = "discarded",
		[SPOOL_END_ORPHAN] = "orphaned", [SPOOL_END_BAD] = "unreadable metadata",
	};
	struct known *k = find_parent(t, parent);

	if (!k)
		return;
	read_file(t, k);
	if (k->layout == SPOOL_PROC && end == SPOOL_END_UNLINK) {
		k->state = GRACE_GIVEN;
		k->reason = reasons[end];
		k->due = clock_mono() + GRACE;
	} else {
		end_call(t, k, reasons[end]);
	}
}

/* ---- from call data ---- */

void calls_on_data(struct calls *t, uint64_t call, struct span json, unsigned elements)
{
	struct known *k = find_number(t, call);

	if (k)
		worker_data(worker_of(t, k), call, json, elements);
}

void calls_on_data_finished(struct calls *t, uint64_t call)
{
	struct known *k = find_number(t, call);

	if (!k || k->data_final)
		return;
	k->data_final = true;
	worker_data_done(worker_of(t, k), call);
	may_forget(t, k);
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
void calls_opened(struct calls *t, struct source **s)
{
	intake_give(t->parts.intake[(*s)->instance], s);
}

void calls_streams_ended(struct calls *t, uint64_t call, uint64_t epoch)
{
	post(t, &(struct notice){ .kind = NOTICE_STREAMS_ENDED, .call = call, .epoch = epoch });
}

void calls_consumed(struct calls *t, uint64_t call, uint64_t position, bool finished)
{
	post(t, &(struct notice){ .kind = NOTICE_CONSUMED, .call = call, .position = position,
		.finished = finished });
}

void calls_over(struct calls *t, uint64_t call, struct account **account)
{
	post(t, &(struct notice){ .kind = NOTICE_OVER, .call = call, .account = *account });
	*account = NULL;
}

static void on_written(void *arg, uint64_t call, bool written)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);

	post(t, &(struct notice){ .kind = NOTICE_WRITTEN, .call = call, .finished = written });
}

static void on_streams_ended(struct known *k, uint64_t epoch)
{
	if (k->state != RUNNING || epoch != k->epoch)
		return;
	k->gone = true;
	if (!k->reopened)
		k->due = clock_mono() + REOPEN;
}

static void on_consumed(struct calls *t, const struct known *k, const struct notice *n)
{
	if (k->layout == SPOOL_PCAP && t->parts.consumed)
		consumed_note(t->parts.consumed, k->parent, 0, n->position, n->finished);
}

static void on_over(struct calls *t, struct notice *n)
{
	if (accounts_write(t->accounts, n->call, &n->account, on_written, t))
		on_written(t, n->call, false);
}

static void on_notice(struct calls *t, struct notice *n)
{
	struct known *k = find_number(t, n->call);

	if (!k) {
		account_free(&n->account);
		return;
	}
	switch (n->kind) {
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
		may_forget(t, k);
		break;
	}
}

static void on_async(uv_async_t *async)
{
	struct calls *t = OBJ(async->data, struct calls, CALLS_MAGIC);
	struct mail *m = mailbox_take(&t->box);

	while (m) {
		struct notice *n = (struct notice *)(void *)m;

		m = m->next;
		on_notice(t, n);
		free(n);
	}
}

/* ---- life ---- */

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

void calls_free(struct calls **tp)
{
	struct calls *t = *tp;
	struct known *k, *tmp;

	*tp = NULL;
	if (!t)
		return;
	on_async(&t->async);
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
	on_async(&t->async);
	accounts_tick(t->accounts, t->parts.consumed);
}

unsigned calls_running(const struct calls *t)
{
	return HASH_CNT(by_number, t->numbers);
}
