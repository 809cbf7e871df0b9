/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What has to be known of a recording to go on with it, or to finish it, after a crash: one small
 * JSON file each, <state>/recordings/<16 hex of parent and label>-<n>.json. */
#ifndef RECORD_NOTES_H
#define RECORD_NOTES_H

#include "record/recording.h"

#define NOTE_MAX_BYTES (64 * 1024)

struct note {
	char *path;            /* of the finished file */
	char *parent, *label;
	enum recording_format format;
	bool growing;          /* the file is path; else path with ".part" */
	unsigned channels, mp3_bitrate;
	uint32_t rate_hz;
	usec_t started;
	int64_t frames;        /* its end is decided: how many it has; -1: it goes on */
	int mode, owner, group;
};

void note_fini(struct note *);
char *note_json(const struct note *); /* one line, malloc'd */
/* Of any bytes. False: it is no note, or one that asks for what we would never write. */
bool note_parse(struct span, struct note *out);

/* Below: on disk, may wait; 0 or -errno. */
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
/* The files of all notes, NULL at the end; what is half written is removed. Malloc'd, each too. */
char **notes_list(const char *state);

#endif
