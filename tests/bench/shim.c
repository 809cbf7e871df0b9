/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LD_PRELOAD: /proc/rtpengine is looked for under $SPOOLWIRE_PROC_ROOT, so that a recorder that
 * knows nothing of a configurable root can be given the FIFOs of spoolwire-feed. With
 * $SPOOLWIRE_SNDBUF the TCP sockets of any program have send buffers of so many bytes.
 *
 *     cc -shared -fPIC -D_GNU_SOURCE -o shim.so tests/bench/shim.c -ldl
 *     SPOOLWIRE_PROC_ROOT=/tmp/x/proc LD_PRELOAD=./shim.so rtpengine-recording ... */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FROM "/proc/rtpengine"

/* libc's fortified headers turn open() into these. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

/* The next definition behind ours, by a copy: ISO C has no cast from object to
 * function. */
#define NEXT(fn, name) \
	do { \
		void *sym_ = dlsym(RTLD_NEXT, name); \
		if (!sym_) \
			abort(); \
		memcpy(&(fn), &sym_, sizeof(fn)); \
	} while (0)

static const char *redirect(const char *path, char room[PATH_MAX])
{
	const char *root = getenv("SPOOLWIRE_PROC_ROOT");
	size_t n = strlen(FROM);

	if (!root || strncmp(path, FROM, n) != 0 || (path[n] && path[n] != '/'))
		return path;
	if ((size_t)snprintf(room, PATH_MAX, "%s%s", root, path + n) >= PATH_MAX)
		return path;
	return room;
}

static int open_redirected(int dir, const char *path, int flags, mode_t mode)
{
	int (*next)(int, const char *, int, ...);
	char room[PATH_MAX];

	NEXT(next, "openat");
	return next(dir, redirect(path, room), flags, mode);
}

/* The mode is there only when a file may be made: open(2). */
#define MODE(flags, mode) \
	do { \
		va_list ap_; \
		va_start(ap_, flags); \
		if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) \
			mode = va_arg(ap_, mode_t); \
		va_end(ap_); \
	} while (0)

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE(flags, mode);
	return open_redirected(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE(flags, mode);
	return open_redirected(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE(flags, mode);
	return open_redirected(dir, path, flags | O_LARGEFILE, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE(flags, mode);
	return open_redirected(dir, path, flags, mode);
}

int __open_2(const char *path, int flags)
{
	return open_redirected(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return open_redirected(AT_FDCWD, path, flags | O_LARGEFILE, 0);
}

int socket(int domain, int type, int protocol)
{
	const char *bytes = getenv("SPOOLWIRE_SNDBUF");
	int (*next)(int, int, int);
	int fd, n;

	NEXT(next, "socket");
	fd = next(domain, type, protocol);
	n = bytes ? atoi(bytes) : 0;
	if (fd >= 0 && n > 0 && domain != AF_UNIX && (type & 0xf) == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	return fd;
}

int stat(const char *path, struct stat *st)
{
	int (*next)(const char *, struct stat *);
	char room[PATH_MAX];

	NEXT(next, "stat");
	return next(redirect(path, room), st);
}

int access(const char *path, int mode)
{
	int (*next)(const char *, int);
	char room[PATH_MAX];

	NEXT(next, "access");
	return next(redirect(path, room), mode);
}
