/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a call's audio goes: a sink for each stream, one for the mix, whole packets to a socket. */
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/call_private.h"
#include "call/header.h"
#include "sink/file_sink.h"
#include "sink/tls_sink.h"
#include "sink/unix_peer.h"

#define UNIX_BUFFER (256 * 1024) /* [bytes] of packets that wait for forward-to, a call */

/* ---- headers ---- */

static struct span text_of(const char *text)
{
	return text ? span_text(text) : span_of(NULL, 0);
}

static const char *codec_of(const struct leg *l)
{
	const struct stream_ssrc *list;
	unsigned n = stream_ssrcs(l->stream, &list);

	return n ? list[n - 1].codec : "";
}

/* l is NULL for the mix. Malloc'd. */
static char *make_header(struct call *c, const struct leg *l)
{
	struct party *p = l ? call_party(c, l->tag, false) : NULL;
	struct header_info info = {
		.call_id = span_of(c->call_id, c->call_id_bytes),
		.parent = c->parent,
		.mixed = !l,
		.role = p ? p->role : "",
		.codec = l ? codec_of(l) : "",
		.rate_hz = c->opts->rate_hz,
		.channels = 1,
		.metadata = text_of(c->metadata),
		.data = span_of(c->data, c->data_bytes),
		.start = c->first,
	};

	if (l) {
		info.stream = l->number;
		info.tag_number = l->tag;
	} else if (c->opts->mix_method == MIXER_CHANNELS) {
		info.channels = c->opts->mix_channels;
	}
	if (p) {
		info.tag = text_of(p->tag);
		info.label = text_of(p->label);
		info.tag_metadata = text_of(p->metadata);
	}
	return c->opts->header == CALL_HEADER_JSON ? header_json(&info) : header_metadata(&info);
}

static void give_header(struct call *c, struct sink *s, const struct leg *l)
{
	char *header;

	if (!s || !s->ops->wants_header(s))
		return;
	header = make_header(c, l);
	s->ops->header(s, span_text(header));
	free(header);
}

/* The callee's audio may come before the answer that tells its tag. A pcap tells no tags. */
static bool lacks_tag(struct call *c)
{
	for (struct leg *l = c->legs; l; l = l->next) {
		struct party *p = call_party(c, l->tag, false);

		if (l->sink && (!p || !p->tag || !*p->tag))
			return c->layout == SPOOL_PROC;
	}
	return false;
}

void forward_headers(struct call *c, usec_t now)
{
	bool lacks_data = c->opts->expects_data && !c->joined && !c->data_done;
	bool wait = c->opts->header == CALL_HEADER_JSON && !c->ending &&
		now - c->seen < c->opts->header_wait && (lacks_data || lacks_tag(c));

	if (wait)
		return;
	c->headers_waiting = false;
	for (struct leg *l = c->legs; l; l = l->next)
		give_header(c, l->sink, l);
	if (c->mix)
		give_header(c, mix_sink(c->mix), NULL);
}

/* ---- sinks ---- */

static struct sink *make_sink(struct call *c, const char *label, unsigned channels)
{
	const struct call_opts *o = c->opts;
	char *name = xasprintf("%s %s", log_mark(c->call_id), label);
	struct sink *s = tls_sink_new(&(struct tls_sink_opts){
		.dest = c->dest, .budget = c->budget, .kind = o->forward_kind, .name = name,
		.rate_hz = o->rate_hz, .channels = channels, .buffer_ms = o->buffer_ms,
		.latency_ms = o->latency_ms, .linger = o->linger, .policy = o->when_full });

	log_debug("call %s: forwarding begins", name);
	free(name);
	c->headers_waiting = true;
	return s;
}

static char *label_of(const struct leg *l)
{
	return xasprintf("stream %u", l->number);
}

static void make_mix(struct call *c)
{
	const struct call_opts *o = c->opts;
	unsigned channels = o->mix_method == MIXER_CHANNELS ? o->mix_channels : 1;
	struct sink *s = make_sink(c, "mixed", channels);

	c->mix = mix_new(&(struct mixer_opts){ .rate_hz = o->rate_hz, .method = o->mix_method,
		.channels = channels, .span_ms = MIX_SPAN_MS }, &s);
}

static void on_audio(void *arg, const struct pcm *pcm)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);
	struct call *c = l->call;

	if (c->opts->single) {
		if (!l->sink) {
			char *label = label_of(l);

			l->sink = make_sink(c, label, 1);
			l->connections++;
			free(label);
		}
		l->sink->ops->put(l->sink, pcm);
	}
	if (c->opts->mixed) {
		if (!c->mix)
			make_mix(c);
		mix_put(c->mix, l->tag, pcm);
	}
}

static void on_advance(void *arg, int64_t position)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);

	if (l->sink)
		l->sink->ops->advance(l->sink, position);
}

/* From here on it only drains. */
void call_let_go(struct call *c, struct sink **sp, char *label, bool file)
{
	struct closing *closing = xnew(struct closing);

	closing->sink = *sp;
	closing->label = label;
	closing->file = file;
	closing->next = c->closing;
	c->closing = closing;
	if (file && c->discard)
		file_sink_discard(closing->sink);
	else
		closing->sink->ops->finish(closing->sink);
	if (c->cut)
		closing->sink->ops->cut(closing->sink);
	*sp = NULL;
}

static void let_go_of_leg(struct leg *l)
{
	if (!l->sink)
		return;
	give_header(l->call, l->sink, l);
	call_let_go(l->call, &l->sink, label_of(l), false);
}

static void let_go_of_mix(struct call *c)
{
	struct sink *s;

	if (!c->mix)
		return;
	mix_drain(c->mix);
	give_header(c, mix_sink(c->mix), NULL);
	s = mix_take_sink(c->mix);
	call_let_go(c, &s, xstrdup("mixed"), false);
	mix_free(&c->mix);
}

static bool anybody_is_heard(const struct call *c)
{
	for (const struct leg *l = c->legs; l; l = l->next)
		if (l->outlet)
			return true;
	return false;
}

void forward_update(struct leg *l)
{
	static const struct outlet_events events = { .audio = on_audio, .advance = on_advance };
	struct call *c = l->call;
	bool on = c->opts->forward_kind && l->component == 1 && (c->forwarding || l->forwarding);

	if (on == (l->outlet != NULL))
		return;
	if (on) {
		l->outlet = outlet_new(c->opts->rate_hz, 1, &events, l);
		outlets_add(stream_outlets(l->stream), l->outlet);
	} else {
		outlets_remove(stream_outlets(l->stream), l->outlet);
		outlet_free(&l->outlet);
		let_go_of_leg(l);
		if (!anybody_is_heard(c))
			let_go_of_mix(c);
	}
}

/* Whoever sends can change it with every second packet. */
bool call_splits(const struct leg *l, unsigned had)
{
	if (had < STREAM_MAX_SSRCS)
		return true;
	counter_add(COUNT_SSRCS_UNSPLIT, 1);
	log_warn_limited("call %s stream %u: its SSRC has changed too often, no more recordings or "
		"connections of their own are made for it", log_mark(l->call->call_id), l->number);
	return false;
}

void forward_ssrc_changed(struct leg *l)
{
	if (l->call->opts->connection_per_ssrc && l->sink && call_splits(l, l->connections))
		let_go_of_leg(l);
}

/* ---- time and end ---- */

static void run_mix(struct call *c, usec_t now)
{
	int64_t heard = INT64_MAX;

	for (struct leg *l = c->legs; l; l = l->next) {
		int64_t position = l->outlet ? outlet_position(l->outlet) : -1;

		if (position >= 0 && position < heard)
			heard = position;
	}
	if (heard != INT64_MAX)
		mix_run(c->mix, heard, call_time(c, now));
}

static void reap(struct call *c)
{
	struct closing **p = &c->closing;

	while (*p) {
		struct closing *closing = *p;

		if (!closing->sink->ops->done(closing->sink)) {
			p = &closing->next;
			continue;
		}
		*p = closing->next;
		if (closing->file)
			tape_published(c, closing->sink);
		report_sink(c, closing->label, closing->sink);
		sink_free(&closing->sink);
		free(closing->label);
		free(closing);
	}
}

void forward_tick(struct call *c, usec_t now)
{
	for (struct leg *l = c->legs; l; l = l->next)
		if (l->sink)
			l->sink->ops->tick(l->sink, now);
	if (c->mix) {
		run_mix(c, now);
		mix_sink(c->mix)->ops->tick(mix_sink(c->mix), now);
	}
	for (struct closing *closing = c->closing; closing; closing = closing->next)
		closing->sink->ops->tick(closing->sink, now);
	if (c->closing)
		reap(c);
	if (c->unix_peer)
		unix_peer_tick(c->unix_peer, now);
}

void forward_end(struct call *c)
{
	for (struct leg *l = c->legs; l; l = l->next)
		let_go_of_leg(l);
	let_go_of_mix(c);
}

void forward_cut(struct call *c)
{
	c->cut = true;
	for (struct closing *closing = c->closing; closing; closing = closing->next)
		closing->sink->ops->cut(closing->sink);
}

bool forward_done(const struct call *c)
{
	return !c->closing;
}

void forward_free(struct call *c)
{
	forward_end(c);
	while (c->closing) {
		struct closing *closing = c->closing;

		c->closing = closing->next;
		sink_free(&closing->sink);
		free(closing->label);
		free(closing);
	}
	unix_peer_free(&c->unix_peer);
}

/* ---- forward-to ---- */

void forward_metadata(struct call *c)
{
	if (!c->opts->forward_to)
		return;
	if (!c->unix_peer)
		c->unix_peer = unix_peer_new(&(struct unix_peer_opts){
			.path = c->opts->forward_to, .budget = c->budget, .max_bytes = UNIX_BUFFER });
	unix_peer_metadata(c->unix_peer, text_of(c->metadata));
}

void forward_packet(struct call *c, struct span packet)
{
	unix_peer_put(c->unix_peer, packet);
}
