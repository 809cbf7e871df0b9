/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "config.h"
#include "daemon.h"
#include "options.h"
#include "process.h"

static const struct config *read_config(int argc, char **argv)
{
	char *reason;
	const struct config *c = config_new(argc, argv, &reason);

	if (!c) {
		fprintf(stderr, "spoolwire: %s\n", reason);
		exit(1);
	}
	return c;
}

static void start_log(const struct config *c)
{
	log_start(&(struct log_opts){
		.level = {
			[LOG_CLASS_CORE] = c->log_level_core,
			[LOG_CLASS_FFMPEG] = c->log_level_ffmpeg,
			[LOG_CLASS_INTERNALS] = c->log_level_internals,
		},
		.name = c->log_name,
		.facility = c->log_facility_number,
		.to_stderr = c->log_stderr && c->foreground, /* a daemon's is /dev/null */
		.no_timestamps = c->no_log_timestamps,
		.split = c->split_logs,
		.max_length = (unsigned)c->max_log_line_length,
		.mark_prefix = c->log_mark_prefix,
		.mark_suffix = c->log_mark_suffix,
	});
	for (char **w = c->warnings; w && *w; w++)
		log_warn("%s", *w);
}

static void take_pidfile(const struct config *c)
{
	char *reason;

	if (c->pidfile && process_pidfile(c->pidfile, &reason) < 0)
		die("%s", reason);
}

static void raise_limits(const struct config *c)
{
	char *warning = process_nofile_warning(process_raise_nofile(), c->max_calls);

	if (warning)
		log_warn("%s", warning);
	free(warning);
	thread_set_stack((size_t)c->thread_stack_kib * 1024);
}

static void answer(const struct config *c)
{
	if (c->help)
		options_print_help(stdout);
	else
		printf("spoolwire %s\n", PACKAGE_VERSION);
}

int main(int argc, char **argv)
{
	const struct config *c = read_config(argc, argv);
	struct daemon *d;
	bool all;

	if (c->help || c->version) {
		answer(c);
		config_free(&c);
		return 0;
	}
	if (!c->foreground)
		process_daemonize();
	process_ignore_signals();
	mem_separate_threads();
	take_pidfile(c);
	start_log(c);
	raise_limits(c);
	d = daemon_start(c, argc, argv);
	process_ready();
	daemon_run(d);
	all = daemon_stop(&d);
	process_pidfile_remove();
	log_stop();
	if (!all)
		_exit(0);
	config_free(&c);
	return 0;
}
