/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between recording.c (life), publish.c (the end) and recover.c (after a crash). */
#ifndef RECORD_RECORDING_PRIVATE_H
#define RECORD_RECORDING_PRIVATE_H

#include "record/disk.h"
#include "record/live.h"
#include "record/notes.h"
#include "record/recording.h"

struct recording {
	uint32_t magic;
	struct recording_opts opts; /* strings are ours; path: as asked, without number */
	char *path;        /* of the finished file */
	char *file;        /* what is written: path.part, or path */
	uint64_t directory; /* inode of the one that file is in; 0: not known */
	char *note;        /* its file; NULL: none */
	char *prepared;    /* what becomes it when there is a file */
	int fd;            /* locked: nobody recovers what somebody writes */
	unsigned frame;    /* [bytes] of one sample of all channels */
	unsigned header;   /* [bytes] before the samples */
	uint64_t frames;   /* in the file */
	struct live *live; /* growing MP3 */
	bool encoded;      /* a crash came between encoding and publishing: nothing to encode */
	bool ended;        /* frames is what it will have */
	bool sidecar;      /* path may have one: its listener was told, by us or before a crash */
	bool recovered, resumed;
};

#define RECORDING_MAGIC 0x4ec04d17u

struct recording *recording_new(const struct recording_opts *); /* without a file */
void recording_free(struct recording **); /* all that is on disk stays */

struct disk_access recording_access(const struct recording *);
bool recording_is_growing(const struct recording_opts *);
/* A path that nobody has; *from is where the search goes on next time, at first 0. Malloc'd. */
char *recording_free_path(const char *path, unsigned *from);
int recording_write_header(struct recording *);
int recording_start_live(struct recording *, uint64_t at); /* growing MP3; [bytes] */
struct note recording_note(const struct recording *); /* borrows its texts */

#endif
