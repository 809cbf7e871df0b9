/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  offer -> answer, packets -> (turn) -> streams removed one by one -> metafile gone  */
#include "tools/feed_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "tools/feed_meta.h"
#include "tools/feed_stream.h"

#define CALL_MAGIC 0xfeedca11

enum state { WAITING, RINGING, TALKING, QUEUED, REMOVING, AWAY, OVER };

struct feed_call {
	MAGIC_MEMBER;
	struct feed_world *world;
	enum state state;
	int number;
	usec_t start, answered, ended; /* ended: asked for */
	usec_t began;                  /* the removal */
	usec_t went;                   /* away, to be remade */
	usec_t flags_due;
	char id[128], tag[17], *parent, *dir, *metadata, *meta_path;
	char tags[8][32];
	struct feed_meta_party party[8];
	struct feed_meta meta;
	struct feed_stream *stream;    /* [n], in the order of making */
	unsigned n, removed;
	bool remaking, remade, stuck, any_opened;
};

static void on_announced(void *arg, unsigned id)
{
	struct feed_call *c = OBJ(arg, struct feed_call, CALL_MAGIC);

	for (unsigned i = 0; i < c->n; i++)
		if (c->stream[i].id == id)
			c->stream[i].announced = clock_mono();
}

static char *escape(const char *text)
{
	static const char plain[] = "-._~0123456789"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char *out = xalloc(3 * strlen(text) + 1), *p = out;

	/* As g_uri_escape_string: RFC 3986 unreserved characters stay. */
	for (; *text; text++) {
		if (strchr(plain, *text))
			*p++ = *text;
		else
			p += sprintf(p, "%%%02X", (unsigned char)*text);
	}
	return out;
}

static void name_call(struct feed_call *c)
{
	const struct feed_opts *o = c->world->opts;
	char *escaped;
	uint64_t random = (uint64_t)clock_wall() * 0x9e3779b97f4a7c15 ^
		(uint64_t)(unsigned)c->number * 0xd1342543de82ef95;

	if (o->call_id)
		snprintf(c->id, sizeof(c->id), "%s-%d@feed", o->call_id, c->number);
	else
		snprintf(
			c->id, sizeof(c->id), "feed%d-%d@feed", (int)getpid(), c->number);
	snprintf(c->tag, sizeof(c->tag), "%016llx", (unsigned long long)random);
	escaped = escape(c->id);
	c->parent = xasprintf("%s-%s", escaped, c->tag);
	free(escaped);
	c->dir = xasprintf("%s/%d/calls/%s", o->proc_root, o->table, c->parent);
	c->meta_path = xasprintf("%s/%s.meta", o->spool, c->parent);
	c->metadata = o->metadata ? xstrdup(o->metadata) :
		xasprintf("caller:c%d|callee:d%d", c->number, c->number);
}

static void describe(struct feed_call *c)
{
	const struct feed_opts *o = c->world->opts;

	for (int p = 0; p < o->streams; p++) {
		/* The first two have their media the other way round, as rtpengine
		 * numbers them. */
		unsigned media = o->streams > 1 && p < 2 ? 1 - (unsigned)p : (unsigned)p;

		snprintf(c->tags[p], sizeof(c->tags[p]), "tag%d-%.16s", p, c->tag);
		c->party[p] = (struct feed_meta_party){ c->tags[p], media,
			30000 + 2 * ((unsigned)(c->number * o->streams + p) % 15000) };
	}
	c->meta = (struct feed_meta){
		.path = c->meta_path,
		.dialect = o->dialect,
		.call_id = c->id,
		.parent = c->parent,
		.random_tag = c->tag,
		.metadata = c->metadata,
		.tag_metadata = o->tag_metadata ? o->tag_metadata : c->metadata,
		.address = o->ipv6 ? "fd00:99::1" : "10.99.0.1",
		.codec = feed_tones_codec(c->world->tones),
		.ptime_ms = (unsigned)o->ptime,
		.recording = o->recording,
		.forwarding =
			o->forwarding == FORWARD_ON || o->forwarding == FORWARD_TOGGLE,
		.rtcp = !o->no_rtcp,
		.v6 = o->ipv6,
		.forwarding_party = -1,
		.party = c->party,
		.parties = (unsigned)o->streams,
		.announced = on_announced,
		.arg = c,
	};
	if (o->forwarding == FORWARD_PER_STREAM)
		c->meta.forwarding_party = 0;
}

struct feed_call *feed_call_new(struct feed_world *w, int number, usec_t start)
{
	struct feed_call *c = xnew(struct feed_call);
	unsigned each = w->opts->no_rtcp ? 1 : 2;

	c->magic = CALL_MAGIC;
	c->world = w;
	c->number = number;
	c->start = start;
	name_call(c);
	describe(c);
	c->n = (unsigned)w->opts->streams * each;
	c->stream = xalloc(c->n * sizeof(*c->stream));
	for (unsigned i = 0; i < c->n; i++)
		feed_stream_init(&c->stream[i], w, number, (int)(i / each), i % each,
			c->party[i / each].media * 2 + i % each, c->party[i / each].port);
	return c;
}

void feed_call_free(struct feed_call **slot)
{
	struct feed_call *c = *slot;

	if (!c)
		return;
	for (unsigned i = 0; i < c->n; i++)
		feed_fifo_remove(c->world->fifos, &c->stream[i].fifo);
	if (c->state != WAITING && c->state != OVER) {
		unlink(c->meta_path);
		rmdir(c->dir);
	}
	free(c->stream);
	free(c->parent);
	free(c->dir);
	free(c->metadata);
	free(c->meta_path);
	c->magic = 0;
	free(c);
	*slot = NULL;
}

static void fail(struct feed_call *c, const char *what, int error)
{
	if (!c->world->errors++)
		fprintf(stderr, "spoolwire-feed: %s: %s: %s\n", c->id, what,
			strerror(-error));
}

static void make_streams(struct feed_call *c)
{
	char name[64], *path;
	int r;

	if (mkdir(c->dir, 0755) < 0 && errno != EEXIST)
		fail(c, c->dir, -errno);
	for (unsigned i = 0; i < c->n; i++) {
		struct feed_stream *s = &c->stream[i];

		feed_meta_interface(&c->meta, (unsigned)s->participant, s->rtcp, name);
		path = xasprintf("%s/%s", c->dir, name);
		r = feed_fifo_make(c->world->fifos, &s->fifo, path);
		if (r < 0)
			fail(c, path, r);
		free(path);
	}
}

static void start_call(struct feed_call *c)
{
	make_streams(c);
	feed_meta_offer(&c->meta);
	c->state = RINGING;
}

static void answer_call(struct feed_call *c, usec_t now)
{
	const struct feed_opts *o = c->world->opts;

	feed_meta_answer(&c->meta);
	if (c->meta.forwarding_party >= 0)
		feed_meta_flags(&c->meta);
	c->answered = now;
	c->flags_due = INT64_MAX;
	if (o->forwarding == FORWARD_LATE)
		c->flags_due = now + (usec_t)(o->seconds / 3 * SEC);
	else if (o->forwarding == FORWARD_TOGGLE)
		c->flags_due = now + SEC;
	c->state = TALKING;
}

static void switch_forwarding(struct feed_call *c, usec_t now)
{
	c->meta.forwarding = !c->meta.forwarding;
	feed_meta_flags(&c->meta);
	c->flags_due =
		c->world->opts->forwarding == FORWARD_TOGGLE ? now + SEC : INT64_MAX;
}

/* The newest stream first: the kernel keeps them in a list and adds at its head. */
static struct feed_stream *next_to_remove(struct feed_call *c)
{
	return &c->stream[c->n - 1 - c->removed];
}

static void enter_removal(struct feed_call *c, usec_t now)
{
	const struct feed_opts *o = c->world->opts;

	if (o->threads_like && c->world->removing >= (unsigned)o->threads_like)
		return;
	c->world->removing++;
	c->began = now;
	c->removed = 0;
	c->state = REMOVING;
}

static void take_metafile_away(struct feed_call *c)
{
	char *discarded;

	if (!c->world->opts->discard) {
		unlink(c->meta_path);
		return;
	}
	discarded = xasprintf("%s.DISCARD", c->meta_path);
	if (rename(c->meta_path, discarded) < 0)
		fail(c, discarded, -errno);
	unlink(discarded);
	free(discarded);
}

static void finish_call(struct feed_call *c)
{
	take_metafile_away(c);
	rmdir(c->dir);
	c->state = OVER;
	c->world->calls++;
	c->world->calls_stuck += c->stuck;
	c->world->calls_unopened += !c->any_opened;
	if (c->meta.error)
		fail(c, c->meta_path, c->meta.error);
}

/* Nobody speaks meanwhile: the call is as much longer. */
static void come_back(struct feed_call *c, usec_t now)
{
	if (now - c->went < c->world->opts->remake_gap * MSEC)
		return;
	c->remaking = false;
	c->remade = true;
	c->answered += now - c->went;
	make_streams(c);
	feed_meta_midcall(&c->meta);
	c->state = TALKING;
}

static void finish_removal(struct feed_call *c)
{
	struct feed_world *w = c->world;
	usec_t now = clock_mono();

	w->removing--;
	feed_stat_add(&w->removal, now - c->began);
	feed_stat_add(&w->deleting, now - c->ended);
	if (!c->remaking) {
		finish_call(c);
		return;
	}
	c->state = AWAY;
	c->went = now;
	come_back(c, now);
}

/* Fact of the kernel: the end of a stream is seen only after the one before it was
 * closed. */
static void run_removal(struct feed_call *c, usec_t now)
{
	const struct feed_opts *o = c->world->opts;

	while (c->removed < c->n) {
		struct feed_stream *s = next_to_remove(c);
		bool stuck;

		if (s->fifo.fd >= 0)
			feed_fifo_end(&s->fifo, now, o->lose_queue);
		stuck = s->fifo.path &&
			now - s->fifo.ended_at > (usec_t)(o->removal_timeout * SEC);
		if (s->fifo.readers > 0 && !stuck)
			return;
		c->stuck |= stuck && s->fifo.readers > 0;
		c->any_opened |= s->fifo.opened_at != 0;
		feed_stream_over(s, stuck);
		c->removed++;
		/* Removing takes the kernel some time, too: the next one ends at its
		 * own moment. */
		now = clock_mono();
	}
	finish_removal(c);
}

void feed_call_end(struct feed_call *c, usec_t now)
{
	if (c->state == WAITING)
		c->state = OVER;
	c->remaking = false;
	if (c->state == AWAY)
		finish_call(c);
	if (c->state != RINGING && c->state != TALKING)
		return;
	c->ended = now;
	c->state = QUEUED;
}

static void talk(struct feed_call *c, usec_t now)
{
	const struct feed_opts *o = c->world->opts;
	usec_t end = c->answered + (usec_t)(o->seconds * SEC);

	/* What would be due at the end is not sent: 50 packets a second, not 51. */
	for (unsigned i = 0; i < c->n; i++)
		feed_stream_run(&c->stream[i], c->answered, now < end ? now : end - 1);
	if (now >= c->flags_due)
		switch_forwarding(c, now);
	if (now >= end) {
		feed_call_end(c, now);
	} else if (o->remake_after >= 0 && !c->remade &&
		now - c->answered >= o->remake_after * MSEC) {
		feed_call_end(c, now);
		c->remaking = true;
	}
}

bool feed_call_run(struct feed_call *c, usec_t now)
{
	OBJ(c, struct feed_call, CALL_MAGIC);
	switch (c->state) {
	case WAITING:
		if (now >= c->start)
			start_call(c);
		break;
	case RINGING:
		if (now >= c->start + c->world->opts->answer_after * MSEC)
			answer_call(c, now);
		break;
	case TALKING:
		talk(c, now);
		if (c->state != QUEUED)
			break;
		/* fall through */
	case QUEUED:
		enter_removal(c, now);
		if (c->state != REMOVING)
			break;
		/* fall through */
	case REMOVING:
		run_removal(c, now);
		break;
	case AWAY:
		come_back(c, now);
		break;
	case OVER:
		break;
	}
	return c->state != OVER;
}

bool feed_call_is_removing(const struct feed_call *c)
{
	return c->state == REMOVING;
}

void feed_call_print(FILE *f, const struct feed_call *c)
{
	char text[CLOCK_TEXT];
	usec_t back = clock_wall() - clock_mono();

	fprintf(f, "{\"call_id\":");
	feed_stat_text(f, c->id);
	fprintf(f, ",\"parent\":");
	feed_stat_text(f, c->parent);
	fprintf(f, ",\"metadata\":");
	feed_stat_text(f, c->metadata);
	clock_format(c->start + back, text);
	fprintf(f, ",\"start\":\"%s\"", text);
	clock_format(c->ended + back, text);
	fprintf(f, ",\"end\":\"%s\",\"codec\":\"%s\",\"streams\":[", text,
		c->meta.codec->rtpmap);
	for (unsigned i = 0; i < c->n; i++) {
		fputs(i ? "," : "", f);
		feed_stream_print(f, &c->stream[i], c->tags[c->stream[i].participant]);
	}
	fprintf(f, "]}\n");
}
