/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One fact about a call, as the spool tells it: the common language of both metadata formats.
 * Facts repeat (rtpengine writes everything again at each offer/answer): taking one twice must
 * change nothing. Numbers come from rtpengine, start at 0 and may have gaps; all are below
 * CHANGE_MAX_NUMBER. Source of the proc format: rtpengine daemon/recording.c, append_meta_chunk. */
#ifndef SPOOL_CHANGE_H
#define SPOOL_CHANGE_H

#include "base/span.h"

#define CHANGE_MAX_NUMBER 4096       /* tags, media, streams of one call */
#define CHANGE_MAX_TEXT   (64 * 1024) /* [bytes] of one text */
#define CHANGE_MAX_PORTS  8           /* of one stream; the oldest is forgotten */

enum change_kind {
	CHANGE_CALL_ID,         /* text: call-id, unescaped, any bytes but NUL */
	CHANGE_METADATA,        /* text: of the call */
	CHANGE_TAG,             /* n; text: the SIP tag, may be empty while unknown */
	CHANGE_TAG_LABEL,       /* n; text */
	CHANGE_TAG_METADATA,    /* n; text */
	CHANGE_TAG_ROLE,        /* n; text: "caller" or "callee" (pcap layout) */
	CHANGE_MEDIA_PTIME,     /* n = media; value [ms] */
	CHANGE_MEDIA_CODEC,     /* n = media, pt; text: "PCMA/8000", "opus/48000/2" */
	CHANGE_MEDIA_FMTP,      /* n = media, pt; text */
	CHANGE_MEDIA_SDP,       /* n = tag that sent it; text: the SDP, for account and
	                         * events; value 0: as sent, 1: as rtpengine passed it on */
	CHANGE_STREAM,          /* n = stream; tag, media, component (1 RTP, 2 RTCP), section */
	CHANGE_STREAM_PORT,     /* n = stream; value: one more local UDP port whose packets are this
	                         * stream's (pcap); it is no other stream's any more */
	CHANGE_STREAM_OPEN,     /* n = stream; text: file name below the call's directory (proc) */
	CHANGE_FILE_OPEN,       /* text: absolute path of the pcap or PCM file that holds all streams */
	CHANGE_RECORDING,       /* value 0 or 1 */
	CHANGE_FORWARDING,      /* value 0 or 1: whole call */
	CHANGE_STREAM_FORWARDING, /* n = stream; value 0 or 1 */
	CHANGE_RECORDING_FILE,  /* text: overrides of the recording's name */
	CHANGE_RECORDING_PATH,
	CHANGE_RECORDING_PATTERN,
	CHANGE_SKIP_DATABASE,   /* value 0 or 1 */
	CHANGE_STARTED,         /* text: rtpengine's own start time (later versions) */
	CHANGE_KINDS
};

struct change {
	enum change_kind kind;
	unsigned n;
	unsigned pt;                    /* payload type, 0-127 */
	unsigned tag, media, component; /* of CHANGE_STREAM */
	unsigned section;               /* of CHANGE_STREAM: of the SDP that media is, from 0 on */
	bool answer, hold;              /* of CHANGE_MEDIA_SDP: no offer; sdp_is_hold() */
	uint64_t value;
	struct span text; /* valid during the call only */
};

/* Why a call is over for the spool. */
enum spool_end {
	SPOOL_END_UNLINK,   /* proc: metafile unlinked; pcap: metadata finished */
	SPOOL_END_DISCARD,  /* proc: renamed to .DISCARD; pcap: metadata closed and removed:
	                     * everything recorded must go */
	SPOOL_END_ORPHAN,   /* rtpengine died: nothing moved for orphan-timeout */
	SPOOL_END_BAD,      /* its metadata cannot be understood any more */
};

enum spool_layout { SPOOL_PROC, SPOOL_PCAP, SPOOL_PCM };

#endif
