/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sink/file_sink.h"

#include <errno.h>
#include <stdlib.h>

#include "base/backlog.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "sink/file_actor.h"

#define IN_FLIGHT     2
#define MIN_SLAB      ((size_t)16 * 1024)
#define MAX_SLAB      ((size_t)64 * 1024)
#define MIN_HOLE      4096           /* [bytes] less silence than that is written with the audio */
#define HAND_OVER     (1 * SEC)      /* without flush-packets */
#define SYNC          (4 * SEC)      /* and HAND_OVER: no more than 5 s are ever missing */
#define FALLBACK      (2 * SEC)      /* of failing */
#define FIRST_BACKOFF (100 * MSEC)
#define MAX_BACKOFF   (2 * SEC)

#define FILE_SINK_MAGIC 0xf11e517au

struct file_sink {
	struct sink sink; /* first: ops find us */
	uint32_t magic;
	struct file_actor *actor;     /* NULL: given up */
	struct backlog *backlog;
	struct budget *budget;
	char *path;                   /* for the log */
	uint32_t rate_hz;
	unsigned channels, frame;     /* frame: [bytes] */
	unsigned buffer_ms;
	size_t slab;                  /* [bytes] */
	int64_t next;                 /* position after what was put */
	uint64_t handed;              /* [frames] left the backlog */
	unsigned flying;              /* works at the actor */
	size_t flying_audio;          /* [bytes] in them and in failed ones */
	size_t flying_charged;
	struct file_work *failed, **last_failed;
	usec_t failing_since, retry_at, backoff; /* failing_since 0: all is well */
	usec_t waiting_since, synced; /* 0: nothing waits; nothing is to be synced */
	bool ending, asked, done, full;
	enum file_verb end;
	uint64_t put, sent, dropped, silence; /* [frames] */
	uint64_t full_episodes;
	usec_t first_byte, patience;  /* patience: the longest that audio waits for more */
	struct file_sink_result result;
};

static struct file_sink *self(const struct sink *sink)
{
	struct file_sink *s = (struct file_sink *)(uintptr_t)sink;

	must(s && s->magic == FILE_SINK_MAGIC);
	return s;
}

static void count_lost(struct file_sink *s, size_t bytes)
{
	uint64_t before = s->dropped;

	s->dropped += bytes / s->frame;
	counter_add(COUNT_REC_MS_DROPPED, s->dropped * 1000 / s->rate_hz -
		before * 1000 / s->rate_hz);
}

static void say_full(struct file_sink *s)
{
	if (s->full)
		return;
	s->full = true;
	s->full_episodes++;
	counter_add(COUNT_REC_FULL, 1);
	log_warn_limited("the disk of %s is behind by all that may wait (%u ms): the oldest "
		"becomes silence", log_mark(s->path), s->buffer_ms);
}

static void advance(struct sink *sink, int64_t position)
{
	struct file_sink *s = self(sink);

	if (s->ending || position <= s->next)
		return;
	backlog_put_silence(s->backlog, (uint64_t)(position - s->next) * s->frame);
	s->next = position;
}

/* What lies before the origin, or was put already, is cut off. */
static void put(struct sink *sink, const struct pcm *pcm)
{
	struct file_sink *s = self(sink);
	struct span audio = span_of(pcm->samples, (size_t)pcm->frames * s->frame);
	size_t lost;

	must(pcm->rate_hz == s->rate_hz && pcm->channels == s->channels);
	advance(sink, pcm->position);
	if (pcm->position < s->next) {
		uint64_t over = (uint64_t)(s->next - pcm->position);

		audio = over < pcm->frames ? span_skip(audio, (size_t)over * s->frame) :
			span_of(pcm->samples, 0);
	}
	if (s->ending || !audio.n)
		return;
	s->put += audio.n / s->frame;
	s->next += (int64_t)(audio.n / s->frame);
	lost = backlog_put(s->backlog, audio);
	if (lost) {
		count_lost(s, lost);
		say_full(s);
	}
}

static void header(struct sink *sink, struct span text)
{
	(void)sink;
	(void)text;
}

static bool wants_header(const struct sink *sink)
{
	(void)sink;
	return false;
}

static struct file_work *new_work(struct file_sink *s, enum file_verb verb, size_t room)
{
	struct file_work *w = xalloc(sizeof(*w) + room);

	w->verb = verb;
	w->frame = s->handed;
	return w;
}

static void give(struct file_sink *s, struct file_work *w)
{
	s->flying++;
	file_actor_give(s->actor, &w);
}

/* One slab out of the backlog; long silence is stepped over. */
static void fill(struct file_sink *s, struct file_work *w, size_t room)
{
	uint64_t silence;
	size_t audio, n;

	for (;;) {
		backlog_front(s->backlog, &silence, &audio);
		if (!silence && !audio)
			return;
		if (silence >= MIN_HOLE || !audio) {
			if (w->bytes)
				return;
			backlog_skip(s->backlog, (size_t)silence);
			s->silence += silence / s->frame;
			s->handed += silence / s->frame;
			w->frame = s->handed;
			continue;
		}
		n = (size_t)silence + audio < room - w->bytes ? (size_t)silence + audio :
			room - w->bytes;
		if (!n)
			return;
		backlog_peek(s->backlog, w->samples + w->bytes, n);
		backlog_skip(s->backlog, n);
		w->bytes += n;
		w->audio += n > silence ? n - (size_t)silence : 0;
		s->silence += (n > silence ? silence : n) / s->frame;
		s->handed += n / s->frame;
	}
}

/* The first slab may use what is kept for packets, so that a disk goes on when others have filled
 * the rest. False: not now. */
static bool charge(struct file_sink *s, struct file_work *w, size_t room)
{
	if (!(s->flying ? budget_take(s->budget, room) : budget_take_reserved(s->budget, room)))
		return false;
	w->charged = room;
	s->flying_charged += room;
	return true;
}

static void free_work(struct file_sink *s, struct file_work *w)
{
	budget_return(s->budget, w->charged);
	s->flying_charged -= w->charged;
	s->flying_audio -= w->audio;
	free(w);
}

static bool give_slab(struct file_sink *s, usec_t now)
{
	uint64_t waiting = backlog_bytes(s->backlog);
	size_t room = waiting < s->slab ? (size_t)waiting : s->slab;
	struct file_work *w = new_work(s, FILE_WRITE, room);

	if (!charge(s, w, room)) {
		free(w);
		return false;
	}
	fill(s, w, room);
	s->waiting_since = backlog_bytes(s->backlog) ? now : 0;
	if (!s->synced)
		s->synced = now;
	if (!w->bytes) {
		free_work(s, w);
		return false;
	}
	s->flying_audio += w->audio;
	w->sync = now - s->synced >= SYNC;
	if (w->sync)
		s->synced = now;
	give(s, w);
	return true;
}

/* In a long silence, too, the file is as long as the call. */
static void give_sync(struct file_sink *s, usec_t now)
{
	struct file_work *w;

	if (!s->synced || now - s->synced < SYNC || s->flying >= IN_FLIGHT)
		return;
	w = new_work(s, FILE_WRITE, 0);
	w->sync = true;
	s->synced = 0;
	give(s, w);
}

static bool is_due(struct file_sink *s, usec_t now)
{
	uint64_t waiting = backlog_bytes(s->backlog);

	if (!waiting)
		return false;
	if (!s->waiting_since)
		s->waiting_since = now;
	return s->ending || waiting >= s->slab || now - s->waiting_since >= s->patience;
}

static void hand_over(struct file_sink *s, usec_t now)
{
	while (s->flying < IN_FLIGHT && is_due(s, now))
		if (!give_slab(s, now))
			break;
	if (!s->ending) {
		give_sync(s, now);
	} else if (!s->asked && !s->flying && !backlog_bytes(s->backlog)) {
		s->asked = true;
		give(s, new_work(s, s->end, 0));
	}
}

static void on_failed(struct file_sink *s, struct file_work *w, usec_t now)
{
	w->mail.next = NULL;
	*s->last_failed = w;
	s->last_failed = (struct file_work **)&w->mail.next;
	if (w->err == -EAGAIN && s->failing_since)
		return;
	counter_add(COUNT_REC_ERRORS, 1);
	s->result.error = w->err;
	s->backoff = s->backoff ? 2 * s->backoff : FIRST_BACKOFF;
	if (s->backoff > MAX_BACKOFF)
		s->backoff = MAX_BACKOFF;
	s->retry_at = now + s->backoff;
	if (s->failing_since)
		return;
	s->failing_since = now;
	log_warn_limited("recording to %s fails: %s; what is written is kept, what comes waits in "
		"memory (%u ms of it, then the oldest becomes silence), and it is tried again",
		log_mark(s->path), strerror(-w->err), s->buffer_ms);
}

static void on_done(struct file_sink *s, struct file_work *w, usec_t now)
{
	s->failing_since = s->backoff = 0;
	s->result.error = 0;
	if (w->bytes && !s->first_byte)
		s->first_byte = now;
	s->sent += w->audio / s->frame;
	s->done = s->asked && w->verb == s->end;
	if (s->done)
		file_actor_result(s->actor, &s->result);
	free_work(s, w);
}

static void take_back(struct file_sink *s, usec_t now)
{
	struct file_work *next;

	for (struct file_work *w = file_actor_take(s->actor); w; w = next) {
		next = (struct file_work *)w->mail.next;
		s->flying--;
		if (w->err)
			on_failed(s, w, now);
		else
			on_done(s, w, now);
	}
}

static void give_again(struct file_sink *s, usec_t now)
{
	struct file_work *w = s->failed, *next;

	if (s->flying || now < s->retry_at)
		return;
	s->failed = NULL;
	s->last_failed = &s->failed;
	w->retry = true;
	w->fallback = s->failing_since && now - s->failing_since >= FALLBACK;
	for (; w; w = next) {
		next = (struct file_work *)w->mail.next;
		give(s, w);
	}
}

static void tick(struct sink *sink, usec_t now)
{
	struct file_sink *s = self(sink);

	if (!s->done)
		take_back(s, now);
	if (s->done)
		return;
	if (s->failed)
		give_again(s, now);
	else
		hand_over(s, now);
	if (s->full && backlog_audio(s->backlog) < s->slab)
		s->full = false;
	file_actor_kick(s->actor);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void end_by(struct file_sink *s, enum file_verb verb)
{
	if (s->ending)
		return;
	s->ending = true;
	s->end = verb;
}

static void finish(struct sink *sink)
{
	end_by(self(sink), FILE_PUBLISH);
}

void file_sink_suspend(struct sink *sink)
{
	end_by(self(sink), FILE_CLOSE);
}

static void forget_failed(struct file_sink *s)
{
	struct file_work *next;

	for (struct file_work *w = s->failed; w; w = next) {
		next = (struct file_work *)w->mail.next;
		count_lost(s, w->audio);
		free_work(s, w);
	}
	s->failed = NULL;
	s->last_failed = &s->failed;
}

void file_sink_discard(struct sink *sink)
{
	struct file_sink *s = self(sink);

	if (s->done || (s->asked && s->end == FILE_DISCARD))
		return;
	s->ending = s->asked = true;
	s->end = FILE_DISCARD;
	count_lost(s, backlog_clear(s->backlog));
	forget_failed(s);
	give(s, new_work(s, FILE_DISCARD, 0));
	file_actor_kick(s->actor);
}

/* What is with a writer may yet be written; nobody knows, so it counts as lost. */
static void give_up(struct file_sink *s)
{
	count_lost(s, backlog_clear(s->backlog));
	forget_failed(s);
	count_lost(s, s->flying_audio);
	budget_return(s->budget, s->flying_charged);
	s->flying_audio = s->flying_charged = 0;
	s->flying = 0;
	file_actor_leave(&s->actor);
}

static void cut(struct sink *sink)
{
	struct file_sink *s = self(sink);

	if (s->done)
		return;
	counter_add(COUNT_REC_GIVEN_UP, 1);
	if (!s->result.error)
		s->result.error = -ETIMEDOUT;
	s->ending = s->done = true;
	give_up(s);
}

static bool done(const struct sink *sink)
{
	return self(sink)->done;
}

static void stats(const struct sink *sink, struct sink_stats *out)
{
	const struct file_sink *s = self(sink);

	*out = (struct sink_stats){
		.kind = "file",
		.rate_hz = s->rate_hz,
		.channels = s->channels,
		.put = s->put,
		.sent = s->sent,
		.dropped = s->dropped,
		.waiting = (backlog_audio(s->backlog) + s->flying_audio) / s->frame,
		.silence = s->silence,
		.full_episodes = s->full_episodes,
		.first_byte = s->first_byte,
	};
}

void file_sink_result(const struct sink *sink, struct file_sink_result *out)
{
	const struct file_sink *s = self(sink);

	*out = s->result;
	out->dropped = s->dropped;
}

static void free_sink(struct sink *sink)
{
	struct file_sink *s = self(sink);

	give_up(s);
	backlog_free(&s->backlog);
	for (unsigned i = 0; i < s->result.files; i++)
		free(s->result.file[i].recording.path);
	free(s->path);
	s->magic = 0;
	free(s);
}

static const struct sink_ops file_sink_ops = {
	.put = put,
	.advance = advance,
	.header = header,
	.wants_header = wants_header,
	.tick = tick,
	.finish = finish,
	.cut = cut,
	.done = done,
	.stats = stats,
	.free = free_sink,
};

static size_t slab_bytes(const struct file_sink_opts *o, unsigned frame)
{
	size_t second = (size_t)o->file.rate_hz * frame, n = o->file.buffer_bytes;

	n = n < MIN_SLAB ? MIN_SLAB : n > MAX_SLAB ? MAX_SLAB : n;
	n = n < second ? n : second;
	return n - n % frame;
}

struct sink *file_sink_new(const struct file_sink_opts *o)
{
	struct file_sink *s = xnew(struct file_sink);
	unsigned frame = o->file.channels * (unsigned)sizeof(int16_t);
	size_t max = (size_t)o->buffer_ms * o->file.rate_hz / 1000 * frame;

	s->sink.ops = &file_sink_ops;
	s->magic = FILE_SINK_MAGIC;
	s->actor = file_actor_new(o);
	s->slab = slab_bytes(o, frame);
	s->backlog = backlog_new(&(struct backlog_opts){ .budget = o->budget,
		.max_bytes = max > s->slab ? max : s->slab, .frame = frame,
		.policy = BACKLOG_DROP_OLDEST });
	s->budget = o->budget;
	s->path = xstrdup(o->file.path);
	s->rate_hz = o->file.rate_hz;
	s->channels = o->file.channels;
	s->frame = frame;
	s->buffer_ms = o->buffer_ms;
	s->patience = o->file.growing ? 0 : HAND_OVER;
	s->next = o->origin;
	s->last_failed = &s->failed;
	return &s->sink;
}
