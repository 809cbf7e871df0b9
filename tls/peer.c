/* SPDX-License-Identifier: GPL-3.0-or-later */
/*                 leave of the dest      open           header out
 *      +-> DOWN ----------------> STARTING ---> GREETING ---------> FLOWING
 *      |    |  ^-- all addresses failed --|        |                   |
 *      |    |                                      |                   |
 *      +----|---------------- lost ----------------+-------------------+
 *           |                                      | finished, all out or given up
 *           | finished, nothing to send            v
 *           +----------> DONE <---------------- CLOSING
 *
 * The audio waits in the backlog whatever the state is. What conn_send takes it takes whole, so a
 * connection that is lost is lost between two frames, and the next one goes on with the next. */
#include "tls/peer.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "tls/conn.h"
#include "tls/dest_start.h"
#include "tls/trend.h"

#define PEER_MAGIC 0x50454552u
#define SETTLED SEC           /* open that long: the endpoint means it */
#define SHORT_LIFE (5 * SEC)  /* lost sooner, again and again: this peer backs off */
#define CLOSE_WAIT SEC        /* for the endpoint's close after ours */
#define EPISODE_SAY (10 * SEC)
#define CATCH_UP 8            /* times the bound, while an outage is made good */

enum peer_state { PEER_DOWN, PEER_STARTING, PEER_GREETING, PEER_FLOWING, PEER_CLOSING, PEER_DONE };

/* Audio is being lost: from the first loss until the backlog is half empty again. */
struct episode {
	bool on, away;   /* away: it began without a connection */
	bool lost_since; /* the last tick */
	uint64_t unsaid; /* [bytes] */
	usec_t said_at;
};

struct header {
	uint8_t *text; /* with its NUL; NULL: not known yet */
	size_t bytes;
};

struct peer {
	MAGIC_MEMBER;
	struct peer_opts opts;
	enum peer_state state;
	usec_t now;        /* of the last tick */
	usec_t since;      /* when the state was entered */
	usec_t opened_at;
	usec_t retry_at;   /* this peer's own back-off */
	unsigned short_lives; /* in a row */
	bool settled, finishing, cut;
	usec_t finish_at;  /* 0: linger begins at the next tick */
	struct dest_start start;
	struct conn *conn;
	struct backlog *backlog;
	struct header header, next_header;
	size_t header_sent;
	size_t allowance;  /* [bytes] that may go out now */
	usec_t waiting_since; /* 0: nothing waits */
	struct trend trend;   /* of what waits, silence included */
	bool roomy;           /* the backlog may grow beyond its bound: see make_room */
	struct episode episode;
	struct peer_stats stats;
};

/* The one place where the state changes. States without a connection drop it here. */
static void enter(struct peer *p, enum peer_state next)
{
	p->state = next;
	p->since = p->now;
	p->header_sent = 0;
	if (next == PEER_STARTING)
		return;
	dest_abandoned(p->opts.dest, &p->start);
	if (next == PEER_DOWN || next == PEER_DONE)
		conn_free(&p->conn);
}

static bool is_open(const struct peer *p)
{
	return p->state == PEER_GREETING || p->state == PEER_FLOWING;
}

static uint64_t bytes_to_ms(const struct peer *p, uint64_t bytes)
{
	return bytes * 1000 / p->opts.bytes_per_second;
}

/* Counts whole milliseconds without losing the parts of one. */
static void count_ms(const struct peer *p, enum counter id, uint64_t before, uint64_t after)
{
	counter_add(id, bytes_to_ms(p, after) - bytes_to_ms(p, before));
}

/* ---- losing audio, and saying so -------------------------------------------------------- */

static void count_loss(struct peer *p, size_t lost)
{
	count_ms(p, COUNT_MS_DROPPED_SINK, p->stats.dropped, p->stats.dropped + lost);
	p->stats.dropped += lost;
}

static void note_loss(struct peer *p, size_t lost)
{
	struct episode *e = &p->episode;

	if (!lost)
		return;
	count_loss(p, lost);
	if (!e->on) {
		*e = (struct episode){ .on = true, .away = !is_open(p), .said_at = p->now };
		p->stats.full_episodes++;
		counter_add(COUNT_TLS_FULL, 1);
	}
	e->lost_since = true;
	e->unsaid += lost;
}

static void say_episode(struct peer *p)
{
	struct episode *e = &p->episode;

	if (e->unsaid)
		log_warn("peer %s: endpoint %s: %llu ms of audio replaced by silence",
			log_mark(p->opts.name), e->away ? "away" : "too slow",
			(unsigned long long)bytes_to_ms(p, e->unsaid));
	e->unsaid = 0;
	e->said_at = p->now;
}

/* At the end nothing takes the place of what still waits. */
static void drop_what_waits(struct peer *p)
{
	size_t lost = backlog_clear(p->backlog);

	say_episode(p);
	if (lost)
		log_info("peer %s: %llu ms of audio were still waiting at the end",
			log_mark(p->opts.name), (unsigned long long)bytes_to_ms(p, lost));
	count_loss(p, lost);
}

static void watch_episode(struct peer *p)
{
	struct episode *e = &p->episode;
	bool over = !e->lost_since && backlog_audio(p->backlog) <= p->opts.max_bytes / 2;

	if (!e->on)
		return;
	/* While the endpoint is away the dest has said so, for all peers at once. */
	if (over || (is_open(p) && p->now - e->said_at >= EPISODE_SAY))
		say_episode(p);
	e->on = !over;
	e->lost_since = false;
}

/* ---- the states, one function each ------------------------------------------------------ */

static void on_change(void *arg);

static void begin(struct peer *p)
{
	if (p->finishing && !backlog_bytes(p->backlog)) {
		enter(p, PEER_DONE);
		return;
	}
	if (p->now < p->retry_at || !dest_begin(p->opts.dest, &p->start))
		return;
	p->conn = dest_connect(p->opts.dest, &p->start, on_change, p);
	enter(p, PEER_STARTING);
}

static void greet_when_open(struct peer *p)
{
	while (conn_status(p->conn) == CONN_OVER && p->start.left) {
		conn_free(&p->conn);
		p->conn = dest_connect(p->opts.dest, &p->start, on_change, p);
	}
	if (conn_status(p->conn) == CONN_OVER) {
		dest_failed(p->opts.dest, &p->start, conn_fault(p->conn), conn_reason(p->conn));
		enter(p, PEER_DOWN);
	} else if (conn_status(p->conn) == CONN_OPEN) {
		dest_opened(p->opts.dest, &p->start);
		p->stats.connects++;
		p->opened_at = p->now;
		p->settled = false;
		enter(p, PEER_GREETING);
	}
}

/* The connection is of no use any more. That is this peer's trouble and not the endpoint's: it
 * connects again at once, and backs off alone when that does not last either. */
static void lose(struct peer *p)
{
	p->short_lives = p->now - p->opened_at < SHORT_LIFE ? p->short_lives + 1 : 0;
	p->retry_at = p->now + (p->short_lives > 1 ?
		dest_backoff(p->opts.dest, p->short_lives - 1) : 0);
	enter(p, PEER_DOWN);
}

/* False: the connection was lost. */
static bool still_open(struct peer *p)
{
	if (conn_status(p->conn) == CONN_OPEN)
		return true;
	/* With TLS 1.3 an endpoint refuses our certificate after the handshake. */
	if (conn_fault(p->conn) == CONN_REFUSED)
		dest_failed(p->opts.dest, &p->start, CONN_REFUSED, conn_reason(p->conn));
	else
		log_warn_limited("peer %s: connection lost: %s", log_mark(p->opts.name),
			conn_reason(p->conn));
	lose(p);
	return false;
}

static bool send_bytes(struct peer *p, const uint8_t *bytes, size_t n)
{
	if (!conn_send(p->conn, span_of(bytes, n)))
		return false;
	if (!p->stats.first_byte)
		p->stats.first_byte = p->now;
	counter_add(COUNT_TLS_BYTES_OUT, n);
	return true;
}

static void close_in_order(struct peer *p)
{
	conn_close(p->conn);
	enter(p, PEER_CLOSING);
}

/* One that is partly out is finished first: the next connection gets the new one. */
static void adopt_header(struct peer *p)
{
	if (!p->next_header.text || p->header_sent)
		return;
	free(p->header.text);
	p->header = p->next_header;
	p->next_header = (struct header){ 0 };
}

static void greet(struct peer *p)
{
	if (!still_open(p))
		return;
	adopt_header(p);
	if (!p->header.text) {
		if (p->finishing && !backlog_bytes(p->backlog))
			close_in_order(p);
		return;
	}
	while (p->header_sent < p->header.bytes) {
		size_t n = p->header.bytes - p->header_sent;

		if (n > CONN_SEND_MAX)
			n = CONN_SEND_MAX;
		if (!send_bytes(p, p->header.text + p->header_sent, n))
			return;
		p->header_sent += n;
	}
	enter(p, PEER_FLOWING);
}

/* Few large writes instead of many small ones, but nothing waits longer than tls-latency-ms. */
static bool is_due(const struct peer *p)
{
	usec_t latency = (usec_t)p->opts.coalesce * SEC / p->opts.bytes_per_second;

	return p->finishing || backlog_bytes(p->backlog) >= p->opts.coalesce ||
	       (p->waiting_since && p->now - p->waiting_since >= latency);
}

/* One write of what waits and may go. False: nothing went. */
static bool flush(struct peer *p)
{
	uint8_t out[CONN_SEND_MAX];
	size_t n = p->allowance < sizeof(out) ? p->allowance : sizeof(out);
	size_t audio = backlog_audio(p->backlog);

	n = backlog_peek(p->backlog, out, n - n % p->opts.frame);
	if (!n || !send_bytes(p, out, n))
		return false;
	backlog_skip(p->backlog, n);
	audio -= backlog_audio(p->backlog);
	count_ms(p, COUNT_MS_FORWARDED, p->stats.sent, p->stats.sent + audio);
	p->stats.sent += audio;
	p->stats.silence += n - audio;
	p->allowance -= n;
	return true;
}

/* While an outage is made good, silence first, live audio comes in: what was kept within the bound
 * would have to go for it. Who is merely slow makes nothing good and gets no room. */
static void make_room(struct peer *p)
{
	bool roomy = trend_falls(&p->trend, backlog_bytes(p->backlog), p->now);

	if (roomy == p->roomy)
		return;
	p->roomy = roomy;
	note_loss(p, backlog_set_limit(p->backlog, p->opts.max_bytes * (roomy ? CATCH_UP : 1)));
}

static void flow(struct peer *p)
{
	if (!still_open(p))
		return;
	if (is_due(p))
		while (conn_has_room(p->conn) && flush(p))
			;
	if (backlog_bytes(p->backlog))
		return;
	p->waiting_since = 0;
	if (p->finishing)
		close_in_order(p);
}

/* The endpoint may still be reading what conn_send took: our end comes behind it. */
static void await_close(struct peer *p)
{
	if (!conn_all_out(p->conn) && p->now < p->finish_at)
		p->since = p->now;
	if (conn_status(p->conn) == CONN_OVER || p->now - p->since >= CLOSE_WAIT)
		enter(p, PEER_DONE);
}

/* Goes as far as it can go now. */
static void run(struct peer *p)
{
	enum peer_state before;

	do {
		before = p->state;
		switch (before) {
		case PEER_DOWN:
			begin(p);
			break;
		case PEER_STARTING:
			greet_when_open(p);
			break;
		case PEER_GREETING:
			greet(p);
			break;
		case PEER_FLOWING:
			flow(p);
			break;
		case PEER_CLOSING:
			await_close(p);
			break;
		case PEER_DONE:
			break;
		}
	} while (p->state != before);
	make_room(p);
}

static void on_change(void *arg)
{
	run(OBJ(arg, struct peer, PEER_MAGIC));
}

/* What waits is given up; an open connection is closed in order. */
static void give_up(struct peer *p)
{
	drop_what_waits(p);
	if (is_open(p))
		close_in_order(p);
	else if (p->state != PEER_CLOSING)
		enter(p, PEER_DONE);
}

/* ---- what the owner does ---------------------------------------------------------------- */

struct peer *peer_new(const struct peer_opts *o)
{
	struct peer *p = xnew(struct peer);

	must(o->dest && o->bytes_per_second > 0 && o->max_speed > 0 && o->frame > 0);
	p->magic = PEER_MAGIC;
	p->opts = *o;
	p->opts.name = xstrdup(o->name);
	p->backlog = backlog_new(&(struct backlog_opts){ .budget = o->budget,
		.max_bytes = o->max_bytes, .frame = o->frame, .policy = o->policy });
	return p;
}

void peer_free(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	must(p->magic == PEER_MAGIC);
	drop_what_waits(p);
	enter(p, PEER_DONE);
	backlog_free(&p->backlog);
	free(p->header.text);
	free(p->next_header.text);
	free((char *)p->opts.name);
	p->magic = 0;
	free(p);
}

void peer_set_header(struct peer *p, struct span header)
{
	free(p->next_header.text);
	p->next_header.text = (uint8_t *)xstrndup(header.n ? (const char *)header.p : "", header.n);
	p->next_header.bytes = header.n + 1;
}

bool peer_has_header(const struct peer *p)
{
	return p->header.text || p->next_header.text;
}

void peer_put(struct peer *p, struct span samples)
{
	size_t lost;

	must(!p->finishing);
	p->stats.put += samples.n;
	lost = backlog_put(p->backlog, samples);
	note_loss(p, lost);
	if (lost && p->opts.policy == BACKLOG_DISCONNECT && is_open(p)) {
		counter_add(COUNT_TLS_LOST, 1);
		log_warn_limited("peer %s: disconnected: its queue was full (tls-when-full)",
			log_mark(p->opts.name));
		lose(p);
	}
}

void peer_put_silence(struct peer *p, uint64_t bytes)
{
	must(!p->finishing && bytes % p->opts.frame == 0);
	backlog_put_silence(p->backlog, bytes);
}

/* max_speed times real time; no more of it is saved up than a moment, however seldom we tick. */
static void earn(struct peer *p, usec_t elapsed)
{
	uint64_t speed = (uint64_t)p->opts.max_speed * p->opts.bytes_per_second;
	uint64_t moment = speed / 16 + p->opts.coalesce + p->opts.frame;
	uint64_t earned = speed * (uint64_t)(elapsed < SEC ? elapsed : SEC) / SEC;

	p->allowance = (size_t)((p->allowance < moment ? p->allowance : moment) + earned);
}

void peer_tick(struct peer *p, usec_t now)
{
	earn(p, p->now ? now - p->now : SEC / 16);
	p->now = now;
	if (p->conn)
		conn_tick(p->conn, now);
	if (!p->waiting_since && backlog_bytes(p->backlog))
		p->waiting_since = now;
	if (p->finishing && !p->finish_at)
		p->finish_at = now + p->opts.linger;
	if (p->finishing && now >= p->finish_at && p->state < PEER_CLOSING)
		give_up(p);
	if (p->cut)
		enter(p, PEER_DONE);
	run(p);
	if (is_open(p) && !p->settled && now - p->opened_at >= SETTLED) {
		p->settled = true;
		dest_settled(p->opts.dest);
	}
	watch_episode(p);
}

void peer_finish(struct peer *p)
{
	p->finishing = true;
}

bool peer_done(const struct peer *p)
{
	return p->state == PEER_DONE;
}

void peer_cut(struct peer *p)
{
	p->finishing = p->cut = true;
	give_up(p);
}

void peer_get_stats(const struct peer *p, struct peer_stats *out)
{
	*out = p->stats;
}

uint64_t peer_waiting(const struct peer *p)
{
	return backlog_audio(p->backlog);
}
