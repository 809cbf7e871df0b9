/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An options file, and after a NUL the arguments of a command line, each ended by a NUL. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

#define MAX_ARGS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *reason = NULL;
	char name[64], *argv[MAX_ARGS + 3] = { (char *)"spoolwire", (char *)"--config-file", name };
	const struct config *c;
	int fd = memfd_create("config", 0), argc = 3;
	size_t n;

	if (!text || fd < 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	n = strlen(text);
	if (write(fd, text, n) != (ssize_t)n)
		abort();
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	for (n++; n < size && argc < MAX_ARGS + 2; n += strlen(text + n) + 1)
		argv[argc++] = text + n;
	c = config_new(argc, argv, &reason);
	if (!c == !reason)
		abort();
	config_free(&c);
	free(reason);
	free(text);
	close(fd);
	return 0;
}
