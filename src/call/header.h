/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is sent to an endpoint before the NUL and the audio. Pure; jansson inside.
 * metadata: as rtpengine-recording (recording-daemon/tls_send.c): that of the tag, else that of the
 * call, else nothing. json: one line. */
#ifndef CALL_HEADER_H
#define CALL_HEADER_H

#include "base/span.h"

struct header_info {
	struct span call_id;      /* unescaped */
	const char *parent;
	bool mixed;               /* then tag, label, stream and codec are not said */
	unsigned stream;
	struct span tag, label;   /* may be empty */
	unsigned tag_number;
	const char *role;         /* "caller", "callee" or "" */
	const char *codec;        /* "" while unknown */
	uint32_t rate_hz;
	unsigned channels;
	struct span tag_metadata, metadata; /* may be empty */
	struct span data;         /* {"merged":{...},"texts":[...]} as record_json made it, or empty */
	int64_t start;            /* clock_wall of the call's first packet [us] */
};

/* Both malloc'd, without NUL inside, at most HEADER_MAX bytes; metadata that does not fit is cut,
 * call data that does not fit is left out ("data-omitted": true). */
#define HEADER_MAX (2u * 1024 * 1024)
char *header_metadata(const struct header_info *);
char *header_json(const struct header_info *);

/* "key:value|key:value" to a JSON object (rtpengine-recording's metadata convention); a part
 * without colon is a key with an empty value. Malloc'd text. */
char *header_parse_metadata(struct span metadata);

#endif
