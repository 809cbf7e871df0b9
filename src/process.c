/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

/* Kernel streams of a call (two RTP, two RTCP), a connection for each of two, a metadata file; and
 * what the daemon needs for itself. */
#define FILES_PER_CALL 7
#define FILES_OURS     128

static struct {
	int ready;  /* the child's end of the pipe to its parent; -1: none */
	int pidfile; /* held open, it is the lock; -1: none */
	char *pidfile_path;
} process = { .ready = -1, .pidfile = -1 };

/* ---- background ------------------------------------------------------------------------ */

/* The parent's rest: the child's one byte, or the end of its pipe. */
static _Noreturn void wait_for_child(int fd, pid_t child)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	waitpid(child, NULL, 0);
	_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

void process_daemonize(void)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("cannot go to the background: %s", strerror(errno));
	if (child > 0) {
		close(fds[1]);
		wait_for_child(fds[0], child);
	}
	close(fds[0]);
	setsid();
	child = fork(); /* no longer a session leader: never gets a terminal again */
	if (child < 0)
		die("cannot go to the background: %s", strerror(errno));
	if (child > 0)
		_exit(EXIT_SUCCESS);
	process.ready = fds[1];
}

void process_ready(void)
{
	int null;

	if (process.ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (write(process.ready, "", 1) < 0)
		errno = 0; /* the parent was killed; nobody else waits */
	close(process.ready);
	process.ready = -1;
}

/* ---- process id file ------------------------------------------------------------------- */

/* Open and locked, or -1. The name may have been removed while we waited for nothing: the file we
 * hold has to be the one that the name shows. */
static int open_locked(const char *path)
{
	for (int i = 0; i < 10; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		struct stat held, named;

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int err = errno;

			close(fd);
			errno = err;
			return -1;
		}
		if (fstat(fd, &held) == 0 && stat(path, &named) == 0 &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev)
			return fd;
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

int process_pidfile(const char *path, char **reason)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int fd = open_locked(path);

	if (fd < 0 && errno == EWOULDBLOCK) {
		*reason = xasprintf("%s is held by a process that runs: stop it, or give another "
			"pidfile", path);
		return -1;
	}
	if (fd < 0 || ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n) {
		*reason = xasprintf("cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	process.pidfile = fd;
	process.pidfile_path = xstrdup(path);
	return 0;
}

void process_pidfile_remove(void)
{
	if (process.pidfile < 0)
		return;
	unlink(process.pidfile_path);
	close(process.pidfile);
	free(process.pidfile_path);
	process.pidfile = -1;
	process.pidfile_path = NULL;
}

/* ---- limits and signals ---------------------------------------------------------------- */

unsigned long process_raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = before;
	}
	return (unsigned long)limit.rlim_cur;
}

char *process_nofile_warning(unsigned long limit, int max_calls)
{
	unsigned long calls = limit > FILES_OURS ? (limit - FILES_OURS) / FILES_PER_CALL : 0;

	if (calls >= (unsigned long)max_calls)
		return NULL;
	return xasprintf("the limit of %lu open files suffices for about %lu calls of max-calls=%d: "
		"raise LimitNOFILE (ulimit -Hn) to %lu, or lower max-calls", limit, calls, max_calls,
		(unsigned long)max_calls * FILES_PER_CALL + FILES_OURS);
}

void process_ignore_signals(void)
{
	static const int numbers[] = { SIGPIPE, SIGHUP, SIGUSR1 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &ignore, NULL);
}
