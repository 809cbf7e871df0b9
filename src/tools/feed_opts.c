/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_opts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, INT, REAL, TEXT, CHOICE };

struct row {
	const char *name;
	enum kind kind;
	unsigned modes;
	size_t at;
	double min, max;
	const char *value; /* its name in the help; for CHOICE the words, in enum order */
	const char *help;
};

#define AT(member) offsetof(struct feed_opts, member)
#define ALL  (FEED_PROC | FEED_NG | FEED_SCRIPT)
#define BOTH (FEED_PROC | FEED_NG)
#define CALL (FEED_NG | FEED_SCRIPT)

static const struct row rows[] = {
	{ "help", FLAG, BOTH, AT(help), 0, 0, NULL, "this text" },
	{ "calls", INT, BOTH, AT(calls), 1, 1e6, "N", "number of calls (1)" },
	{ "rate", REAL, BOTH, AT(rate), 0.001, 1e4, "CALLS_PER_S",
		"calls begun a second (10)" },
	{ "seconds", REAL, ALL, AT(seconds), 0.1, 1e6, "S", "length of each call (5)" },
	{ "codec", TEXT, ALL, AT(codec), 0, 0, "NAME",
		"PCMA PCMU G722 GSM G723 G726-16..40 "
		"AAL2-G726-16..40 opus speex L16[/RATE[/CHANNELS]] (PCMA)" },
	{ "payload-file", TEXT, ALL, AT(payload_file), 0, 0, "FILE",
		"encoded frames to loop, for "
		"codecs without encoder: AMR AMR-WB (RFC 4867 storage), G729 iLBC "
		"(bare)" },
	{ "ptime", INT, ALL, AT(ptime), 5, 120, "MS", "audio in a packet (20)" },
	{ "tones", TEXT, ALL, AT(tones), 0, 0, "HZ,HZ..",
		"fixed tones; else call i, participant j "
		"have 400 + 10 * (i mod 80) + 800 * j Hz" },
	{ "metadata", TEXT, ALL, AT(metadata), 0, 0, "TEXT",
		"metadata, k:v|k:v (caller:c<i>|callee:d<i>)" },
	{ "tag-metadata", TEXT, FEED_PROC, AT(tag_metadata), 0, 0, "TEXT",
		"metadata of each participant, if not that of the call" },
	{ "call-id", TEXT, ALL, AT(call_id), 0, 0, "PREFIX",
		"call-ids are PREFIX-<i>@feed (feed<pid>)" },
	{ "loss", REAL, ALL, AT(loss), 0, 100, "PCT", "packets never sent" },
	{ "reorder", REAL, ALL, AT(reorder), 0, 100, "PCT",
		"packets sent after the next one" },
	{ "duplicate", REAL, ALL, AT(duplicate), 0, 100, "PCT", "packets sent twice" },
	{ "jitter", INT, ALL, AT(jitter), 0, 10000, "MS",
		"each packet up to this much late" },
	{ "vad", CHOICE, ALL, AT(vad), 0, 0, "off|dtx|cn",
		"1 s of tone, 0.5 s of nothing; cn: begun with comfort noise (RFC "
		"3389)" },
	{ "dtmf", TEXT, ALL, AT(dtmf), 0, 0, "DIGITS",
		"RFC 4733 events of the caller, from 1 s on, 5 packets on, 5 off" },
	{ "ssrc-change-after", INT, ALL, AT(ssrc_change_after), 0, 1e9, "MS",
		"the caller goes on with a new SSRC, sequence and timestamp" },
	{ "same-ssrc", FLAG, ALL, AT(same_ssrc), 0, 0, NULL,
		"all calls and participants share one" },
	{ "seed", INT, BOTH, AT(seed), 0, 2e9, "N", "of everything random (1)" },
	{ "json", FLAG, BOTH, AT(json), 0, 0, NULL,
		"the summary as a line of JSON, too; in proc mode "
		"a line for every call before it" },

	{ "spool", TEXT, FEED_PROC, AT(spool), 0, 0, "DIR",
		"where metafiles go; must exist" },
	{ "proc-root", TEXT, FEED_PROC, AT(proc_root), 0, 0, "DIR",
		"in place of /proc/rtpengine" },
	{ "table", INT, FEED_PROC, AT(table), 0, 63, "N", "kernel table (0)" },
	{ "dialect", INT, FEED_PROC, AT(dialect), 10, 26, "10|26",
		"rtpengine's version (10)" },
	{ "streams", INT, FEED_PROC, AT(streams), 1, 8, "N",
		"participants of a call (2)" },
	{ "no-rtcp", FLAG, FEED_PROC, AT(no_rtcp), 0, 0, NULL, "no RTCP streams" },
	{ "ipv6", FLAG, FEED_PROC, AT(ipv6), 0, 0, NULL, "IPv6 packets" },
	{ "forwarding", CHOICE, FEED_PROC, AT(forwarding), 0, 0,
		"on|off|late|toggle|per-stream",
		"late: after a third of the call; toggle: every second; per-stream: "
		"caller only" },
	{ "recording", INT, FEED_PROC, AT(recording), 0, 1, "0|1",
		"RECORDING sections (1)" },
	{ "answer-after", INT, FEED_PROC, AT(answer_after), 0, 1e6, "MS",
		"offer to answer (20)" },
	{ "remake-after", INT, FEED_PROC, AT(remake_after), 0, 1e9, "MS",
		"streams and metafile go and come back, as when rtpengine is restarted "
		"with Redis" },
	{ "remake-gap", INT, FEED_PROC, AT(remake_gap), 0, 1e9, "MS",
		"from their going to their coming back; the old metafile stays so long "
		"(0)" },
	{ "discard", FLAG, FEED_PROC, AT(discard), 0, 0, NULL, "calls end as discarded" },
	{ "lose-queue", FLAG, FEED_PROC, AT(lose_queue), 0, 0, NULL,
		"what a stream has queued at its end is lost, as in the kernel" },
	{ "stamp-every", INT, FEED_PROC, AT(stamp_every), 0, 1e6, "N",
		"of N packets one says in its first samples when it was written; for "
		"spoolwire-receive, PCMA only" },
	{ "threads-like", INT, FEED_PROC, AT(threads_like), 0, 1e6, "N",
		"at most N removals at once, as many as rtpengine has threads (0: any "
		"number)" },
	{ "removal-timeout", REAL, FEED_PROC, AT(removal_timeout), 0.01, 1e6, "S",
		"a stream not closed by then is stuck (10)" },

	{ "ng", TEXT, FEED_NG, AT(ng), 0, 0, "IP:PORT",
		"rtpengine's NG socket (127.0.0.1:2223)" },
	{ "media-address", TEXT, CALL, AT(media_address), 0, 0, "IP",
		"both ends (127.0.0.1)" },
	{ "script", TEXT, FEED_NG, AT(script), 0, 0, "FILE",
		"a call a line, each with options of its own; # comments" },
	{ "at", REAL, CALL, AT(at), 0, 1e6, "S", "begin then, in place of by --rate" },
	{ "reinvite-after", INT, CALL, AT(reinvite_after), 0, 1e9, "MS",
		"the caller goes on from another address and SSRC" },
	{ "reinvite-address", TEXT, CALL, AT(reinvite_address), 0, 0, "IP",
		"that one (127.0.0.2)" },
	{ "hold-from", INT, CALL, AT(hold_from), 0, 1e9, "MS",
		"offer sendonly, media pauses" },
	{ "hold-for", INT, CALL, AT(hold_for), 1, 1e9, "MS",
		"until offered sendrecv again (1000)" },
	{ "forward-after", INT, CALL, AT(forward_after), 0, 1e9, "MS",
		"start forwarding" },
	{ "no-record", FLAG, CALL, AT(no_record), 0, 0, NULL, "without record-call" },
	{ "sequential", FLAG, FEED_NG, AT(sequential), 0, 0, NULL,
		"one delete at a time" },
	{ "ping-every", INT, FEED_NG, AT(ping_every), 0, 1e6, "MS",
		"measure ping (50; 0: do not)" },
	{ "timeout", REAL, FEED_NG, AT(timeout), 0.1, 1e4, "S", "for an NG answer (10)" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void feed_opts_default(struct feed_opts *o)
{
	*o = (struct feed_opts){
		.seconds = 5,
		.streams = 2,
		.codec = "PCMA",
		.ptime = 20,
		.ssrc_change_after = -1,
		.seed = 1,
		.calls = 1,
		.rate = 10,
		.dialect = 10,
		.recording = 1,
		.answer_after = 20,
		.remake_after = -1,
		.removal_timeout = 10,
		.ng = "127.0.0.1:2223",
		.media_address = "127.0.0.1",
		.reinvite_address = "127.0.0.2",
		.ping_every = 50,
		.reinvite_after = -1,
		.hold_from = -1,
		.hold_for = 1000,
		.forward_after = -1,
		.at = -1,
		.timeout = 10,
	};
}

static const struct row *find_row(const char *name, size_t length, enum feed_mode mode)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].modes & mode && strlen(rows[i].name) == length &&
			strncmp(rows[i].name, name, length) == 0)
			return &rows[i];
	return NULL;
}

static bool set_number(const struct row *r, void *to, const char *value)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end || !(v >= r->min && v <= r->max))
		return false;
	if (r->kind == REAL)
		*(double *)to = v;
	else if (v != (double)(int)v)
		return false;
	else
		*(int *)to = (int)v;
	return true;
}

static bool set_choice(const struct row *r, int *to, const char *value)
{
	const char *word = r->value;
	size_t length = strlen(value);

	for (int i = 0;; i++) {
		size_t n = strcspn(word, "|");

		if (n == length && strncmp(word, value, n) == 0) {
			*to = i;
			return true;
		}
		if (!word[n])
			return false;
		word += n + 1;
	}
}

static bool set_value(const struct row *r, struct feed_opts *o, const char *value)
{
	void *to = (char *)o + r->at;

	switch (r->kind) {
	case FLAG:
		*(bool *)to = true;
		return true;
	case INT:
	case REAL:
		return set_number(r, to, value);
	case TEXT:
		*(const char **)to = value;
		return true;
	case CHOICE:
		return set_choice(r, to, value);
	}
	return false;
}

static int refuse(char *why, size_t size, const char *what, const char *word)
{
	snprintf(why, size, "%s: %s", word, what);
	return -EINVAL;
}

int feed_opts_parse(struct feed_opts *o, enum feed_mode mode, int argc, char **argv,
	char *why, size_t size)
{
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		const struct row *r = NULL;
		size_t n = strcspn(word, "=");

		if (strncmp(word, "--", 2) == 0 && n > 2)
			r = find_row(word + 2, n - 2, mode);
		if (!r)
			return refuse(why, size, "no such option", word);
		if (word[n])
			value = word + n + 1;
		if (r->kind == FLAG && value)
			return refuse(why, size, "takes no value", word);
		if (r->kind != FLAG && !value && ++i < argc)
			value = argv[i];
		if (r->kind != FLAG && !value)
			return refuse(why, size, "needs a value", word);
		if (!set_value(r, o, value))
			return refuse(
				why, size, "not a value it takes; see --help", word);
	}
	return 0;
}

int feed_opts_split(char *line, char **words, int max)
{
	int n = 0;
	char *out = line;

	for (;;) {
		bool quoted = false;

		line += strspn(line, " \t\r\n");
		if (!*line || *line == '#')
			return n;
		if (n == max)
			return -E2BIG;
		words[n++] = out = line;
		for (; *line && (quoted || !strchr(" \t\r\n", *line)); line++) {
			if (*line == '"')
				quoted = !quoted;
			else
				*out++ = *line;
		}
		if (*line)
			line++;
		*out = '\0';
	}
}

void feed_opts_help(FILE *f, enum feed_mode mode)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		if (!(r->modes & mode))
			continue;
		fprintf(f, "  --%s%s%s\n      %s\n", r->name, r->value ? "=" : "",
			r->value ? r->value : "", r->help);
	}
}
