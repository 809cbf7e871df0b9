/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_proc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "tools/feed_call.h"

#define TICK        (2 * MSEC)
#define LOOK_EVERY \
	16 /* calls, then at the readers' events again: their times shall be true */
#define LEAD        (100 * MSEC)

struct player {
	struct feed_world world;
	const struct feed_opts *opts;
	struct feed_call **live;
	size_t n_live;
	int begun;
	usec_t start;
	bool ending;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "spoolwire-feed: %s: %s\n", what, why);
	return 1;
}

static int make_dirs(const struct feed_opts *o)
{
	char *path = xasprintf("%s/%d/calls", o->proc_root, o->table), *p = path;
	int r = 0;

	while (!r && (p = strchr(p + 1, '/')) != NULL) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*p = '/';
	}
	if (!r && mkdir(path, 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r)
		fail(path, strerror(-r));
	free(path);
	return r;
}

/* Encodes now what would stop the clock later. */
static int make_tones(struct feed_world *w)
{
	const struct feed_opts *o = w->opts;
	struct feed_codec codec;
	const char *why = NULL;

	if (feed_tone_codec(o->codec, &codec) < 0)
		return fail(o->codec, "unknown codec");
	if (o->stamp_every && strcmp(codec.name, "PCMA") != 0)
		return fail(o->codec, "--stamp-every is for PCMA");
	w->tones = feed_tones_new(&codec, (unsigned)o->ptime, o->payload_file, &why);
	for (int i = 0; w->tones && i < o->calls && i < 80; i++)
		for (int p = 0; p < o->streams; p++)
			if (!feed_tones_get(w->tones, feed_tone_of(o->tones, i, p), &why))
				return fail(o->codec, why);
	return w->tones ? 0 : fail(o->codec, why);
}

static void raise_file_limit(const struct feed_opts *o)
{
	struct rlimit limit;
	double live =
		o->rate * o->seconds < o->calls ? o->rate * o->seconds + 1 : o->calls;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if ((double)limit.rlim_cur < live * o->streams * (o->no_rtcp ? 1 : 2) + 16)
		fail("file descriptors",
			"the limit may be too low for so many streams at once");
}

static void run_removals(struct player *pl)
{
	for (size_t i = 0; i < pl->n_live; i++)
		if (feed_call_is_removing(pl->live[i]))
			feed_call_run(pl->live[i], clock_mono());
}

static void look_at_readers(struct player *pl)
{
	if (feed_fifos_read(pl->world.fifos, clock_mono()) && pl->world.removing)
		run_removals(pl);
}

static void end_all(struct player *pl)
{
	pl->ending = true;
	for (size_t i = 0; i < pl->n_live; i++)
		feed_call_end(pl->live[i], clock_mono());
}

static void begin_calls(struct player *pl, usec_t now)
{
	const struct feed_opts *o = pl->opts;

	while (!pl->ending && pl->begun < o->calls) {
		usec_t at = pl->start + (usec_t)(pl->begun / o->rate * SEC);

		if (at > now)
			return;
		pl->live[pl->n_live++] = feed_call_new(&pl->world, pl->begun++, at);
	}
}

static void on_over(struct player *pl, struct feed_call **call)
{
	if (pl->opts->json)
		feed_call_print(stdout, *call);
	feed_call_free(call);
}

/* Keeps the order of those that stay: who waits for a thread longest is first. */
static void run_calls(struct player *pl, usec_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < pl->n_live; i++) {
		if (i % LOOK_EVERY == LOOK_EVERY - 1)
			feed_fifos_read(pl->world.fifos, clock_mono());
		if (feed_call_run(pl->live[i], now))
			pl->live[kept++] = pl->live[i];
		else
			on_over(pl, &pl->live[i]);
	}
	pl->n_live = kept;
}

static void nap(struct player *pl, usec_t until)
{
	struct pollfd p = { .fd = feed_fifos_fd(pl->world.fifos), .events = POLLIN };

	for (;;) {
		usec_t left = until - clock_mono();
		struct timespec ts = { left / SEC, left % SEC * 1000 };

		if (left <= 0 || ppoll(&p, 1, &ts, NULL) <= 0)
			return;
		look_at_readers(pl);
	}
}

static void play(struct player *pl, const volatile sig_atomic_t *stop)
{
	usec_t next = clock_mono();

	pl->start = next + LEAD;
	do {
		usec_t now = clock_mono();

		begin_calls(pl, now);
		look_at_readers(pl);
		run_calls(pl, now);
		if (*stop && !pl->ending)
			end_all(pl);
		/* An absolute clock: a late round is followed by the next at once, and
		 * all is sent. */
		next += TICK;
		if (next < clock_mono() - SEC)
			next = clock_mono();
		nap(pl, next);
	} while (*stop < 2 &&
		(pl->n_live || (!pl->ending && pl->begun < pl->opts->calls)));
	for (size_t i = 0; i < pl->n_live; i++)
		feed_call_free(&pl->live[i]);
}

#define ULL(v) ((unsigned long long)(v))

static void report_text(struct feed_world *w)
{
	printf("calls %llu  streams %llu  packets %llu  overruns %llu\n", ULL(w->calls),
		ULL(w->streams), ULL(w->written), ULL(w->overruns));
	printf("left out: lost %llu  reordered %llu  duplicated %llu  unread %llu  at "
	       "the end %llu\n",
		ULL(w->lost), ULL(w->reordered), ULL(w->duplicated), ULL(w->unread),
		ULL(w->lost_at_end));
	feed_stat_print(stdout, "removal of a call", &w->removal);
	if (w->opts->threads_like)
		feed_stat_print(
			stdout, "the same, with the wait for a thread", &w->deleting);
	feed_stat_print(stdout, "end of stream to closed", &w->closing);
	feed_stat_print(stdout, "interface section to opened", &w->opening);
	printf("never opened: calls %llu, streams %llu   stuck: calls %llu, streams "
	       "%llu\n",
		ULL(w->calls_unopened), ULL(w->streams_unopened), ULL(w->calls_stuck),
		ULL(w->streams_stuck));
}

static void report_json(struct feed_world *w)
{
	printf("{\"calls\":%llu,\"streams\":%llu,\"packets\":%llu,\"overruns\":%llu,"
		"\"lost\":%llu,\"reordered\":%llu,\"duplicated\":%llu,\"unread\":%llu,"
		"\"lost_at_end\":%llu", ULL(w->calls), ULL(w->streams), ULL(w->written),
		ULL(w->overruns), ULL(w->lost), ULL(w->reordered), ULL(w->duplicated),
		ULL(w->unread), ULL(w->lost_at_end));
	feed_stat_json(stdout, "removal", &w->removal);
	feed_stat_json(stdout, "removal_with_wait", &w->deleting);
	feed_stat_json(stdout, "closing", &w->closing);
	feed_stat_json(stdout, "opening", &w->opening);
	printf(",\"calls_unopened\":%llu,\"streams_unopened\":%llu,\"calls_stuck\":%llu,"
		"\"streams_stuck\":%llu,\"errors\":%llu}\n", ULL(w->calls_unopened),
		ULL(w->streams_unopened), ULL(w->calls_stuck), ULL(w->streams_stuck),
		ULL(w->errors));
}

static int verdict(struct player *pl)
{
	struct feed_world *w = &pl->world;

	if (feed_fifos_overflowed(w->fifos))
		return fail(
			"inotify", "events were lost: see fs.inotify.max_queued_events");
	return w->errors || w->streams_stuck || w->calls < (uint64_t)pl->opts->calls;
}

int feed_proc_run(const struct feed_opts *o, const volatile sig_atomic_t *stop)
{
	struct player pl = { .world.opts = o, .opts = o };
	struct feed_world *w = &pl.world;
	int status = 1;

	raise_file_limit(o);
	if (make_dirs(o) == 0 && make_tones(w) == 0) {
		w->fifos = feed_fifos_new();
		if (!w->fifos)
			fail("inotify", strerror(errno));
	}
	if (w->fifos) {
		pl.live = xalloc((size_t)o->calls * sizeof(*pl.live));
		play(&pl, stop);
		if (o->json)
			report_json(w);
		else
			report_text(w);
		status = verdict(&pl);
	}
	free(pl.live);
	feed_stat_fini(&w->removal);
	feed_stat_fini(&w->deleting);
	feed_stat_fini(&w->closing);
	feed_stat_fini(&w->opening);
	feed_fifos_free(&w->fifos);
	feed_tones_free(&w->tones);
	return status;
}
