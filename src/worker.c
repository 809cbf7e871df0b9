/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <uv.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "loop.h"

#define TICK_MS   20
#define MAX_TURNS 5
#define MAX_STEP  (500 * MSEC) /* of a call's packets between ticks: mixers and queues of sinks take
				* no more at once */

#define WORKER_MAGIC 0x304ce401u

enum letter_kind {
	LETTER_NEW, LETTER_CHANGE, LETTER_SOURCE, LETTER_DATA, LETTER_DATA_DONE, LETTER_END,
};

struct letter {
	struct mail mail;
	enum letter_kind kind;
	usec_t sent;            /* clock_steady, as the time of packets */
	uint64_t call;
	enum spool_layout layout;
	struct change change;   /* its text points behind the letter */
	struct source *source;
	const char *reason;
	unsigned elements;
	size_t bytes;
	char text[];            /* bytes and a NUL */
};

struct running {
	uint64_t number;
	struct call *call;
	struct inbox inbox;
	struct running *next; /* of the same turn */
	UT_hash_handle hh;
};

struct worker {
	MAGIC_MEMBER;
	struct worker_opts opts;
	struct mailbox box;
	struct mail *letters;  /* out of the box, not read yet */
	struct histogram ticks;
	atomic_bool stop, cut;
	pthread_t thread;
	uv_loop_t loop;
	uv_timer_t timer;
	struct dest *dest;
	struct running *calls; /* by number */
	struct running *turn[MAX_TURNS];
	unsigned turns; /* a call's turn is every so many ticks */
	unsigned at_turn, next_place;
	usec_t next_tick;
};

/* ---- packets ---- */

static void read_packet(struct packet *p)
{
	struct source *source = p->to;

	if (p->kind == PACKET_END)
		call_source_ended(&source);
	else
		call_packet(source, p);
	packetq_done(p);
}

static void tick_call(struct call *c, usec_t heard, usec_t now)
{
	call_set_behind(c, clock_steady(now) - heard);
	call_tick(c, now);
}

static void read_inbox(struct running *r, usec_t now)
{
	usec_t ticked = r->inbox.first ? r->inbox.first->time : 0;
	struct packet *p;

	while ((p = inbox_take(&r->inbox))) {
		if (p->time - ticked > MAX_STEP) {
			tick_call(r->call, p->time, now);
			ticked = p->time;
		}
		read_packet(p);
	}
}

/* ---- letters ---- */

static struct running *find_call(struct worker *w, uint64_t number)
{
	struct running *r;

	HASH_FIND(hh, w->calls, &number, sizeof(number), r);
	return r;
}

static void begin_call(struct worker *w, const struct letter *l, usec_t now)
{
	struct call_env env = { .opts = w->opts.call, .dest = w->dest,
		.budget = w->opts.budget };
	struct running *r = xnew(struct running);
	struct running **place = &w->turn[w->next_place++ % w->turns];

	r->number = l->call;
	r->call = call_new(&env, l->call, l->text, l->layout, now);
	inbox_init(&r->inbox);
	r->next = *place;
	*place = r;
	HASH_ADD(hh, w->calls, number, sizeof(r->number), r);
}

/* The call is where it was when the letter was sent: all packets that came before are read. */
static void read_letter(struct worker *w, const struct letter *l)
{
	struct running *r = find_call(w, l->call);
	usec_t now = clock_mono();

	if (l->kind == LETTER_NEW)
		begin_call(w, l, now);
	if (!r)
		return;
	read_inbox(r, now);
	call_set_behind(r->call, clock_steady(now) - l->sent);
	switch (l->kind) {
	case LETTER_CHANGE:
		call_change(r->call, &l->change);
		break;
	case LETTER_SOURCE:
		call_expect_source(r->call, l->source);
		l->source->inbox = &r->inbox;
		break;
	case LETTER_DATA:
		call_data(r->call, span_of(l->text, l->bytes), l->elements, now);
		break;
	case LETTER_DATA_DONE:
		call_data_done(r->call);
		break;
	case LETTER_END:
		call_end(r->call, l->reason, now);
		break;
	default:
		break;
	}
}

static const struct letter *next_letter(struct worker *w)
{
	if (!w->letters)
		w->letters = mailbox_take(&w->box);
	return (const struct letter *)(const void *)w->letters;
}

static void read_next_letter(struct worker *w)
{
	struct mail *m = w->letters;

	w->letters = m->next;
	read_letter(w, (const struct letter *)(const void *)m);
	free(m);
}

static void read_letters(struct worker *w, usec_t until)
{
	const struct letter *l;

	while ((l = next_letter(w)) && l->sent <= until)
		read_next_letter(w);
}

/* ---- letters and packets in the order of their time ---- */

/* Files have a time of their own: all that is said by now holds for what is there of them. */
static bool came_before(const struct packet *p, usec_t time, bool files)
{
	return ((const struct source *)p->to)->kind != SOURCE_PROC ? files : p->time < time;
}

/* To the inboxes of their calls; returns how far that went: all that came before is there. */
static usec_t sort_queue(struct worker *w, struct packetq *q, usec_t until, bool files)
{
	const struct packet *next;

	while ((next = packetq_peek(q)) && came_before(next, until, files)) {
		struct source *source = next->to;
		struct packet *p = packetq_get(q);

		if (!p) /* enough lies in inboxes */
			return source->kind == SOURCE_PROC ? next->time : until;
		/* It may be quicker than the letter that announces it, which was put in the box
		 * before the source was given to anybody. */
		while (!source->inbox && next_letter(w))
			read_next_letter(w);
		must(source->inbox);
		inbox_put(source->inbox, p);
	}
	return until;
}

static usec_t sort_packets(struct worker *w, usec_t until, bool files)
{
	usec_t heard = until;

	for (unsigned i = 0; i < w->opts.queues; i++) {
		usec_t t = sort_queue(w, w->opts.queue[i], until, files);

		heard = t < heard ? t : heard;
	}
	return heard;
}

/* Who is behind is late with everything, but what was said of a packet (its codec, that it is not
 * to be recorded) holds when it is heard. Returns how far that went. */
static usec_t hear(struct worker *w, usec_t until)
{
	const struct letter *l;

	while ((l = next_letter(w)) && l->sent < until) {
		usec_t sent = l->sent;
		usec_t heard = sort_packets(w, sent, false);

		if (heard < sent)
			return heard;
		read_letters(w, sent);
	}
	return sort_packets(w, until, true);
}

/* ---- time ---- */

static void finish_call(struct worker *w, struct running *r)
{
	struct account *account = call_take_account(r->call);

	must(!r->inbox.first); /* its sources have ended */
	call_free(&r->call);
	HASH_DEL(w->calls, r);
	w->opts.over(w->opts.arg, r->number, &account);
	free(r);
}

static void take_turn(struct worker *w, struct running **all, usec_t heard, usec_t now)
{
	struct running *r;

	while ((r = *all)) {
		read_inbox(r, now);
		tick_call(r->call, heard, now);
		if (call_is_over(r->call)) {
			*all = r->next;
			finish_call(w, r);
		} else {
			all = &r->next;
		}
	}
}

/* No letter and no packet waits for its time any more. */
static void cut_all(struct worker *w, usec_t now)
{
	struct running *r, *tmp;

	read_letters(w, INT64_MAX);
	HASH_ITER(hh, w->calls, r, tmp) {
		call_end(r->call, "shutdown", now);
		call_cut(r->call);
	}
}

static void on_tick(uv_timer_t *timer);

/* By the clock, not so long after the last: turns do not drift. A worker that is late takes the
 * next turn at once; then turns take longer, and more is done in each. */
static void set_timer(struct worker *w, usec_t now)
{
	w->next_tick += TICK_MS * MSEC;
	if (w->next_tick < now)
		w->next_tick = now;
	uv_update_time(&w->loop);
	uv_timer_start(&w->timer, on_tick, (uint64_t)((w->next_tick - now + MSEC / 2) / MSEC), 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct worker *w = OBJ(timer->data, struct worker, WORKER_MAGIC);
	usec_t now = clock_mono(), due = w->next_tick < now ? w->next_tick : now, heard;

	if (atomic_load(&w->cut))
		cut_all(w, now);
	heard = hear(w, clock_steady(now));
	if (w->dest)
		dest_tick(w->dest, now);
	take_turn(w, &w->turn[w->at_turn], heard, now);
	w->at_turn = (w->at_turn + 1) % w->turns;
	histogram_add(&w->ticks, clock_mono() - due);
	if (atomic_load(&w->stop))
		uv_stop(&w->loop);
	else
		set_timer(w, clock_mono());
}

static void *run(void *arg)
{
	struct worker *w = OBJ(arg, struct worker, WORKER_MAGIC);

	uv_run(&w->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* ---- life ---- */

static unsigned turns_within(unsigned latency_ms)
{
	unsigned n = latency_ms / TICK_MS;

	return n < 1 ? 1 : n > MAX_TURNS ? MAX_TURNS : n;
}

unsigned worker_latency_left(unsigned latency_ms)
{
	unsigned taken = turns_within(latency_ms) * TICK_MS;

	return latency_ms > taken ? latency_ms - taken : 0;
}

struct worker *worker_start(const struct worker_opts *opts)
{
	struct worker *w = xnew(struct worker);
	char name[16];

	w->magic = WORKER_MAGIC;
	w->opts = *opts;
	w->turns = turns_within(opts->latency_ms);
	if (uv_loop_init(&w->loop) < 0)
		die("cannot start a worker: raise the limit of open files (ulimit -n)");
	uv_timer_init(&w->loop, &w->timer);
	w->timer.data = w;
	w->next_tick = clock_mono();
	set_timer(w, w->next_tick);
	if (opts->dest)
		w->dest = dest_new(&w->loop, opts->dest, opts->notice);
	snprintf(name, sizeof(name), "worker-%u", opts->index);
	if (thread_start(&w->thread, name, run, w) < 0)
		die("cannot start a worker: raise the limit of threads (ulimit -u)");
	return w;
}

static bool packets_wait(struct worker *w)
{
	for (unsigned i = 0; i < w->opts.queues; i++)
		if (packetq_peek(w->opts.queue[i]))
			return true;
	return false;
}

static void end_calls(struct worker *w)
{
	usec_t now = clock_mono();
	struct running *r, *tmp;

	cut_all(w, now);
	do {
		sort_packets(w, INT64_MAX, true);
		HASH_ITER(hh, w->calls, r, tmp)
			read_inbox(r, now);
	} while (packets_wait(w));
	for (unsigned i = 0; i < 2 * w->turns; i++)
		take_turn(w, &w->turn[i % w->turns], clock_steady(now), now);
}

bool worker_stop(struct worker **wp, bool ended, usec_t *patience)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (!w)
		return true;
	atomic_store(&w->stop, true);
	pthread_join(w->thread, NULL);
	end_calls(w);
	if (!ended)
		return false;
	must(!w->calls);
	dest_free(&w->dest);
	uv_close((uv_handle_t *)&w->timer, NULL);
	if (!loop_close(&w->loop, patience))
		return false; /* leaked: what looks the name up comes back to the loop */
	w->magic = 0;
	free(w);
	return true;
}

/* ---- from the control thread ---- */

static struct letter *letter_new(enum letter_kind kind, uint64_t call, struct span text)
{
	struct letter *l = xalloc(sizeof(*l) + text.n + 1);

	l->kind = kind;
	l->sent = clock_steady(clock_mono());
	l->call = call;
	l->bytes = text.n;
	if (text.n)
		memcpy(l->text, text.p, text.n);
	return l;
}

/* The tick comes to look: no wake-up is needed. */
static void send_letter(struct worker *w, struct letter *l)
{
	mailbox_put(&w->box, &l->mail);
}

void worker_new_call(struct worker *w, uint64_t call, const char *parent, enum spool_layout layout)
{
	struct letter *l = letter_new(LETTER_NEW, call, span_text(parent));

	l->layout = layout;
	send_letter(w, l);
}

void worker_change(struct worker *w, uint64_t call, const struct change *change)
{
	struct letter *l = letter_new(LETTER_CHANGE, call, change->text);

	l->change = *change;
	l->change.text = span_of(l->text, l->bytes);
	send_letter(w, l);
}

void worker_expect_source(struct worker *w, uint64_t call, struct source *source)
{
	struct letter *l = letter_new(LETTER_SOURCE, call, span_of(NULL, 0));

	l->source = source;
	send_letter(w, l);
}

void worker_data(struct worker *w, uint64_t call, struct span json, unsigned elements)
{
	struct letter *l = letter_new(LETTER_DATA, call, json);

	l->elements = elements;
	send_letter(w, l);
}

void worker_data_done(struct worker *w, uint64_t call)
{
	send_letter(w, letter_new(LETTER_DATA_DONE, call, span_of(NULL, 0)));
}

void worker_end_call(struct worker *w, uint64_t call, const char *reason)
{
	struct letter *l = letter_new(LETTER_END, call, span_of(NULL, 0));

	l->reason = reason;
	send_letter(w, l);
}

void worker_cut(struct worker *w)
{
	atomic_store(&w->cut, true);
}

struct histogram *worker_ticks(struct worker *w)
{
	return &w->ticks;
}
