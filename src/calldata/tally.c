/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "calldata/tally.h"

#include <stdlib.h>

#include "base/mem.h"

struct entry {
	uint64_t hash;
	unsigned listed;    /* times in the list as it is now */
	unsigned published;
	unsigned taken;     /* times called new: max(listed ever, published) */
};

struct tally {
	unsigned max, used;
	struct entry *entries;
};

struct tally *tally_new(unsigned max)
{
	struct tally *t = xnew(struct tally);

	t->max = max;
	return t;
}

void tally_free(struct tally **t)
{
	if (!*t)
		return;
	free((*t)->entries);
	free(*t);
	*t = NULL;
}

/* Who can make two elements collide pushes both, and loses one of his own. */
uint64_t tally_hash(struct span element)
{
	return span_hash(element, SPAN_HASH);
}

/* A call has a handful of elements: a walk is enough. */
static struct entry *find_or_add(struct tally *t, uint64_t hash)
{
	for (unsigned i = 0; i < t->used; i++)
		if (t->entries[i].hash == hash)
			return &t->entries[i];
	if (t->used == t->max)
		return NULL;
	t->entries = xrealloc(t->entries, (t->used + 1) * sizeof(*t->entries));
	t->entries[t->used] = (struct entry){ .hash = hash };
	return &t->entries[t->used++];
}

static bool take(struct entry *e, unsigned seen)
{
	if (seen <= e->taken)
		return false;
	e->taken = seen;
	return true;
}

bool tally_listed(struct tally *t, uint64_t hash)
{
	struct entry *e = find_or_add(t, hash);

	return !e || take(e, ++e->listed);
}

bool tally_published(struct tally *t, uint64_t hash)
{
	struct entry *e = find_or_add(t, hash);

	return !e || take(e, ++e->published);
}

void tally_restart(struct tally *t)
{
	for (unsigned i = 0; i < t->used; i++)
		t->entries[i].listed = 0;
}
