/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gifts between threads: many givers, one taker, no lock. What is put belongs to the mailbox
 * until it is taken. Bounded by what the giver gives: each kind of mail states its own cap. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mail { /* embed as first member of what is given */
	struct mail *next;
};

struct mailbox {
	_Atomic(struct mail *) head;
};

/* True when the box was empty before: the taker has to be woken. */
static inline bool mailbox_put(struct mailbox *box, struct mail *m)
{
	struct mail *head = atomic_load_explicit(&box->head, memory_order_relaxed);

	do
		m->next = head;
	while (!atomic_compare_exchange_weak_explicit(&box->head, &head, m,
		memory_order_acq_rel, memory_order_relaxed));
	return head == NULL;
}

/* All that was put, oldest first, linked by next; NULL when empty. */
static inline struct mail *mailbox_take(struct mailbox *box)
{
	struct mail *newest = atomic_exchange_explicit(&box->head, NULL, memory_order_acq_rel);
	struct mail *oldest = NULL;

	while (newest) {
		struct mail *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

#endif
