/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What recordings need of the process: their options, writer threads of their own (an output disk
 * that hangs keeps no account from being written), and the repair of what a crash has left. */
#ifndef RECORDER_H
#define RECORDER_H

#include "call/call.h"
#include "config.h"

struct recorder;

/* NULL: nothing is to be recorded. What cannot be written to ends the process with a sentence. Where
 * audio is forwarded, too, three eighths of the memory that is not for packets are for recordings. */
struct recorder *recorder_new(const struct config *, struct budget *);
const struct call_record_opts *recorder_opts(const struct recorder *);
struct budget *recorder_budget(struct recorder *); /* NULL: it has none of its own */
/* Once, when the spool has been scanned: publishes what earlier runs left of calls that do not run
 * any more. running: parents, each and the list malloc'd, NULL at the end; taken. */
void recorder_recover(struct recorder *, char **running);
/* False: a disk still holds a thread of ours; nothing may be freed that it may touch. */
bool recorder_free(struct recorder **, usec_t deadline);

#endif
