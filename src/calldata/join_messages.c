/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subscriptions: a channel for each call, shared by calls of the same name. */
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join_private.h"

void join_leave_channel(struct join *j, struct call *c)
{
	struct channel *channel = c->channel;
	struct call **at;

	if (!channel)
		return;
	for (at = &channel->first; *at != c; at = &(*at)->next_on_channel)
		must(*at);
	*at = c->next_on_channel;
	c->channel = NULL;
	if (!channel->first) {
		client_command(j->messages,
			(struct span[]){ span_text("UNSUBSCRIBE"), channel->name }, 2, NULL, 0);
		HASH_DEL(j->channels, channel);
		join_free_span(channel->name);
		free(channel);
	}
}

static void subscribe(struct join *j, struct channel *channel)
{
	client_command(j->messages, (struct span[]){ span_text("SUBSCRIBE"), channel->name }, 2,
		NULL, 0);
}

void join_enter_channel(struct join *j, struct call *c, struct span name)
{
	struct channel *channel;

	HASH_FIND(hh, j->channels, name.p, name.n, channel);
	if (channel) {
		join_free_span(name);
	} else {
		channel = xnew(struct channel);
		channel->name = name;
		HASH_ADD_KEYPTR(hh, j->channels, channel->name.p, channel->name.n, channel);
		subscribe(j, channel);
	}
	c->channel = channel;
	c->next_on_channel = channel->first;
	channel->first = c;
}

/* A publisher that has reached a subscriber may not push at all: the message itself counts. */
static void take_message(struct join *j, struct call *c, const struct redis_reply *payload)
{
	unsigned before = record_elements(c->record);

	if (tally_published(c->tally, tally_hash(payload->text)))
		join_add(j, c, payload);
	join_tell(j, c, before);
}

/* ["message", channel, payload]; ["subscribe", channel, n] when it is in force: from now on
 * nothing is missed, and what came before is in the list. */
void join_on_push(void *arg, const struct redis_reply *r)
{
	struct join *j = OBJ(arg, struct join, JOIN_MAGIC);
	struct channel *channel;
	bool message;

	if (r->kind != REDIS_LIST || r->n != 3 || r->list[0]->kind != REDIS_TEXT ||
		r->list[1]->kind != REDIS_TEXT) {
		counter_add(COUNT_REDIS_ERRORS, 1);
		log_warn_limited("Redis does not subscribe: %s; check redis-channel and the "
			"user's rights",
			r->kind == REDIS_FAILURE ? log_mark((const char *)r->text.p) : "strange answer");
		return;
	}
	message = span_is(r->list[0]->text, "message") && r->list[2]->kind == REDIS_TEXT;
	if (!message && !span_is(r->list[0]->text, "subscribe"))
		return;
	HASH_FIND(hh, j->channels, r->list[1]->text.p, r->list[1]->text.n, channel);
	for (struct call *c = channel ? channel->first : NULL; c; c = c->next_on_channel) {
		if (message)
			take_message(j, c, r->list[2]);
		c->again = c->asking;
		if (!c->asking && c->phase != JOIN_ENDING)
			join_due_in(j, c, 0);
	}
	join_settle(j);
}

void join_on_messages_up(void *arg)
{
	struct join *j = OBJ(arg, struct join, JOIN_MAGIC);

	for (struct channel *channel = j->channels; channel; channel = channel->hh.next)
		subscribe(j, channel);
	join_settle(j);
}
