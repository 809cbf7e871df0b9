/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-ctl export: finished pcaps of rtpengine to recordings and sidecars. Each file is a call
 * as in the daemon, at full speed, with the file's own time as its clock. */
#ifndef TOOLS_EXPORT_H
#define TOOLS_EXPORT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"

struct export_opts {
	const char *dir;          /* -o; made absolute by export_main */
	const char *format;       /* "wav" */
	const char *mix_method;   /* "direct", "channels" */
	const char *pattern;
	const char *empty_calls;  /* "keep", "drop" */
	const char *since, *until;
	bool mixed, single;       /* neither was given: both */
	bool progress, quiet;
	unsigned channels, rate_hz, mp3_bitrate, jobs;
	usec_t after, before;     /* of since and until; 0: no limit */
	char **inputs;            /* NULL at the end */
};

int export_main(int argc, char **argv);
/* Exits with 2 when they make no sense. */
void export_opts_parse(int argc, char **argv, struct export_opts *out);

/* ---- what is to be done ---- */

struct stat;

struct export_file {
	char *path;     /* of the pcap */
	char *parent;   /* "<escaped call-id>-<16 hex>" */
	usec_t mtime;   /* clock_wall */
	uint64_t bytes;
};

struct export_list {
	struct export_file *file;
	size_t n;
	unsigned running; /* left out: their calls may still go on */
	unsigned bad;     /* inputs that cannot be read, said */
};

void export_list_make(const struct export_opts *, struct export_list *out);
void export_list_free(struct export_list *);
/* The metadata beside a pcap; malloc'd, NULL when there is none. *whole: the call is over. */
char *export_find_text(const struct export_file *, bool *whole);
usec_t export_mtime(const struct stat *);

/* ---- doing it ---- */

struct export_stats { /* of all threads */
	atomic_uint exported, skipped, failed, recordings;
	atomic_ullong bytes;   /* read or skipped */
	atomic_llong calls;    /* [us] of calls */
	atomic_bool stop;      /* the disk does not take anything: no file is begun any more */
};

struct export_env {
	const struct export_opts *opts;
	const struct call_record_opts *record;
	struct export_stats *stats;
};

struct export_call;

/* Reads all of one file into a call. NULL: *why, malloc'd. The call may still be written. */
struct export_call *export_call_new(const struct export_env *, const struct export_file *,
	unsigned number, char **why);
bool export_call_is_over(struct export_call *); /* also does what is due */
/* What went wrong, malloc'd; NULL: nothing. Frees. */
char *export_call_end(struct export_call **);
const struct export_file *export_call_file(const struct export_call *);

#endif
