/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/tail.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "spool/growing.h"

#define TAIL_MAGIC 0x7a11f11eu

/* tail_grew comes for every 4096 bytes of every file, also while a disk holds us: beyond this
 * many, one look at everything takes their place. */
#define MAX_POKES 4096

#define TELL_EVERY  (SEC / 2)   /* how far files have been consumed: what a crash repeats */
#define RETRY       (10 * MSEC) /* ends and chunks that the queue could not take */

enum order_kind { ORDER_GIVE, ORDER_GREW, ORDER_FINISH, ORDER_CLOSE };

struct order {
	struct mail mail;
	enum order_kind kind;
	uint64_t call;
	struct source *source; /* ORDER_GIVE */
};

struct file {
	struct growing g;
	uint64_t call;
	uint64_t told;            /* position of the last consumed() */
	usec_t due;               /* clock_mono: not looked at before */
	bool ready;               /* in the list below */
	bool finishing;
	struct file *prev, *next; /* in the list of files that may have something */
	UT_hash_handle hh;
};

struct tail {
	MAGIC_MEMBER;
	struct tail_opts opts;
	pthread_t thread;
	struct mailbox orders;
	atomic_uint pokes;        /* ORDER_GREW in the mailbox */
	atomic_bool all_grew;
	atomic_bool stop;
	int wake;                 /* eventfd */

	/* Of the thread: */
	struct file *files;       /* by call */
	struct file *ready;
	struct mail *ending;      /* closed sources whose END found no room; bounded by calls */
	usec_t tell_at;
	uint8_t *buffer;
};

/* ---- ends ---- */

static bool announce(struct source *s)
{
	return packetq_put(s->queue, s, PACKET_END, clock_wall(), span_of(NULL, 0));
}

static void announce_or_keep(struct tail *t, struct source *s)
{
	must(s->magic == SOURCE_MAGIC && s->fd < 0);
	s->reader = NULL;
	if (announce(s))
		return;
	s->mail.next = t->ending;
	t->ending = &s->mail;
}

static void announce_kept(struct tail *t)
{
	struct mail *m = t->ending;

	t->ending = NULL;
	while (m) {
		struct mail *next = m->next;

		announce_or_keep(t, (struct source *)(void *)m);
		m = next;
	}
}

/* A finished file has been consumed to its end, whatever chunks come behind the samples or is cut
 * of the last record: when it is longer one day, there is more. A pcap that became shorter is
 * another recording's by now. */
static uint64_t consumed_of(const struct file *f, bool finished)
{
	struct stat st;

	if (!finished || fstat(f->g.source->fd, &st) < 0)
		return f->g.position;
	if (f->g.source->kind == SOURCE_PCAP && (uint64_t)st.st_size < f->g.position)
		return f->g.position;
	return (uint64_t)st.st_size;
}

static void tell(struct tail *t, struct file *f, bool finished)
{
	f->told = f->g.position;
	if (t->opts.consumed)
		t->opts.consumed(t->opts.arg, f->call, consumed_of(f, finished), finished);
}

/* A bad file is finished too: reading it again would find it as bad. */
static bool is_finished(const struct source *s)
{
	return s->end == SOURCE_END_EOF || s->end == SOURCE_END_BAD;
}

static void end_file(struct tail *t, struct file *f)
{
	struct source *s = f->g.source;

	if (s->end == SOURCE_END_BAD)
		log_warn("%s: %s: not read any further than byte %llu", log_mark(s->path), f->g.why,
			(unsigned long long)f->g.position);
	tell(t, f, is_finished(s));
	HASH_DEL(t->files, f);
	if (f->ready)
		DL_DELETE(t->ready, f);
	growing_close(&f->g);
	free(f);
	announce_or_keep(t, s);
}

static void stop_file(struct tail *t, struct file *f)
{
	f->g.source->end = SOURCE_END_STOPPED;
	end_file(t, f);
}

/* ---- orders ---- */

static void make_ready(struct tail *t, struct file *f)
{
	if (f->ready)
		return;
	f->ready = true;
	f->due = 0;
	DL_APPEND(t->ready, f);
}

static struct file *find_file(struct tail *t, uint64_t call)
{
	struct file *f;

	HASH_FIND(hh, t->files, &call, sizeof(call), f);
	return f;
}

static void on_give(struct tail *t, struct source *s)
{
	struct file *f = xnew(struct file);

	must(s->magic == SOURCE_MAGIC && s->queue && s->fd < 0 && s->kind != SOURCE_PROC);
	if (find_file(t, s->call)) {
		s->end = SOURCE_END_FAILED;
		s->error = EEXIST;
	}
	if (s->error || !growing_open(&f->g, s)) {
		free(f);
		announce_or_keep(t, s);
		return;
	}
	s->reader = f;
	f->call = s->call;
	HASH_ADD(hh, t->files, call, sizeof(f->call), f);
	make_ready(t, f);
}

static void on_order(struct tail *t, const struct order *o)
{
	struct file *f = find_file(t, o->call);

	if (o->kind == ORDER_GIVE) {
		on_give(t, o->source);
		return;
	}
	if (o->kind == ORDER_GREW)
		atomic_fetch_sub(&t->pokes, 1);
	if (!f)
		return; /* it has ended by itself */
	if (o->kind == ORDER_CLOSE) {
		stop_file(t, f);
		return;
	}
	f->finishing |= o->kind == ORDER_FINISH;
	make_ready(t, f);
}

static void take_orders(struct tail *t)
{
	struct mail *m = mailbox_take(&t->orders);
	struct file *f, *tmp;

	while (m) {
		struct order *o = (struct order *)(void *)m;

		m = m->next;
		on_order(t, o);
		free(o);
	}
	if (atomic_exchange(&t->all_grew, false))
		HASH_ITER(hh, t->files, f, tmp)
			make_ready(t, f);
}

/* ---- the loop ---- */

static void look_at(struct tail *t, struct file *f)
{
	usec_t wait;

	switch (growing_read(&f->g, t->buffer, f->finishing, t->opts.max_speed, &wait)) {
	case GROWING_DRY:
		f->ready = false;
		DL_DELETE(t->ready, f);
		break;
	case GROWING_MORE:
		f->due = 0;
		break;
	case GROWING_WAIT:
		f->due = clock_mono() + wait;
		break;
	case GROWING_ENDED:
		end_file(t, f);
		break;
	}
}

/* Every file that is due gets one turn. When to come again: clock_mono. */
static usec_t look_at_all(struct tail *t)
{
	usec_t next = INT64_MAX, now = clock_mono();
	struct file *f, *tmp;

	DL_FOREACH_SAFE(t->ready, f, tmp)
		if (f->due <= now)
			look_at(t, f);
	DL_FOREACH(t->ready, f)
		if (f->due < next)
			next = f->due;
	return next;
}

static usec_t tell_all(struct tail *t)
{
	usec_t now = clock_mono();
	struct file *f, *tmp;

	if (!t->files)
		return INT64_MAX;
	if (now >= t->tell_at) {
		HASH_ITER(hh, t->files, f, tmp)
			if (f->g.position != f->told)
				tell(t, f, false);
		t->tell_at = now + TELL_EVERY;
	}
	return t->tell_at;
}

/* True: some queue still holds what its worker cannot see. Workers look by themselves. */
static bool flush(struct tail *t, usec_t now)
{
	bool left = t->ending != NULL;

	for (unsigned i = 0; i < t->opts.queues; i++) {
		packetq_flush(t->opts.queue[i], now);
		left |= packetq_unflushed(t->opts.queue[i]);
	}
	return left;
}

static void sleep_until(struct tail *t, usec_t when)
{
	struct pollfd p = { .fd = t->wake, .events = POLLIN };
	usec_t left = when - clock_mono();
	struct timespec ts = { .tv_sec = left / SEC, .tv_nsec = left % SEC * 1000 };
	uint64_t woken;

	if (left > 0)
		ppoll(&p, 1, when == INT64_MAX ? NULL : &ts, NULL);
	if (read(t->wake, &woken, sizeof(woken)) < 0)
		must(errno == EAGAIN || errno == EINTR);
}

static void *run(void *arg)
{
	struct tail *t = OBJ(arg, struct tail, TAIL_MAGIC);

	while (!atomic_load(&t->stop)) {
		usec_t next, tell_at, now;

		take_orders(t);
		announce_kept(t);
		next = look_at_all(t);
		tell_at = tell_all(t);
		if (tell_at < next)
			next = tell_at;
		now = clock_mono();
		if (flush(t, now) && now + RETRY < next)
			next = now + RETRY;
		sleep_until(t, next);
	}
	return NULL;
}

/* ---- any thread ---- */

static void wake(struct tail *t)
{
	uint64_t one = 1;

	if (write(t->wake, &one, sizeof(one)) < 0)
		must(errno == EAGAIN);
}

static void order(struct tail *t, enum order_kind kind, uint64_t call, struct source *s)
{
	struct order *o = xnew(struct order);

	o->kind = kind;
	o->call = call;
	o->source = s;
	if (mailbox_put(&t->orders, &o->mail))
		wake(t);
}

void tail_give(struct tail *t, struct source **sp)
{
	struct source *s = *sp;

	*sp = NULL;
	order(t, ORDER_GIVE, s->call, s);
}

void tail_grew(struct tail *t, uint64_t call)
{
	if (atomic_fetch_add(&t->pokes, 1) < MAX_POKES) {
		order(t, ORDER_GREW, call, NULL);
		return;
	}
	atomic_fetch_sub(&t->pokes, 1);
	if (!atomic_exchange(&t->all_grew, true))
		wake(t);
}

void tail_finish(struct tail *t, uint64_t call)
{
	order(t, ORDER_FINISH, call, NULL);
}

void tail_close_call(struct tail *t, uint64_t call)
{
	order(t, ORDER_CLOSE, call, NULL);
}

struct tail *tail_start(const struct tail_opts *opts)
{
	struct tail *t = xnew(struct tail);

	must(opts->max_speed > 0);
	t->magic = TAIL_MAGIC;
	t->opts = *opts;
	t->buffer = xalloc(GROWING_BUFFER);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake < 0 || thread_start(&t->thread, "tail", run, t) < 0)
		die("cannot start the thread that reads files: raise the limits of open files and "
		    "threads");
	return t;
}

static bool join(struct tail *t, usec_t deadline)
{
	usec_t wall = clock_wall() + deadline - clock_mono();
	struct timespec until = { .tv_sec = wall / SEC, .tv_nsec = wall % SEC * 1000 };

	return pthread_timedjoin_np(t->thread, NULL, &until) == 0;
}

bool tail_stop(struct tail **tp, usec_t deadline)
{
	struct tail *t = *tp;
	struct file *f, *tmp;

	*tp = NULL;
	if (!t)
		return true;
	atomic_store(&t->stop, true);
	wake(t);
	if (!join(t, deadline))
		return false;
	take_orders(t);
	HASH_ITER(hh, t->files, f, tmp)
		stop_file(t, f);
	/* Workers run until we have stopped, so there will be room. */
	while (announce_kept(t), flush(t, INT64_MAX))
		usleep(1000);
	close(t->wake);
	t->magic = 0;
	free(t->buffer);
	free(t);
	return true;
}
