/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-feed: makes the calls that Spoolwire is tested, measured and shown with. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/feed_ng.h"
#include "tools/feed_opts.h"
#include "tools/feed_proc.h"

static volatile sig_atomic_t stop;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	stop++;
}

static void usage(FILE *f)
{
	fprintf(f,
		"Usage: spoolwire-feed proc --spool=DIR --proc-root=DIR [option...]\n"
		"       spoolwire-feed ng [option...]\n\nproc: plays rtpengine with its "
		"kernel module\n");
	feed_opts_help(f, FEED_PROC);
	fprintf(f, "\nng: makes calls through a real rtpengine\n");
	feed_opts_help(f, FEED_NG);
}

static int refuse(const char *why)
{
	fprintf(stderr, "spoolwire-feed: %s\n", why);
	return 2;
}

int main(int argc, char **argv)
{
	struct feed_opts opts;
	struct sigaction act = { .sa_handler = on_interrupt };
	enum feed_mode mode;
	char why[256];

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	if (argc < 2 || (strcmp(argv[1], "proc") != 0 && strcmp(argv[1], "ng") != 0))
		return refuse("first comes proc or ng; see --help");
	mode = strcmp(argv[1], "proc") == 0 ? FEED_PROC : FEED_NG;
	feed_opts_default(&opts);
	if (feed_opts_parse(&opts, mode, argc - 2, argv + 2, why, sizeof(why)) < 0)
		return refuse(why);
	if (opts.help) {
		usage(stdout);
		return 0;
	}
	if (mode == FEED_PROC && (!opts.spool || !opts.proc_root))
		return refuse("proc needs --spool and --proc-root");
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return mode == FEED_PROC ? feed_proc_run(&opts, &stop)
				 : feed_ng_run(&opts, &stop);
}
