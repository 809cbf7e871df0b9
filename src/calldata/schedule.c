/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/schedule.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

static void place(struct schedule *s, unsigned at, struct scheduled *item)
{
	s->heap[at] = item;
	item->place = at;
}

static unsigned rise(struct schedule *s, unsigned at, struct scheduled *item)
{
	while (at > 1 && s->heap[at / 2]->due > item->due) {
		place(s, at, s->heap[at / 2]);
		at /= 2;
	}
	return at;
}

static unsigned sink(struct schedule *s, unsigned at, struct scheduled *item)
{
	for (;;) {
		unsigned child = 2 * at;

		if (child > s->used)
			return at;
		if (child < s->used && s->heap[child + 1]->due < s->heap[child]->due)
			child++;
		if (s->heap[child]->due >= item->due)
			return at;
		place(s, at, s->heap[child]);
		at = child;
	}
}

static void settle(struct schedule *s, unsigned at, struct scheduled *item)
{
	place(s, sink(s, rise(s, at, item), item), item);
}

void schedule_fini(struct schedule *s)
{
	free(s->heap);
	*s = (struct schedule){ 0 };
}

void schedule_put(struct schedule *s, struct scheduled *item, usec_t due)
{
	if (!item->place) {
		if (s->used + 2 > s->room) {
			s->room = s->room ? 2 * s->room : 64;
			s->heap = xrealloc(s->heap, s->room * sizeof(*s->heap));
		}
		item->place = ++s->used;
	}
	must(item->place <= s->used);
	item->due = due;
	settle(s, item->place, item);
}

void schedule_drop(struct schedule *s, struct scheduled *item)
{
	unsigned at = item->place;
	struct scheduled *last;

	if (!at)
		return;
	must(s->heap[at] == item);
	item->place = 0;
	last = s->heap[s->used--];
	if (last != item)
		settle(s, at, last);
}

struct scheduled *schedule_first(const struct schedule *s)
{
	return s->used ? s->heap[1] : NULL;
}
