/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the spool says about a call, taken to heart. Facts repeat at every offer/answer. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "call/call_private.h"

/* True when it is something new. */
static bool set_text(char **field, struct span text)
{
	if (*field && span_is(text, *field))
		return false;
	free(*field);
	*field = xstrndup((const char *)text.p, text.n);
	return true;
}

struct media *call_media(struct call *c, unsigned number)
{
	struct media *m;

	for (m = c->medias; m; m = m->next)
		if (m->number == number)
			return m;
	if (c->n_medias == CALL_MAX_MEDIA)
		return NULL;
	m = xnew(struct media);
	m->number = number;
	m->payloads = payloads_new();
	m->next = c->medias;
	c->medias = m;
	c->n_medias++;
	return m;
}

static void on_call_id(struct call *c, struct span text)
{
	set_text(&c->call_id, text);
	c->call_id_bytes = text.n;
}

static void on_metadata(struct call *c, struct span text)
{
	if (set_text(&c->metadata, text))
		forward_metadata(c);
}

static void on_party(struct call *c, const struct change *ch)
{
	struct party *p = call_party(c, ch->n, true);

	if (!p)
		return;
	switch (ch->kind) {
	case CHANGE_TAG:
		if (ch->text.n || !p->tag) /* empty while the other side is not known yet */
			set_text(&p->tag, ch->text);
		break;
	case CHANGE_TAG_LABEL:
		set_text(&p->label, ch->text);
		break;
	case CHANGE_TAG_METADATA:
		set_text(&p->metadata, ch->text);
		break;
	default:
		p->role = span_is(ch->text, "caller") ? "caller" : "callee";
	}
}

static void on_payload(struct call *c, const struct change *ch)
{
	struct media *m = ch->pt < PAYLOADS_TYPES ? call_media(c, ch->n) : NULL;

	if (!m)
		return;
	if (ch->kind == CHANGE_MEDIA_CODEC)
		payloads_set_rtpmap(m->payloads, ch->pt, ch->text);
	else
		payloads_set_fmtp(m->payloads, ch->pt, ch->text);
}

/* An answer to who holds is no hold of its own. */
static void on_hold(struct call *c, const struct change *ch)
{
	struct party *p = call_party(c, ch->n, false);

	if (!p || p->holds == ch->hold || (ch->answer && ch->hold))
		return;
	p->holds = ch->hold;
	call_event(c, NULL, (int)ch->n, "hold", p->holds ? "on" : "off");
}

/* A new SDP may move ports. A metafile has each twice, as sent (empty in rtpengine 10.5) and as
 * passed on. */
static void on_sdp(struct call *c, const struct change *ch)
{
	for (struct leg *l = c->legs; l; l = l->next)
		if (c->layout == SPOOL_PROC)
			stream_expect_port(l->stream);
	if (!ch->value)
		return;
	call_event(c, NULL, (int)ch->n, "sdp",
		ch->answer ? "answer" : c->answered ? "re-invite" : "offer");
	c->answered |= ch->answer;
	on_hold(c, ch);
}

static void on_stream(struct call *c, const struct change *ch)
{
	struct leg *l = call_leg(c, ch->n);
	struct media *m = call_media(c, ch->media);

	if (!l)
		return;
	l->tag = ch->tag;
	l->media = ch->media;
	l->section = ch->section;
	l->component = ch->component;
	stream_set_payloads(l->stream, m ? m->payloads : NULL);
	forward_update(l);
	tape_update(l);
}

static void drop_port(struct leg *l, unsigned i)
{
	memmove(l->ports + i, l->ports + i + 1, (l->n_ports - i - 1) * sizeof(l->ports[0]));
	l->n_ports--;
}

void call_add_port(struct call *c, struct leg *l, unsigned port)
{
	for (struct leg *other = c->legs; other; other = other->next)
		for (unsigned i = other->n_ports; i-- > 0; )
			if (other->ports[i] == port)
				drop_port(other, i);
	if (l->n_ports == CHANGE_MAX_PORTS)
		drop_port(l, 0);
	l->ports[l->n_ports++] = port;
}

/* A stream that was found by its packets before its SDP was read gets its true number; one that
 * moves keeps its old port, where packets may still come to. */
static void on_port(struct call *c, const struct change *ch)
{
	struct leg *l = call_leg(c, ch->n);

	if (!l)
		return;
	if (l->by_chance)
		l->n_ports = 0;
	l->by_chance = false;
	call_add_port(c, l, (unsigned)ch->value);
}

static void on_forwarding(struct call *c, bool on)
{
	if (c->forwarding == on)
		return;
	c->forwarding = on;
	call_event(c, NULL, -1, "forwarding", on ? "on" : "off");
	for (struct leg *l = c->legs; l; l = l->next)
		forward_update(l);
}

static void on_stream_forwarding(struct call *c, const struct change *ch)
{
	struct leg *l = call_leg(c, ch->n);

	if (!l || l->forwarding == (ch->value != 0))
		return;
	l->forwarding = ch->value != 0;
	call_event(c, l, -1, "forwarding", l->forwarding ? "on" : "off");
	forward_update(l);
	tape_update(l);
}

static void on_recording(struct call *c, bool on)
{
	if (c->recording == on)
		return;
	c->recording = on;
	call_event(c, NULL, -1, "recording", on ? "on" : "off");
	tape_switched(c, clock_mono());
}

static void on_override(struct call *c, const struct change *ch)
{
	if (ch->kind == CHANGE_RECORDING_FILE)
		set_text(&c->record_file, ch->text);
	else if (ch->kind == CHANGE_RECORDING_PATH)
		set_text(&c->record_path, ch->text);
	else
		set_text(&c->record_pattern, ch->text);
}

static void on_interface(struct call *c, const struct change *ch)
{
	struct leg *l = call_leg(c, ch->n);

	if (l)
		set_text(&l->interface, ch->text);
}

void call_change(struct call *c, const struct change *ch)
{
	c->changes++;
	switch (ch->kind) {
	case CHANGE_CALL_ID:
		on_call_id(c, ch->text);
		break;
	case CHANGE_METADATA:
		on_metadata(c, ch->text);
		break;
	case CHANGE_TAG:
	case CHANGE_TAG_LABEL:
	case CHANGE_TAG_METADATA:
	case CHANGE_TAG_ROLE:
		on_party(c, ch);
		break;
	case CHANGE_MEDIA_CODEC:
	case CHANGE_MEDIA_FMTP:
		on_payload(c, ch);
		break;
	case CHANGE_MEDIA_SDP:
		on_sdp(c, ch);
		break;
	case CHANGE_STREAM:
		on_stream(c, ch);
		break;
	case CHANGE_STREAM_PORT:
		on_port(c, ch);
		break;
	case CHANGE_STREAM_OPEN:
		on_interface(c, ch);
		break;
	case CHANGE_FORWARDING:
		on_forwarding(c, ch->value != 0);
		break;
	case CHANGE_STREAM_FORWARDING:
		on_stream_forwarding(c, ch);
		break;
	case CHANGE_RECORDING:
		on_recording(c, ch->value != 0);
		break;
	case CHANGE_RECORDING_FILE:
	case CHANGE_RECORDING_PATH:
	case CHANGE_RECORDING_PATTERN:
		on_override(c, ch);
		break;
	default: /* of the database: nothing here asks for it */
		break;
	}
}
