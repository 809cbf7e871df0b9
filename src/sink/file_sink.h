/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sink that records. It lives on its call's worker and never waits: the writer threads get slabs
 * of at most a second, two at a time. When the disk is slow or full, audio waits here within the
 * bound, then the oldest becomes silence; a write that fails is tried again until it succeeds.
 * After 2 s of failing, or 5 s without an answer, the recording goes on in fallback_path, a second
 * file with its own start; the first one is published too, now or at the next start (flight.h).
 *
 * Ends by finish (publishes) or file_sink_discard; each tries until done() or cut(), which leaves
 * the .part for the next start. */
#ifndef SINK_FILE_SINK_H
#define SINK_FILE_SINK_H

#include "base/budget.h"
#include "record/recording.h"
#include "sink/sink.h"
#include "sink/writer.h"

#define FILE_SINK_FILES 2

struct file_sink_opts {
	struct writer *writer;
	struct budget *budget;
	struct recording_opts file;  /* copied; rate and channels are also the sink's */
	const char *fallback_path;   /* copied; NULL: none */
	int64_t origin;              /* position of sample 0, at file.started */
	unsigned buffer_ms;          /* bound of what waits; from 2000 on a good disk loses nothing */
	bool resume;                 /* after a crash: go on with what is there */
	/* On a writer thread, before the name appears, for each file; 0 or -errno. */
	int (*before_publish)(void *arg, const struct recording_result *);
	void (*release)(void *arg);  /* on any thread: arg is not used any more; may be NULL */
	void *arg;
};

struct file_sink_result {
	struct {
		struct recording_result recording; /* path: valid until the sink is freed */
		usec_t started;
	} file[FILE_SINK_FILES];
	unsigned files;              /* published */
	int error;                   /* -errno: the last, when something was not published */
	uint64_t dropped;            /* [frames] of audio that became silence */
};

struct sink *file_sink_new(const struct file_sink_opts *);
void file_sink_discard(struct sink *);
void file_sink_result(const struct sink *, struct file_sink_result *); /* after done() */

#endif
