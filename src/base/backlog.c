/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The audio lies in a chain of blocks, oldest first, without gaps. Where the silence goes is told
 * by runs: each is some silence followed by some audio.
 *
 *     runs    | 0 + 640 | 320 + 960 |            first run: no silence, 640 bytes of audio
 *     blocks  [640 and 960 bytes in a row, cut anywhere]
 *
 * Audio becomes silence only at the front (the oldest) or before it is stored (the newest). At
 * the front that is moving bytes from a run's audio to the same run's silence, so nothing is ever
 * inserted and neighbouring silence has merged. */
#include "base/backlog.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define BLOCK ((size_t)4096)
#define BLOCK_DATA (BLOCK - sizeof(void *))
#define RUNS_FIRST 4u
#define RUNS_MAX 1024u /* powers of two; at the most, the queue counts as full */

struct block {
	struct block *next;
	uint8_t data[BLOCK_DATA];
};

struct run {
	uint64_t silence; /* [bytes], before the audio */
	size_t audio;     /* [bytes] */
};

struct backlog {
	struct backlog_opts opts;
	struct block *oldest, *newest; /* both NULL when there is no audio */
	struct block *spare;           /* one is kept: no allocation in the steady state */
	size_t head, tail;             /* [bytes] read of oldest, written of newest */
	struct run *run;               /* ring */
	unsigned run_size, run_first, runs;
	size_t audio;                  /* [bytes] inside */
	uint64_t silence;              /* [bytes] inside */
	unsigned phase;                /* [bytes] taken of a frame that is not taken whole */
};

static struct run *run_at(struct backlog *b, unsigned i)
{
	must(i < b->runs);
	return &b->run[(b->run_first + i) & (b->run_size - 1)];
}

static struct run *last_run(struct backlog *b)
{
	return b->runs ? run_at(b, b->runs - 1) : NULL;
}

/* Twice as many runs. False: there are too many or the budget is used up. */
static bool grow_runs(struct backlog *b)
{
	unsigned size = b->run_size * 2;
	struct run *bigger;

	if (size > RUNS_MAX || !budget_take(b->opts.budget, b->run_size * sizeof(*bigger)))
		return false;
	bigger = xalloc(size * sizeof(*bigger));
	for (unsigned i = 0; i < b->runs; i++)
		bigger[i] = *run_at(b, i);
	free(b->run);
	b->run = bigger;
	b->run_size = size;
	b->run_first = 0;
	return true;
}

static struct run *add_run(struct backlog *b)
{
	struct run *r;

	if (b->runs == b->run_size && !grow_runs(b))
		return NULL;
	b->runs++;
	r = last_run(b);
	*r = (struct run){ 0 };
	return r;
}

/* The first run has nothing left: its place is free for another one. */
static void pop_run(struct backlog *b)
{
	struct run *r = run_at(b, 0);

	must(r->audio == 0 && r->silence == 0);
	b->run_first = (b->run_first + 1) & (b->run_size - 1);
	b->runs--;
}

static void give_block(struct backlog *b, struct block *block)
{
	if (!b->spare) {
		b->spare = block;
		return;
	}
	free(block);
	budget_return(b->opts.budget, BLOCK);
}

static struct block *take_block(struct backlog *b)
{
	struct block *block = b->spare;

	if (block)
		b->spare = NULL;
	else if (budget_take(b->opts.budget, BLOCK))
		block = xnew(struct block);
	else
		return NULL;
	block->next = NULL;
	return block;
}

/* Forgets the oldest bytes of audio in the blocks. */
static void skip_blocks(struct backlog *b, size_t bytes)
{
	must(bytes <= b->audio);
	b->audio -= bytes;
	while (bytes) {
		struct block *block = b->oldest;
		size_t end = block == b->newest ? b->tail : BLOCK_DATA;
		size_t n = bytes < end - b->head ? bytes : end - b->head;

		b->head += n;
		bytes -= n;
		if (b->head < end)
			return;
		b->oldest = block->next;
		b->head = 0;
		if (!b->oldest)
			b->newest = NULL;
		give_block(b, block);
	}
}

static bool add_block(struct backlog *b)
{
	struct block *block = take_block(b);

	if (!block)
		return false;
	if (b->newest)
		b->newest->next = block;
	else
		b->oldest = block;
	b->newest = block;
	b->tail = 0;
	return true;
}

/* As many whole frames of the audio as there are blocks for. */
static size_t store(struct backlog *b, struct span audio)
{
	size_t stored = 0, partial;

	while (stored < audio.n) {
		size_t n = audio.n - stored;

		if ((!b->newest || b->tail == BLOCK_DATA) && !add_block(b))
			break;
		if (n > BLOCK_DATA - b->tail)
			n = BLOCK_DATA - b->tail;
		memcpy(b->newest->data + b->tail, audio.p + stored, n);
		b->tail += n;
		stored += n;
	}
	partial = stored % b->opts.frame; /* all of it lies in the newest block */
	if (partial)
		b->tail -= partial;
	b->audio += stored - partial;
	return stored - partial;
}

/* The front run is out of audio: its silence belongs to the next one's. */
static void merge_front(struct backlog *b)
{
	struct run *r = run_at(b, 0);

	if (r->audio || b->runs == 1)
		return;
	run_at(b, 1)->silence += r->silence;
	r->silence = 0;
	pop_run(b);
}

/* The oldest audio, at least that much of it and up to the end of a frame, becomes silence. */
static size_t silence_oldest(struct backlog *b, size_t bytes)
{
	size_t frame = b->opts.frame, total = 0, off;

	if (!b->audio)
		return 0;
	off = (size_t)((b->phase + run_at(b, 0)->silence + bytes) % frame);
	bytes += off ? frame - off : 0;
	if (bytes > b->audio)
		bytes = b->audio;
	skip_blocks(b, bytes);
	while (total < bytes) {
		struct run *r = run_at(b, 0);
		size_t n = bytes - total < r->audio ? bytes - total : r->audio;

		r->audio -= n;
		r->silence += n;
		total += n;
		merge_front(b);
	}
	b->silence += bytes;
	return bytes;
}

struct backlog *backlog_new(const struct backlog_opts *o)
{
	struct backlog *b = xnew(struct backlog);

	must(o->frame > 0 && o->frame <= BLOCK_DATA && o->max_bytes >= o->frame);
	b->opts = *o;
	b->run_size = RUNS_FIRST;
	b->run = xalloc(b->run_size * sizeof(*b->run));
	return b;
}

void backlog_free(struct backlog **bp)
{
	struct backlog *b = *bp;

	*bp = NULL;
	if (!b)
		return;
	backlog_clear(b);
	if (b->spare) {
		free(b->spare);
		budget_return(b->opts.budget, BLOCK);
	}
	budget_return(b->opts.budget, (b->run_size - RUNS_FIRST) * sizeof(*b->run));
	free(b->run);
	free(b);
}

/* Room for more according to the policy; the bytes that became silence for it, 0 if there are
 * none to give. Where the budget is the limit this may have to be said until a block is free. */
static size_t make_room(struct backlog *b, size_t bytes)
{
	switch (b->opts.policy) {
	case BACKLOG_DROP_OLDEST:
		return silence_oldest(b, bytes);
	case BACKLOG_DISCONNECT:
		return silence_oldest(b, b->audio);
	case BACKLOG_DROP_NEWEST:
		break;
	}
	return 0;
}

/* Where audio can be appended. Behind a run with audio there is always a place for another one,
 * so silence can be put at any time. NULL: too many runs. */
static struct run *run_for_audio(struct backlog *b)
{
	struct run *r = last_run(b);
	unsigned needed = b->runs + (r ? 1 : 2);

	if (r && r->audio)
		return r;
	if (needed > b->run_size && !grow_runs(b))
		return NULL;
	return r ? last_run(b) : add_run(b);
}

/* What there is room for, in whole frames. */
static size_t append(struct backlog *b, struct span audio)
{
	size_t room = b->audio < b->opts.max_bytes ? b->opts.max_bytes - b->audio : 0, n;
	struct run *r;

	room -= room % b->opts.frame;
	if (!room || !(r = run_for_audio(b)))
		return 0;
	n = store(b, span_head(audio, room));
	r->audio += n;
	return n;
}

/* Nearly all audio: more of the newest run, and the newest block has room for it. */
static bool extend(struct backlog *b, struct span audio)
{
	struct run *r = last_run(b);

	if (!r || !r->audio || !audio.n || audio.n > BLOCK_DATA - b->tail ||
		b->audio + audio.n > b->opts.max_bytes)
		return false;
	memcpy(b->newest->data + b->tail, audio.p, audio.n);
	b->tail += audio.n;
	b->audio += audio.n;
	r->audio += audio.n;
	return true;
}

size_t backlog_put(struct backlog *b, struct span audio)
{
	size_t lost = 0, n;

	must(audio.n % b->opts.frame == 0);
	if (extend(b, audio))
		return 0;
	while ((n = append(b, audio)) < audio.n) {
		audio = span_skip(audio, n);
		n = make_room(b, audio.n);
		if (!n) {
			backlog_put_silence(b, audio.n);
			return lost + audio.n;
		}
		lost += n;
	}
	return lost;
}

void backlog_put_silence(struct backlog *b, uint64_t bytes)
{
	struct run *r = last_run(b);

	if (!bytes)
		return;
	if (!r || r->audio)
		r = add_run(b);
	r->silence += bytes;
	b->silence += bytes;
}

/* Copies audio from where a reading stands, and moves it on. */
static void copy_audio(struct backlog *b, struct block **at, size_t *from, uint8_t *out, size_t n)
{
	while (n) {
		size_t end = *at == b->newest ? b->tail : BLOCK_DATA;
		size_t part = n < end - *from ? n : end - *from;

		memcpy(out, (*at)->data + *from, part);
		out += part;
		n -= part;
		*from += part;
		if (*from == BLOCK_DATA) {
			*at = (*at)->next;
			*from = 0;
		}
	}
}

size_t backlog_peek(struct backlog *b, uint8_t *out, size_t max)
{
	struct block *at = b->oldest;
	size_t from = b->head, n = 0;

	for (unsigned i = 0; i < b->runs && n < max; i++) {
		const struct run *r = run_at(b, i);
		size_t part = r->silence < max - n ? (size_t)r->silence : max - n;

		memset(out + n, 0, part);
		n += part;
		part = r->audio < max - n ? r->audio : max - n;
		copy_audio(b, &at, &from, out + n, part);
		n += part;
	}
	return n;
}

void backlog_skip(struct backlog *b, size_t bytes)
{
	must(bytes <= backlog_bytes(b));
	b->phase = (unsigned)((b->phase + bytes) % b->opts.frame);
	while (bytes) {
		struct run *r = run_at(b, 0);
		size_t quiet = r->silence < bytes ? (size_t)r->silence : bytes;
		size_t heard = r->audio < bytes - quiet ? r->audio : bytes - quiet;

		r->silence -= quiet;
		b->silence -= quiet;
		r->audio -= heard;
		skip_blocks(b, heard);
		bytes -= quiet + heard;
		if (!r->silence && !r->audio)
			pop_run(b);
	}
}

void backlog_front(const struct backlog *b, uint64_t *silence, size_t *audio)
{
	const struct run *r = &b->run[b->run_first];

	*silence = b->runs ? r->silence : 0;
	*audio = b->runs ? r->audio : 0;
}

size_t backlog_set_limit(struct backlog *b, size_t max_bytes)
{
	must(max_bytes >= b->opts.frame);
	b->opts.max_bytes = max_bytes;
	if (b->opts.policy != BACKLOG_DROP_OLDEST || b->audio <= max_bytes)
		return 0;
	return silence_oldest(b, b->audio - max_bytes);
}

size_t backlog_clear(struct backlog *b)
{
	size_t lost = b->audio;

	skip_blocks(b, lost);
	b->runs = 0;
	b->silence = 0;
	b->phase = 0;
	return lost;
}

uint64_t backlog_bytes(const struct backlog *b)
{
	return b->audio + b->silence;
}

size_t backlog_audio(const struct backlog *b)
{
	return b->audio;
}
