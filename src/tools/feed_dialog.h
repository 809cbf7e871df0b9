/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call through a real rtpengine: what is signalled when, one request at a time. */
#ifndef TOOLS_FEED_DIALOG_H
#define TOOLS_FEED_DIALOG_H

#include <stdio.h>

#include "tools/feed_control.h"
#include "tools/feed_opts.h"
#include "tools/feed_stat.h"
#include "tools/feed_tone.h"

/* What all dialogs share. */
struct feed_switch {
	struct feed_control *control;
	bool sequential, deleting; /* one delete at a time; one is under way */
	struct feed_stat requests, deletes;
	uint64_t calls, failed, sent, received;
};

struct feed_dialog;

/* opts and tones must outlive it. NULL: no sockets; said on stderr. */
struct feed_dialog *feed_dialog_new(struct feed_switch *, const struct feed_opts *,
	struct feed_tones *, int number, usec_t start);
void feed_dialog_free(struct feed_dialog **); /* not while a request is under way */
bool feed_dialog_run(struct feed_dialog *, usec_t now); /* false: over, may be freed */
void feed_dialog_end(struct feed_dialog *, usec_t now);
void feed_dialog_print(FILE *, const struct feed_dialog *);

#endif
