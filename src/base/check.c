/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/check.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

static void say(const char *text)
{
	/* At once, or what the log says just then comes between. */
	struct iovec line[] = { { (char *)(uintptr_t)text, strlen(text) },
		{ (char[]){ "\n" }, 1 } };

	if (writev(STDERR_FILENO, line, 2) < 0)
		return; /* nobody listens there */
}

/* Straight to stderr first: the log may be what is broken. */
_Noreturn void check_failed(const char *file, int line, const char *what)
{
	char text[512];

	snprintf(text, sizeof(text), "%s:%d: this must hold and does not: %s", file, line, what);
	say(text);
	log_last_words(text);
	abort();
}

_Noreturn void die(const char *fmt, ...)
{
	char text[1024];
	size_t used = (size_t)snprintf(text, sizeof(text), "spoolwire: ");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
	say(text);
	log_last_words(text);
	exit(EXIT_FAILURE);
}
