/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our own bugs abort, here and in production. Never reachable from bytes we did not write. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdint.h>

_Noreturn void check_failed(const char *file, int line, const char *what);

#define must(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

/* First member of every object that travels as a void pointer. */
#define MAGIC_MEMBER uint32_t magic

/* A void pointer back to what it was: not NULL, right type, alive. */
#define OBJ(ptr, type, want) ((type *)check_obj((ptr), (want), __FILE__, __LINE__))

static inline void *check_obj(void *ptr, uint32_t want, const char *file, int line)
{
	if (!ptr || *(const uint32_t *)ptr != want)
		check_failed(file, line, "wrong magic: not the object it should be");
	return ptr;
}

/* Says one sentence on stderr and in the log, and exits with status 1: cannot start. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
