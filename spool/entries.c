/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/entries.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define FIRST_BUCKETS 1024u
#define MAX_BACKOFF   6 /* doublings of the time until what cannot be read is tried again */

/* FNV-1a: names end in 16 random digits, nobody chooses them to collide. */
static uint32_t hash_of(enum spool_layout layout, struct span name)
{
	uint32_t h = 2166136261u ^ (uint32_t)layout;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return h;
}

void entries_init(struct entries *t)
{
	*t = (struct entries){ .buckets = FIRST_BUCKETS };
	t->bucket = xalloc(t->buckets * sizeof(*t->bucket));
	t->last = &t->first;
}

static void entry_free(struct entry *e)
{
	free(e->meta);
	free(e);
}

void entries_fini(struct entries *t)
{
	for (uint32_t i = 0; i < t->buckets; i++) {
		while (t->bucket[i]) {
			struct entry *e = t->bucket[i];

			t->bucket[i] = e->chain;
			entry_free(e);
		}
	}
	free(t->bucket);
	*t = (struct entries){ .bucket = NULL };
}

struct entry *entries_find(const struct entries *t, enum spool_layout layout, struct span parent)
{
	uint32_t hash = hash_of(layout, parent);
	struct entry *e = t->bucket[hash & (t->buckets - 1)];

	while (e && !(e->hash == hash && e->layout == layout && span_is(parent, e->parent)))
		e = e->chain;
	return e;
}

static void insert(struct entries *t, struct entry *e)
{
	struct entry **at = &t->bucket[e->hash & (t->buckets - 1)];

	e->chain = *at;
	*at = e;
}

static void grow(struct entries *t)
{
	struct entry **old = t->bucket;
	uint32_t n = t->buckets;

	t->buckets = n * 2;
	t->bucket = xalloc(t->buckets * sizeof(*t->bucket));
	for (uint32_t i = 0; i < n; i++) {
		for (struct entry *e = old[i], *next; e; e = next) {
			next = e->chain;
			insert(t, e);
		}
	}
	free(old);
}

struct entry *entries_make(struct entries *t, enum spool_layout layout, struct span parent)
{
	struct entry *e = xalloc(sizeof(*e) + parent.n + 1);

	if (t->count >= t->buckets)
		grow(t);
	memcpy(e->parent, parent.p, parent.n);
	e->layout = layout;
	e->hash = hash_of(layout, parent);
	e->look = true;
	insert(t, e);
	t->count++;
	return e;
}

void entries_drop(struct entries *t, struct entry **drop)
{
	struct entry *e = *drop, **at = &t->bucket[e->hash & (t->buckets - 1)];

	must(!e->marked);
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	t->count--;
	entry_free(e);
	*drop = NULL;
}

void entries_mark(struct entries *t, struct entry *e)
{
	if (e->marked)
		return;
	e->marked = true;
	e->next_marked = NULL;
	*t->last = e;
	t->last = &e->next_marked;
}

struct entry *entries_next(struct entries *t)
{
	struct entry *e = t->first;

	if (!e)
		return NULL;
	t->first = e->next_marked;
	if (!t->first)
		t->last = &t->first;
	e->marked = false;
	return e;
}

void entries_each(struct entries *t, void (*fn)(void *arg, struct entry *), void *arg)
{
	for (uint32_t i = 0; i < t->buckets; i++)
		for (struct entry *e = t->bucket[i]; e; e = e->chain)
			fn(arg, e);
}

/* What was our own trouble, and will pass. */
static bool is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* There may be very many files that cannot be read and never will be. */
void entry_try_later(struct entry *e, int error)
{
	if (!error || is_passing(error))
		e->failures = 0;
	if (!error)
		return;
	e->again = 1u << e->failures;
	if (!is_passing(error) && e->failures < MAX_BACKOFF)
		e->failures++;
}
