/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sink/file_sink.h"

#include <errno.h>
#include <stdlib.h>

#include "base/backlog.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "sink/flight.h"

#define MIN_SLAB  ((size_t)16 * 1024)
#define MAX_SLAB  ((size_t)64 * 1024)
#define MIN_HOLE  4096           /* [bytes] less silence than that is written with the audio */
#define HAND_OVER (1 * SEC)      /* without flush-packets */
#define SYNC      (4 * SEC)      /* and HAND_OVER: no more than 5 s are ever missing */

#define FILE_SINK_MAGIC 0xf11e517au

struct file_sink {
	struct sink sink; /* first: ops find us */
	uint32_t magic;
	struct flight flight;         /* what the writers have */
	struct backlog *backlog;
	char *path;                   /* for the log */
	uint32_t rate_hz;
	unsigned channels, frame;     /* frame: [bytes] */
	unsigned buffer_ms;
	size_t max, slab;             /* [bytes] */
	int64_t next;                 /* position after what was put */
	uint64_t handed;              /* [frames] left the backlog */
	usec_t waiting_since, synced; /* 0: nothing waits; nothing is to be synced */
	bool ending, done, full;
	uint64_t put, sent, dropped, silence; /* [frames] */
	uint64_t full_episodes;
	usec_t patience;              /* the longest that audio waits for more */
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

/* What has made room for the newest is gone from a backlog that is full, or that may not grow. */
static void say_full(struct file_sink *s)
{
	if (s->full)
		return;
	s->full = true;
	s->full_episodes++;
	counter_add(COUNT_REC_FULL, 1);
	if (backlog_audio(s->backlog) + 2 * s->frame > s->max)
		log_warn_limited("the disk of %s is behind by all that may wait (%u ms): the "
			"oldest becomes silence", log_mark(s->path), s->buffer_ms);
	else
		log_warn_limited("buffer-memory is used up: of %s the oldest becomes silence, "
			"though less waits for its disk than may", log_mark(s->path));
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

static bool give_slab(struct file_sink *s, usec_t now)
{
	uint64_t waiting = backlog_bytes(s->backlog);
	size_t room = waiting < s->slab ? (size_t)waiting : s->slab;
	struct file_work *w = flight_work(&s->flight, FILE_WRITE, s->handed, room);

	if (!w)
		return false;
	fill(s, w, room);
	s->waiting_since = backlog_bytes(s->backlog) ? now : 0;
	if (!s->synced)
		s->synced = now;
	if (!w->bytes) {
		flight_drop(&s->flight, &w);
		return false;
	}
	w->sync = now - s->synced >= SYNC;
	if (w->sync)
		s->synced = now;
	flight_give(&s->flight, &w, now);
	return true;
}

/* In a long silence, too, the file is as long as the call. */
static void give_sync(struct file_sink *s, usec_t now)
{
	struct file_work *w;

	if (!s->synced || now - s->synced < SYNC || !flight_takes(&s->flight))
		return;
	w = flight_work(&s->flight, FILE_WRITE, s->handed, 0);
	w->sync = true;
	s->synced = 0;
	flight_give(&s->flight, &w, now);
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
	while (flight_takes(&s->flight) && is_due(s, now))
		if (!give_slab(s, now))
			break;
	if (!s->ending)
		give_sync(s, now);
	else if (!s->flight.asked && flight_is_empty(&s->flight) && !backlog_bytes(s->backlog))
		flight_end(&s->flight, FILE_PUBLISH, s->handed);
}

static void settle(struct file_sink *s)
{
	count_lost(s, s->flight.lost);
	s->sent += s->flight.sent / s->frame;
	s->flight.lost = s->flight.sent = 0;
}

static void tick(struct sink *sink, usec_t now)
{
	struct file_sink *s = self(sink);

	if (s->done)
		return;
	flight_tick(&s->flight, now);
	hand_over(s, now);
	flight_kick(&s->flight);
	settle(s);
	s->done = s->flight.over;
	if (s->full && backlog_audio(s->backlog) < s->slab)
		s->full = false;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void finish(struct sink *sink)
{
	self(sink)->ending = true;
}

void file_sink_discard(struct sink *sink)
{
	struct file_sink *s = self(sink);

	if (s->done || (s->flight.asked && s->flight.end == FILE_DISCARD))
		return;
	s->ending = true;
	count_lost(s, backlog_clear(s->backlog));
	flight_discard(&s->flight, s->handed);
	settle(s);
}

static void give_up(struct file_sink *s)
{
	count_lost(s, backlog_clear(s->backlog));
	flight_give_up(&s->flight);
	settle(s);
}

static void cut(struct sink *sink)
{
	struct file_sink *s = self(sink);

	if (s->done)
		return;
	s->ending = s->done = true;
	give_up(s);
	if (s->flight.over)
		return;
	counter_add(COUNT_REC_GIVEN_UP, 1);
	if (!s->flight.result.error)
		s->flight.result.error = -ETIMEDOUT;
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
		.waiting = (backlog_audio(s->backlog) + s->flight.audio) / s->frame,
		.silence = s->silence,
		.full_episodes = s->full_episodes,
		.first_byte = s->flight.first_byte,
	};
}

void file_sink_result(const struct sink *sink, struct file_sink_result *out)
{
	const struct file_sink *s = self(sink);

	*out = s->flight.result;
	out->dropped = s->dropped;
}

static void free_sink(struct sink *sink)
{
	struct file_sink *s = self(sink);

	give_up(s);
	backlog_free(&s->backlog);
	flight_fini(&s->flight);
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

/* Half of what may wait at most, so that the other half is room for what comes before a tick. */
static size_t slab_bytes(const struct file_sink_opts *o, unsigned frame, size_t max)
{
	size_t second = (size_t)o->file.rate_hz * frame, n = o->file.buffer_bytes;

	n = n < MIN_SLAB ? MIN_SLAB : n > MAX_SLAB ? MAX_SLAB : n;
	n = n < second ? n : second;
	n = n < max / 2 ? n : max / 2;
	return n - n % frame;
}

struct sink *file_sink_new(const struct file_sink_opts *o)
{
	struct file_sink *s = xnew(struct file_sink);
	unsigned frame = o->file.channels * (unsigned)sizeof(int16_t);
	size_t max = (size_t)o->buffer_ms * o->file.rate_hz / 1000 * frame;

	s->sink.ops = &file_sink_ops;
	s->magic = FILE_SINK_MAGIC;
	flight_init(&s->flight, o, frame);
	s->max = max;
	s->slab = slab_bytes(o, frame, max);
	s->backlog = backlog_new(&(struct backlog_opts){ .budget = o->budget,
		.max_bytes = max, .frame = frame,
		.policy = BACKLOG_DROP_OLDEST });
	s->path = xstrdup(o->file.path);
	s->rate_hz = o->file.rate_hz;
	s->channels = o->file.channels;
	s->frame = frame;
	s->buffer_ms = o->buffer_ms;
	s->patience = o->file.growing ? 0 : HAND_OVER;
	s->next = o->origin;
	return &s->sink;
}
