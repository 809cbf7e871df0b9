/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A directory that is to be written in. Its disk may hang, and whoever starts has streams to read:
 * a writer's thread looks, and is waited for a moment only. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "sink/writer.h"

struct disk_access;

/* Makes it where it is missing; with access also what leads there, as directories of recordings.
 * 0; -errno: it cannot be written in; -ETIMEDOUT: no answer yet (what it will be is logged, should it
 * be a bad one). */
int directory_make(struct writer *, const char *dir, const struct disk_access *access);

#endif
