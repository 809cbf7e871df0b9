/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What recordings do to a disk: no link is followed, nothing is overwritten. All may wait; all
 * return -errno when it went wrong. */
#ifndef RECORD_DISK_H
#define RECORD_DISK_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/span.h"

struct disk_access {
	int mode, dir_mode; /* -1: leave */
	int owner, group;   /* -1: leave */
};

int disk_create(const char *path, unsigned mode); /* a new file's descriptor */
int disk_open(const char *path, int flags);       /* a regular file's */
/* Where links lead, as far as the path is there yet: 0; -EXDEV: to none of roots (NULL at the end)
 * nor below. */
int disk_check_inside(const char *path, char *const *roots);
int disk_make_parents(const char *path, const struct disk_access *);
/* As asked, as far as allowed: what is refused is logged, the recording is worth more. */
void disk_give(int fd, const char *path, const struct disk_access *);

int disk_write(int fd, uint64_t at, struct span); /* all of it */
/* A new file of that; safe: on disk when this returns. What went wrong may leave a part of it. */
int disk_save(const char *path, unsigned mode, struct span, bool safe);
ssize_t disk_read(int fd, uint64_t at, uint8_t *out, size_t max); /* less at the end only */
/* The bytes of a file, or as many of them as fit; *n is how many. */
int disk_load(const char *path, uint8_t *out, size_t max, size_t *n);

bool disk_is_below(const char *path, const char *dir); /* by their text; or the same */
bool disk_taken(const char *path); /* there is something of that name */
uint64_t disk_directory(const char *path); /* inode of the one that it is in; 0: there is none */
/* There is nothing of that name in the directory with that inode (0: whichever it is). Not so while
 * a file system is not mounted, or when nobody can tell. */
bool disk_is_gone(const char *path, uint64_t directory);
int disk_rename_new(const char *from, const char *to); /* -EEXIST: the name is taken */
int disk_sync_parent(const char *path);
/* Begins a pass over the file system of fd, a file at path, unless one runs or began less than
 * DISK_SYNC_APART ago: hundreds of files that grow ask for it one after another, one pass serves
 * them all, and none waits for it. An error is that of the pass before. */
#define DISK_SYNC_APART (2 * SEC)
int disk_sync_all(int fd, const char *path, usec_t now);

#endif
