/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metafiles as rtpengine writes them (its daemon/recording.c): which sections, in
 * which order, how often, and how each gets into the file. */
#ifndef TOOLS_FEED_META_H
#define TOOLS_FEED_META_H

#include <stdbool.h>

#include "tools/feed_tone.h"

struct feed_meta_party {
	const char *tag;
	unsigned
		media; /* its number; its streams are 2 * media and, for RTCP, one more */
	unsigned port;    /* rtpengine's */
};

struct feed_meta {
	const char *path;
	int dialect;               /* 10 or 26 */
	const char *call_id, *parent, *random_tag, *address;
	const char *metadata, *tag_metadata;
	const struct feed_codec *codec;
	unsigned ptime_ms;
	bool recording, forwarding, rtcp, v6;
	int forwarding_party;      /* STREAM n FORWARDING 1 for this one; -1: none */
	const struct feed_meta_party *party;
	unsigned parties;
	void (*announced)(
		void *arg, unsigned stream); /* its interface section is written */
	void *arg;
	int error;                 /* the first -errno */
};

/* A call that is recorded from its offer on; before and after the answer. */
void feed_meta_offer(struct feed_meta *);
void feed_meta_answer(struct feed_meta *);
/* A recording that begins within a call, or is made anew after a restart. */
void feed_meta_midcall(struct feed_meta *);
/* Start, stop, pause of recording and forwarding. */
void feed_meta_flags(struct feed_meta *);
/* "tag-0-media-1-component-1-RTP-id-2" */
void feed_meta_interface(
	const struct feed_meta *, unsigned party, bool rtcp, char out[64]);

#endif
