/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of a call becomes recordings: one for each SSRC, one for the mix. A recording begins with
 * its first audio; its time is the call's time, less what was cut out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/call_private.h"
#include "call/keepsake.h"
#include "call/reminder.h"
#include "sink/file_sink.h"

#define EMPTY_RATE 8000 /* [Hz] of a recording without audio where no rate is asked for */

static struct span text_of(const char *text)
{
	return text ? span_text(text) : span_of(NULL, 0);
}

/* ---- names ---- */

static const char *label_of_leg(struct call *c, const struct leg *l)
{
	struct party *p = call_party(c, l->tag, false);

	return p && p->label ? p->label : "";
}

/* l is NULL for the mix. Malloc'd. */
static char *make_path(struct call *c, const struct leg *l, const struct name_opts *opts,
	usec_t started)
{
	const char *refused = NULL;
	char type[16] = "mix", *path;

	if (l)
		snprintf(type, sizeof(type), "%08x", stream_ssrc(l->stream));
	path = name_make(opts, &(struct name_facts){
		.call_id = span_of(c->call_id, c->call_id_bytes), .parent = c->parent,
		.type = type, .label = text_of(l ? label_of_leg(c, l) : "mix"),
		.metadata = text_of(c->metadata), .started = started,
		.file = text_of(c->record_file), .path = text_of(c->record_path),
		.pattern = text_of(c->record_pattern) }, &refused);
	if (refused && opts == &c->opts->record->name) {
		counter_add(COUNT_REC_NAMES_REFUSED, 1);
		log_warn_limited("call %s: its own name for a recording is not followed: %s",
			log_mark(c->call_id), refused);
	}
	return path;
}

/* ---- who is in which channel ---- */

static const char *name_of_party(const struct party *p)
{
	return !p ? "" : p->role[0] ? p->role : p->tag ? p->tag : "";
}

static unsigned channel_of(const struct leg *l)
{
	return l->call->opts->record->per_media ? l->section : l->tag;
}

int tape_channel(const struct leg *l)
{
	const struct call_record_opts *o = l->call->opts->record;

	return o && o->mixed && l->component == 1 ? (int)channel_of(l) : -1;
}

/* As the mixer does it: those beyond the channels share the last one. */
static bool is_heard_in(const struct call *c, const struct party *p, unsigned channel, unsigned n)
{
	for (const struct leg *l = c->legs; l; l = l->next) {
		unsigned own = channel_of(l);

		if (l->tag == p->number && l->component == 1 &&
		    (own < n ? own : n - 1) == channel)
			return true;
	}
	return false;
}

/* Oldest first, with + between them; malloc'd. */
static char *who_is_in(const struct call *c, unsigned channel, unsigned channels)
{
	char *all = xstrdup("");

	for (const struct party *p = c->parties; p; p = p->next) {
		const char *name = name_of_party(p);
		char *more;

		if (!name[0] || !is_heard_in(c, p, channel, channels))
			continue;
		more = xasprintf("%s%s%s", name, all[0] ? "+" : "", all);
		free(all);
		all = more;
	}
	return all;
}

static void name_channels(struct call *c, const struct leg *l, struct keepsake *k, unsigned channels)
{
	for (unsigned i = 0; i < channels && i < KEEPSAKE_CHANNELS; i++) {
		char *who = l ? xstrdup(name_of_party(call_party(c, l->tag, false))) :
			channels > 1 ? who_is_in(c, i, channels) : xstrdup("all");

		keepsake_set_who(k, i, &who);
	}
}

/* ---- one recording ---- */

static char *tape_label(const struct leg *l)
{
	return l ? xasprintf("stream %u", l->number) : xstrdup("mixed");
}

static void begin_tape(struct call *c, struct tape *t, const struct leg *l, int64_t position,
	uint32_t rate_hz, unsigned channels)
{
	const struct call_record_opts *o = c->opts->record;
	usec_t epoch = c->epoch ? c->epoch : c->account->seen; /* nothing came */
	usec_t started = epoch + c->left_out + position * SEC / rate_hz;
	char *label = tape_label(l);
	char *path = make_path(c, l, &o->name, started);
	char *fallback = o->fallback.dir ? make_path(c, l, &o->fallback, started) : NULL;
	struct recording_opts file = o->file;

	file.path = path;
	file.parent = c->parent;
	file.label = label;
	file.channels = channels;
	file.rate_hz = rate_hz;
	file.started = started;
	file.drop_empty = !o->keep_empty;
	t->next = position;
	t->channels = channels;
	t->keepsake = keepsake_new(o, label, rate_hz, channels);
	if (file.state)
		keepsake_set_parent(t->keepsake, file.state, c->parent);
	t->sink = file_sink_new(&(struct file_sink_opts){
		.writer = o->writer, .budget = o->budget ? o->budget : c->budget, .file = file,
		.fallback_path = fallback, .origin = position, .buffer_ms = o->buffer_ms,
		.resume = c->layout == SPOOL_PROC && !t->count,
		.before_publish = keepsake_write, .release = keepsake_free,
		.arg = t->keepsake });
	t->count++;
	free(path);
	free(fallback);
	free(label);
}

static void end_tape(struct call *c, struct tape *t, const struct leg *l)
{
	char *account;

	if (!t->sink)
		return;
	name_channels(c, l, t->keepsake, t->channels);
	account = report_json(c);
	keepsake_set_account(t->keepsake, &account);
	t->keepsake = NULL;
	call_let_go(c, &t->sink, tape_label(l), true);
}

static int64_t without_cuts(const struct call *c, int64_t position, uint32_t rate_hz)
{
	return position - c->left_out * rate_hz / SEC;
}

/* ---- audio ---- */

/* Silence up to there; also while recording is switched off, where that is to be silence. */
static void pass_time(struct leg *l, int64_t position)
{
	const struct call_record_opts *o = l->call->opts->record;

	if (!l->tape.sink || o->cut_gaps ||
	    (!l->call->recording && o->on_pause != CALL_PAUSE_SILENCE))
		return;
	l->tape.sink->ops->advance(l->tape.sink, position);
	l->tape.next = position;
}

static void on_audio(void *arg, const struct pcm *in)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);
	struct call *c = l->call;
	struct pcm pcm = *in;

	pcm.position = without_cuts(c, in->position, in->rate_hz);
	if (!c->recording) {
		pass_time(l, pcm.position + pcm.frames);
		return;
	}
	if (!l->tape.sink)
		begin_tape(c, &l->tape, l, pcm.position, in->rate_hz, in->channels);
	if (c->opts->record->cut_gaps)
		pcm.position = l->tape.next;
	l->tape.next = pcm.position + pcm.frames;
	l->tape.sink->ops->put(l->tape.sink, &pcm);
}

static void begin_mix(struct call *c, int64_t position)
{
	const struct call_record_opts *o = c->opts->record;
	unsigned channels = o->mix_method == MIXER_CHANNELS ? o->mix_channels : 1;

	begin_tape(c, &c->mix_tape, NULL, position, c->record_rate, channels);
	c->record_mix = mix_new(&(struct mixer_opts){ .rate_hz = c->record_rate,
		.method = o->mix_method, .channels = channels, .span_ms = MIX_SPAN_MS },
		&c->mix_tape.sink);
}

/* The first one to be heard says at which rate the call is mixed. */
static void choose_rate(struct call *c, uint32_t rate_hz)
{
	c->record_rate = rate_hz;
	for (struct leg *l = c->legs; l; l = l->next)
		if (l->to_record_mix && outlet_position(l->to_record_mix) < 0)
			outlet_set_rate(l->to_record_mix, rate_hz);
}

static void on_mix_audio(void *arg, const struct pcm *in)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);
	struct call *c = l->call;
	struct pcm pcm = *in;

	if (!c->record_rate)
		choose_rate(c, in->rate_hz);
	if (!c->recording)
		return;
	pcm.position = without_cuts(c, in->position, in->rate_hz);
	if (!c->record_mix)
		begin_mix(c, pcm.position);
	mix_put(c->record_mix, channel_of(l), &pcm);
}

static void on_advance(void *arg, int64_t position)
{
	struct leg *l = OBJ(arg, struct leg, LEG_MAGIC);

	pass_time(l, without_cuts(l->call, position, outlet_rate(l->to_record)));
}

static void on_mix_advance(void *arg, int64_t position)
{
	(void)arg;
	(void)position; /* the mix hears it from the others */
}

/* ---- begin and end ---- */

void tape_update(struct leg *l)
{
	static const struct outlet_events single = { .audio = on_audio, .advance = on_advance };
	static const struct outlet_events mixed = {
		.audio = on_mix_audio, .advance = on_mix_advance };
	const struct call_record_opts *o = l->call->opts->record;
	struct outlets *outlets = stream_outlets(l->stream);

	if (!o || l->component != 1 || !l->call->recording)
		return;
	if (o->single && !l->to_record) {
		l->to_record = outlet_new(o->rate_hz, 0, &single, l);
		outlet_set_max_channels(l->to_record, recording_max_channels(o->file.format));
		outlets_add(outlets, l->to_record);
	}
	if (o->mixed && !l->to_record_mix) {
		uint32_t rate_hz = o->rate_hz ? o->rate_hz : l->call->record_rate;

		l->to_record_mix = outlet_new(rate_hz, 1, &mixed, l);
		outlets_add(outlets, l->to_record_mix);
	}
}

/* A call that ends while recording is switched off is as long in its mix, too. */
static void pass_pause_at_end(struct call *c)
{
	int64_t heard = -1;

	if (c->recording || c->opts->record->on_pause != CALL_PAUSE_SILENCE)
		return;
	for (struct leg *l = c->legs; l; l = l->next) {
		int64_t position = l->to_record_mix ? outlet_position(l->to_record_mix) : -1;

		heard = position > heard ? position : heard;
	}
	if (heard >= 0)
		c->mix_tape.sink->ops->advance(c->mix_tape.sink,
			without_cuts(c, heard, c->record_rate));
}

static void end_mix(struct call *c)
{
	if (!c->record_mix)
		return;
	mix_drain(c->record_mix);
	c->mix_tape.sink = mix_take_sink(c->record_mix);
	pass_pause_at_end(c);
	mix_free(&c->record_mix);
	end_tape(c, &c->mix_tape, NULL);
}

static void end_all(struct call *c)
{
	for (struct leg *l = c->legs; l; l = l->next)
		end_tape(c, &l->tape, l);
	end_mix(c);
}

void tape_ssrc_changed(struct leg *l)
{
	if (l->tape.sink && call_splits(l, l->tape.count))
		end_tape(l->call, &l->tape, l);
}

void tape_switched(struct call *c, usec_t now)
{
	const struct call_record_opts *o = c->opts->record;

	if (!o)
		return;
	if (!c->recording) {
		c->paused = call_time(c, now);
		if (o->on_pause == CALL_PAUSE_CUT && c->record_mix)
			mix_drain(c->record_mix);
		if (o->on_pause == CALL_PAUSE_NEW_FILE)
			end_all(c);
		return;
	}
	if (o->on_pause == CALL_PAUSE_CUT && c->paused && (c->record_mix || c->legs))
		c->left_out += call_time(c, now) - c->paused;
	for (struct leg *l = c->legs; l; l = l->next)
		tape_update(l);
}

static void run_mix(struct call *c, usec_t now)
{
	int64_t heard = INT64_MAX;

	if (!c->recording && c->opts->record->on_pause == CALL_PAUSE_CUT)
		return; /* it goes on where it is, when it goes on */
	for (struct leg *l = c->legs; l; l = l->next) {
		int64_t position = l->to_record_mix ? outlet_position(l->to_record_mix) : -1;

		if (position >= 0 && position < heard)
			heard = position;
	}
	if (heard != INT64_MAX)
		mix_run(c->record_mix, without_cuts(c, heard, c->record_rate),
			call_time(c, now) - c->left_out);
}

static bool was_recorded(const struct call *c)
{
	if (c->mix_tape.count)
		return true;
	for (const struct leg *l = c->legs; l; l = l->next)
		if (l->tape.count)
			return true;
	return false;
}

/* Once it has a recording that a crash could leave. */
static void remind(struct call *c, usec_t now)
{
	uint64_t changes = c->changes + c->account->events + c->account->events_omitted;
	char *account;

	if (!c->reminder && c->opts->record->over && was_recorded(c))
		c->reminder = reminder_new(c->opts->record, c->parent);
	if (!c->reminder || c->ending || !reminder_is_due(c->reminder, changes, now))
		return;
	account = report_json(c);
	reminder_write(c->reminder, &account, changes, now);
}

void tape_tick(struct call *c, usec_t now)
{
	for (struct leg *l = c->legs; l; l = l->next)
		if (l->tape.sink)
			l->tape.sink->ops->tick(l->tape.sink, now);
	if (c->record_mix) {
		run_mix(c, now);
		mix_sink(c->record_mix)->ops->tick(mix_sink(c->record_mix), now);
	}
	if (c->opts->record)
		remind(c, now);
}

static bool is_empty(const struct call *c)
{
	const struct call_record_opts *o = c->opts->record;

	return !was_recorded(c) && !(o->known && o->known(o->arg, c->parent));
}

void tape_end(struct call *c)
{
	const struct call_record_opts *o = c->opts->record;

	if (!o)
		return;
	if (c->recording && !c->discard && is_empty(c))
		begin_tape(c, &c->mix_tape, NULL, 0, o->rate_hz ? o->rate_hz : EMPTY_RATE, 1);
	end_all(c);
	end_tape(c, &c->mix_tape, NULL); /* of a call without audio */
}

/* ---- afterwards ---- */

static void remove_published(void *arg)
{
	char *path = arg;

	recording_remove(path);
	free(path);
}

/* On a writer's thread; a disk that has no room for it is said. */
static void remove_file(struct call *c, char *path)
{
	if (writer_put(c->opts->record->writer, WRITER_WRITE, path, remove_published, path))
		return;
	log_warn_limited("%s was to be discarded and is still there: the disk is too slow", path);
	free(path);
}

void tape_published(struct call *c, const struct sink *sink)
{
	struct file_sink_result r;

	file_sink_result(sink, &r);
	c->n_unpublished += r.error != 0;
	if (r.error)
		log_warn_limited("call %s: a recording is not %s: %s; it stays as .part",
			log_mark(c->call_id), c->discard ? "discarded" : "published",
			strerror(-r.error));
	for (unsigned i = 0; i < r.files; i++) {
		char *path = xstrdup(r.file[i].recording.path);

		if (c->discard) {
			remove_file(c, path);
			continue;
		}
		c->published = xrealloc(c->published,
			(c->n_published + 1) * sizeof(*c->published));
		c->published[c->n_published++] = path;
	}
}

void call_recordings(const struct call *c, unsigned *published, unsigned *failed)
{
	*published = c->n_published;
	*failed = c->n_unpublished;
}

void tape_discard(struct call *c)
{
	const struct call_record_opts *o = c->opts->record;

	if (!o)
		return;
	c->discard = true;
	if (!c->reminder && o->over)
		c->reminder = reminder_new(o, c->parent);
	if (c->reminder)
		reminder_discard(c->reminder);
	for (struct closing *closing = c->closing; closing; closing = closing->next)
		if (closing->file)
			file_sink_discard(closing->sink);
	for (unsigned i = 0; i < c->n_published; i++)
		remove_file(c, c->published[i]);
	c->n_published = 0;
}

void tape_over(struct call *c)
{
	const struct call_record_opts *o = c->opts->record;
	bool kept = c->n_unpublished != 0;

	reminder_free(&c->reminder, !kept);
	if (o && o->over)
		o->over(o->arg, c->parent, c->discard, kept);
}

void tape_free(struct leg *l)
{
	must(!l->tape.sink);
	outlet_free(&l->to_record);
	outlet_free(&l->to_record_mix);
}
