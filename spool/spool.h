/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The spool directory, all three layouts at once, told as calls:
 *   <spool>/PARENT.meta                              proc (rtpengine recording-method = proc)
 *   <spool>/tmp|metadata|pcaps/...                   pcap (recording-method = pcap)
 *   <pcm-dir>/NAME.pcm|.wav                          pcm  (one file = one call with one stream)
 * Start-up scan, rescan after an inotify overflow and rescan after a directory came back are one
 * code path. Runs on the control thread, in its libuv loop. */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/clock.h"
#include "spool/change.h"

struct uv_loop_s;

struct spool_opts {
	const char *dir;           /* absolute */
	const char *pcm_dir;       /* absolute, or NULL */
	usec_t orphan_timeout;     /* a pcap call in tmp/ that nobody writes any more ends after this */
	usec_t pcap_max_age;       /* a finished pcap older than this is left alone */
	usec_t pcm_idle_timeout;   /* a PCM file that has not grown for this long is finished */
	unsigned max_calls;        /* known at once; beyond: calls_refused */
};

/* A PCM file may be written on, a pcap too; both may be written anew under the same name. */
struct spool_file {
	uint64_t inode; /* 0: a pcap */
	uint64_t bytes;
};

enum spool_answer {
	SPOOL_REFUSED,  /* nothing more of it */
	SPOOL_TAKEN,
	SPOOL_CONSUMED, /* it was read to its end: nothing more until the file is written on */
	SPOOL_ENDING,   /* one of the same name has not quite ended: tell it again */
};

/* parent: "<escaped call-id>-<16 hex>" (pcm: the file name without suffix); any bytes but NUL and
 * '/', at most 255; valid during the call. Calls come from spool_start and from the loop. */
struct spool_events {
	/* First sign of a call. file: the pcap or PCM file; NULL: proc, or there is none yet. */
	enum spool_answer (*call)(void *arg, const char *parent, enum spool_layout,
		const struct spool_file *file);
	void (*change)(void *arg, const char *parent, const struct change *);
	/* The call's pcap or PCM file got longer (or may have). */
	void (*grew)(void *arg, const char *parent);
	/* Last word of this call; the same parent may come again later as a new file of the same call
	 * (rtpengine restored from its Redis). SPOOL_END_DISCARD may also come behind
	 * SPOOL_END_UNLINK, and of a call that was never told. */
	void (*end)(void *arg, const char *parent, enum spool_end);
};

struct spool;

struct spool *spool_start(struct uv_loop_s *, const struct spool_opts *,
	const struct spool_events *, void *arg);
void spool_stop(struct spool **); /* no further event; clears *s */

/* Whether the call's metadata file of that layout, or PCM file, is there. */
bool spool_has(struct spool *, const char *parent, enum spool_layout);

/* Nothing more of this call (proc), whose metadata file nobody removes: it has no place among
 * max_calls any more. When the file is made anew, it is a new call. Not from within an event. */
void spool_give_up(struct spool *, const char *parent);

#endif
