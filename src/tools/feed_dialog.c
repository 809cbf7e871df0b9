/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  offer -> answer -> (forwarding, re-INVITE, hold, off hold) -> delete; a step when
 * it is due
 *  and the one before is answered  */
#include "tools/feed_dialog.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "tools/feed_bencode.h"
#include "tools/feed_phone.h"
#include "tools/feed_sdp.h"

#define DIALOG_MAGIC 0xfeedd1a1
#define MAX_STEPS    16

enum step_kind { OFFER, ANSWER, FORWARD, MOVE, HOLD, UNHOLD, REOFFER, REANSWER, DELETE };

struct step {
	enum step_kind kind;
	usec_t at; /* since the start of the media, before it: of the call */
};

struct feed_dialog {
	MAGIC_MEMBER;
	struct feed_switch *sw;
	const struct feed_opts *opts;
	const struct feed_codec *codec;
	int number;
	usec_t start, media, ended; /* 0: not yet */
	char id[128], tag[2][32];
	char *metadata;
	struct step step[MAX_STEPS];
	unsigned n, at;
	bool asked, failed, over, held;
	unsigned version;
	usec_t delete_took;
	struct feed_phone phone[2]; /* caller, callee */
};

static void add_step(struct feed_dialog *d, enum step_kind kind, usec_t at)
{
	must(d->n < MAX_STEPS);
	d->step[d->n++] = (struct step){ kind, at };
}

static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* A new offer is three steps at one time: what changes, and both halves of saying so. */
static void add_change(struct feed_dialog *d, enum step_kind kind, usec_t at)
{
	add_step(d, kind, at);
	add_step(d, REOFFER, at + 1);
	add_step(d, REANSWER, at + 2);
}

static void plan_steps(struct feed_dialog *d)
{
	const struct feed_opts *o = d->opts;

	add_step(d, OFFER, -2);
	add_step(d, ANSWER, -1);
	if (o->forward_after >= 0)
		add_step(d, FORWARD, o->forward_after * MSEC);
	if (o->reinvite_after >= 0)
		add_change(d, MOVE, o->reinvite_after * MSEC);
	if (o->hold_from >= 0) {
		add_change(d, HOLD, o->hold_from * MSEC);
		add_change(d, UNHOLD, (o->hold_from + o->hold_for) * MSEC);
	}
	add_step(d, DELETE, (usec_t)(o->seconds * SEC));
	qsort(d->step, d->n, sizeof(d->step[0]), by_time);
}

static bool open_phone(struct feed_dialog *d, int i, struct feed_tones *tones)
{
	const struct feed_opts *o = d->opts;
	struct feed_phone *p = &d->phone[i];
	const char *why = NULL;
	int r;

	feed_phone_init(p);
	p->codec = d->codec;
	p->tone = feed_tones_get(tones, feed_tone_of(o->tones, d->number, i), &why);
	r = feed_phone_bind(p, o->media_address);
	if (r < 0)
		why = strerror(-r);
	feed_plan_init(&p->plan, o, d->codec->clock_hz, d->number, i);
	if (why)
		fprintf(stderr, "spoolwire-feed: %s: %s\n", d->id, why);
	return !why;
}

struct feed_dialog *feed_dialog_new(struct feed_switch *sw, const struct feed_opts *o,
	struct feed_tones *tones, int number, usec_t start)
{
	struct feed_dialog *d = xnew(struct feed_dialog);

	d->magic = DIALOG_MAGIC;
	d->sw = sw;
	d->opts = o;
	d->codec = feed_tones_codec(tones);
	d->number = number;
	d->start = start;
	if (o->call_id)
		snprintf(d->id, sizeof(d->id), "%s-%d@feed", o->call_id, number);
	else
		snprintf(d->id, sizeof(d->id), "feed%d-%d@feed", (int)getpid(), number);
	for (int i = 0; i < 2; i++)
		snprintf(d->tag[i], sizeof(d->tag[i]), "%s%d-%d", i ? "to" : "from",
			(int)getpid(), number);
	d->metadata = o->metadata ? xstrdup(o->metadata) :
		xasprintf("caller:c%d|callee:d%d", number, number);
	plan_steps(d);
	if (!open_phone(d, 0, tones) || !open_phone(d, 1, tones))
		feed_dialog_free(&d);
	return d;
}

void feed_dialog_free(struct feed_dialog **slot)
{
	struct feed_dialog *d = *slot;

	if (!d)
		return;
	must(!d->asked);
	feed_phone_fini(&d->phone[0]);
	feed_phone_fini(&d->phone[1]);
	free(d->metadata);
	d->magic = 0;
	free(d);
	*slot = NULL;
}

static const char *direction(const struct feed_dialog *d, int of)
{
	if (!d->held)
		return "sendrecv";
	return of == 0 ? "sendonly" : "recvonly";
}

static void put_sdp(struct feed_dialog *d, struct feed_bencode *b, int of)
{
	char text[FEED_SDP_MAX];
	const struct feed_sdp sdp = {
		.address = d->phone[of].address,
		.port = d->phone[of].port,
		.ptime_ms = (unsigned)d->opts->ptime,
		.version = ++d->version,
		.direction = direction(d, of),
		.codec = d->codec,
		.noise = d->opts->vad == VAD_CN,
	};

	feed_sdp_write(&sdp, text);
	feed_bencode_pair(b, "sdp", text);
	if (!d->opts->no_record)
		feed_bencode_pair(b, "record call", "yes");
	if (*d->metadata)
		feed_bencode_pair(b, "metadata", d->metadata);
}

static const char *command_of(enum step_kind kind)
{
	switch (kind) {
	case OFFER:
	case REOFFER:
		return "offer";
	case ANSWER:
	case REANSWER:
		return "answer";
	case FORWARD:
		return "start forwarding";
	case DELETE:
		return "delete";
	case MOVE:
	case HOLD:
	case UNHOLD:
		break;
	}
	return NULL;
}

static void fail(struct feed_dialog *d, enum step_kind kind, struct span answer)
{
	struct span reason;

	if (!feed_bencode_find(answer, "error-reason", &reason))
		reason = span_text(answer.n ? "refused" : "no answer");
	fprintf(stderr, "spoolwire-feed: %s: %s: %.*s\n", d->id, command_of(kind),
		(int)reason.n, (const char *)reason.p);
	d->failed = true;
	/* What is left is to take the call away, if it was made. */
	d->at = kind == DELETE ? d->n : d->n - 1;
	d->step[d->n - 1].at = INT64_MIN;
}

/* rtpengine's SDP in an answer is for the other side: it says where that one sends. */
static bool aim(struct feed_dialog *d, int phone, struct span answer)
{
	struct span sdp;
	char address[64];
	unsigned port;

	return feed_bencode_find(answer, "sdp", &sdp) &&
		feed_sdp_read(sdp, address, sizeof(address), &port) &&
		feed_phone_aim(&d->phone[phone], address, port);
}

static void on_answer(void *arg, struct span answer, usec_t took)
{
	struct feed_dialog *d = OBJ(arg, struct feed_dialog, DIALOG_MAGIC);
	enum step_kind kind = d->step[d->at].kind;
	struct span result;
	bool good = feed_bencode_find(answer, "result", &result) && span_is(result, "ok");

	d->asked = false;
	if (kind == DELETE) {
		d->sw->deleting = false;
		d->delete_took = took;
		feed_stat_add(&d->sw->deletes, took);
	} else {
		feed_stat_add(&d->sw->requests, took);
	}
	if (good && (kind == OFFER || kind == REOFFER))
		good = aim(d, 1, answer);
	else if (good && (kind == ANSWER || kind == REANSWER))
		good = aim(d, 0, answer);
	d->at++;
	if (!good)
		fail(d, kind, answer);
	else if (kind == ANSWER)
		d->media = clock_mono();
}

static void ask(struct feed_dialog *d, enum step_kind kind, usec_t now)
{
	char bytes[8192];
	struct feed_bencode b = { .p = bytes, .size = sizeof(bytes) };
	bool answering = kind == ANSWER || kind == REANSWER;

	feed_bencode_open(&b, 'd');
	feed_bencode_pair(&b, "command", command_of(kind));
	feed_bencode_pair(&b, "call-id", d->id);
	feed_bencode_pair(&b, "from-tag", d->tag[0]);
	if (answering || kind == REOFFER)
		feed_bencode_pair(&b, "to-tag", d->tag[1]);
	if (answering || kind == OFFER || kind == REOFFER)
		put_sdp(d, &b, answering);
	if (kind == DELETE) {
		/* At once, or its answer would say nothing of how long the removal
		 * takes. */
		feed_bencode_text(&b, "delete-delay");
		feed_bencode_number(&b, 0);
	}
	feed_bencode_close(&b);
	must(!b.full || d->opts->metadata); /* only that can be so long */
	if (b.full) {
		fail(d, kind, span_of(NULL, 0));
		return;
	}
	d->asked = true;
	feed_control_send(
		d->sw->control, span_of(bytes, b.used), now, true, on_answer, d);
}

static void move_caller(struct feed_dialog *d)
{
	if (feed_phone_bind(&d->phone[0], d->opts->reinvite_address) < 0)
		d->failed = true;
	feed_plan_new_ssrc(&d->phone[0].plan);
	d->phone[0].has_next = false;
}

static void set_hold(struct feed_dialog *d, bool held)
{
	d->held = held;
	feed_plan_mute(&d->phone[0].plan, held);
	feed_plan_mute(&d->phone[1].plan, held);
}

static void run_step(struct feed_dialog *d, usec_t now)
{
	enum step_kind kind = d->step[d->at].kind;

	if (kind == DELETE) {
		if (d->sw->sequential && d->sw->deleting)
			return;
		d->sw->deleting = true;
		if (!d->ended)
			d->ended = now;
	}
	if (command_of(kind)) {
		ask(d, kind, now);
		return;
	}
	if (kind == MOVE)
		move_caller(d);
	else
		set_hold(d, kind == HOLD);
	d->at++;
}

bool feed_dialog_run(struct feed_dialog *d, usec_t now)
{
	usec_t since = d->media ? now - d->media : -1;

	if (d->over || now < d->start)
		return !d->over;
	for (int i = 0; d->media && i < 2; i++)
		if (since < (usec_t)(d->opts->seconds * SEC) && !d->ended)
			feed_phone_run(&d->phone[i], since);
	while (!d->asked && d->at < d->n && d->step[d->at].at <= since) {
		unsigned before = d->at;

		run_step(d, now);
		if (d->at == before)
			break;
	}
	if (d->at < d->n || d->asked)
		return true;
	d->over = true;
	d->sw->calls++;
	d->sw->failed += d->failed;
	d->sw->sent += d->phone[0].sent + d->phone[1].sent;
	d->sw->received += d->phone[0].received + d->phone[1].received;
	return false;
}

void feed_dialog_end(struct feed_dialog *d, usec_t now)
{
	if (now < d->start && !d->asked) {
		d->at = d->n;
		d->start = now;
		return;
	}
	/* The request under way counts its own step off: the rest becomes the delete. */
	for (unsigned i = d->at + d->asked; i < d->n; i++)
		if (d->step[i].kind != DELETE)
			d->step[i].kind = UNHOLD;
	for (unsigned i = d->at; i < d->n; i++)
		d->step[i].at = INT64_MIN;
}

void feed_dialog_print(FILE *f, const struct feed_dialog *d)
{
	char text[CLOCK_TEXT];
	usec_t back = clock_wall() - clock_mono();

	fprintf(f, "{\"call_id\":");
	feed_stat_text(f, d->id);
	fprintf(f, ",\"metadata\":");
	feed_stat_text(f, d->metadata);
	fprintf(f, ",\"codec\":\"%s\"", d->codec->rtpmap);
	clock_format((d->media ? d->media : d->start) + back, text);
	fprintf(f, ",\"start\":\"%s\"", text);
	clock_format(d->ended + back, text);
	fprintf(f, ",\"end\":\"%s\",\"ok\":%s,\"delete_ms\":%.3f", text,
		d->failed ? "false" : "true", (double)d->delete_took / 1000);
	for (int i = 0; i < 2; i++) {
		const struct feed_phone *p = &d->phone[i];

		fprintf(f,
			",\"%s\":{\"tag\":\"%s\",\"tone_hz\":%u,\"address\":\"%s\","
			"\"port\":%u,"
			"\"ssrc\":\"%08x\",\"sent\":%llu,\"received\":%llu}",
			i ? "callee" : "caller", d->tag[i], p->tone->hz, p->address,
			p->port, p->plan.ssrc, (unsigned long long)p->sent,
			(unsigned long long)p->received);
	}
	fprintf(f, "}\n");
}
