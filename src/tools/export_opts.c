/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"
#include "record/name.h"
#include "tools/export.h"

enum kind { FLAG, TEXT, NUMBER };

static const struct row {
	const char *name, *value; /* value: its name in the help */
	enum kind kind;
	size_t at;                /* in struct export_opts */
	uint64_t min, max;
	const char *help;
} table[] = {
#define AT(member) offsetof(struct export_opts, member)
	{ "output-dir", "DIR", TEXT, AT(dir), 0, 0, "where recordings go (-o)" },
	{ "format", "F", TEXT, AT(format), 0, 0, "wav, mp3, opus, flac or raw (wav)" },
	{ "mixed", NULL, FLAG, AT(mixed), 0, 0, "one recording of each call" },
	{ "single", NULL, FLAG, AT(single), 0, 0, "one of each SSRC; neither given: both" },
	{ "mix-method", "M", TEXT, AT(mix_method), 0, 0, "direct, or channels: one for each party" },
	{ "channels", "N", NUMBER, AT(channels), 1, 16, "of --mix-method=channels (2)" },
	{ "rate", "HZ", NUMBER, AT(rate_hz), 4000, 192000, "resample to that (as it comes)" },
	{ "mp3-bitrate", "N", NUMBER, AT(mp3_bitrate), 8000, 320000, "bits a second" },
	{ "pattern", "P", TEXT, AT(pattern), 0, 0, "names, as output-pattern (%c-%r-%t)" },
	{ "empty-calls", "W", TEXT, AT(empty_calls), 0, 0, "keep or drop calls without audio (keep)" },
	{ "since", "TIME", TEXT, AT(since), 0, 0, "only pcaps changed at or after that" },
	{ "until", "TIME", TEXT, AT(until), 0, 0, "only pcaps changed before that" },
	{ "jobs", "N", NUMBER, AT(jobs), 1, 1024, "files at once (the number of cores)" },
	{ "progress", NULL, FLAG, AT(progress), 0, 0, "how far it is, also where no bar can be drawn" },
	{ "quiet", NULL, FLAG, AT(quiet), 0, 0, "no summary, no bar" },
#undef AT
};
#define ROWS (sizeof(table) / sizeof(*table))

static void print_help(void)
{
	printf("spoolwire-ctl export: recordings out of the pcaps of rtpengine\n"
	       "usage: spoolwire-ctl export {PCAP|DIR}... -o DIR [...]\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", table[i].name,
			table[i].value ? table[i].value : "");
		printf("  %-18s %s\n", left, table[i].help);
	}
	printf("\nTIME is YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS] (local) or @seconds since 1970.\n"
	       "See spoolwire-ctl(1).\n");
}

_Noreturn static void misuse(const char *name, const char *what)
{
	fprintf(stderr, "spoolwire-ctl export: --%s %s (try --help)\n", name, what);
	exit(2);
}

static void set(struct export_opts *o, const struct row *r, const char *value)
{
	void *to = (char *)o + r->at;
	uint64_t n = 0;

	if (r->kind == FLAG) {
		*(bool *)to = true;
	} else if (r->kind == TEXT) {
		*(const char **)to = value;
	} else {
		if (!span_number(span_text(value), r->max, &n) || n < r->min)
			misuse(r->name, "is not a number, or out of range");
		*(unsigned *)to = (unsigned)n;
	}
}

static void one_of(const char *name, const char *value, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(value, *words) == 0)
			return;
	misuse(name, "is none of its words");
}

static usec_t read_time(const char *name, const char *text)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };
	uint64_t seconds;

	if (*text == '@' && span_number(span_text(text + 1), INT32_MAX * 4ull, &seconds))
		return (usec_t)seconds * SEC;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		time_t t;

		if (end && !*end && (t = mktime(&tm)) > 0)
			return (usec_t)t * SEC;
	}
	misuse(name, "is no time");
}

static void check(struct export_opts *o)
{
	const char *bad = name_check(o->pattern);

	if (!o->dir || !*o->dir)
		misuse("output-dir", "is needed");
	one_of("format", o->format,
		(const char *const[]){ "wav", "mp3", "opus", "flac", "raw", NULL });
	one_of("mix-method", o->mix_method, (const char *const[]){ "direct", "channels", NULL });
	one_of("empty-calls", o->empty_calls, (const char *const[]){ "keep", "drop", NULL });
	if (bad)
		misuse("pattern", bad);
	if (!o->mixed && !o->single)
		o->mixed = o->single = true;
	if (o->mixed && strcmp(o->mix_method, "channels") == 0 &&
	    o->channels > (strcmp(o->format, "mp3") == 0 ? 2u : 8u) &&
	    strcmp(o->format, "wav") != 0 && strcmp(o->format, "raw") != 0)
		misuse("channels", "is more than that format has");
	o->after = o->since ? read_time("since", o->since) : 0;
	o->before = o->until ? read_time("until", o->until) : 0;
}

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

void export_opts_parse(int argc, char **argv, struct export_opts *out)
{
	struct option longs[ROWS + 2] = { { .name = NULL } };
	int c, i;

	*out = (struct export_opts){ .format = "wav", .mix_method = "direct", .channels = 2,
		.pattern = "%c-%r-%t", .empty_calls = "keep", .jobs = cores() };
	for (size_t k = 0; k < ROWS; k++)
		longs[k] = (struct option){ table[k].name,
			table[k].value ? required_argument : no_argument, NULL, 0 };
	longs[ROWS] = (struct option){ "help", no_argument, NULL, 'h' };
	while ((c = getopt_long(argc, argv, "ho:", longs, &i)) != -1) {
		if (c == 0) {
			set(out, &table[i], optarg);
		} else if (c == 'o') {
			out->dir = optarg;
		} else {
			if (c == 'h')
				print_help();
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind == argc) {
		fprintf(stderr, "spoolwire-ctl export: which pcaps? (try --help)\n");
		exit(2);
	}
	out->inputs = argv + optind;
	check(out);
}
