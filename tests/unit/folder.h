/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A directory of each test's own: setup and teardown, or what they begin and end with. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static inline int folder_make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/spoolwire-unit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* With all that is in it, and what a test has mounted at dir/out. */
static inline int folder_remove(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "umount %s/out 2>/dev/null; rm -rf %s", dir, dir);
	return system(command);
}

#endif
