/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define ARENAS 4096 /* more than there are threads */

void mem_separate_threads(void)
{
	mallopt(M_ARENA_MAX, ARENAS);
}

static void *not_null(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

void *xalloc(size_t bytes)
{
	return not_null(calloc(1, bytes ? bytes : 1));
}

void *xrealloc(void *old, size_t bytes)
{
	return not_null(realloc(old, bytes ? bytes : 1));
}

char *xstrndup(const char *text, size_t bytes)
{
	char *copy = not_null(malloc(bytes + 1));

	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return copy;
}

char *xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	return text;
}
