/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of spoolwire-feed: one table for both modes and for the lines of a
 * script. */
#ifndef TOOLS_FEED_OPTS_H
#define TOOLS_FEED_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum feed_mode { FEED_PROC = 1, FEED_NG = 2, FEED_SCRIPT = 4 /* a line of --script */ };
enum feed_forwarding {
	FORWARD_ON,
	FORWARD_OFF,
	FORWARD_LATE,
	FORWARD_TOGGLE,
	FORWARD_PER_STREAM
};
enum feed_vad { VAD_OFF, VAD_DTX, VAD_CN };

/* Texts belong to the caller's argument vector. Times of type int are in ms, double in
 * s. */
struct feed_opts {
	bool help;
	/* what a call is */
	double seconds;
	int streams; /* participants */
	const char *codec, *payload_file, *tones, *metadata, *tag_metadata;
	const char *call_id, *dtmf;
	int ptime, vad, jitter, ssrc_change_after, seed;
	double loss, reorder, duplicate; /* [percent] */
	bool same_ssrc;
	/* how many */
	int calls;
	double rate;
	bool json;
	/* proc */
	const char *spool, *proc_root;
	int table, dialect, forwarding, recording, answer_after, remake_after,
		remake_gap, threads_like, stamp_every;
	double removal_timeout;
	bool no_rtcp, ipv6, discard, lose_queue;
	/* ng */
	const char *ng, *media_address, *reinvite_address, *script;
	int ping_every, reinvite_after, hold_from, hold_for, forward_after;
	double at, timeout;
	bool sequential, no_record;
};

void feed_opts_default(struct feed_opts *);
/* 0, or -EINVAL with a sentence in why. argv holds options only, no program name. */
int feed_opts_parse(struct feed_opts *, enum feed_mode, int argc, char **argv, char *why,
	size_t size);
/* Cuts a script's line into words in place; "..." keeps blanks. Number of words,
 * -E2BIG. */
int feed_opts_split(char *line, char **words, int max);
void feed_opts_help(FILE *, enum feed_mode);

#endif
