/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/growing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"

#define BLOCKS_PER_SECOND 50           /* PCM goes on in blocks of 20 ms */
#define QUEUE_WAIT        (10 * MSEC)  /* before a full queue is looked at again */

static enum growing_state end_as(struct growing *g, enum source_end end, int error, const char *why)
{
	g->source->end = end;
	g->source->error = error;
	g->why = why;
	return GROWING_ENDED;
}

static enum growing_state end_bad(struct growing *g, const char *why)
{
	return end_as(g, SOURCE_END_BAD, 0, why);
}

bool growing_open(struct growing *g, struct source *s)
{
	struct stat st;

	must(s->magic == SOURCE_MAGIC && s->fd < 0);
	*g = (struct growing){ .source = s };
	g->end = WAV_UNKNOWN;
	pcap_init(&g->pcap);
	/* O_NONBLOCK: a FIFO in the place of a file must not hold us. */
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &st) < 0) {
		end_as(g, SOURCE_END_FAILED, errno, NULL);
	} else if (!S_ISREG(st.st_mode)) {
		end_as(g, SOURCE_END_FAILED, EINVAL, NULL);
	} else {
		s->opened = clock_mono();
		counter_add(COUNT_SOURCES_OPENED, 1);
		return true;
	}
	counter_add(COUNT_SOURCES_FAILED, 1);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return false;
}

void growing_close(struct growing *g)
{
	must(g->source && g->source->fd >= 0);
	close(g->source->fd);
	g->source->fd = -1;
	g->source->closed = clock_mono();
	counter_add(COUNT_SOURCES_CLOSED, 1);
	g->source = NULL;
}

/* ---- passing on ---- */

/* False: not yet, come again after *wait. */
static bool pass_on(struct growing *g, enum packet_kind kind, usec_t time, struct span data,
	usec_t *wait)
{
	struct source *s = g->source;

	if (!packetq_put(s->queue, s, kind, time, data)) {
		*wait = QUEUE_WAIT;
		return false;
	}
	s->packets++;
	s->bytes += data.n;
	counter_add(COUNT_PACKETS_IN, 1);
	counter_add(COUNT_BYTES_IN, data.n);
	return true;
}

static enum growing_state pass_records(struct growing *g, struct span in, unsigned max_speed,
	usec_t *wait)
{
	usec_t mono = clock_mono();
	struct pcap_record r;
	ssize_t used;

	must(g->pcap.position == g->position);
	while ((used = pcap_next(&g->pcap, in, &r)) > 0) {
		*wait = r.ip.n ? pace_wait(&g->pace, r.time, mono, max_speed) : 0;
		if (*wait || (r.ip.n && !pass_on(g, PACKET_IP, r.time, r.ip, wait))) {
			g->pcap.position = g->position;
			return GROWING_WAIT;
		}
		if (!r.ip.n) {
			g->source->bad_records++;
			counter_add(COUNT_PCAP_RECORDS_BAD, 1);
		}
		g->position = g->pcap.position;
		in = span_skip(in, (size_t)used);
	}
	return used < 0 ? end_bad(g, g->pcap.why) : GROWING_DRY;
}

static usec_t time_of(const struct growing *g, uint64_t from)
{
	return (usec_t)((g->position - from) / g->frame * SEC / g->source->rate_hz);
}

/* last: nothing comes behind these bytes, so a shorter block goes too. */
static enum growing_state pass_blocks(struct growing *g, struct span in, bool last,
	unsigned max_speed, usec_t *wait)
{
	size_t block = g->source->rate_hz / BLOCKS_PER_SECOND * g->frame;
	usec_t mono = clock_mono();

	must(block > 0 && g->position >= g->resumed);
	while (in.n >= block || (last && in.n >= g->frame)) {
		struct span data = span_head(in, in.n >= block ? block : in.n - in.n % g->frame);

		*wait = pace_wait(&g->pace, time_of(g, g->begin), mono, max_speed);
		if (*wait || !pass_on(g, PACKET_PCM, g->wall + time_of(g, g->resumed), data, wait))
			return GROWING_WAIT;
		g->position += data.n;
		in = span_skip(in, data.n);
	}
	return GROWING_DRY;
}

/* ---- headers ---- */

static enum growing_state begin_pcap(struct growing *g, struct span in)
{
	ssize_t used = pcap_header(&g->pcap, in);

	if (used < 0)
		return end_bad(g, g->pcap.why);
	if (!used)
		return GROWING_DRY;
	g->begun = true;
	if (g->source->position > g->pcap.position)
		g->pcap.position = g->source->position;
	g->position = g->pcap.position;
	return GROWING_MORE;
}

static enum growing_state begin_samples(struct growing *g, uint64_t at)
{
	struct source *s = g->source;

	if (s->rate_hz < WAV_MIN_RATE_HZ || s->rate_hz > WAV_MAX_RATE_HZ || !s->channels ||
	    s->channels > WAV_MAX_CHANNELS)
		return end_bad(g, "sampling rate or number of channels out of range");
	must(!g->begun && at <= GROWING_BUFFER);
	g->begun = true;
	g->frame = s->channels * 2;
	g->begin = at;
	g->position = s->position > at ? s->position : at;
	g->position -= (g->position - at) % g->frame;
	g->resumed = g->position;
	g->wall = clock_wall();
	return GROWING_MORE;
}

static uint64_t end_of(uint64_t begin, const struct wav *w)
{
	return w->data_bytes < WAV_UNKNOWN - begin ? begin + w->data_bytes : WAV_UNKNOWN;
}

static enum growing_state begin_pcm(struct growing *g, struct span in, bool finishing)
{
	struct wav w;
	ssize_t used;

	if (in.n < 4 && !finishing)
		return GROWING_DRY;
	if (!wav_starts(in))
		return begin_samples(g, 0);
	used = wav_parse(in, &w);
	if (used < 0)
		return end_bad(g, w.why);
	if (!used)
		return GROWING_DRY;
	g->source->rate_hz = w.rate_hz;
	g->source->channels = w.channels;
	g->end = end_of((uint64_t)used, &w);
	return begin_samples(g, (uint64_t)used);
}

/* A writer may bring its header up to date now and then: samples behind the end it stated are
 * samples once it says so. */
static void look_at_header_again(struct growing *g, uint8_t *buffer)
{
	ssize_t n = pread(g->source->fd, buffer, GROWING_BUFFER, 0);
	struct wav w;

	if (n > 0 && wav_parse(span_of(buffer, (size_t)n), &w) == (ssize_t)g->begin)
		g->end = end_of(g->begin, &w);
}

/* ---- one look ---- */

/* Somebody else's file under our name: what we hold will never grow again. A file that is only
 * unlinked is read to its end. */
static bool replaced(const struct source *s, const struct stat *ours)
{
	struct stat now;

	return lstat(s->path, &now) == 0 &&
	       (now.st_ino != ours->st_ino || now.st_dev != ours->st_dev);
}

/* last: these bytes are the last of a file that nobody writes any more. */
static enum growing_state pass(struct growing *g, struct span in, bool last, unsigned max_speed,
	usec_t *wait)
{
	bool pcap = g->source->kind == SOURCE_PCAP;

	if (!g->begun)
		return pcap ? begin_pcap(g, in) : begin_pcm(g, in, last);
	if (pcap)
		return pass_records(g, in, max_speed, wait);
	return pass_blocks(g, in, last, max_speed, wait);
}

enum growing_state growing_read(struct growing *g, uint8_t *buffer, bool finishing,
	unsigned max_speed, usec_t *wait)
{
	struct source *s = g->source;
	size_t want = !g->begun || g->whole_buffer ? GROWING_BUFFER : GROWING_ROUND;
	uint64_t before = g->position, left;
	enum growing_state state;
	struct stat st;
	ssize_t n;
	bool all;

	must(s->magic == SOURCE_MAGIC && s->fd >= 0 && max_speed > 0);
	*wait = QUEUE_WAIT;
	if (packetq_half_full(s->queue))
		return GROWING_WAIT;
	if (fstat(s->fd, &st) < 0)
		return end_as(g, SOURCE_END_FAILED, errno, NULL);
	if ((uint64_t)st.st_size < g->position)
		return end_bad(g, "the file became shorter");
	if (replaced(s, &st))
		return end_bad(g, "another file took its place");
	if ((uint64_t)st.st_size > g->end)
		look_at_header_again(g, buffer);
	left = g->end > g->position ? g->end - g->position : 0;
	n = pread(s->fd, buffer, want < left ? want : left, (off_t)g->position);
	if (n < 0)
		return end_as(g, SOURCE_END_FAILED, errno, NULL);
	all = (size_t)n < want;
	state = pass(g, span_of(buffer, (size_t)n), finishing && all, max_speed, wait);
	g->whole_buffer = g->position == before;
	if (state != GROWING_DRY)
		return state;
	if (!all)
		return GROWING_MORE;
	if (finishing)
		return end_as(g, SOURCE_END_EOF, 0, NULL);
	pace_restart(&g->pace);
	return GROWING_DRY;
}
