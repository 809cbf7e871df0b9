/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The notes of all recordings, one small file each: <state>/recordings/<16 hex of parent and
 * label>-<n>.json. All may wait for a disk; 0 or -errno. */
#ifndef RECORD_NOTES_H
#define RECORD_NOTES_H

#include "record/note.h"

int notes_add(const char *state, const struct note *, char **file); /* its path; malloc'd */
/* The same in two steps, with the file made in between: killed there, notes_list finds it. */
int notes_prepare(const char *state, const struct note *, char **tmp);
int notes_commit(const char *state, const struct note *, char **tmp, char **file); /* takes it */
int notes_update(const char *state, const char *file, const struct note *);
int notes_remove(const char *file);
/* A file in the same directory: as a whole, or as it was. safe: on disk when this returns. */
int notes_replace(const char *state, const char *file, struct span content, bool safe);
/* The newest of that parent and label, among the first eight names; -ENOENT. Reads no directory. */
int notes_find(const char *state, const char *parent, const char *label, struct note *,
	char **file);
int notes_load(const char *file, struct note *); /* -EBADMSG: it is no note */
/* Whose recordings there are notes of: NULL at the end; malloc'd, each too. */
char **notes_parents(const char *state);
/* The files of all notes, NULL at the end; what an earlier run had half done is named, or removed.
 * Malloc'd, each too. */
char **notes_list(const char *state);

#endif
