/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/mixer.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/mem.h"

/* One ring of samples for each output channel: adding runs over contiguous memory, and
 * the channels are interleaved on the way out. Invariant: every cell that is not between
 * position and newest is zero. */
struct mixer {
	unsigned channels;
	size_t span;     /* [frames] of each ring */
	int64_t position, newest;
	int16_t *ring;   /* channels * span */
};

struct mixer *mixer_new(const struct mixer_opts *o)
{
	struct mixer *m = xnew(struct mixer);

	must(o->rate_hz > 0 && o->span_ms > 0);
	m->channels = o->method == MIXER_CHANNELS ? o->channels : 1;
	must(m->channels > 0);
	m->span = (size_t)((uint64_t)o->rate_hz * o->span_ms / 1000);
	must(m->span > 0);
	m->ring = xalloc(m->channels * m->span * sizeof(*m->ring));
	return m;
}

void mixer_free(struct mixer **m)
{
	if (!*m)
		return;
	free((*m)->ring);
	free(*m);
	*m = NULL;
}

static int16_t *ring_at(struct mixer *m, unsigned channel, int64_t position)
{
	return m->ring + channel * m->span + (size_t)(position % (int64_t)m->span);
}

/* Frames from this position to the ring's edge, at most n. */
static unsigned until_edge(const struct mixer *m, int64_t position, unsigned n)
{
	size_t room = m->span - (size_t)(position % (int64_t)m->span);

	return n < room ? n : (unsigned)room;
}

static void add_saturated(int16_t *restrict to, const int16_t *restrict from, unsigned n)
{
#ifdef __SSE2__ /* every amd64: eight at once, twenty times as fast; gcc does not find it */
	for (; n >= 8; n -= 8, to += 8, from += 8)
		_mm_storeu_si128((void *)to, _mm_adds_epi16(_mm_loadu_si128((const void *)to),
			_mm_loadu_si128((const void *)from)));
#endif
	for (unsigned i = 0; i < n; i++) {
		int sum = to[i] + from[i];

		sum = sum > INT16_MAX ? INT16_MAX : sum;
		to[i] = (int16_t)(sum < INT16_MIN ? INT16_MIN : sum);
	}
}

/* The oldest frames go, so that the rings reach up to `newest`. */
static void push_out(struct mixer *m, int64_t newest)
{
	int64_t from = newest - (int64_t)m->span;

	if (from - m->position >= (int64_t)m->span) {
		memset(m->ring, 0, m->channels * m->span * sizeof(*m->ring));
		m->position = from;
	}
	while (m->position < from) {
		unsigned n = until_edge(m, m->position, (unsigned)(from - m->position));

		for (unsigned c = 0; c < m->channels; c++)
			memset(ring_at(m, c, m->position), 0, n * sizeof(*m->ring));
		m->position += n;
	}
	if (m->newest < m->position)
		m->newest = m->position;
}

unsigned mixer_put(struct mixer *m, unsigned channel, int64_t position,
	const int16_t *samples, unsigned n)
{
	unsigned late = 0;

	if (position < m->position) {
		late = m->position - position < n ? (unsigned)(m->position - position)
						  : n;
		position += late;
	}
	if (late == n)
		return late;
	samples += late;
	n -= late;
	push_out(m, position + n);
	if (position <
		m->position) { /* longer than the whole span: its own beginning goes */
		unsigned gone = (unsigned)(m->position - position);

		position += gone;
		samples += gone;
		n -= gone;
	}
	if (position + n > m->newest)
		m->newest = position + n;
	if (channel >= m->channels)
		channel = m->channels - 1;
	while (n) {
		unsigned part = until_edge(m, position, n);

		add_saturated(ring_at(m, channel, position), samples, part);
		position += part;
		samples += part;
		n -= part;
	}
	return late;
}

static void move_out(struct mixer *m, int16_t *out, unsigned n)
{
	unsigned channels = m->channels;

	for (unsigned c = 0; c < channels; c++) {
		int16_t *from = ring_at(m, c, m->position);

		if (channels == 1)
			memcpy(out, from, n * sizeof(*out));
		else
			for (unsigned i = 0; i < n; i++)
				out[(size_t)i * channels + c] = from[i];
		memset(from, 0, n * sizeof(*from));
	}
}

unsigned mixer_take(struct mixer *m, int64_t upto, int16_t *out, unsigned max)
{
	unsigned taken = 0;

	while (m->position < upto && taken < max) {
		int64_t wanted = upto - m->position;
		unsigned n = wanted < max - taken ? (unsigned)wanted : max - taken;

		n = until_edge(m, m->position, n);
		move_out(m, out + (size_t)taken * m->channels, n);
		m->position += n;
		taken += n;
	}
	if (m->newest < m->position)
		m->newest = m->position;
	return taken;
}

void mixer_skip(struct mixer *m, int64_t upto)
{
	must(m->position == m->newest && upto >= m->newest);
	m->position = m->newest = upto;
}

int64_t mixer_position(const struct mixer *m)
{
	return m->position;
}

int64_t mixer_newest(const struct mixer *m)
{
	return m->newest;
}

unsigned mixer_channels(const struct mixer *m)
{
	return m->channels;
}
