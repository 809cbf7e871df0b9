/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was last known of a call that is recorded, for the sidecars of what a crash leaves: its
 * account as of then, in <state>/recordings/<parent>.call. Not synced: it is worth less than the
 * recording. jansson inside. */
#ifndef RECORD_MEMO_H
#define RECORD_MEMO_H

#include <stdbool.h>

#define MEMO_MAX_BYTES ((size_t)4 * 1024 * 1024) /* call data is at most 1 MiB of it */

/* The account of a call that two runs of the daemon saw: now, and what only the earlier one knew:
 * call data, metadata, when it began, its events. Either may be NULL, or no account at all: then
 * the other one. Malloc'd, NULL when both are nothing. Pure. */
char *memo_join(const char *earlier, const char *now);
/* Who is in that channel of a recording of that label: "caller", a tag, "all", several with +
 * between them, or "". Malloc'd. Pure. */
char *memo_who(const char *account, const char *label, unsigned channels, unsigned channel);

/* Below: on disk, may wait. */
/* Joined with what is there. 0 or -errno. */
int memo_write(const char *state, const char *parent, const char *account_json);
char *memo_load(const char *state, const char *parent); /* malloc'd; NULL: nothing to be used */
/* In place of what is known of it: whatever is left of that call's recordings has to go. */
int memo_discard(const char *state, const char *parent);
bool memo_is_discarded(const char *state, const char *parent);
void memo_remove(const char *state, const char *parent);
/* Removes those that keep() does not want. */
void memo_sweep(const char *state, bool (*keep)(void *arg, const char *parent), void *arg);

#endif
