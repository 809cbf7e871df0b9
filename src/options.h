/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of options: what config.c reads, --help prints and the manual page has to name. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdio.h>

enum option_type {
	OPTION_BOOL, /* bool */
	OPTION_INT,  /* int, from min to max */
	OPTION_SIZE, /* size_t; bytes, or with K, M or G behind the number */
	OPTION_TEXT, /* char * */
	OPTION_PATH, /* char *, made absolute */
	OPTION_WORD, /* an enum: the place of the word in arg, "one|two" */
	OPTION_LIST, /* char **, NULL at the end; in the file with ';' between */
};

enum option_group {
	OPTIONS_GENERAL, OPTIONS_LOG, OPTIONS_SPOOL, OPTIONS_FORWARDING, OPTIONS_CALLDATA,
	OPTIONS_RECORDING, OPTIONS_DATABASE, OPTIONS_NOTIFICATION, OPTIONS_S3, OPTIONS_GCS,
	OPTION_GROUPS
};

enum option_state {
	OPTION_ACTS,
	OPTION_LATER, /* of rtpengine-recording; this version does not do it: it stops the start */
	OPTION_MOOT,  /* of rtpengine-recording; has no meaning here: taken with a warning */
};

struct option {
	const char *name;
	char letter; /* or 0 */
	enum option_group group;
	enum option_type type;
	enum option_state state;
	size_t at; /* in struct config, when it acts */
	const char *fallback; /* the default, as it would be written; NULL: none */
	int min, max;
	const char *arg; /* "INT"; NULL for OPTION_BOOL */
	const char *help;
};

extern const struct option options[]; /* name NULL at the end */

const struct option *option_find(const char *name);
const char *option_group_name(enum option_group);
void options_print_help(FILE *);

#endif
