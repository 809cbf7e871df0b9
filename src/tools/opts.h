/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of a tool as a table: --help is printed from it and the command line read by it. */
#ifndef TOOLS_OPTS_H
#define TOOLS_OPTS_H

#include <stddef.h>

#include "base/clock.h"

#define OPTS_NEVER INT64_MAX /* of OPTS_TIME: the word "never" */

enum opts_kind {
	OPTS_FLAG,   /* bool */
	OPTS_TEXT,   /* const char *, of argv */
	OPTS_NUMBER, /* unsigned */
	OPTS_BYTES,  /* uint64_t */
	OPTS_TIME,   /* usec_t, given in ms */
};

struct opts_row {
	const char *name, *value; /* value: its name in the help; NULL: takes none */
	enum opts_kind kind;
	size_t at;                /* in the struct that is filled */
	uint64_t min, max;        /* of numbers */
	const char *help;
};

struct opts {
	const char *program;      /* before messages */
	const char *usage, *more; /* above and below the rows in the help */
	const struct opts_row *row;
	size_t rows;
};

/* Fills *out; returns the index of the first argument that is no option. -h is --help and -o is
 * --output-dir. Help ends the process with 0, what is wrong with 2. */
int opts_parse(const struct opts *, int argc, char **argv, void *out);
_Noreturn void opts_misuse(const struct opts *, const char *name, const char *what);

#endif
