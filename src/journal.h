/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal of consumed files (spool/consumed.h) as the options want it, and which of the files it
 * names may come again. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "config.h"
#include "spool/consumed.h"

/* Waits for the disks of state-dir and of the spool. NULL: *error is -errno. */
struct consumed *journal_open(const struct config *, int *error);

#endif
