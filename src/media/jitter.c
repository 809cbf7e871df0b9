/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/jitter.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

/* Sequence numbers are extended to 64 bits. `next` is the one to be released next; slots
 * hold what came early, [next, next + window), at number % window. Two packets can wait
 * outside of the slots:
 *
 * beyond   further ahead than the window reaches. jitter_get releases the oldest until it
 *          fits; as jitter_get is called until false, there is never a second one.
 * suspect  a jump of more than MAX_DROPOUT ahead or MAX_MISORDER behind (RFC 3550 A.1).
 *          It is kept; if the packet that comes next in its sequence follows, both begin
 *          anew ("restart"), after all of the old sequence. Else it is dropped as late by
 *          the next such jump.
 *
 * Unlike RFC 3550 the very first packet counts as valid: the spool holds RTP of known
 * senders. */

#define MAX_DROPOUT 3000 /* [packets] RFC 3550 A.1 */
#define MAX_MISORDER 100
#define MAX_WINDOW 256
#define KEEP_BYTES 2048

enum slot_state {
	SLOT_EMPTY,
	SLOT_KEPT,
	SLOT_PASSED /* too large to keep: released out of order */
};

struct slot {
	enum slot_state state;
	usec_t came;
	int64_t number;
	struct rtp rtp;
	uint8_t *buffer;
};

/* 280 bytes while packets come in order; with the first that does not, 4.6 KiB more for
 * slots (a window of 64), and 2 KiB for each that has ever waited at the same time. */
struct jitter {
	struct jitter_opts o;
	struct jitter_count count;
	bool begun, restarting;
	int64_t next;
	unsigned kept;                    /* slots in state SLOT_KEPT */
	unsigned lost;                    /* holes given up, not yet told with a packet */
	struct slot *slot;                /* o.window; NULL until the first is needed */
	struct slot beyond, suspect;
	uint64_t seen[MAX_WINDOW /
		64]; /* bit number % MAX_WINDOW: came, for the last MAX_WINDOW */
	unsigned spares;
	uint8_t **spare; /* o.window + 2 buffers, made when first needed, used again and again */
};

struct jitter *jitter_new(const struct jitter_opts *o)
{
	struct jitter *j = xnew(struct jitter);

	must(o->window && o->window <= MAX_WINDOW && !(o->window & (o->window - 1)));
	j->o = *o;
	return j;
}

void jitter_free(struct jitter **jitter)
{
	struct jitter *j = *jitter;

	if (!j)
		return;
	for (unsigned i = 0; j->slot && i < j->o.window; i++)
		free(j->slot[i].buffer);
	for (unsigned i = 0; i < j->spares; i++)
		free(j->spare[i]);
	free(j->slot);
	free(j->spare);
	free(j->beyond.buffer);
	free(j->suspect.buffer);
	free(j);
	*jitter = NULL;
}

/* Before anything waits. */
static void need_slots(struct jitter *j)
{
	if (j->slot)
		return;
	j->slot = xalloc(j->o.window * sizeof(*j->slot));
	j->spare = xalloc((j->o.window + 2) * sizeof(*j->spare));
}

static struct slot *slot_of(struct jitter *j, int64_t number)
{
	return &j->slot[number & (j->o.window - 1)];
}

static bool was_seen(const struct jitter *j, int64_t number)
{
	return j->seen[number % MAX_WINDOW / 64] >> (number & 63) & 1;
}

static void keep(struct jitter *j, struct slot *s, int64_t number, const struct rtp *rtp,
	usec_t now)
{
	must(s->state == SLOT_EMPTY && rtp->payload.n <= KEEP_BYTES);
	if (!s->buffer)
		s->buffer = j->spares ? j->spare[--j->spares] : xalloc(KEEP_BYTES);
	s->state = SLOT_KEPT;
	s->number = number;
	s->came = now;
	s->rtp = *rtp;
	s->rtp.payload.p = s->buffer;
	if (rtp->payload.n)
		memcpy(s->buffer, rtp->payload.p, rtp->payload.n);
}

/* The buffer goes back; its bytes stay as they are until the next packet is kept. */
static void empty(struct jitter *j, struct slot *s)
{
	s->state = SLOT_EMPTY;
	if (s->buffer)
		j->spare[j->spares++] = s->buffer;
	s->buffer = NULL;
}

static void move(struct jitter *j, struct slot *from)
{
	struct slot *to = slot_of(j, from->number);

	must(to->state == SLOT_EMPTY && !to->buffer);
	*to = *from;
	*from = (struct slot){ .state = SLOT_EMPTY };
	j->kept++;
}

static void begin_at(struct jitter *j, uint16_t seq)
{
	must(!j->kept);
	for (unsigned i = 0; j->slot && i < j->o.window; i++)
		j->slot[i].state = SLOT_EMPTY; /* marks of passed ones */
	j->begun = true;
	j->next = 65536 + (int64_t)seq; /* room below for what is late */
	j->lost = 0;
	memset(j->seen, 0, sizeof(j->seen));
}

/* One step on in the sequence, past a packet that came or a hole. */
static void step(struct jitter *j, bool came)
{
	uint64_t bit = 1ULL << (j->next & 63);
	uint64_t *word = &j->seen[(j->next & (MAX_WINDOW - 1)) / 64];

	*word = came ? *word | bit : *word & ~bit;
	j->next++;
}

static void skip_passed(struct jitter *j)
{
	while (j->slot && slot_of(j, j->next)->state == SLOT_PASSED) {
		slot_of(j, j->next)->state = SLOT_EMPTY;
		step(j, true);
	}
}

/* Holes up to `number` are given up; nothing is kept before it. */
static void give_up_until(struct jitter *j, int64_t number)
{
	while (j->next < number) {
		must(slot_of(j, j->next)->state == SLOT_EMPTY);
		j->lost++;
		j->count.lost++;
		step(j, false);
		skip_passed(j);
	}
}

static enum jitter_result pass(struct jitter *j)
{
	step(j, true);
	skip_passed(j);
	j->count.out++;
	return JITTER_NEXT;
}

static enum jitter_result drop_late(struct jitter *j)
{
	j->count.late++;
	return JITTER_DROPPED;
}

static enum jitter_result put_behind(struct jitter *j, int64_t number)
{
	if (!was_seen(j, number))
		return drop_late(j);
	j->count.duplicate++;
	return JITTER_DROPPED;
}

/* A large packet is not kept. Nothing waits: the hole before it is given up. Something
 * waits: it goes out of order, and its place is marked. */
static enum jitter_result put_large(struct jitter *j, int64_t number)
{
	if (!j->kept) {
		give_up_until(j, number);
		j->lost = 0; /* told by the sequence number alone */
		return pass(j);
	}
	if (number - j->next >= j->o.window)
		return drop_late(j);
	slot_of(j, number)->state = SLOT_PASSED;
	j->count.out++;
	return JITTER_NEXT;
}

static enum jitter_result put_ahead(
	struct jitter *j, const struct rtp *rtp, int64_t number, usec_t now)
{
	bool inside = number - j->next < j->o.window;

	need_slots(j);
	if (inside && slot_of(j, number)->state != SLOT_EMPTY) {
		j->count.duplicate++;
		return JITTER_DROPPED;
	}
	if (rtp->payload.n > KEEP_BYTES)
		return put_large(j, number);
	keep(j, &j->beyond, number, rtp, now);
	if (inside)
		move(j, &j->beyond);
	j->count.reordered++;
	return JITTER_HELD;
}

static enum jitter_result put_jump(struct jitter *j, const struct rtp *rtp, usec_t now)
{
	bool follows = j->suspect.state == SLOT_KEPT &&
		       rtp->seq == (uint16_t)(j->suspect.rtp.seq + 1);

	need_slots(j);
	if (rtp->payload.n > KEEP_BYTES) {
		if (j->kept)
			return drop_late(j);
		begin_at(j, rtp->seq); /* cannot be kept until a second one tells */
		j->count.restarts++;
		return pass(j);
	}
	if (j->suspect.state == SLOT_KEPT && rtp->seq == j->suspect.rtp.seq) {
		j->count.duplicate++;
		return JITTER_DROPPED;
	}
	if (follows) {
		keep(j, &j->beyond, 0, rtp, now);
		j->restarting = true;
		return JITTER_HELD;
	}
	if (j->suspect.state == SLOT_KEPT) {
		empty(j, &j->suspect);
		j->count.late++;
	}
	keep(j, &j->suspect, 0, rtp, now);
	return JITTER_HELD;
}

bool jitter_next(struct jitter *j, uint16_t seq)
{
	if (!j->begun || seq != (uint16_t)j->next || j->kept || j->beyond.state != SLOT_EMPTY)
		return false;
	j->count.in++;
	pass(j);
	return true;
}

enum jitter_result jitter_put(struct jitter *j, const struct rtp *rtp, usec_t now)
{
	uint16_t ahead;

	must(j->beyond.state == SLOT_EMPTY); /* jitter_get was called until false */
	j->count.in++;
	if (!j->begun)
		begin_at(j, rtp->seq);
	ahead = (uint16_t)(rtp->seq - (uint16_t)j->next);
	if (ahead == 0)
		return pass(j);
	if (ahead < MAX_DROPOUT)
		return put_ahead(j, rtp, j->next + ahead, now);
	if (ahead >= 65536 - MAX_MISORDER)
		return put_behind(j, j->next - (65536 - ahead));
	return put_jump(j, rtp, now);
}

/* The old sequence has been released: the two that made the jump are the new one. */
static void restart(struct jitter *j)
{
	begin_at(j, j->suspect.rtp.seq);
	j->suspect.number = j->next;
	j->beyond.number = j->next + 1;
	move(j, &j->suspect);
	j->restarting = false;
	j->count.restarts++;
}

static struct slot *first_kept(struct jitter *j)
{
	for (int64_t n = j->next; j->kept; n++)
		if (slot_of(j, n)->state == SLOT_KEPT)
			return slot_of(j, n);
	return NULL;
}

static usec_t oldest(const struct jitter *j)
{
	usec_t came = INT64_MAX;

	for (unsigned i = 0; i < j->o.window; i++)
		if (j->slot[i].state == SLOT_KEPT && j->slot[i].came < came)
			came = j->slot[i].came;
	return came;
}

/* What waits outside of the slots is let in, as far as the slots are free for it. */
static void let_in(struct jitter *j)
{
	int64_t first;

	if (j->restarting && !j->kept)
		restart(j);
	if (j->restarting || j->beyond.state == SLOT_EMPTY)
		return;
	first = j->beyond.number - j->o.window + 1;
	if (j->kept && first_kept(j)->number < first)
		first = first_kept(j)->number;
	give_up_until(j, first);
	if (j->beyond.number - j->next < j->o.window)
		move(j, &j->beyond);
}

static void release(struct jitter *j, struct slot *s, struct rtp *rtp, unsigned *lost)
{
	*rtp = s->rtp;
	*lost = j->lost;
	j->lost = 0;
	j->kept--;
	empty(j, s);
	pass(j);
}

static bool get(struct jitter *j, usec_t now, bool wait, struct rtp *rtp, unsigned *lost)
{
	struct slot *s;

	let_in(j);
	if (!j->kept)
		return false;
	s = first_kept(j);
	if (wait && !j->restarting && j->beyond.state == SLOT_EMPTY &&
		j->next < s->number && now - oldest(j) < j->o.hold)
		return false;
	give_up_until(j, s->number);
	release(j, s, rtp, lost);
	return true;
}

bool jitter_get(struct jitter *j, usec_t now, struct rtp *rtp, unsigned *lost)
{
	if (!j->kept && j->beyond.state == SLOT_EMPTY)
		return false;
	return get(j, now, true, rtp, lost);
}

bool jitter_drain(struct jitter *j, struct rtp *rtp, unsigned *lost)
{
	if (get(j, 0, false, rtp, lost))
		return true;
	if (j->suspect.state == SLOT_KEPT) {
		empty(j, &j->suspect);
		j->count.late++;
	}
	return false;
}

usec_t jitter_due(const struct jitter *j)
{
	return j->kept ? oldest(j) + j->o.hold : 0;
}

const struct jitter_count *jitter_counts(const struct jitter *j)
{
	return &j->count;
}

unsigned jitter_waiting(const struct jitter *j)
{
	return j->kept + (j->beyond.state == SLOT_KEPT) + (j->suspect.state == SLOT_KEPT);
}
