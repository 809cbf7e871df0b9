/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Life and death of a call. Its end: the spool says so -> its sources end -> all audio is in ->
 * sinks drain -> call data is final -> account. */
#include "call/call_private.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/opening.h"

#define JITTER_WINDOW 64
#define JITTER_HOLD   (100 * MSEC)
#define LONGEST_HOLD  (3600 * SEC) /* of a call without any packet */
#define DISORDER      (2 * SEC)    /* of a file's records: no clock was set for that */
#define CLOCK_SET     3            /* records in a row that are further off: it was */

static const char *const layout_names[] = {
	[SPOOL_PROC] = "proc", [SPOOL_PCAP] = "pcap", [SPOOL_PCM] = "pcm",
};

struct call *call_new(const struct call_env *env, uint64_t number, const char *parent,
	enum spool_layout layout, usec_t now)
{
	struct call *c = xnew(struct call);

	c->magic = CALL_MAGIC;
	c->opts = env->opts;
	c->dest = env->dest;
	c->budget = env->budget;
	c->number = number;
	c->parent = xstrdup(parent);
	c->call_id = xstrdup("");
	c->layout = layout;
	c->seen = now;
	c->forwarding = layout != SPOOL_PROC; /* files know no switch */
	c->recording = true;
	c->account = account_new();
	c->account->layout = layout_names[layout];
	c->account->seen = call_wall(c);
	return c;
}

static void free_leg(struct leg *l)
{
	stream_free(&l->stream);
	outlet_free(&l->outlet);
	tape_free(l);
	free(l->interface);
	l->magic = 0;
	free(l);
}

static void free_party(struct party *p)
{
	free(p->tag);
	free(p->label);
	free(p->metadata);
	free(p);
}

void call_free(struct call **cp)
{
	struct call *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	must(c->magic == CALL_MAGIC && c->sources == 0);
	tape_end(c);
	forward_free(c);
	tape_over(c);
	while (c->legs) {
		struct leg *l = c->legs;

		c->legs = l->next;
		free_leg(l);
	}
	while (c->parties) {
		struct party *p = c->parties;

		c->parties = p->next;
		free_party(p);
	}
	while (c->medias) {
		struct media *m = c->medias;

		c->medias = m->next;
		payloads_free(&m->payloads);
		free(m);
	}
	account_free(&c->account);
	free(c->parent);
	free(c->call_id);
	free(c->metadata);
	free(c->record_file);
	free(c->record_path);
	free(c->record_pattern);
	for (unsigned i = 0; i < c->n_published; i++)
		free(c->published[i]);
	free(c->published);
	free(c->data);
	c->magic = 0;
	free(c);
}

/* ---- time and events ---- */

usec_t call_wall(const struct call *c)
{
	return (c->opts->wall ? c->opts->wall() : clock_wall()) - c->behind;
}

usec_t call_time(const struct call *c, usec_t now)
{
	if (!c->epoch)
		return 0;
	return (c->layout == SPOOL_PROC ? clock_steady(now) - c->behind : c->file_now) - c->epoch;
}

void call_set_behind(struct call *c, usec_t behind)
{
	c->behind = c->layout == SPOOL_PROC ? behind : 0;
}

static usec_t wall_of(const struct call *c, usec_t call_time)
{
	return c->epoch + call_time;
}

void call_event(struct call *c, const struct leg *l, int tag, const char *kind, const char *text)
{
	account_add_event(c->account, &(struct account_event){ .at = call_wall(c),
		.stream = l ? (int)l->number : -1, .tag = l ? (int)l->tag : tag, .kind = kind,
		.text = text });
}

static void on_stream_event(void *arg, struct stream *s, const struct stream_event *e)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);
	static const char *const kinds[] = {
		[STREAM_EVENT_DIGIT] = "digit", [STREAM_EVENT_SIGNAL] = "signal",
		[STREAM_EVENT_SSRC] = "ssrc", [STREAM_EVENT_CODEC] = "codec",
		[STREAM_EVENT_JUMP] = "jump",
	};
	char text[32];

	if (e->kind == STREAM_EVENT_DIGIT)
		snprintf(text, sizeof(text), "%c", e->digit);
	else if (e->kind == STREAM_EVENT_SIGNAL)
		snprintf(text, sizeof(text), "%u", e->signal);
	else
		snprintf(text, sizeof(text), "0x%08x", e->ssrc);
	account_add_event(l->call->account, &(struct account_event){
		.at = wall_of(l->call, e->at), .stream = (int)stream_number(s), .tag = (int)l->tag,
		.kind = kinds[e->kind], .text = e->codec ? e->codec : text,
		.duration_ms = e->duration_ms });
}

static void on_ssrc_changed(void *arg, struct stream *s, uint32_t ssrc)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);

	(void)s;
	(void)ssrc;
	forward_ssrc_changed(l);
	tape_ssrc_changed(l);
}

/* ---- streams ---- */

struct leg *call_leg(struct call *c, unsigned number)
{
	static const struct stream_events events = {
		.event = on_stream_event, .ssrc_changed = on_ssrc_changed };
	struct leg *l;
	char *name;

	for (l = c->legs; l; l = l->next)
		if (l->number == number)
			return l;
	if (number >= CALL_MAX_STREAMS)
		return NULL;
	l = xnew(struct leg);
	l->magic = LEG_MAGIC;
	l->call = c;
	l->number = number;
	l->component = 1;
	name = xasprintf("%s stream %u", log_mark(c->call_id), number);
	l->stream = stream_new(&(struct stream_opts){
		.number = number, .name = name, .events = &events, .arg = l,
		.jitter = { .window = JITTER_WINDOW, .hold = JITTER_HOLD },
		.opens = c->layout == SPOOL_PROC });
	free(name);
	l->next = c->legs;
	c->legs = l;
	c->n_legs++;
	return l;
}

struct party *call_party(struct call *c, unsigned number, bool make)
{
	struct party *p;

	for (p = c->parties; p; p = p->next)
		if (p->number == number)
			return p;
	if (!make || c->n_parties == CALL_MAX_PARTIES)
		return NULL;
	p = xnew(struct party);
	p->number = number;
	p->role = "";
	p->next = c->parties;
	c->parties = p;
	c->n_parties++;
	return p;
}

/* ---- packets ---- */

static struct leg *leg_of_port(struct call *c, unsigned port)
{
	for (struct leg *l = c->legs; l; l = l->next)
		for (unsigned i = 0; i < l->n_ports; i++)
			if (l->ports[i] == port)
				return l;
	return NULL;
}

/* A pcap without SDPs (a recording begun in mid-call): a stream for each port that hears RTP. */
static struct leg *leg_by_chance(struct call *c, const struct udp *udp)
{
	struct rtp rtp;
	struct leg *l;
	unsigned number = c->n_legs;

	for (l = c->legs; l; l = l->next)
		if (l->number >= number)
			number = l->number + 1;
	if (number >= 16 || rtcp_is(udp->payload) || rtp_parse(udp->payload, &rtp) < 0)
		return NULL;
	for (l = c->legs; l; l = l->next)
		if (l->n_ports && !l->by_chance)
			return NULL; /* SDPs are there, and this port is in none: a stranger's */
	l = call_leg(c, number);
	if (l) {
		l->by_chance = true;
		call_add_port(c, l, udp->to_port);
		l->tag = number;
		forward_update(l);
		tape_update(l);
	}
	return l;
}

static void demux(struct call *c, struct span packet)
{
	struct udp udp;
	struct leg *l;

	if (udp_parse(packet, &udp) < 0) {
		c->unclaimed++;
		counter_add(COUNT_PACKETS_BAD, 1);
		return;
	}
	l = leg_of_port(c, udp.to_port);
	if (!l)
		l = leg_by_chance(c, &udp);
	if (!l) {
		c->unclaimed++;
		return;
	}
	stream_datagram(l->stream, &udp, packet.n, c->file_now - c->epoch);
}

static void on_pcm(struct call *c, const struct source *source, struct span samples)
{
	struct leg *l = call_leg(c, source->stream);

	if (l && source->rate_hz && source->channels)
		stream_pcm(l->stream, samples, source->rate_hz, source->channels,
			c->file_now - c->epoch);
}

/* What the kernel kept until we opened it came before. */
static void begin_time(struct call *c, usec_t first)
{
	if (c->epoch)
		return;
	c->first = c->file_now = first;
	c->epoch = c->layout == SPOOL_PROC ? first - OPENING_MAX_WAIT : first;
}

static void on_kernel_packet(struct call *c, struct leg *l, const struct packet *p)
{
	struct stream_counts *count = stream_count(l->stream);

	if (!c->cut) {
		begin_time(c, p->time);
		stream_packet(l->stream, span_of(p->data, p->bytes), p->time - c->epoch);
		return;
	}
	count->packets++;
	count->bytes += p->bytes;
	count->unwanted++;
}

/* A file's time is that of its newest record. Where the host's clock was set no time went by, and a
 * single record that is far off is damaged: neither may become hours, or decades, of silence. */
static void follow_file(struct call *c, usec_t time)
{
	usec_t passed = time - c->clock_set - c->file_now;

	if (passed > LONGEST_HOLD || passed < -DISORDER) {
		if (++c->strange < CLOCK_SET)
			return;
		c->clock_set += passed;
		passed = 0;
	}
	c->strange = 0;
	if (passed > 0)
		c->file_now += passed;
}

static void on_file_packet(struct call *c, const struct source *source, const struct packet *p)
{
	if (c->cut) {
		c->unclaimed++;
		return;
	}
	begin_time(c, p->time);
	if (source->kind == SOURCE_PCAP)
		follow_file(c, p->time);
	else if (p->time > c->file_now)
		c->file_now = p->time;
	if (p->kind == PACKET_PCM)
		on_pcm(c, source, span_of(p->data, p->bytes));
	else
		demux(c, span_of(p->data, p->bytes));
}

void call_packet(struct source *source, const struct packet *p)
{
	struct call *c;

	if (source->kind == SOURCE_PROC) {
		struct leg *l = OBJ(source->consumer, struct leg, LEG_MAGIC);

		c = l->call;
		on_kernel_packet(c, l, p);
	} else {
		c = OBJ(source->consumer, struct call, CALL_MAGIC);
		on_file_packet(c, source, p);
	}
	if (c->unix_peer && p->kind == PACKET_IP && !c->cut)
		forward_packet(c, span_of(p->data, p->bytes));
}

/* ---- sources ---- */

void call_expect_source(struct call *c, struct source *source)
{
	struct leg *l;

	c->sources++;
	c->drained = false; /* it may come after the end */
	source->consumer = c;
	if (source->kind != SOURCE_PROC)
		return;
	l = call_leg(c, source->stream);
	must(l); /* the control thread keeps to CALL_MAX_STREAMS */
	source->consumer = l;
	forward_update(l);
	tape_update(l);
}

static const char *const source_ends[] = {
	[SOURCE_END_EOF] = "end of stream", [SOURCE_END_GROUP] = "closed with its call",
	[SOURCE_END_STOPPED] = "stopped", [SOURCE_END_FAILED] = "failed",
	[SOURCE_END_BAD] = "not the file it should be",
};

static void leg_ended(struct leg *l, const struct source *s)
{
	l->end = source_ends[s->end];
	l->error = s->error;
	stream_drain(l->stream);
}

struct call *call_source_ended(struct source **sp)
{
	struct source *s = *sp;
	struct call *c;

	if (s->kind == SOURCE_PROC) {
		struct leg *l = OBJ(s->consumer, struct leg, LEG_MAGIC);

		c = l->call;
		stream_count(l->stream)->refused += s->refused;
		stream_count(l->stream)->packets += s->refused;
		leg_ended(l, s);
	} else {
		c = OBJ(s->consumer, struct call, CALL_MAGIC);
		c->unclaimed += s->bad_records;
		for (struct leg *l = c->legs; l; l = l->next)
			leg_ended(l, s);
	}
	must(c->sources > 0);
	c->sources--;
	source_free(sp);
	return c;
}

/* ---- call data ---- */

void call_data(struct call *c, struct span json, unsigned elements, usec_t now)
{
	free(c->data);
	c->data = xstrndup((const char *)json.p, json.n);
	c->data_bytes = json.n;
	c->data_elements = elements;
	c->changes++;
	if (!c->joined) {
		c->joined = now;
		counter_add(COUNT_CALLS_JOINED, 1);
		log_debug("call %s joined with call data after %d ms", log_mark(c->call_id),
			(int)((now - c->seen) / MSEC));
	}
	forward_headers(c, now);
}

void call_data_done(struct call *c)
{
	c->data_done = true;
}

/* ---- time and end ---- */

void call_end(struct call *c, const char *reason, usec_t now)
{
	if (c->ending)
		return;
	c->ending = reason;
	if (strcmp(reason, "discarded") == 0)
		tape_discard(c);
	c->account->ended = call_wall(c);
	call_tick(c, now);
}

void call_cut(struct call *c)
{
	forward_cut(c);
	c->data_done = true;
}

static void drain(struct call *c)
{
	c->drained = true;
	for (struct leg *l = c->legs; l; l = l->next)
		stream_drain(l->stream);
	forward_end(c);
	tape_end(c);
}

void call_tick(struct call *c, usec_t now)
{
	usec_t at = call_time(c, now);

	if (!c->drained)
		for (struct leg *l = c->legs; l; l = l->next)
			stream_tick(l->stream, at);
	if (c->headers_waiting)
		forward_headers(c, now);
	if (c->ending && !c->drained && c->sources == 0)
		drain(c);
	tape_tick(c, now);
	forward_tick(c, now);
}

bool call_is_over(const struct call *c)
{
	return c->drained && c->data_done && forward_done(c);
}

struct account *call_take_account(struct call *c)
{
	struct account *a;

	report_fill(c);
	a = c->account;
	c->account = NULL;
	return a;
}
