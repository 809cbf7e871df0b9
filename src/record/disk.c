/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "record/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#define DIR_MODE 0700

int disk_create(const char *path, unsigned mode)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

/* O_NONBLOCK: somebody may have left a FIFO there. */
int disk_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* By whole components. */
bool disk_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

/* Of the deepest directory on the way that is there. */
static int resolve(const char *path, char real[PATH_MAX])
{
	char *dir = parent_of(path);
	int err = realpath(dir, real) ? 0 : -errno;

	if (err == -ENOENT && strchr(dir + 1, '/'))
		err = resolve(dir, real);
	free(dir);
	return err;
}

/* Of a root that is not there yet nothing below is, either. */
static bool leads_into(const char *path, const char *real, const char *root)
{
	char way[PATH_MAX];

	if (realpath(root, way))
		return disk_is_below(real, way);
	return disk_is_below(path, root) && resolve(root, way) == 0 && strcmp(real, way) == 0;
}

int disk_check_inside(const char *path, char *const *roots)
{
	char real[PATH_MAX];
	int err = resolve(path, real);

	for (; !err && *roots; roots++)
		if (leads_into(path, real, *roots))
			return 0;
	return err ? err : -EXDEV;
}

static int make_dir(const char *dir, const struct disk_access *a)
{
	if (mkdir(dir, DIR_MODE) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (a->dir_mode >= 0 && chmod(dir, (mode_t)a->dir_mode) < 0)
		log_warn_limited("cannot change the mode of %s: %s", dir, strerror(errno));
	if ((a->owner >= 0 || a->group >= 0) && chown(dir, (uid_t)a->owner, (gid_t)a->group) < 0)
		log_warn_limited("cannot change the owner of %s: %s", dir, strerror(errno));
	return 0;
}

/* Mostly they are there already: from the deepest upwards, and down again. */
int disk_make_parents(const char *path, const struct disk_access *a)
{
	char *dir = parent_of(path);
	int err = make_dir(dir, a);

	if (err == -ENOENT && strchr(dir + 1, '/')) {
		err = disk_make_parents(dir, a);
		if (!err)
			err = make_dir(dir, a);
	}
	free(dir);
	return err;
}

void disk_give(int fd, const char *path, const struct disk_access *a)
{
	if (a->mode >= 0 && fchmod(fd, (mode_t)a->mode) < 0)
		log_warn_limited("cannot change the mode of %s: %s", path, strerror(errno));
	if ((a->owner >= 0 || a->group >= 0) && fchown(fd, (uid_t)a->owner, (gid_t)a->group) < 0)
		log_warn_limited("cannot change the owner of %s: %s", path, strerror(errno));
}

/* What was not written whole will be written again: it does not count. */
int disk_write(int fd, uint64_t at, struct span bytes)
{
	size_t all = bytes.n;

	while (bytes.n) {
		ssize_t n = pwrite(fd, bytes.p, bytes.n, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes = span_skip(bytes, (size_t)n);
			at += (uint64_t)n;
		}
	}
	counter_add(COUNT_DISK_BYTES, all);
	return 0;
}

int disk_save(const char *path, unsigned mode, struct span content, bool safe)
{
	int fd = disk_create(path, mode), err;

	if (fd < 0)
		return fd;
	err = disk_write(fd, 0, content);
	if (!err && safe && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

ssize_t disk_read(int fd, uint64_t at, uint8_t *out, size_t max)
{
	size_t have = 0;

	while (have < max) {
		ssize_t n = pread(fd, out + have, max - have, (off_t)(at + have));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			have += (size_t)n;
	}
	counter_add(COUNT_DISK_BYTES, have);
	return (ssize_t)have;
}

int disk_load(const char *path, uint8_t *out, size_t max, size_t *n)
{
	int fd = disk_open(path, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = disk_read(fd, 0, out, max);
	close(fd);
	*n = got < 0 ? 0 : (size_t)got;
	return got < 0 ? (int)got : 0;
}

bool disk_taken(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

uint64_t disk_directory(const char *path)
{
	char *dir = parent_of(path);
	struct stat st;
	uint64_t inode = stat(dir, &st) == 0 ? st.st_ino : 0;

	free(dir);
	return inode;
}

/* The directory first: it may be mounted in between. */
bool disk_is_gone(const char *path, uint64_t directory)
{
	struct stat st;

	if (directory && disk_directory(path) != directory)
		return false;
	return lstat(path, &st) < 0 && errno == ENOENT;
}

/* NFS and old file systems do not know RENAME_NOREPLACE; some have no hard links either, there the
 * look before is all there is. */
int disk_rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	if (link(from, to) == 0)
		return unlink(from) < 0 ? -errno : 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
		return -errno;
	if (disk_taken(to))
		return -EEXIST;
	return rename(from, to) < 0 ? -errno : 0;
}

static int open_parent(const char *path)
{
	char *dir = parent_of(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = fd < 0 ? -errno : 0;

	free(dir);
	return err ? err : fd;
}

int disk_sync_parent(const char *path)
{
	int fd = open_parent(path), err;

	if (fd < 0)
		return fd;
	err = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: not with directories */
	close(fd);
	return err;
}

/* ---- whole file systems -------------------------------------------------------------------- */

#define MAX_SYNCED 64 /* file systems; of more each file is synced alone */

struct pass {
	dev_t device;
	usec_t begun;
	bool running;
	int fd;  /* while it runs: on that file system, and no recording's, whose lock it would keep */
	int err; /* of the last one, until somebody is told */
};

static struct {
	pthread_mutex_t mutex; /* never held while a disk is waited for */
	struct pass pass[MAX_SYNCED];
	unsigned n;
} synced = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* NULL: there are too many. */
static struct pass *find_pass(dev_t device)
{
	struct pass *p = synced.pass;

	while (p < synced.pass + synced.n && p->device != device)
		p++;
	if (p == synced.pass + MAX_SYNCED)
		return NULL;
	if (p == synced.pass + synced.n) {
		*p = (struct pass){ .device = device, .begun = -DISK_SYNC_APART };
		synced.n++;
	}
	return p;
}

static void end_pass(struct pass *p, int err)
{
	pthread_mutex_lock(&synced.mutex);
	p->running = false;
	p->err = err;
	pthread_mutex_unlock(&synced.mutex);
}

static void *run_pass(void *arg)
{
	struct pass *p = arg;
	int err = syncfs(p->fd) < 0 ? -errno : 0;

	close(p->fd);
	end_pass(p, err);
	return NULL;
}

/* It waits for all that anybody has written there, a backup's gigabytes, too. So it has a thread of
 * its own: no recording waits for it, and no writer. */
static void begin_pass(struct pass *p, const char *path)
{
	pthread_t thread;
	int err;

	p->fd = open_parent(path);
	err = p->fd < 0 ? p->fd : thread_start(&thread, "sync", run_pass, p);
	if (!err) {
		pthread_detach(thread); /* a disk may hold it for ever */
		return;
	}
	if (p->fd >= 0)
		close(p->fd);
	end_pass(p, err);
}

int disk_sync_all(int fd, const char *path, usec_t now)
{
	bool due = false;
	struct stat st;
	struct pass *p;
	int err = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	pthread_mutex_lock(&synced.mutex);
	p = find_pass(st.st_dev);
	if (p) {
		err = p->err;
		p->err = 0;
		due = !p->running && now - p->begun >= DISK_SYNC_APART;
	}
	if (due) {
		p->running = true;
		p->begun = now;
	}
	pthread_mutex_unlock(&synced.mutex);
	if (!p)
		return fdatasync(fd) < 0 ? -errno : 0;
	if (due)
		begin_pass(p, path);
	return err;
}
