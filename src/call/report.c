/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said of a call: its account, and how it fares. */
#include <stdlib.h>

#include "base/counters.h"
#include "base/mem.h"
#include "call/call_private.h"
#include "sink/file_sink.h"
#include "sink/unix_peer.h"

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

void report_sink(struct call *c, const char *label, const struct sink *sink)
{
	struct account_sink *s = account_add_sink(c->account);

	s->label = xstrdup(label);
	sink->ops->stats(sink, &s->stats);
	s->first_byte_after = s->stats.first_byte ? s->stats.first_byte - c->seen : -1;
}

static bool is_refused(const struct sink *file)
{
	struct file_sink_result r = { 0 };

	if (file)
		file_sink_result(file, &r);
	return r.error != 0;
}

bool call_disk_refuses(const struct call *c)
{
	bool any = c->record_mix && is_refused(mix_sink(c->record_mix));

	for (const struct leg *l = c->legs; l; l = l->next)
		any |= is_refused(l->tape.sink);
	for (const struct closing *closing = c->closing; closing; closing = closing->next)
		any |= closing->file && is_refused(closing->sink);
	return any;
}

static void report_party(struct account *a, const struct party *p)
{
	struct account_tag *t = account_add_tag(a);

	t->number = p->number;
	t->tag = copy_or_null(p->tag);
	t->label = copy_or_null(p->label);
	t->metadata = copy_or_null(p->metadata);
	t->role = p->role;
}

static void report_leg(struct account *a, const struct call *c, struct leg *l)
{
	struct account_stream *s = account_add_stream(a);
	const struct stream_ssrc *list;
	char from[64], to[64];

	s->number = l->number;
	s->tag = l->tag;
	s->media = l->media;
	s->component = l->component;
	s->channel = tape_channel(l);
	s->interface = copy_or_null(l->interface);
	stream_sum(l->stream, &s->count, &s->waiting);
	if (stream_addresses(l->stream, from, to)) {
		s->from = xstrdup(from);
		s->to = xstrdup(to);
	}
	s->end = l->end ? l->end : "";
	s->error = l->error;
	s->ssrcs = stream_ssrcs(l->stream, &list);
	for (unsigned i = 0; i < s->ssrcs; i++) {
		s->ssrc[i] = list[i];
		s->ssrc[i].first += c->epoch;
	}
}

static void fill(struct call *c, struct account *a)
{
	a->number = c->number;
	a->parent = xstrdup(c->parent);
	a->call_id = xstrndup(c->call_id, c->call_id_bytes);
	a->call_id_bytes = c->call_id_bytes;
	a->end = c->ending ? c->ending : "running";
	a->first_packet = c->first;
	a->joined_after = c->joined ? c->joined - c->seen : -1;
	a->data_elements = c->data_elements;
	a->data = copy_or_null(c->data);
	a->metadata = copy_or_null(c->metadata);
	a->unclaimed = c->unclaimed;
	if (c->unix_peer) {
		uint64_t waiting;

		unix_peer_counts(c->unix_peer, &a->unix_messages, &a->unix_dropped, &waiting);
		a->unix_dropped += waiting; /* the connection ends with the call */
	}
	for (struct party *p = c->parties; p; p = p->next)
		report_party(a, p);
	for (struct leg *l = c->legs; l; l = l->next)
		report_leg(a, c, l);
}

static void count_leg(struct leg *l)
{
	struct stream_counts count;
	uint64_t waiting;

	stream_sum(l->stream, &count, &waiting);
	counter_add(COUNT_MS_DECODED, (uint64_t)(count.audio / MSEC));
	counter_add(COUNT_PACKETS_LATE, count.late);
	counter_add(COUNT_PACKETS_DUPLICATE, count.duplicate);
}

void report_fill(struct call *c)
{
	fill(c, c->account);
	for (struct leg *l = c->legs; l; l = l->next)
		count_leg(l);
	if (c->opts->expects_data && !c->joined)
		counter_add(COUNT_CALLS_UNJOINED, 1);
	counter_add(COUNT_CALLS_ENDED, 1);
}

char *report_json(struct call *c)
{
	struct account *a = account_new();
	char *json;

	a->layout = c->account->layout;
	a->seen = c->account->seen;
	a->ended = c->account->ended;
	for (unsigned i = 0; i < c->account->events; i++)
		account_add_event(a, &c->account->event[i]);
	a->events_omitted = c->account->events_omitted;
	fill(c, a);
	json = account_json(a);
	account_free(&a);
	return json;
}
