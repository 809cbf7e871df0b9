/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"
#include "record/name.h"
#include "tools/export.h"
#include "tools/opts.h"

static const struct opts_row rows[] = {
#define AT(member) offsetof(struct export_opts, member)
	{ "output-dir", "DIR", OPTS_TEXT, AT(dir), 0, 0,
		"where recordings go (-o)" },
	{ "format", "F", OPTS_TEXT, AT(format), 0, 0,
		"wav, mp3, opus, flac or raw (wav)" },
	{ "mixed", NULL, OPTS_FLAG, AT(mixed), 0, 0, "one recording of each call" },
	{ "single", NULL, OPTS_FLAG, AT(single), 0, 0,
		"one of each SSRC; neither given: both" },
	{ "mix-method", "M", OPTS_TEXT, AT(mix_method), 0, 0,
		"direct, or channels: one for each party" },
	{ "channels", "N", OPTS_NUMBER, AT(channels), 1, 16,
		"of --mix-method=channels (2)" },
	{ "rate", "HZ", OPTS_NUMBER, AT(rate_hz), 4000, 192000,
		"resample to that (as it comes)" },
	{ "mp3-bitrate", "N", OPTS_NUMBER, AT(mp3_bitrate), 8000, 320000,
		"bits a second" },
	{ "pattern", "P", OPTS_TEXT, AT(pattern), 0, 0,
		"names, as output-pattern (%c-%r-%t)" },
	{ "empty-calls", "W", OPTS_TEXT, AT(empty_calls), 0, 0,
		"keep or drop files without audio (keep)" },
	{ "since", "TIME", OPTS_TEXT, AT(since), 0, 0,
		"only pcaps changed at or after that" },
	{ "until", "TIME", OPTS_TEXT, AT(until), 0, 0, "only pcaps changed before that" },
	{ "jobs", "N", OPTS_NUMBER, AT(jobs), 1, 1024,
		"files at once (the number of cores)" },
	{ "progress", NULL, OPTS_FLAG, AT(progress), 0, 0,
		"how far it is, also where no bar can be drawn" },
	{ "quiet", NULL, OPTS_FLAG, AT(quiet), 0, 0, "no summary, no bar" },
#undef AT
};

static const struct opts opts = {
	.program = "spoolwire-ctl export",
	.usage = "spoolwire-ctl export: recordings out of the pcaps of rtpengine\n"
		"usage: spoolwire-ctl export {PCAP|DIR}... -o DIR [...]\n\n",
	.more = "\nTIME is YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS] (local) or @seconds since 1970.\n"
		"See spoolwire-ctl(1).\n",
	.row = rows, .rows = sizeof(rows) / sizeof(*rows),
};

static void one_of(const char *name, const char *value, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(value, *words) == 0)
			return;
	opts_misuse(&opts, name, "is none of its words");
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
	opts_misuse(&opts, name, "is no time");
}

static void check(struct export_opts *o)
{
	const char *bad = name_check(o->pattern);

	if (!o->dir || !*o->dir)
		opts_misuse(&opts, "output-dir", "is needed");
	one_of("format", o->format,
		(const char *const[]){ "wav", "mp3", "opus", "flac", "raw", NULL });
	one_of("mix-method", o->mix_method, (const char *const[]){ "direct", "channels", NULL });
	one_of("empty-calls", o->empty_calls, (const char *const[]){ "keep", "drop", NULL });
	if (bad)
		opts_misuse(&opts, "pattern", bad);
	if (!o->mixed && !o->single)
		o->mixed = o->single = true;
	if (o->mixed && strcmp(o->mix_method, "channels") == 0 &&
	    o->channels > (strcmp(o->format, "mp3") == 0 ? 2u : 8u) &&
	    strcmp(o->format, "wav") != 0 && strcmp(o->format, "raw") != 0)
		opts_misuse(&opts, "channels", "is more than that format has");
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
	int inputs;

	*out = (struct export_opts){ .format = "wav", .mix_method = "direct", .channels = 2,
		.pattern = "%c-%r-%t", .empty_calls = "keep", .jobs = cores() };
	inputs = opts_parse(&opts, argc, argv, out);
	if (inputs == argc) {
		fprintf(stderr, "spoolwire-ctl export: which pcaps? (try --help)\n");
		exit(2);
	}
	out->inputs = argv + inputs;
	check(out);
}
