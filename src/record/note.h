/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What has to be known of a recording to go on with it, or to finish it, after a crash: JSON. Pure. */
#ifndef RECORD_NOTE_H
#define RECORD_NOTE_H

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
	uint64_t directory;    /* inode of the one that the file was made in; 0: not known */
};

void note_fini(struct note *);
char *note_json(const struct note *); /* one line, malloc'd */
/* Of any bytes. False: it is no note, or one that asks for what we would never write. */
bool note_parse(struct span, struct note *out);

#endif
