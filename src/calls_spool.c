/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the spool says. */
#include <stdlib.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "calldata/join.h"
#include "calls_private.h"
#include "spool/consumed.h"

#define GRACE SEC /* a metafile that comes back within goes on as the same call */
#define LEFT_ALONE UINT64_MAX /* how far a pcap was consumed that nobody is to read */

static bool is_being_read(const struct calls *t, const char *parent)
{
	for (const struct known *k = t->numbers; k; k = k->by_number.next)
		if (k->state == ENDING && strcmp(k->parent, parent) == 0)
			return true;
	return false;
}

/* A finished file is told again at each scan of the spool: not while it is still being read (and
 * then again only if it will be known which it was), and not when it has been. A PCM file may have
 * grown since, and goes on there. A pcap that is not as long as it was is another recording's, or an
 * orphan's that was none: from its start. */
static enum spool_answer answer_of(struct calls *t, const char *parent, enum spool_layout layout,
	const struct spool_file *file, uint64_t *position)
{
	bool finished = false;

	if (t->parts.consumed)
		consumed_find(t->parts.consumed, parent, file ? file->inode : 0, position,
			&finished);
	if (finished && *position == LEFT_ALONE)
		return SPOOL_REFUSED;
	if (finished && (!file || *position == file->bytes))
		return SPOOL_CONSUMED; /* nearly all are, in a scan: that is the quick answer */
	if (is_being_read(t, parent))
		return t->parts.consumed ? SPOOL_ENDING : SPOOL_CONSUMED;
	if (file && (*position > file->bytes || (finished && layout == SPOOL_PCAP)))
		*position = 0; /* written anew */
	return SPOOL_TAKEN;
}

/* With recording-method = all rtpengine writes a metafile and a pcap of each call, under one name: the
 * metafile is read, as rtpengine-recording does, and the pcap is left alone, after a restart, too. By
 * the pcap's first word the metafile is there, but may not have been told yet. */
static bool leave_alone(struct calls *t, const char *parent, const struct known *k,
	enum spool_layout layout)
{
	bool proc = k ? k->layout == SPOOL_PROC : layout == SPOOL_PCAP && t->spool &&
		spool_has(t->spool, parent, SPOOL_PROC);

	if (!proc && !k)
		return false;
	if (proc && layout == SPOOL_PCAP && t->parts.consumed)
		consumed_note(t->parts.consumed, parent, 0, LEFT_ALONE, true, clock_mono());
	if (!t->said_twice)
		log_info("call %s is in the spool twice (recording-method = all?): such calls are "
			"read from %s", log_mark(parent),
			proc ? "their metafiles alone" : "what comes first alone");
	t->said_twice = true;
	return true;
}

static enum spool_answer on_call(void *arg, const char *parent, enum spool_layout layout,
	const struct spool_file *file)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_parent(t, parent);
	enum spool_answer answer = SPOOL_TAKEN;
	uint64_t position = 0;

	if (t->shutting_down)
		return SPOOL_REFUSED;
	if (k && k->layout == layout) { /* made anew: the same call goes on, with new streams */
		k->state = RUNNING;
		known_new_epoch(k);
		return SPOOL_TAKEN;
	}
	if (leave_alone(t, parent, k, layout))
		return SPOOL_REFUSED;
	if (layout != SPOOL_PROC)
		answer = answer_of(t, parent, layout, file, &position);
	if (answer != SPOOL_TAKEN)
		return answer;
	if (HASH_CNT(by_number, t->numbers) >= t->opts.max_calls) {
		counter_add(COUNT_CALLS_REFUSED, 1);
		log_warn_limited("call %s not taken: max-calls (%u) are running",
			log_mark(parent), t->opts.max_calls);
		return SPOOL_REFUSED;
	}
	k = known_new(t, parent, layout);
	k->position = position;
	k->inode = file ? file->inode : 0;
	log_debug("call %s seen", log_mark(parent));
	return SPOOL_TAKEN;
}

static struct stream_file *file_of(struct known *k, unsigned stream)
{
	struct stream_file *f = known_file(k, stream);

	if (f)
		return f;
	f = xnew(struct stream_file);
	f->stream = stream;
	f->next = k->files;
	k->files = f;
	return f;
}

/* rtpengine tells it once for each stream. Told again, the metafile was made anew or is read anew: a
 * stream that could not be opened may be there now, one that is open is the same. */
static void on_interface(struct calls *t, struct known *k, const struct change *ch)
{
	struct stream_file *f = file_of(k, ch->n);

	if (k->gone) /* and yet it is told again: rtpengine has made it anew */
		known_new_epoch(k);
	if (f->name && span_is(ch->text, f->name) && f->epoch == k->epoch && !f->failed) {
		f->told = true;
		return;
	}
	free(f->name);
	f->name = xstrndup((const char *)ch->text.p, ch->text.n);
	known_open_stream(t, k, f);
}

static void ask_for_data(struct calls *t, struct known *k, struct span call_id)
{
	if (!t->parts.join || k->asked_data)
		return;
	k->asked_data = true;
	join_call(t->parts.join, k->number, call_id, k->parent);
}

static void on_change(void *arg, const char *parent, const struct change *ch)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_parent(t, parent);

	if (!k)
		return;
	if (ch->kind == CHANGE_STREAM_OPEN && ch->n >= CALL_MAX_STREAMS)
		return;
	k->reopened = false;
	worker_change(known_worker(t, k), k->number, ch);
	if (ch->kind == CHANGE_CALL_ID) {
		ask_for_data(t, k, ch->text);
	} else if (ch->kind == CHANGE_STREAM_OPEN) {
		on_interface(t, k, ch);
	} else if (ch->kind == CHANGE_FILE_OPEN) {
		free(k->file);
		k->file = xstrndup((const char *)ch->text.p, ch->text.n);
	}
}

static void on_grew(void *arg, const char *parent)
{
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_parent(t, parent);

	if (!k)
		return;
	if (k->reading)
		tail_grew(t->parts.tail, k->number);
	else
		known_read_file(t, k);
}

static void on_end(void *arg, const char *parent, enum spool_end end)
{
	static const char *const reasons[] = {
		[SPOOL_END_UNLINK] = "ended", [SPOOL_END_DISCARD] = "discarded",
		[SPOOL_END_ORPHAN] = "orphaned", [SPOOL_END_BAD] = "unreadable metadata",
	};
	struct calls *t = OBJ(arg, struct calls, CALLS_MAGIC);
	struct known *k = known_by_parent(t, parent);

	if (!k)
		return;
	known_read_file(t, k);
	if (k->layout == SPOOL_PROC && end == SPOOL_END_UNLINK) {
		k->state = GRACE_GIVEN;
		k->reason = reasons[end];
		known_set_due(k, DUE_GRACE, GRACE);
	} else {
		known_end(t, k, reasons[end]);
	}
}

const struct spool_events calls_spool_events = {
	.call = on_call, .change = on_change, .grew = on_grew, .end = on_end,
};
