/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text that rtpengine writes beside a pcap (daemon/recording.c, sdp_after_pcap and
 * rtp_pcap_finish), from tmp/ while it grows and from metadata/ once it is whole, to changes. Pure.
 *
 * It holds the SDPs as rtpengine passed them on. So the ports of the first offer, which went to the
 * callee, are where the callee sends; those of the first answer are where the caller sends. A later
 * offer can come from either side: its sender is told by (in this order) ports known before, its
 * label, its o= line, the ports of the answer to it, and else is taken for the caller.
 *
 * Tag 0 is the caller, 1 the callee. A stream is what one of them sends for one m-line, whatever
 * ports it moves to, and a media of its own. Caps: SDP_MAX_MEDIA m-lines, CHANGE_MAX_PORTS. */
#ifndef SPOOL_PCAPMETA_H
#define SPOOL_PCAPMETA_H

#include "spool/change.h"
#include "spool/sdp.h"

#define PCAPMETA_MAX_STREAMS (2 * 2 * SDP_MAX_MEDIA) /* two parties, RTP and RTCP */
#define PCAPMETA_MAX_READ    (128 * 1024) /* [bytes] a reader need hold: two SDPs with their headers */
#define PCAPMETA_MAX_NAME    128         /* [bytes] of a label or origin that is remembered */

struct pcapmeta_party {
	bool told;
	uint8_t label_bytes, origin_bytes; /* 0: not known */
	uint8_t label[PCAPMETA_MAX_NAME], origin[PCAPMETA_MAX_NAME];
};

struct pcapmeta_stream {
	uint8_t tag, line, component; /* line: of the m-lines, from 0 */
	uint16_t media;
	uint16_t port[CHANGE_MAX_PORTS]; /* newest first; 0: none */
};

struct pcapmeta {
	uint64_t position; /* [bytes] of the file: where in has to begin next time */
	size_t told;       /* [bytes] of the SDP at position that were told */
	unsigned blocks;   /* SDPs decided on */
	unsigned offer_to; /* tag whose packets come to the last offer's ports */
	unsigned current_to; /* the same for the SDP at position, once it was told */
	unsigned streams;
	struct pcapmeta_stream stream[PCAPMETA_MAX_STREAMS];
	struct pcapmeta_party party[2];
};

typedef void (*pcapmeta_fn)(void *arg, const struct change *);

void pcapmeta_init(struct pcapmeta *);

/* in: the file's bytes from position on, as far as there are. whole: nothing will follow. Moves
 * position. 0, or -EBADMSG when PCAPMETA_MAX_READ bytes hold no step on. */
int pcapmeta_feed(struct pcapmeta *, struct span in, bool whole, pcapmeta_fn, void *arg);

#endif
