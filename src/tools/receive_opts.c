/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_opts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/opts.h"

_Static_assert(RECEIVE_NEVER == OPTS_NEVER, "one word for both");

static const struct opts_row rows[] = {
#define AT(member) offsetof(struct receive_opts, member)
	{ "listen", "ADDR:PORT", OPTS_TEXT, AT(listen), 0, 0,
		"where to listen; port 0: any free one" },
	{ "output-dir", "DIR", OPTS_TEXT, AT(dir), 0, 0,
		"write WAV and JSON files here (-o)" },
	{ "raw", NULL, OPTS_FLAG, AT(raw), 0, 0,
		"write the exact bytes to .raw files, not WAV" },
	{ "rate-hz", "HZ", OPTS_NUMBER, AT(rate_hz), 1, 384000,
		"sampling rate unless the header says" },
	{ "channels", "N", OPTS_NUMBER, AT(channels), 1, 64,
		"channels unless the header says" },
	{ "expect", "N", OPTS_BYTES, AT(expect), 1, INT64_MAX,
		"exit when N connections have ended" },
	{ "stats", NULL, OPTS_FLAG, AT(stats), 0, 0,
		"print totals as a line of JSON at the end" },
	{ "stats-every", "S", OPTS_NUMBER, AT(stats_every), 1, 86400,
		"and every S seconds" },
	{ "quiet", NULL, OPTS_FLAG, AT(quiet), 0, 0, "no line for each connection" },
	{ "tcp", NULL, OPTS_FLAG, AT(tcp), 0, 0, "plain TCP, no TLS" },
	{ "cert", "FILE", OPTS_TEXT, AT(cert), 0, 0, "certificate chain, PEM" },
	{ "key", "FILE", OPTS_TEXT, AT(key), 0, 0,
		"its key, PEM; default: in the same file" },
	{ "self-signed", NULL, OPTS_FLAG, AT(self_signed), 0, 0,
		"make a certificate for localhost, 127.0.0.1 and ::1" },
	{ "write-ca", "FILE", OPTS_TEXT, AT(write_ca), 0, 0,
		"write that certificate here" },
	{ "client-ca", "FILE", OPTS_TEXT, AT(client_ca), 0, 0,
		"demand a client certificate of this CA" },
	{ "stall-after", "MS", OPTS_TIME, AT(stall_after), 0, 0, "stop reading" },
	{ "stall-for", "MS", OPTS_TIME, AT(stall_for), 0, 0, "and read on after that" },
	{ "rate", "BYTES", OPTS_BYTES, AT(rate), 1, INT32_MAX,
		"read at most so many bytes a second" },
	{ "no-read", NULL, OPTS_FLAG, AT(no_read), 0, 0, "shake hands and never read" },
	{ "close-after", "MS", OPTS_TIME, AT(close_after), 0, 0, "close" },
	{ "reset-after", "MS", OPTS_TIME, AT(reset_after), 0, 0, "reset" },
	{ "slow-handshake", "MS", OPTS_TIME, AT(handshake_after), 0, 0,
		"do not answer the handshake before; or 'never'" },
	{ "send-rubbish", NULL, OPTS_FLAG, AT(send_rubbish), 0, 0,
		"send random bytes back" },
	{ "small-buffers", NULL, OPTS_FLAG, AT(small_buffers), 0, 0,
		"smallest receive buffer there is" },
#undef AT
};

static const struct opts opts = {
	.program = "spoolwire-receive",
	.usage = "spoolwire-receive: endpoint for spoolwire's audio, over TLS or TCP\n"
		"usage: spoolwire-receive --listen ADDR:PORT {--self-signed|--cert FILE|--tcp} "
		"[...]\n\n",
	.more = "\nMS is counted from accept(). See spoolwire-receive(1).\n",
	.row = rows, .rows = sizeof(rows) / sizeof(*rows),
};

static void check(const struct receive_opts *o)
{
	if (!o->listen)
		opts_misuse(&opts, "listen", "ADDR:PORT is needed");
	if (o->tcp + o->self_signed + (o->cert != NULL) != 1)
		opts_misuse(&opts, "self-signed", "or --cert or --tcp: exactly one of them is needed");
	if (o->tcp && o->client_ca)
		opts_misuse(&opts, "client-ca", "needs TLS");
	if (o->write_ca && !o->self_signed)
		opts_misuse(&opts, "write-ca", "needs --self-signed");
	if (o->key && !o->cert)
		opts_misuse(&opts, "key", "needs --cert");
}

void receive_opts_parse(int argc, char **argv, struct receive_opts *out)
{
	int first;

	*out = (struct receive_opts){
		.rate_hz = 8000,
		.channels = 1,
		.stall_after = RECEIVE_NEVER,
		.stall_for = RECEIVE_NEVER,
		.close_after = RECEIVE_NEVER,
		.reset_after = RECEIVE_NEVER,
	};
	first = opts_parse(&opts, argc, argv, out);
	if (first < argc) {
		fprintf(stderr, "spoolwire-receive: what is '%s'? (try --help)\n", argv[first]);
		exit(2);
	}
	check(out);
}
