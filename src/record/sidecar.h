/* SPDX-License-Identifier: GPL-3.0-or-later */
/* <name>.json beside the recordings of a call: what they are, and all that is known of the call.
 * docs/recording.md, docs/recording.schema.json. jansson inside. */
#ifndef RECORD_SIDECAR_H
#define RECORD_SIDECAR_H

#include "record/recording.h"

struct sidecar_file {
	const char *path;       /* of the published file */
	const char *format;     /* "wav" */
	const char *label;      /* "stream 2", "mixed" */
	uint32_t rate_hz;
	unsigned channels;
	uint64_t frames, bytes;
	char sha256[65];
	bool recovered;
	usec_t started;         /* clock_wall of sample 0 */
	const char *const *channel_map; /* who is in which channel: "caller", a tag; NULL at the end */
};

/* One line of JSON: {"version":1,"recovered":bool,"files":[...],"call":ACCOUNT}; account_json is
 * that of the call (docs/account.md), or NULL when a crash has lost it. Malloc'd. */
char *sidecar_json(const struct sidecar_file *files, unsigned n, const char *account_json);

#endif
