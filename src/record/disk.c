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

int disk_sync_parent(const char *path)
{
	char *dir = parent_of(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	free(dir);
	if (fd < 0)
		return -errno;
	err = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: not with directories */
	close(fd);
	return err;
}

#define MAX_SYNCED 64 /* file systems; of more each file is synced alone */

static struct {
	pthread_mutex_t mutex; /* never held while a disk is waited for */
	dev_t device[MAX_SYNCED];
	usec_t begun[MAX_SYNCED];
	unsigned n;
} synced = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool sync_is_due(unsigned i, dev_t device, usec_t now)
{
	if (i < synced.n && now - synced.begun[i] < DISK_SYNC_APART)
		return false;
	synced.device[i] = device;
	synced.begun[i] = now;
	if (i == synced.n)
		synced.n++;
	return true;
}

int disk_sync_all(int fd, usec_t now)
{
	bool alone = false, due = false;
	struct stat st;
	unsigned i = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	pthread_mutex_lock(&synced.mutex);
	while (i < synced.n && synced.device[i] != st.st_dev)
		i++;
	alone = i == MAX_SYNCED;
	if (!alone)
		due = sync_is_due(i, st.st_dev, now);
	pthread_mutex_unlock(&synced.mutex);
	if (alone)
		return fdatasync(fd) < 0 ? -errno : 0;
	return due && syncfs(fd) < 0 ? -errno : 0;
}
