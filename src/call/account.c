/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/account.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "call/header.h"

#define MAX_TEXT ((size_t)64 * 1024) /* [bytes] of one text in the document */
#define MAX_LINE ((size_t)1024)

struct account *account_new(void)
{
	struct account *a = xnew(struct account);

	a->layout = a->end = "";
	a->joined_after = -1;
	return a;
}

void account_free(struct account **account)
{
	struct account *a = *account;

	if (!a)
		return;
	for (unsigned i = 0; i < a->tags; i++) {
		free(a->tag[i].tag);
		free(a->tag[i].label);
		free(a->tag[i].metadata);
	}
	for (unsigned i = 0; i < a->streams; i++) {
		free(a->stream[i].interface);
		free(a->stream[i].from);
		free(a->stream[i].to);
	}
	for (unsigned i = 0; i < a->sinks; i++)
		free(a->sink[i].label);
	for (unsigned i = 0; i < a->events; i++)
		free((char *)(uintptr_t)a->event[i].text);
	free(a->tag);
	free(a->stream);
	free(a->sink);
	free(a->event);
	free(a->parent);
	free(a->call_id);
	free(a->data);
	free(a->metadata);
	free(a);
	*account = NULL;
}

/* Room for one more of these behind n that are there; at 0, 4, 8, 16 ... there is none left. */
static void *grow(void *array, unsigned n, size_t bytes)
{
	if (n == 0)
		array = xrealloc(array, 4 * bytes);
	else if (n >= 4 && (n & (n - 1)) == 0)
		array = xrealloc(array, 2 * n * bytes);
	memset((char *)array + n * bytes, 0, bytes);
	return array;
}

struct account_tag *account_add_tag(struct account *a)
{
	a->tag = grow(a->tag, a->tags, sizeof(*a->tag));
	a->tag[a->tags].role = "";
	return &a->tag[a->tags++];
}

struct account_stream *account_add_stream(struct account *a)
{
	a->stream = grow(a->stream, a->streams, sizeof(*a->stream));
	a->stream[a->streams].end = "";
	return &a->stream[a->streams++];
}

struct account_sink *account_add_sink(struct account *a)
{
	a->sink = grow(a->sink, a->sinks, sizeof(*a->sink));
	a->sink[a->sinks].first_byte_after = -1;
	return &a->sink[a->sinks++];
}

void account_add_event(struct account *a, const struct account_event *e)
{
	struct account_event *added;

	if (a->events >= ACCOUNT_MAX_EVENTS) {
		a->events_omitted++;
		return;
	}
	a->event = grow(a->event, a->events, sizeof(*a->event));
	added = &a->event[a->events++];
	*added = *e;
	added->text = e->text ? xstrdup(e->text) : NULL;
}

bool account_stream_balances(const struct account_stream *s)
{
	const struct stream_counts *c = &s->count;

	return c->packets == c->refused + c->foreign + c->bad + c->rtcp + c->empty + c->duplicate +
		c->late + c->stray + s->waiting + c->events + c->noise + c->undecodable +
		c->unwanted + c->decoded;
}

bool account_sink_balances(const struct account_sink *s)
{
	return s->stats.put == s->stats.sent + s->stats.dropped + s->stats.waiting;
}

/* ---- the document -------------------------------------------------------------------------- */

static void put(json_t *object, const char *key, json_t *value)
{
	must(json_object_set_new(object, key, value) == 0);
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
	put(object, key, json_integer((json_int_t)number));
}

static json_t *bytes_json(const char *text, size_t bytes)
{
	char *clean = utf8_clean(span_of(text, bytes), MAX_TEXT);
	json_t *json = json_string_nocheck(clean);

	free(clean);
	must(json);
	return json;
}

static json_t *text_json(const char *text)
{
	return text ? bytes_json(text, strlen(text)) : json_null();
}

static void put_text(json_t *object, const char *key, const char *text)
{
	put(object, key, text_json(text));
}

static void put_time(json_t *object, const char *key, usec_t wall)
{
	char text[CLOCK_TEXT];

	clock_format(wall, text);
	put(object, key, wall > 0 ? json_string(text) : json_null());
}

/* Negative: it did not happen. */
static void put_ms(json_t *object, const char *key, usec_t time)
{
	put(object, key, time < 0 ? json_null() : json_integer(time / MSEC));
}

static void put_metadata(json_t *object, const char *metadata)
{
	json_t *both;
	char *parsed;

	if (!metadata) {
		put(object, "metadata", json_null());
		return;
	}
	both = json_object();
	parsed = header_parse_metadata(span_text(metadata));
	put_text(both, "raw", metadata);
	put(both, "parsed", json_loads(parsed, 0, NULL));
	free(parsed);
	put(object, "metadata", both);
}

static json_t *tag_json(const struct account_tag *t)
{
	json_t *o = json_object();

	put_number(o, "number", t->number);
	put_text(o, "tag", t->tag);
	put_text(o, "label", t->label);
	put_text(o, "role", t->role);
	put_metadata(o, t->metadata);
	return o;
}

static json_t *packets_json(const struct account_stream *s)
{
	const struct stream_counts *c = &s->count;
	const struct { const char *key; uint64_t n; } rows[] = {
		{ "in", c->packets }, { "refused", c->refused }, { "foreign", c->foreign },
		{ "bad", c->bad }, { "rtcp", c->rtcp }, { "empty", c->empty },
		{ "duplicate", c->duplicate }, { "late", c->late }, { "stray", c->stray },
		{ "waiting", s->waiting }, { "events", c->events }, { "noise", c->noise },
		{ "undecodable", c->undecodable }, { "unwanted", c->unwanted },
		{ "decoded", c->decoded }, { "lost", c->lost }, { "reordered", c->reordered },
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put_number(o, rows[i].key, rows[i].n);
	return o;
}

static json_t *ssrcs_json(const struct account_stream *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->ssrcs && i < STREAM_MAX_SSRCS; i++) {
		json_t *o = json_object();
		char ssrc[16];

		snprintf(ssrc, sizeof(ssrc), "0x%08x", s->ssrc[i].ssrc);
		put_text(o, "ssrc", ssrc);
		put_text(o, "codec", s->ssrc[i].codec);
		put_time(o, "first", s->ssrc[i].first);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *stream_json(const struct account_stream *s)
{
	json_t *o = json_object();

	put_number(o, "number", s->number);
	put_number(o, "tag", s->tag);
	put_number(o, "media", s->media);
	put_number(o, "component", s->component);
	put(o, "channel", s->channel < 0 ? json_null() : json_integer(s->channel));
	put_text(o, "interface", s->interface);
	put_text(o, "from", s->from);
	put_text(o, "to", s->to);
	put(o, "ssrcs", ssrcs_json(s));
	put(o, "packets", packets_json(s));
	put_number(o, "bytes", s->count.bytes);
	put_number(o, "jumps", s->count.jumps);
	put_ms(o, "decoded-ms", s->count.audio);
	put_ms(o, "concealed-ms", s->count.concealed);
	put_text(o, "end", s->end);
	put_text(o, "error", s->error ? strerrordesc_np(s->error) : NULL);
	put(o, "balances", json_boolean(account_stream_balances(s)));
	return o;
}

static uint64_t frames_ms(uint64_t frames, uint32_t rate_hz)
{
	return rate_hz ? frames * 1000 / rate_hz : 0;
}

static json_t *sink_json(const struct account_sink *s)
{
	const struct sink_stats *t = &s->stats;
	const struct { const char *frames, *ms; uint64_t n; } rows[] = {
		{ "put", "put-ms", t->put }, { "forwarded", "forwarded-ms", t->sent },
		{ "dropped", "dropped-ms", t->dropped }, { "waiting", "waiting-ms", t->waiting },
		{ "silence", "silence-ms", t->silence },
	};
	json_t *o = json_object(), *frames = json_object();

	put_text(o, "kind", t->kind);
	put_text(o, "label", s->label);
	put_number(o, "rate", t->rate_hz);
	put_number(o, "channels", t->channels);
	put_number(o, "connects", t->connects);
	put_number(o, "full-episodes", t->full_episodes);
	put_ms(o, "first-byte-ms", s->first_byte_after);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_number(frames, rows[i].frames, rows[i].n);
		put_number(o, rows[i].ms, frames_ms(rows[i].n, t->rate_hz));
	}
	put(o, "frames", frames);
	put(o, "balances", json_boolean(account_sink_balances(s)));
	return o;
}

static json_t *event_json(const struct account_event *e)
{
	json_t *o = json_object();

	put_time(o, "at", e->at);
	put(o, "stream", e->stream < 0 ? json_null() : json_integer(e->stream));
	put(o, "tag", e->tag < 0 ? json_null() : json_integer(e->tag));
	put_text(o, "kind", e->kind);
	put_text(o, "text", e->text);
	put_number(o, "duration-ms", e->duration_ms);
	return o;
}

static void put_lists(json_t *o, const struct account *a)
{
	json_t *tags = json_array(), *streams = json_array(), *sinks = json_array();
	json_t *events = json_array();

	for (unsigned i = 0; i < a->tags; i++)
		json_array_append_new(tags, tag_json(&a->tag[i]));
	for (unsigned i = 0; i < a->streams; i++)
		json_array_append_new(streams, stream_json(&a->stream[i]));
	for (unsigned i = 0; i < a->sinks; i++)
		json_array_append_new(sinks, sink_json(&a->sink[i]));
	for (unsigned i = 0; i < a->events; i++)
		json_array_append_new(events, event_json(&a->event[i]));
	put(o, "tags", tags);
	put(o, "streams", streams);
	put(o, "sinks", sinks);
	put(o, "events", events);
	put_number(o, "events-omitted", a->events_omitted);
}

/* Call data is JSON of our own making; what is not is left out rather than the account broken. */
static json_t *data_json(const struct account *a)
{
	json_t *data = a->data ? json_loads(a->data, 0, NULL) : NULL;

	return data ? data : json_null();
}

char *account_json(const struct account *a)
{
	json_t *o = json_object(), *unix_sink = json_object();
	char *text;

	put_number(o, "number", a->number);
	put(o, "call-id", a->call_id ? bytes_json(a->call_id, a->call_id_bytes) : json_null());
	put_text(o, "parent", a->parent);
	put_text(o, "layout", a->layout);
	put_text(o, "end", a->end);
	put_time(o, "seen", a->seen);
	put_time(o, "first-packet", a->first_packet);
	put_time(o, "ended", a->ended);
	put_ms(o, "joined-after-ms", a->joined_after);
	put_number(o, "data-elements", a->data_elements);
	put(o, "data", data_json(a));
	put_metadata(o, a->metadata);
	put_lists(o, a);
	put_number(o, "unclaimed", a->unclaimed);
	put_number(unix_sink, "messages", a->unix_messages);
	put_number(unix_sink, "dropped", a->unix_dropped);
	put(o, "forward-to", unix_sink);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(o);
	must(text);
	return text;
}

/* ---- the line ------------------------------------------------------------------------------ */

struct totals {
	uint64_t packets, refused, lost, late, undecodable;
	uint64_t forwarded_ms, dropped_ms;
	uint64_t recorded_ms, unrecorded_ms;
	usec_t audio;
};

static struct totals sum(const struct account *a)
{
	struct totals t = { 0 };

	for (unsigned i = 0; i < a->streams; i++) {
		const struct stream_counts *c = &a->stream[i].count;

		t.packets += c->packets;
		t.refused += c->refused;
		t.lost += c->lost;
		t.late += c->late;
		t.undecodable += c->undecodable;
		t.audio += c->audio;
	}
	for (unsigned i = 0; i < a->sinks; i++) {
		const struct sink_stats *s = &a->sink[i].stats;
		bool file = s->kind && strcmp(s->kind, "file") == 0;

		*(file ? &t.recorded_ms : &t.forwarded_ms) += frames_ms(s->sent, s->rate_hz);
		*(file ? &t.unrecorded_ms : &t.dropped_ms) += frames_ms(s->dropped, s->rate_hz);
	}
	return t;
}

char *account_line(const struct account *a)
{
	struct totals t = sum(a);
	usec_t lasted = a->ended > a->seen ? a->ended - a->seen : 0;
	char joined[48] = "no call data";
	char *line;

	if (a->joined_after >= 0)
		snprintf(joined, sizeof(joined), "joined after %lld ms",
			(long long)(a->joined_after / MSEC));
	line = xasprintf("call %s %s after %.1f s: %s, %u streams, %llu packets, %llu lost, "
		"%llu late, %llu refused, %llu undecodable; %lld ms decoded, %llu ms forwarded, "
		"%llu ms dropped; %llu ms recorded, %llu ms dropped",
		log_mark(a->call_id ? a->call_id : ""), a->end, (double)lasted / (double)SEC, joined,
		a->streams, (unsigned long long)t.packets, (unsigned long long)t.lost,
		(unsigned long long)t.late, (unsigned long long)t.refused,
		(unsigned long long)t.undecodable, (long long)(t.audio / MSEC),
		(unsigned long long)t.forwarded_ms, (unsigned long long)t.dropped_ms,
		(unsigned long long)t.recorded_ms, (unsigned long long)t.unrecorded_ms);
	if (strlen(line) > MAX_LINE)
		line[MAX_LINE] = '\0';
	return line;
}
