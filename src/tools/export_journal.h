/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was exported to a directory, so that an export that was ended goes on where it was:
 * <dir>/.spoolwire-export/journal, its lines "options TEXT" once, "begun TIME PARENT" (microseconds
 * since 1970), "done PARENT" and "drop PARENT" (what was begun was removed), and recordings/, notes
 * of those being written. */
#ifndef TOOLS_EXPORT_JOURNAL_H
#define TOOLS_EXPORT_JOURNAL_H

#include "tools/export.h"

struct export_journal;

/* Removes what calls left that were begun and not done, and nothing that was there before. NULL:
 * *why, a sentence, malloc'd. One export at a time may write to a directory, and always with the
 * same options: sidecars of other formats would have the same names. */
struct export_journal *export_journal_open(const struct export_opts *, char **why);
void export_journal_close(struct export_journal **);
const char *export_journal_state(const struct export_journal *); /* directory of the notes */

bool export_journal_has(const struct export_journal *, const char *parent); /* is done */
/* From any thread; 0 or -errno. */
int export_journal_begin(struct export_journal *, const char *parent);
int export_journal_done(struct export_journal *, const char *parent);

#endif
