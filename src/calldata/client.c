/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/client_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define CLIENT_MAGIC 0x4ed15c11u
#define MAX_UNSENT   ((size_t)1024 * 1024)
#define BACKOFF_MIN  100u  /* [ms] */
#define BACKOFF_MAX  5000u /* [ms] */
#define STEADY_MS    10000u /* up so long: the back-off begins anew */
#define IDLE_MS      3000u  /* so long nothing was heard: ping */
#define ANSWER_MAX_MS 60000u /* an answer of which bytes come, but never the end */

static void on_timer(uv_timer_t *timer);

static unsigned timeout_ms(const struct client *c)
{
	return (unsigned)(c->opts.timeout / MSEC);
}

/* Doubling, +-25 %: many daemons must not come back at one moment. */
static unsigned backoff_ms(const struct client *c)
{
	unsigned ms = BACKOFF_MIN << (c->failures < 6 ? c->failures : 6);
	unsigned dice = 0;

	uv_random(NULL, NULL, &dice, sizeof(dice), 0, NULL);
	ms = ms < BACKOFF_MAX ? ms : BACKOFF_MAX;
	return ms * 3 / 4 + dice % (ms / 2);
}

void client_enter(struct client *c, enum client_state next)
{
	unsigned ms = next == CLIENT_PAUSING ? backoff_ms(c) :
		      next == CLIENT_UP ? timeout_ms(c) / 4 + 1 : timeout_ms(c);

	c->state = next;
	uv_timer_start(&c->timer, on_timer, ms, next == CLIENT_UP ? ms : 0);
}

/* ---- ending a connection ------------------------------------------------------------------- */

static struct command shift(struct client *c)
{
	struct command first = c->commands[c->head];

	must(c->in_flight > 0);
	c->head = (c->head + 1) % (CLIENT_MAX_COMMANDS + CLIENT_GREETING_ROOM);
	c->in_flight--;
	return first;
}

/* Once for each outage; again when the reason is another one: what came back may not let us in. */
static void say_down(struct client *c, const char *reason)
{
	if (c->said_down && strncmp(c->said_reason, reason, sizeof(c->said_reason) - 1) == 0)
		return;
	snprintf(c->said_reason, sizeof(c->said_reason), "%s", reason);
	if (c->said_down)
		log_warn_limited("Redis at %s%s: %s", c->opts.url->shown,
			c->opts.subscriber ? " (subscription)" : "", reason);
	else
		log_warn("Redis at %s%s: %s; calls go without its data until it is back",
			c->opts.url->shown, c->opts.subscriber ? " (subscription)" : "", reason);
	c->said_down = true;
}

/* All that waits for an answer is told, after the state is such that nothing can be added. */
void client_lose(struct client *c, const char *reason)
{
	bool was_up = c->state == CLIENT_UP;

	counter_add(COUNT_REDIS_LOST, 1);
	if (was_up && uv_now(c->loop) - c->up_since > STEADY_MS)
		c->failures = 0;
	say_down(c, reason);
	client_drop_link(c);
	client_drop_addresses(c);
	client_enter(c, CLIENT_PAUSING);
	c->failures++;
	c->pinged = 0;
	while (c->in_flight) {
		struct command lost = shift(c);

		if (lost.fn)
			lost.fn(lost.arg, lost.token, NULL);
	}
	if (was_up)
		c->events.down(c->arg);
}

/* ---- commands ------------------------------------------------------------------------------ */

static void append(struct client *c, const struct span *argv, unsigned n)
{
	size_t bytes;
	char *text = redis_command(argv, n, &bytes);

	if (c->out_used + bytes > c->out_room) {
		c->out_room = 2 * (c->out_used + bytes);
		c->out = xrealloc(c->out, c->out_room);
	}
	memcpy(c->out + c->out_used, text, bytes);
	c->out_used += bytes;
	free(text);
	counter_add(COUNT_REDIS_COMMANDS, 1);
}

static void give(struct client *c, const struct span *argv, unsigned n, client_answer_fn *fn,
	void *arg, uint64_t token)
{
	unsigned at = (c->head + c->in_flight) % (CLIENT_MAX_COMMANDS + CLIENT_GREETING_ROOM);

	must(c->in_flight < CLIENT_MAX_COMMANDS + CLIENT_GREETING_ROOM);
	c->commands[at] = (struct command){ fn, arg, token, uv_now(c->loop) };
	c->in_flight++;
	append(c, argv, n);
}

static void on_written(uv_write_t *req, int status)
{
	struct outgoing *o = req->data;
	struct link *link = req->handle->data;

	free(o->bytes);
	free(o);
	if (status < 0 && link->owner)
		client_lose(link->owner, uv_strerror(status));
}

void client_flush(struct client *c)
{
	struct outgoing *o;
	uv_buf_t buf;
	int error;

	if (!c->link || c->out_used == 0)
		return;
	o = xnew(struct outgoing);
	o->bytes = c->out;
	o->req.data = o;
	buf = uv_buf_init(o->bytes, (unsigned)c->out_used);
	c->out = NULL;
	c->out_used = c->out_room = 0;
	error = uv_write(&o->req, &c->link->uv.stream, &buf, 1, on_written);
	if (error < 0) {
		free(o->bytes);
		free(o);
		client_lose(c, uv_strerror(error));
	}
}

bool client_command(struct client *c, const struct span *argv, unsigned n, client_answer_fn *fn,
	uint64_t token)
{
	if (c->state != CLIENT_UP)
		return false;
	if (c->opts.subscriber) { /* one for each call at most, and none is asked again */
		append(c, argv, n);
		return true;
	}
	if (c->in_flight >= CLIENT_MAX_COMMANDS ||
		c->out_used + uv_stream_get_write_queue_size(&c->link->uv.stream) > MAX_UNSENT)
		return false;
	give(c, argv, n, fn, c->arg, token);
	return true;
}

/* ---- logging in ---------------------------------------------------------------------------- */

static const char *advice(struct span text)
{
	if (span_starts(text, "NOAUTH"))
		return ": redis-url needs user and password";
	if (span_starts(text, "WRONGPASS") || span_starts(text, "ERR AUTH") ||
		span_starts(text, "ERR invalid password"))
		return ": check user and password in redis-url";
	if (span_starts(text, "ERR DB index") || span_starts(text, "ERR invalid DB"))
		return ": check the database in redis-url";
	return "";
}

/* AUTH and SELECT have to succeed. */
static void on_needed(void *arg, uint64_t token, const struct redis_reply *reply)
{
	struct client *c = OBJ(arg, struct client, CLIENT_MAGIC);
	char reason[300];

	(void)token;
	if (!reply || reply->kind == REDIS_STATUS)
		return;
	snprintf(reason, sizeof(reason), "%s%s", reply->kind == REDIS_FAILURE ?
		log_mark((const char *)reply->text.p) : "strange answer at login", advice(reply->text));
	client_lose(c, reason);
}

static void on_optional(void *arg, uint64_t token, const struct redis_reply *reply)
{
	(void)arg, (void)token, (void)reply;
}

/* The last of the login. A Redis that is loading, or wants a password, is not up; one that only
 * forbids PING is. */
static void on_greeted(void *arg, uint64_t token, const struct redis_reply *reply)
{
	struct client *c = OBJ(arg, struct client, CLIENT_MAGIC);

	if (!reply)
		return;
	if (reply->kind != REDIS_STATUS && !(reply->kind == REDIS_FAILURE &&
		span_starts(reply->text, "NOPERM"))) {
		on_needed(c, token, reply);
		return;
	}
	counter_add(COUNT_REDIS_CONNECTS, 1);
	if (c->said_down || !c->said_up)
		log_info("Redis at %s%s: connected", c->opts.url->shown,
			c->opts.subscriber ? " (subscription)" : "");
	c->said_down = false;
	c->said_up = true;
	c->up_since = uv_now(c->loop);
	c->generation++;
	client_enter(c, CLIENT_UP);
	c->events.up(c->arg);
}

void client_greet(struct client *c)
{
	const struct redis_url *u = c->opts.url;
	struct span login[3] = { span_text("AUTH") };
	struct span named[3] = { span_text("CLIENT"), span_text("SETNAME"), span_text("spoolwire") };
	struct span ping = span_text("PING");
	struct span selected[2] = { span_text("SELECT") };
	char db[16];
	unsigned n = 1;

	if (u->pass) {
		if (u->user)
			login[n++] = span_text(u->user);
		login[n++] = span_text(u->pass);
		give(c, login, n, on_needed, c, 0);
	}
	if (u->db) {
		snprintf(db, sizeof(db), "%u", u->db);
		selected[1] = span_text(db);
		give(c, selected, 2, on_needed, c, 0);
	}
	give(c, named, 3, on_optional, c, 0);
	give(c, &ping, 1, on_greeted, c, 0);
	client_flush(c);
}

/* ---- answers ------------------------------------------------------------------------------- */

static bool is_pong(const struct redis_reply *reply)
{
	if (reply->kind == REDIS_LIST && reply->n && reply->list[0]->kind == REDIS_TEXT)
		return span_is(reply->list[0]->text, "pong");
	return reply->kind == REDIS_STATUS;
}

static void on_reply(struct client *c, const struct redis_reply *reply)
{
	struct command first;

	if (c->in_flight) {
		first = shift(c);
		if (first.fn)
			first.fn(first.arg, first.token, reply);
	} else if (!c->opts.subscriber || c->state != CLIENT_UP) {
		client_lose(c, reply->kind == REDIS_FAILURE ? log_mark((const char *)reply->text.p) :
			"it answers what was not asked");
	} else if (!is_pong(reply)) {
		c->events.push(c->arg, reply);
	}
}

static void on_bad_reply(struct client *c, int error)
{
	static const struct redis_reply too_large = { .kind = REDIS_TOO_LARGE };
	struct command first;

	if (error == -EMSGSIZE && c->in_flight) {
		first = shift(c);
		if (first.fn)
			first.fn(first.arg, first.token, &too_large);
	}
	client_lose(c, error == -EMSGSIZE ? "a reply is over 64 MiB" :
		"what it sends is not Redis: check redis-url");
}

void client_on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;
	struct client *c = link->owner;
	struct redis_reply *reply;
	int error;

	if (!c || n == 0)
		return;
	if (n < 0) {
		client_lose(c, n == UV_EOF ? "it closed the connection" : uv_strerror((int)n));
		return;
	}
	c->heard = uv_now(c->loop);
	c->pinged = 0;
	redis_reader_feed(c->reader, span_of(buf->base, (size_t)n));
	/* An answer may have ended the connection, and the reader with it. */
	while (link->owner) {
		error = redis_reader_next(c->reader, &reply);
		if (error < 0)
			on_bad_reply(c, error);
		if (!reply)
			return;
		on_reply(c, reply);
		redis_reply_free(&reply);
	}
}

/* ---- looking after it ---------------------------------------------------------------------- */

static void ping(struct client *c, uint64_t now)
{
	struct span text = span_text("PING");

	c->pinged = now;
	if (c->opts.subscriber)
		append(c, &text, 1);
	else
		give(c, &text, 1, on_optional, c, 0);
	client_flush(c);
}

/* Slow is not hung: what counts is that something comes while something is asked. */
static void look_after(struct client *c)
{
	uint64_t now = uv_now(c->loop), since = c->pinged;

	if (c->in_flight)
		since = c->commands[c->head].sent;
	if (since == 0) {
		if (now - c->heard > IDLE_MS)
			ping(c, now);
		return;
	}
	if (now - since > ANSWER_MAX_MS)
		client_lose(c, "an answer does not come to its end");
	else if (now - (c->heard > since ? c->heard : since) > timeout_ms(c))
		client_lose(c, "it hangs: it is connected and does not answer");
}

static void on_timer(uv_timer_t *timer)
{
	struct client *c = OBJ(timer->data, struct client, CLIENT_MAGIC);

	switch (c->state) {
	case CLIENT_PAUSING:
		client_begin(c);
		break;
	case CLIENT_UP:
		look_after(c);
		break;
	case CLIENT_RESOLVING:
		client_lose(c, "its name is not resolved in time");
		break;
	case CLIENT_CONNECTING:
		client_connect_next(c, "connecting takes too long");
		break;
	case CLIENT_GREETING:
		client_lose(c, "it does not answer at login");
		break;
	}
}

struct client *client_new(struct uv_loop_s *loop, const struct client_opts *opts,
	const struct client_events *events, void *arg)
{
	struct client *c = xnew(struct client);

	c->magic = CLIENT_MAGIC;
	c->loop = loop;
	c->opts = *opts;
	c->events = *events;
	c->arg = arg;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	client_begin(c);
	return c;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void client_free(struct client **client)
{
	struct client *c = *client;

	if (!c)
		return;
	*client = NULL;
	client_drop_link(c);
	client_drop_addresses(c);
	c->magic = 0;
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

bool client_is_up(const struct client *c)
{
	return c->state == CLIENT_UP;
}

unsigned client_generation(const struct client *c)
{
	return c->generation;
}
