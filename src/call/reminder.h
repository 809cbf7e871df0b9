/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keeps the memo of a call that is recorded (record/memo.h) as new as 2 s. The worker's; the disk
 * is the writers'. Cap: one memo at a time on its way; what changes meanwhile goes with the next. */
#ifndef CALL_REMINDER_H
#define CALL_REMINDER_H

#include "call/call.h"

struct reminder;

struct reminder *reminder_new(const struct call_record_opts *, const char *parent);
/* True when a memo should be written now: changes counts whatever may have changed. */
bool reminder_is_due(const struct reminder *, uint64_t changes, usec_t now);
void reminder_write(struct reminder *, char **account_json, uint64_t changes, usec_t now); /* takes it */
/* The call is discarded: a start after a crash of now has to know, too. No memo may follow. */
void reminder_discard(struct reminder *);
/* remove: when a memo is on its way still, it does not stay. The one that is there is the owner's. */
void reminder_free(struct reminder **, bool remove);

#endif
