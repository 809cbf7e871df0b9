/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_opts.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

enum kind { FLAG, TEXT, NUMBER, BYTES, TIME };

static const struct row {
	const char *name, *value; /* value: its name in the help */
	enum kind kind;
	size_t at;                /* in struct receive_opts */
	uint64_t min, max;
	const char *help;
} table[] = {
#define AT(member) offsetof(struct receive_opts, member)
	{ "listen", "ADDR:PORT", TEXT, AT(listen), 0, 0, "where to listen; port 0: any free one" },
	{ "output-dir", "DIR", TEXT, AT(dir), 0, 0, "write WAV and JSON files here (-o)" },
	{ "raw", NULL, FLAG, AT(raw), 0, 0, "write the exact bytes to .raw files, not WAV" },
	{ "rate-hz", "HZ", NUMBER, AT(rate_hz), 1, 384000, "sampling rate unless the header says" },
	{ "channels", "N", NUMBER, AT(channels), 1, 64, "channels unless the header says" },
	{ "expect", "N", BYTES, AT(expect), 1, INT64_MAX, "exit when N connections have ended" },
	{ "stats", NULL, FLAG, AT(stats), 0, 0, "print totals as a line of JSON at the end" },
	{ "stats-every", "S", NUMBER, AT(stats_every), 1, 86400, "and every S seconds" },
	{ "quiet", NULL, FLAG, AT(quiet), 0, 0, "no line for each connection" },
	{ "tcp", NULL, FLAG, AT(tcp), 0, 0, "plain TCP, no TLS" },
	{ "cert", "FILE", TEXT, AT(cert), 0, 0, "certificate chain, PEM" },
	{ "key", "FILE", TEXT, AT(key), 0, 0, "its key, PEM; default: in the same file" },
	{ "self-signed", NULL, FLAG, AT(self_signed), 0, 0,
		"make a certificate for localhost, 127.0.0.1 and ::1" },
	{ "write-ca", "FILE", TEXT, AT(write_ca), 0, 0, "write that certificate here" },
	{ "client-ca", "FILE", TEXT, AT(client_ca), 0, 0, "demand a client certificate of this CA" },
	{ "stall-after", "MS", TIME, AT(stall_after), 0, 0, "stop reading" },
	{ "stall-for", "MS", TIME, AT(stall_for), 0, 0, "and read on after that" },
	{ "rate", "BYTES", BYTES, AT(rate), 1, INT32_MAX, "read at most so many bytes a second" },
	{ "no-read", NULL, FLAG, AT(no_read), 0, 0, "shake hands and never read" },
	{ "close-after", "MS", TIME, AT(close_after), 0, 0, "close" },
	{ "reset-after", "MS", TIME, AT(reset_after), 0, 0, "reset" },
	{ "slow-handshake", "MS", TIME, AT(handshake_after), 0, 0,
		"do not answer the handshake before; or 'never'" },
	{ "send-rubbish", NULL, FLAG, AT(send_rubbish), 0, 0, "send random bytes back" },
	{ "small-buffers", NULL, FLAG, AT(small_buffers), 0, 0, "smallest receive buffer there is" },
#undef AT
};
#define ROWS (sizeof(table) / sizeof(*table))

static void print_help(void)
{
	printf("spoolwire-receive: endpoint for spoolwire's audio, over TLS or TCP\n"
	       "usage: spoolwire-receive --listen ADDR:PORT {--self-signed|--cert FILE|--tcp} "
	       "[...]\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", table[i].name,
			table[i].value ? table[i].value : "");
		printf("  %-26s %s\n", left, table[i].help);
	}
	printf("\nMS is counted from accept(). See spoolwire-receive(1).\n");
}

_Noreturn static void misuse(const char *what, const char *name)
{
	fprintf(stderr, "spoolwire-receive: --%s %s (try --help)\n", name, what);
	exit(2);
}

static void set(struct receive_opts *o, const struct row *r, const char *value)
{
	void *to = (char *)o + r->at;
	uint64_t n = 0;

	if (r->kind == TEXT) {
		*(const char **)to = value;
		return;
	}
	if (r->kind == FLAG) {
		*(bool *)to = true;
		return;
	}
	if (r->kind == TIME && strcmp(value, "never") == 0) {
		*(usec_t *)to = RECEIVE_NEVER;
		return;
	}
	if (!span_number(span_text(value), r->kind == TIME ? INT32_MAX : r->max, &n) ||
	    n < r->min)
		misuse("is not a number, or out of range", r->name);
	if (r->kind == TIME)
		*(usec_t *)to = (usec_t)n * MSEC;
	else if (r->kind == BYTES)
		*(uint64_t *)to = n;
	else
		*(unsigned *)to = (unsigned)n;
}

static void check(const struct receive_opts *o)
{
	if (!o->listen)
		misuse("ADDR:PORT is needed", "listen");
	if (o->tcp + o->self_signed + (o->cert != NULL) != 1)
		misuse("or --cert or --tcp: exactly one of them is needed", "self-signed");
	if (o->tcp && o->client_ca)
		misuse("needs TLS", "client-ca");
	if (o->write_ca && !o->self_signed)
		misuse("needs --self-signed", "write-ca");
	if (o->key && !o->cert)
		misuse("needs --cert", "key");
}

void receive_opts_parse(int argc, char **argv, struct receive_opts *out)
{
	struct option longs[ROWS + 2] = { { .name = NULL } };
	int c, i;

	*out = (struct receive_opts){
		.rate_hz = 8000,
		.channels = 1,
		.stall_after = RECEIVE_NEVER,
		.stall_for = RECEIVE_NEVER,
		.close_after = RECEIVE_NEVER,
		.reset_after = RECEIVE_NEVER,
	};
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
	if (optind < argc) {
		fprintf(stderr, "spoolwire-receive: what is '%s'? (try --help)\n", argv[optind]);
		exit(2);
	}
	check(out);
}
