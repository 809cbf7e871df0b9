/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why epoll with a nap: blocked in epoll_wait, this thread would be woken for every packet. With a
 * look every 2 ms (the period) one wake-up serves all that came since the last, and idle streams
 * (RTCP, hold) cost nothing. A wake-up costs as much as ten packets, so the period is as long as
 * the 5 ms for closing allow, with some of them left for a wake-up that comes late.
 *
 * Why all streams of a call are closed at its first end-of-stream: the kernel removes them one
 * after another, each removal waits for our close, and what the others still have queued would be
 * thrown away when their turn comes (rtpengine kernel module, del_stream). */
#include "spool/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#define SCRATCH     65536 /* the largest packet: a shorter buffer would cut it */
#define EVENTS      512
#define MAX_PASSES  64    /* of one round: a flooding stream must not keep the others from mail */
#define MAX_DRAIN   256   /* packets read from a stream that is being closed */
#define SWEEP       SEC   /* each stream is read at least that often, whatever epoll says */

#define INTAKE_MAGIC 0x1a7a4e01u

/* The open streams of one call. */
struct group {
	uint64_t call;
	uint64_t epoch;
	struct source *first;
	UT_hash_handle hh;
};

/* What source->reader points to while a stream is ours. */
struct reading {
	struct source *next, *prev;
	unsigned slot; /* in in->streams */
};

struct close_request {
	struct mail mail;
	uint64_t call;
};

struct intake {
	MAGIC_MEMBER;
	struct intake_opts opts;
	struct intake_times times;
	struct mailbox arrivals; /* struct source */
	struct mailbox requests; /* struct close_request */
	atomic_bool stop;
	pthread_t thread;
	int epoll, wake;
	struct group *groups;
	struct source **streams; /* all that are open, in no order: for the sweep */
	unsigned n_streams, max_streams, sweep_at;
	struct source *ending;   /* closed, but the worker's queue had no room for their end yet */
	usec_t looked;           /* clock_mono of the last look at epoll that is complete */
	usec_t swept;
	usec_t period;           /* from look to look, now */
	usec_t wall;             /* clock_steady of this pass: the time of its packets */
	struct epoll_event events[EVENTS];
	uint8_t scratch[SCRATCH];
};

/* ---- one stream ---- */

static void announce(struct intake *in, struct source *s)
{
	if (!packetq_put(s->queue, s, PACKET_END, in->wall, span_of(NULL, 0))) {
		s->mail.next = in->ending ? &in->ending->mail : NULL;
		in->ending = s;
	}
}

static void announce_delayed(struct intake *in)
{
	struct source *s = in->ending;

	in->ending = NULL;
	while (s) {
		struct source *next = (struct source *)(void *)s->mail.next;

		announce(in, s);
		s = next;
	}
}

static void close_stream(struct intake *in, struct source *s, enum source_end end)
{
	struct reading *r = s->reader;
	struct source *last = in->streams[--in->n_streams];

	close(s->fd);
	s->fd = -1;
	s->closed = clock_mono();
	s->end = end;
	if (end != SOURCE_END_FAILED)
		s->error = 0;
	in->streams[r->slot] = last;
	((struct reading *)last->reader)->slot = r->slot;
	free(r);
	s->reader = NULL;
	counter_add(COUNT_SOURCES_CLOSED, 1);
	announce(in, s);
}

/* One packet. False: nothing was there, or the stream is at its end (*ended). */
static bool read_packet(struct intake *in, struct source *s, bool *ended)
{
	ssize_t n = read(s->fd, in->scratch, SCRATCH);

	if (n > 0) {
		s->packets++;
		s->bytes += (size_t)n;
		if (!packetq_put(s->queue, s, PACKET_IP, in->wall,
				span_of(in->scratch, (size_t)n))) {
			s->refused++;
			counter_add(COUNT_PACKETS_DROPPED_QUEUE, 1);
		}
		counter_add(COUNT_PACKETS_IN, 1);
		counter_add(COUNT_BYTES_IN, (uint64_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	s->error = n < 0 ? errno : 0;
	*ended = true;
	return false;
}

/* ---- one call ---- */

static void close_group(struct intake *in, struct group *g, struct source *ended, bool asked)
{
	struct source *s = g->first, *next;
	bool dummy = false;

	HASH_DEL(in->groups, g);
	for (; s; s = next) {
		enum source_end end = asked ? SOURCE_END_STOPPED : SOURCE_END_GROUP;

		next = ((struct reading *)s->reader)->next;
		s->eof_seen = in->looked;
		if (s == ended)
			end = s->error ? SOURCE_END_FAILED : SOURCE_END_EOF;
		else
			for (int i = 0; i < MAX_DRAIN && read_packet(in, s, &dummy); i++)
				;
		close_stream(in, s, end);
	}
	if (!asked)
		in->opts.call_ended(in->opts.arg, g->call, g->epoch);
	free(g);
}

/* s is not touched unless its call is still open: it may be the worker's by now. */
static void on_end(struct intake *in, uint64_t call, struct source *s)
{
	struct group *g;

	HASH_FIND(hh, in->groups, &call, sizeof(call), g);
	if (!g)
		return;
	close_group(in, g, s, false);
	histogram_add(&in->times.eof_close, clock_mono() - in->looked);
	in->period = in->opts.awake;
}

static void on_readable(struct intake *in, struct source *s)
{
	bool ended = false;

	read_packet(in, s, &ended);
	if (ended)
		on_end(in, s->call, s);
}

/* ---- arrivals and requests ---- */

static struct group *group_of(struct intake *in, const struct source *s)
{
	struct group *g;

	HASH_FIND(hh, in->groups, &s->call, sizeof(s->call), g);
	if (!g) {
		g = xnew(struct group);
		g->call = s->call;
		HASH_ADD(hh, in->groups, call, sizeof(g->call), g);
	}
	g->epoch = s->epoch;
	return g;
}

static void remember(struct intake *in, struct source *s)
{
	struct group *g = group_of(in, s);
	struct reading *r = xnew(struct reading);

	r->next = g->first;
	if (g->first)
		((struct reading *)g->first->reader)->prev = s;
	g->first = s;
	if (in->n_streams == in->max_streams) {
		in->max_streams = in->max_streams ? in->max_streams * 2 : 256;
		in->streams = xrealloc(in->streams, in->max_streams * sizeof(*in->streams));
	}
	r->slot = in->n_streams;
	in->streams[in->n_streams++] = s;
	s->reader = r;
}

static void on_arrival(struct intake *in, struct source *s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

	must(s->magic == SOURCE_MAGIC && !s->reader);
	if (s->fd >= 0 && epoll_ctl(in->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
		s->error = errno;
		s->end = SOURCE_END_FAILED;
		close(s->fd);
		s->fd = -1;
	}
	if (s->fd < 0) {
		counter_add(COUNT_SOURCES_FAILED, 1);
		announce(in, s);
		return;
	}
	counter_add(COUNT_SOURCES_OPENED, 1);
	remember(in, s);
	s->opened = clock_mono();
	histogram_add(&in->times.open, s->opened - s->asked);
	/* The kernel's poll looks at the queue before it registers us: what came in between has
	 * woken nobody. */
	on_readable(in, s);
}

static void take_arrivals(struct intake *in)
{
	struct mail *m = mailbox_take(&in->arrivals);

	while (m) {
		struct mail *next = m->next;

		on_arrival(in, (struct source *)(void *)m);
		m = next;
	}
}

static void take_requests(struct intake *in)
{
	struct mail *m = mailbox_take(&in->requests);

	while (m) {
		struct close_request *request = (struct close_request *)(void *)m;
		struct group *g;

		m = m->next;
		HASH_FIND(hh, in->groups, &request->call, sizeof(request->call), g);
		if (g)
			close_group(in, g, NULL, true);
		free(request);
	}
}

static void close_all(struct intake *in)
{
	struct group *g, *tmp;

	HASH_ITER(hh, in->groups, g, tmp)
		close_group(in, g, NULL, true);
}

/* ---- the loop ---- */

/* An end-of-stream whose wake-up got lost would block rtpengine for ever: so every stream is read
 * once a SWEEP, a few in each round. */
static void sweep(struct intake *in, usec_t now)
{
	usec_t since = now - in->swept < SWEEP ? now - in->swept : SWEEP;
	unsigned n = (unsigned)((uint64_t)in->n_streams * (uint64_t)since / SWEEP);

	if (!n && since < SWEEP)
		return;
	in->swept = now;
	for (unsigned i = 0; i <= n && in->n_streams; i++) {
		if (in->sweep_at >= in->n_streams)
			in->sweep_at = 0;
		on_readable(in, in->streams[in->sweep_at++]);
	}
}

/* Each pass reads one packet of every stream that has one; level-triggered, so a look costs less
 * than the read() that would say EAGAIN. Ends come after all packets: closing a call makes events
 * of its other streams stale. */
static int pass(struct intake *in)
{
	struct {
		uint64_t call;
		struct source *s;
	} ended[EVENTS];
	unsigned n_ended = 0;
	usec_t look = clock_mono();
	int n = epoll_wait(in->epoll, in->events, EVENTS, 0);

	in->wall = clock_steady(look);
	for (int i = 0; i < n; i++) {
		struct source *s = in->events[i].data.ptr;
		bool end = false;

		read_packet(in, s, &end);
		if (end) {
			ended[n_ended].call = s->call;
			ended[n_ended++].s = s;
		}
	}
	for (unsigned i = 0; i < n_ended; i++)
		on_end(in, ended[i].call, ended[i].s);
	if (!n_ended)
		in->looked = look;
	return n;
}

/* Something is put that a worker cannot see yet: it was behind. */
static bool unflushed(const struct intake *in)
{
	for (unsigned i = 0; i < in->opts.queues; i++)
		if (packetq_unflushed(in->opts.queue[i]))
			return true;
	return false;
}

/* After an end-of-stream the next one, which the kernel could not remove before, is looked for soon,
 * then ever less soon. */
static usec_t next_nap(struct intake *in, usec_t begin, usec_t now)
{
	usec_t length = begin + in->period - now;

	in->period = in->period * 2 < in->opts.period ? in->period * 2 : in->opts.period;
	return length > in->opts.awake ? length : in->opts.awake;
}

static void nap(struct intake *in, usec_t begin, usec_t now)
{
	struct timespec ts = { .tv_nsec = next_nap(in, begin, now) * 1000 };
	uint64_t woken;

	if (!in->n_streams && !in->ending && !unflushed(in) && !atomic_load(&in->stop)) {
		/* nothing to look after: until somebody gives us something */
		if (read(in->wake, &woken, sizeof(woken)) < 0)
			must(errno == EINTR);
		in->looked = clock_mono();
		return;
	}
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void flush(struct intake *in, usec_t now)
{
	for (unsigned i = 0; i < in->opts.queues; i++)
		packetq_flush(in->opts.queue[i], now);
}

static void *run(void *arg)
{
	struct intake *in = OBJ(arg, struct intake, INTAKE_MAGIC);

	log_info("intake: %s", thread_hurry());
	while (!atomic_load(&in->stop)) {
		usec_t begin = clock_mono(), now;

		in->wall = clock_steady(begin);
		take_arrivals(in);
		take_requests(in);
		for (int i = 0; i < MAX_PASSES && pass(in); i++)
			;
		sweep(in, begin);
		announce_delayed(in);
		flush(in, begin);
		now = clock_mono();
		histogram_add(&in->times.round, now - begin);
		nap(in, begin, now);
	}
	take_arrivals(in);
	take_requests(in);
	close_all(in);
	return NULL;
}

static void wake(struct intake *in)
{
	uint64_t one = 1;

	if (write(in->wake, &one, sizeof(one)) < 0)
		must(errno == EAGAIN);
}

struct intake *intake_start(const struct intake_opts *opts)
{
	struct intake *in = xnew(struct intake);

	in->magic = INTAKE_MAGIC;
	in->opts = *opts;
	in->looked = in->swept = clock_mono();
	in->period = opts->period;
	in->epoll = epoll_create1(EPOLL_CLOEXEC);
	in->wake = eventfd(0, EFD_CLOEXEC);
	if (in->epoll < 0 || in->wake < 0 || thread_start(&in->thread, "intake", run, in) < 0)
		die("cannot start the intake thread: raise the limits of open files and threads");
	return in;
}

void intake_stop(struct intake **inp)
{
	struct intake *in = *inp;

	*inp = NULL;
	if (!in)
		return;
	atomic_store(&in->stop, true);
	wake(in);
	pthread_join(in->thread, NULL);
	flush(in, INT64_MAX);
	/* workers run until every intake has stopped, so there will be room */
	while (in->ending || unflushed(in)) {
		announce_delayed(in);
		flush(in, INT64_MAX);
		if (in->ending || unflushed(in))
			clock_nanosleep(CLOCK_MONOTONIC, 0,
				&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	close(in->epoll);
	close(in->wake);
	free(in->streams);
	in->magic = 0;
	free(in);
}

void intake_give(struct intake *in, struct source **sp)
{
	struct source *s = *sp;

	*sp = NULL;
	if (mailbox_put(&in->arrivals, &s->mail))
		wake(in);
}

void intake_close_call(struct intake *in, uint64_t call)
{
	struct close_request *request = xnew(struct close_request);

	request->call = call;
	if (mailbox_put(&in->requests, &request->mail))
		wake(in);
}

struct intake_times *intake_times(struct intake *in)
{
	return &in->times;
}
