/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/opts.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"

#define MAX_ROWS 60
#define FIRST    (UINT8_MAX + 1)

static int width(const struct opts_row *r)
{
	return (int)(strlen(r->name) + (r->value ? strlen(r->value) : 0)) + 1;
}

static void print_help(const struct opts *o)
{
	int widest = 0;

	fputs(o->usage, stdout);
	for (size_t i = 0; i < o->rows; i++)
		widest = width(&o->row[i]) > widest ? width(&o->row[i]) : widest;
	for (size_t i = 0; i < o->rows; i++) {
		const struct opts_row *r = &o->row[i];

		printf("  --%s %s%*s  %s\n", r->name, r->value ? r->value : "", widest - width(r), "",
			r->help);
	}
	fputs(o->more, stdout);
}

void opts_misuse(const struct opts *o, const char *name, const char *what)
{
	fprintf(stderr, "%s: --%s %s (try --help)\n", o->program, name, what);
	exit(2);
}

static void set_number(const struct opts *o, const struct opts_row *r, void *to, const char *value)
{
	bool time = r->kind == OPTS_TIME;
	uint64_t n = 0;

	if (time && strcmp(value, "never") == 0) {
		*(usec_t *)to = OPTS_NEVER;
		return;
	}
	if (!span_number(span_text(value), time ? INT32_MAX : r->max, &n) || n < r->min)
		opts_misuse(o, r->name, "is not a number, or out of range");
	if (time)
		*(usec_t *)to = (usec_t)n * MSEC;
	else if (r->kind == OPTS_BYTES)
		*(uint64_t *)to = n;
	else
		*(unsigned *)to = (unsigned)n;
}

static void set(const struct opts *o, const struct opts_row *r, void *out, const char *value)
{
	void *to = (char *)out + r->at;

	if (r->kind == OPTS_TEXT)
		*(const char **)to = value;
	else if (r->kind == OPTS_FLAG)
		*(bool *)to = true;
	else
		set_number(o, r, to, value);
}

/* What getopt_long() wants. The value of a row is its number, behind all letters. */
static void describe(const struct opts *o, struct option longs[MAX_ROWS + 2])
{
	must(o->rows <= MAX_ROWS);
	for (size_t i = 0; i < o->rows; i++) {
		const struct opts_row *r = &o->row[i];
		bool is_o = strcmp(r->name, "output-dir") == 0;

		longs[i] = (struct option){ r->name, r->value ? required_argument : no_argument,
			NULL, is_o ? 'o' : FIRST + (int)i };
	}
	longs[o->rows] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[o->rows + 1] = (struct option){ .name = NULL };
}

static const struct opts_row *row_of(const struct option *longs, const struct opts *o, int c)
{
	for (size_t i = 0; i < o->rows; i++)
		if (longs[i].val == c)
			return &o->row[i];
	return NULL;
}

int opts_parse(const struct opts *o, int argc, char **argv, void *out)
{
	struct option longs[MAX_ROWS + 2];
	int c;

	describe(o, longs);
	opterr = 0; /* it does not know what we are called */
	while ((c = getopt_long(argc, argv, "ho:", longs, NULL)) != -1) {
		const struct opts_row *r = row_of(longs, o, c);

		if (r) {
			set(o, r, out, optarg);
		} else if (c == 'h') {
			print_help(o);
			exit(0);
		} else {
			fprintf(stderr, "%s: %s is no option, or has a value too many or none "
				"(try --help)\n", o->program, argv[optind - 1]);
			exit(2);
		}
	}
	return optind;
}
