/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which elements of a call are new. The same element may come from the list and by a message, and
 * the list is read again from its start when it is not what it was (Redis restarted, list trimmed
 * or expired). An element that one of them really holds twice is taken twice. Pure.
 * Cap: max elements that differ; beyond: everything counts as new (the record refuses it). */
#ifndef CALLDATA_TALLY_H
#define CALLDATA_TALLY_H

#include "base/span.h"

struct tally;

struct tally *tally_new(unsigned max);
void tally_free(struct tally **);
uint64_t tally_hash(struct span element);
bool tally_listed(struct tally *, uint64_t hash);    /* the list's next element: is it new? */
bool tally_published(struct tally *, uint64_t hash); /* a message: is it new? */
void tally_restart(struct tally *);                  /* the list is read from its start again */

#endif
