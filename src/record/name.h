/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of recordings: output-pattern and a call's overrides to a path below an allowed directory.
 * Pure. Pattern sequences as rtpengine recording-daemon/output.c: %% %c call-id (URI-escaped), %r
 * random tag of PARENT, %t SSRC in hex or "mix", %l label or "mix", %Y %m %d %H %M %S (local time) %u
 * (microseconds), %INT the next INT bytes of the escaped call-id (cumulative), %{key} value of the
 * metadata key (URI-escaped).
 *
 * What comes from the call (call-id, label, metadata) never makes a directory: it is escaped so
 * that no '/' and no control character is left (a label is as it came otherwise), no component is
 * "." or "..", empty ones become "_"; a component over 200 bytes is cut and gets a '-' and 16 hex
 * digits of a hash of the whole. Slashes in the pattern itself make directories. */
#ifndef RECORD_NAME_H
#define RECORD_NAME_H

#include "base/clock.h"
#include "base/span.h"
#include "record/recording.h"

#define NAME_MAX_DIR 512 /* [bytes] of output-dir, and of a directory that a call asks for */

struct name_facts {
	struct span call_id;   /* unescaped, any bytes */
	const char *parent;    /* "<escaped call-id>-<16 hex>" */
	const char *type;      /* "mix", or the SSRC as 8 hex digits */
	struct span label;
	struct span metadata;  /* "key:value|key:value" */
	usec_t started;        /* clock_wall */
	/* Overrides of the call; empty: none. */
	struct span file;      /* RECORDING_FILE: path or name, with its suffix when it has a '/' */
	struct span path;      /* RECORDING_PATH: in place of output-dir; a relative one is below it */
	struct span pattern;   /* RECORDING_PATTERN: in place of output-pattern; needs no %c and %t */
};

struct name_opts {
	const char *dir;            /* output-dir, absolute, at most NAME_MAX_DIR */
	const char *pattern;        /* one that name_check takes */
	const char *suffix;         /* "wav" */
	char *const *allow;         /* output-allow-dir, absolute, NULL at the end; dir always is */
};

/* NULL: the pattern is one that gives names; else a sentence what is wrong with it (%c and %t are
 * mandatory, a trailing %, an unknown sequence, a missing brace). */
const char *name_check(const char *pattern);

/* The path without ".part" and without a "-N" for repeated names; malloc'd. *refused is set when an
 * override was not followed (outside of the allowed directories, or no valid pattern): then the
 * path is the one without it. */
char *name_make(const struct name_opts *, const struct name_facts *, const char **refused);

const char *name_format(enum recording_format); /* "wav", its suffix; NULL: beyond them */
/* The same path with "-N" before its suffix, for names that exist already; malloc'd. */
char *name_numbered(const char *path, unsigned n);
char *name_sidecar(const char *path); /* x.wav: x.json; x, x.1: x.json, x.1.json; malloc'd */

#endif
