/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spoolwire-ctl: what an operator does beside the daemon, one word a thing. */
#include <stdio.h>
#include <string.h>

#include "tools/export.h"

static const struct command {
	const char *name, *help;
	int (*run)(int argc, char **argv); /* argv[0] is the command; the exit status */
} commands[] = {
	{ "export", "recordings and sidecars out of pcaps, without a daemon", export_main },
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *to)
{
	fprintf(to, "usage: spoolwire-ctl COMMAND [...]\n"
		"       spoolwire-ctl --help | --version\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\nspoolwire-ctl COMMAND --help says more. See spoolwire-ctl(1).\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) {
		printf("spoolwire-ctl %s\n", PACKAGE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (*name)
		fprintf(stderr, "spoolwire-ctl: there is no command '%s'\n", name);
	print_help(stderr);
	return 2;
}
