/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/join_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"

#define CHUNK       32u           /* elements asked for at once: bounds one reply */
#define SEEK_MIN    (20 * MSEC)
#define SEEK_MAX    (1 * SEC)
#define FOLLOW      (5 * SEC)     /* between reads for elements that were appended */
#define END_READ    (200 * MSEC)  /* the last document is pushed about when rtpengine ends the call */
#define END_LIMIT   (1500 * MSEC) /* after it finished comes without the last read */
#define CROWDED     (20 * MSEC)   /* until the next try when commands fill the pipeline */

/* ---- patterns ------------------------------------------------------------------------------ */

static bool pattern_ok(const char *pattern)
{
	for (const char *p = pattern; *p; p++)
		if (*p == '%' && (*++p == '\0' || !strchr("cp%", *p)))
			return false;
	return true;
}

static struct span expand(const char *pattern, struct span call_id, const char *parent)
{
	uint8_t *out = xalloc(strlen(pattern) * (call_id.n + strlen(parent) + 1) + 1);
	size_t used = 0;
	struct span piece;

	for (const char *p = pattern; *p; p++) {
		piece = span_of(p, 1);
		if (*p == '%' && *++p != '%')
			piece = *p == 'c' ? call_id : span_text(parent);
		memcpy(out + used, piece.p, piece.n);
		used += piece.n;
	}
	return span_of(out, used);
}

void join_free_span(struct span s)
{
	free((void *)(uintptr_t)s.p);
}

/* ---- the call's schedule ------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static struct call *find(struct join *j, uint64_t number)
{
	struct call *c;

	HASH_FIND(hh, j->calls, &number, sizeof(number), c);
	return c;
}

/* At the end of whatever changed the schedule or gave commands. */
void join_settle(struct join *j)
{
	struct scheduled *first;
	usec_t wait;

	client_flush(j->commands);
	if (j->messages)
		client_flush(j->messages);
	first = schedule_first(&j->schedule);
	if (!first) {
		uv_timer_stop(&j->timer);
		return;
	}
	wait = first->due - clock_mono();
	uv_update_time(j->timer.loop);
	uv_timer_start(&j->timer, on_timer, wait > 0 ? (uint64_t)((wait + MSEC - 1) / MSEC) : 0, 0);
}

void join_due_in(struct join *j, struct call *c, usec_t wait)
{
	usec_t due = clock_mono() + wait;

	if (c->phase == JOIN_ENDING && due > c->end_limit)
		due = c->end_limit;
	if (c->phase != JOIN_FINISHED)
		schedule_put(&j->schedule, &c->scheduled, due);
}

/* The call may be forgotten when it returns. */
static void finish(struct join *j, struct call *c)
{
	c->phase = JOIN_FINISHED;
	schedule_drop(&j->schedule, &c->scheduled);
	join_leave_channel(j, c);
	j->events.finished(j->arg, c->number);
}

/* After a read that is over, with or without an answer. */
static void plan(struct join *j, struct call *c, bool answered)
{
	bool again = c->again;

	c->again = false;
	if (c->phase == JOIN_SEEKING &&
		(record_elements(c->record) || clock_mono() >= c->wait_until))
		c->phase = JOIN_FOLLOWING;
	switch (c->phase) {
	case JOIN_SEEKING:
		join_due_in(j, c, again ? 0 : c->backoff);
		c->backoff = c->backoff < SEEK_MAX / 2 ? 2 * c->backoff : SEEK_MAX;
		break;
	case JOIN_FOLLOWING:
		join_due_in(j, c, again ? 0 : FOLLOW);
		break;
	case JOIN_ENDING:
		if (c->asked_last && answered)
			finish(j, c);
		else
			join_due_in(j, c, c->asked_last || clock_mono() >= c->end_read ? CROWDED :
				c->end_read - clock_mono());
		break;
	case JOIN_FINISHED:
		break;
	}
}

/* ---- reading the list ---------------------------------------------------------------------- */

void join_add(struct join *j, struct call *c, const struct redis_reply *element)
{
	if (!element->too_long && record_add(c->record, element->text)) {
		counter_add(COUNT_REDIS_ELEMENTS, 1);
		return;
	}
	counter_add(COUNT_REDIS_ELEMENTS_REFUSED, 1);
	log_warn_limited("call data %s: element refused, it is over a cap (%u elements, %zu bytes of "
		"one, %zu of all)", log_mark((const char *)c->key.p), j->opts.max_elements,
		j->opts.max_element_bytes, j->opts.max_call_bytes);
}

void join_tell(struct join *j, struct call *c, unsigned before)
{
	char *json;

	if (record_elements(c->record) == before)
		return;
	json = record_json(c->record);
	j->events.data(j->arg, c->number, span_text(json), record_elements(c->record));
	free(json);
}

static void take(struct join *j, struct call *c, const struct redis_reply *element)
{
	c->place++;
	if (element->kind != REDIS_TEXT) {
		c->last = 0;
		counter_add(COUNT_REDIS_ERRORS, 1);
		return;
	}
	c->last = tally_hash(element->text);
	if (tally_listed(c->tally, c->last))
		join_add(j, c, element);
}

static void start_over(struct call *c)
{
	c->place = 0;
	tally_restart(c->tally);
}

/* The element before place is asked for again: when it is another one, or gone, the list is not
 * the one that was read (Redis restarted empty, list expired, trimmed). True: read on at once. */
static bool take_list(struct join *j, struct call *c, const struct redis_reply *reply)
{
	unsigned i = 0, before = record_elements(c->record);

	if (c->place > 0) {
		if (reply->n == 0 || reply->list[0]->kind != REDIS_TEXT ||
			tally_hash(reply->list[0]->text) != c->last) {
			start_over(c);
			return true;
		}
		i = 1;
	}
	for (; i < reply->n && c->place <= c->to; i++)
		take(j, c, reply->list[i]);
	c->read_on = client_generation(j->commands);
	join_tell(j, c, before);
	return c->place > c->to && c->place <= j->opts.max_elements;
}

static void say_bad_reply(struct call *c, const struct redis_reply *reply)
{
	const char *key = log_mark((const char *)c->key.p);

	counter_add(COUNT_REDIS_ERRORS, 1);
	if (reply->kind == REDIS_TOO_LARGE)
		log_warn_limited("call data %s is too large to be read: the call goes without", key);
	else if (reply->kind != REDIS_FAILURE)
		log_warn_limited("call data %s: Redis answers with a wrong type", key);
	else
		log_warn_limited("call data %s: Redis answers %s%s", key,
			log_mark((const char *)reply->text.p),
			span_starts(reply->text, "WRONGTYPE") ? " (redis-list must name lists)" :
			span_starts(reply->text, "NO") ? " (check user and password in redis-url)" : "");
}

static void look(struct join *j, struct call *c);

static void on_list(void *arg, uint64_t number, const struct redis_reply *reply)
{
	struct join *j = OBJ(arg, struct join, JOIN_MAGIC);
	struct call *c = find(j, number);

	if (!c || c->phase == JOIN_FINISHED)
		return;
	c->asking = false;
	if (reply && reply->kind == REDIS_LIST) {
		if (take_list(j, c, reply)) {
			look(j, c);
			join_settle(j);
			return;
		}
	} else if (reply) {
		c->given_up = reply->kind == REDIS_TOO_LARGE;
		say_bad_reply(c, reply);
	}
	plan(j, c, reply != NULL);
	join_settle(j);
}

/* False: it cannot be asked now. */
static bool ask(struct join *j, struct call *c)
{
	char from[16], to[16];
	struct span argv[4] = { span_text("LRANGE"), c->key };

	/* A connection made anew may be to an emptied Redis, whose list only looks the same. */
	if (c->place && c->read_on != client_generation(j->commands))
		start_over(c);
	/* One more than may be taken: so that what is over the cap is seen, and counted. */
	c->from = c->place ? c->place - 1 : 0;
	c->to = c->place + CHUNK - 1;
	if (c->to > j->opts.max_elements)
		c->to = j->opts.max_elements;
	snprintf(from, sizeof(from), "%u", c->from);
	snprintf(to, sizeof(to), "%u", c->to);
	argv[2] = span_text(from);
	argv[3] = span_text(to);
	c->asking = client_command(j->commands, argv, 4, on_list, c->number);
	c->asked_last = c->asking && c->phase == JOIN_ENDING && clock_mono() >= c->end_read;
	return c->asking;
}

/* The call's moment has come. Leaves it scheduled, asking or finished. */
static void look(struct join *j, struct call *c)
{
	if (c->phase == JOIN_ENDING && (c->given_up || clock_mono() >= c->end_limit)) {
		finish(j, c);
		return;
	}
	if (c->asking) /* the answer plans on; only the end has a limit */
		c->again = true;
	if (c->asking || (!c->given_up && ask(j, c)))
		join_due_in(j, c, c->phase == JOIN_ENDING ? END_LIMIT : FOLLOW);
	else if (client_is_up(j->commands) && !c->given_up)
		join_due_in(j, c, CROWDED);
	else
		plan(j, c, false);
}

static void on_timer(uv_timer_t *timer)
{
	struct join *j = OBJ(timer->data, struct join, JOIN_MAGIC);
	usec_t now = clock_mono();
	struct scheduled *first;

	while ((first = schedule_first(&j->schedule)) && first->due <= now) {
		schedule_drop(&j->schedule, first);
		look(j, (struct call *)first);
	}
	join_settle(j);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_commands_up(void *arg)
{
	struct join *j = OBJ(arg, struct join, JOIN_MAGIC);

	for (struct call *c = j->calls; c; c = c->hh.next)
		if (c->phase != JOIN_ENDING || clock_mono() >= c->end_read)
			join_due_in(j, c, 0);
	join_settle(j);
}

static void on_down(void *arg)
{
	(void)arg; /* the answers that are lost have planned their calls already */
}

static char *check_opts(const struct join_opts *o)
{
	if (!pattern_ok(o->list) || (o->channel && !pattern_ok(o->channel)))
		return xstrdup("redis-list and redis-channel may hold %c, %p and %% only");
	return NULL;
}

struct join *join_start(struct uv_loop_s *loop, const struct join_opts *opts,
	const struct join_events *events, void *arg, char **reason)
{
	static const struct client_events commands = { .up = on_commands_up, .down = on_down };
	static const struct client_events messages = {
		.up = join_on_messages_up, .down = on_down, .push = join_on_push,
	};
	struct client_opts client = {
		.max_text = opts->max_element_bytes,
		.timeout = opts->timeout ? opts->timeout : 5 * SEC,
	};
	struct redis_url url;
	struct join *j;

	*reason = check_opts(opts);
	if (*reason || !redis_url_parse(opts->url, &url, reason))
		return NULL;
	j = xnew(struct join);
	j->magic = JOIN_MAGIC;
	j->opts = *opts;
	j->opts.url = NULL;
	j->opts.list = xstrdup(opts->list);
	j->opts.channel = opts->channel ? xstrdup(opts->channel) : NULL;
	j->url = url;
	j->events = *events;
	j->arg = arg;
	uv_timer_init(loop, &j->timer);
	j->timer.data = j;
	client.url = &j->url;
	j->commands = client_new(loop, &client, &commands, j);
	client.subscriber = true;
	if (opts->channel)
		j->messages = client_new(loop, &client, &messages, j);
	return j;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void free_call(struct join *j, struct call *c)
{
	schedule_drop(&j->schedule, &c->scheduled);
	join_leave_channel(j, c);
	HASH_DEL(j->calls, c);
	record_free(&c->record);
	tally_free(&c->tally);
	join_free_span(c->key);
	free(c);
}

void join_stop(struct join **join)
{
	struct join *j = *join;

	if (!j)
		return;
	*join = NULL;
	while (j->calls)
		free_call(j, j->calls);
	client_free(&j->messages);
	client_free(&j->commands);
	redis_url_fini(&j->url);
	schedule_fini(&j->schedule);
	free((void *)(uintptr_t)j->opts.list);
	free((void *)(uintptr_t)j->opts.channel);
	j->magic = 0;
	uv_close((uv_handle_t *)&j->timer, on_timer_closed);
}

void join_call(struct join *j, uint64_t number, struct span call_id, const char *parent)
{
	struct call *c = xnew(struct call);

	must(!find(j, number));
	c->number = number;
	c->key = expand(j->opts.list, call_id, parent);
	c->record = record_new(j->opts.max_elements, j->opts.max_element_bytes,
		j->opts.max_call_bytes);
	c->tally = tally_new(j->opts.max_elements);
	c->wait_until = clock_mono() + j->opts.wait;
	c->backoff = SEEK_MIN;
	HASH_ADD(hh, j->calls, number, sizeof(c->number), c);
	if (j->messages)
		join_enter_channel(j, c, expand(j->opts.channel, call_id, parent));
	look(j, c);
	join_settle(j);
}

void join_end(struct join *j, uint64_t number)
{
	struct call *c = find(j, number);

	if (!c || c->phase >= JOIN_ENDING)
		return;
	c->phase = JOIN_ENDING;
	c->end_read = clock_mono() + END_READ;
	c->end_limit = clock_mono() + END_LIMIT;
	join_due_in(j, c, END_READ);
	join_settle(j);
}

static void on_trimmed(void *arg, uint64_t number, const struct redis_reply *reply)
{
	(void)arg, (void)number;
	if (!reply || reply->kind == REDIS_STATUS)
		return;
	counter_add(COUNT_REDIS_ERRORS, 1);
	if (reply->kind == REDIS_FAILURE)
		log_warn_limited("Redis does not delete call data: %s; redis-consume = delete needs "
			"the right to LTRIM", log_mark((const char *)reply->text.p));
}

/* Only what was read: an element that came since stays. A list that was read on an earlier
 * connection may be another one now, and stays whole. */
static void consume(struct join *j, struct call *c)
{
	char place[16];
	struct span argv[4] = { span_text("LTRIM"), c->key };

	if (c->place == 0)
		return;
	snprintf(place, sizeof(place), "%u", c->place);
	argv[2] = span_text(place);
	argv[3] = span_text("-1");
	if (c->read_on != client_generation(j->commands) ||
		!client_command(j->commands, argv, 4, on_trimmed, c->number))
		counter_add(COUNT_REDIS_KEPT, 1);
}

void join_forget(struct join *j, uint64_t number, bool account_written)
{
	struct call *c = find(j, number);

	if (!c)
		return;
	if (j->opts.consume && account_written)
		consume(j, c);
	free_call(j, c);
	join_settle(j);
}
