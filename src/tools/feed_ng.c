/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_ng.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "tools/feed_bencode.h"
#include "tools/feed_dialog.h"

#define TICK      (2 * MSEC)
#define MAX_WORDS 64
#define MAX_LINE  4096

/* One call as it is asked for: by a line of the script, or all alike. */
struct entry {
	struct feed_opts opts;
	struct feed_tones *tones;
	char *line;                /* the texts of opts */
	bool borrowed;             /* tones are those of an earlier entry */
};

struct caller {
	const struct feed_opts *opts;
	struct entry *entry;       /* [n_entries] */
	size_t n_entries;
	struct feed_switch sw;
	struct feed_control *pinger;
	struct feed_stat pings;
	uint64_t pings_unanswered;
	usec_t ping_due, start;
	struct feed_dialog **live;
	size_t n_live;
	int begun, calls;
	bool ending, broken;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "spoolwire-feed: %s: %s\n", what, why);
	return -EINVAL;
}

static bool alike(const struct entry *a, const struct entry *b)
{
	const char *x = a->opts.payload_file, *y = b->opts.payload_file;

	return strcmp(a->opts.codec, b->opts.codec) == 0 &&
		a->opts.ptime == b->opts.ptime &&
		((!x && !y) || (x && y && strcmp(x, y) == 0));
}

/* Encodes now what would stop the clock later. */
static int make_tones(struct caller *c, struct entry *e)
{
	struct feed_codec codec;
	const char *why = NULL;
	int first = (int)(e - c->entry), n = c->calls;

	for (struct entry *before = c->entry; before < e && !e->tones; before++) {
		if (alike(before, e)) {
			e->tones = before->tones;
			e->borrowed = true;
		}
	}
	if (feed_tone_codec(e->opts.codec, &codec) < 0)
		return fail(e->opts.codec, "unknown codec");
	if (!e->tones)
		e->tones = feed_tones_new(
			&codec, (unsigned)e->opts.ptime, e->opts.payload_file, &why);
	for (int i = first; e->tones && i < n && i < first + 80; i += (int)c->n_entries)
		for (int p = 0; p < 2; p++)
			if (!feed_tones_get(
				    e->tones, feed_tone_of(e->opts.tones, i, p), &why))
				return fail(e->opts.codec, why);
	return e->tones ? 0 : fail(e->opts.codec, why);
}

static int read_line(struct caller *c, const char *line, int number)
{
	char *words[MAX_WORDS], why[256], where[32];
	struct entry *e;
	int n;

	c->entry = xrealloc(c->entry, (c->n_entries + 1) * sizeof(*c->entry));
	e = &c->entry[c->n_entries];
	*e = (struct entry){ .opts = *c->opts, .line = xstrdup(line) };
	snprintf(where, sizeof(where), "script, line %d", number);
	n = feed_opts_split(e->line, words, MAX_WORDS);
	if (n <= 0) {
		free(e->line);
		return n < 0 ? fail(where, "too many words") : 0;
	}
	c->n_entries++;
	if (feed_opts_parse(&e->opts, FEED_SCRIPT, n, words, why, sizeof(why)) < 0)
		return fail(where, why);
	return 0;
}

static int read_script(struct caller *c)
{
	char line[MAX_LINE];
	FILE *f = fopen(c->opts->script, "re");
	int r = 0, number = 0;

	if (!f)
		return fail(c->opts->script, strerror(errno));
	while (!r && fgets(line, sizeof(line), f))
		r = read_line(c, line, ++number);
	fclose(f);
	if (!r && !c->n_entries)
		r = fail(c->opts->script, "no call in it");
	return r;
}

static int prepare(struct caller *c)
{
	int r;

	if (c->opts->script) {
		r = read_script(c);
	} else {
		c->entry = xnew(struct entry);
		c->entry->opts = *c->opts;
		c->n_entries = 1;
		r = 0;
	}
	/* A script is played once; --calls says how often its lines are repeated in
	 * turn. */
	c->calls = c->opts->calls;
	if (c->opts->script && c->calls < (int)c->n_entries)
		c->calls = (int)c->n_entries;
	for (size_t i = 0; !r && i < c->n_entries; i++)
		r = make_tones(c, &c->entry[i]);
	return r;
}

static void on_ping(void *arg, struct span answer, usec_t took)
{
	struct caller *c = arg;

	if (answer.n)
		feed_stat_add(&c->pings, took);
	else
		c->pings_unanswered++;
}

static void ping(struct caller *c, usec_t now)
{
	static const char dict[] = "d7:command4:pinge";

	feed_control_run(c->pinger, now);
	if (!c->opts->ping_every || now < c->ping_due)
		return;
	c->ping_due = now + c->opts->ping_every * MSEC;
	feed_control_send(c->pinger, span_text(dict), now, false, on_ping, c);
}

static void begin_calls(struct caller *c, usec_t now)
{
	while (!c->ending && c->begun < c->calls) {
		struct entry *e = &c->entry[(size_t)c->begun % c->n_entries];
		double wait = e->opts.at >= 0 ? e->opts.at : c->begun / c->opts->rate;
		struct feed_dialog *d;

		/* Calls with a time of their own wait in their dialog, the others
		 * here. */
		if (e->opts.at < 0 && c->start + (usec_t)(wait * SEC) > now)
			return;
		d = feed_dialog_new(&c->sw, &e->opts, e->tones, c->begun++,
			c->start + (usec_t)(wait * SEC));
		if (d)
			c->live[c->n_live++] = d;
		else
			c->broken = true;
	}
}

static void run_calls(struct caller *c, usec_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_live; i++) {
		if (feed_dialog_run(c->live[i], now)) {
			c->live[kept++] = c->live[i];
			continue;
		}
		feed_dialog_print(stdout, c->live[i]);
		feed_dialog_free(&c->live[i]);
	}
	c->n_live = kept;
}

static void nap(struct caller *c, usec_t until)
{
	struct pollfd p[2] = {
		{ .fd = feed_control_fd(c->sw.control), .events = POLLIN },
		{ .fd = feed_control_fd(c->pinger), .events = POLLIN },
	};

	for (;;) {
		usec_t left = until - clock_mono();
		struct timespec ts = { left / SEC, left % SEC * 1000 };

		if (left <= 0 || ppoll(p, 2, &ts, NULL) <= 0)
			return;
		feed_control_run(c->sw.control, clock_mono());
		feed_control_run(c->pinger, clock_mono());
	}
}

static void end_all(struct caller *c)
{
	c->ending = true;
	for (size_t i = 0; i < c->n_live; i++)
		feed_dialog_end(c->live[i], clock_mono());
}

static void play(struct caller *c, const volatile sig_atomic_t *stop)
{
	usec_t next = clock_mono();

	c->start = next;
	do {
		usec_t now = clock_mono();

		begin_calls(c, now);
		feed_control_run(c->sw.control, now);
		ping(c, now);
		run_calls(c, clock_mono());
		if (*stop && !c->ending)
			end_all(c);
		next += TICK;
		if (next < clock_mono() - SEC)
			next = clock_mono();
		nap(c, next);
	} while (*stop < 2 && (c->n_live || (!c->ending && c->begun < c->calls)));
}

#define ULL(v) ((unsigned long long)(v))

static void report(struct caller *c)
{
	if (c->opts->json) {
		printf("{\"calls\":%llu,\"failed\":%llu,\"sent\":%llu,\"received\":%llu",
			ULL(c->sw.calls), ULL(c->sw.failed), ULL(c->sw.sent),
			ULL(c->sw.received));
		feed_stat_json(stdout, "requests", &c->sw.requests);
		feed_stat_json(stdout, "deletes", &c->sw.deletes);
		feed_stat_json(stdout, "pings", &c->pings);
		printf(",\"pings_unanswered\":%llu}\n", ULL(c->pings_unanswered));
		return;
	}
	fprintf(stderr, "calls %llu  failed %llu  packets sent %llu  received %llu\n",
		ULL(c->sw.calls), ULL(c->sw.failed), ULL(c->sw.sent),
		ULL(c->sw.received));
	feed_stat_print(stderr, "offer, answer and others", &c->sw.requests);
	feed_stat_print(stderr, "delete", &c->sw.deletes);
	feed_stat_print(stderr, "ping", &c->pings);
	fprintf(stderr, "pings without answer: %llu\n", ULL(c->pings_unanswered));
}

static void tear_down(struct caller *c)
{
	/* Whoever is still live was interrupted twice: the process ends, nobody calls
	 * back. */
	free(c->live);
	for (size_t i = 0; i < c->n_entries; i++) {
		if (!c->entry[i].borrowed)
			feed_tones_free(&c->entry[i].tones);
		free(c->entry[i].line);
	}
	free(c->entry);
	feed_control_free(&c->pinger);
	feed_control_free(&c->sw.control);
	feed_stat_fini(&c->sw.requests);
	feed_stat_fini(&c->sw.deletes);
	feed_stat_fini(&c->pings);
}

int feed_ng_run(const struct feed_opts *o, const volatile sig_atomic_t *stop)
{
	struct caller c = { .opts = o, .sw.sequential = o->sequential };
	const char *why = NULL;
	int status = 1;

	c.sw.control = feed_control_new(o->ng, (usec_t)(o->timeout * SEC), &why);
	if (c.sw.control)
		c.pinger = feed_control_new(o->ng, SEC, &why);
	if (why) {
		fail(o->ng, why);
	} else if (prepare(&c) == 0) {
		c.live = xalloc((size_t)c.calls * sizeof(struct feed_dialog *));
		play(&c, stop);
		report(&c);
		status = c.broken || c.sw.failed || c.sw.calls < (uint64_t)c.calls;
	}
	tear_down(&c);
	return status;
}
