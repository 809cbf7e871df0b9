/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "directory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "record/disk.h"

#define PATIENCE (50 * MSEC) /* three of them are less than the kernel keeps of a stream (320 ms) */
#define UNKNOWN  1
#define MODE     0750

struct look {
	char *dir;
	bool with_parents;
	struct disk_access access; /* of those and of dir itself */
	atomic_int err;     /* UNKNOWN until it is known */
	atomic_uint users;
	atomic_bool late;
};

static void unref(struct look *l)
{
	if (atomic_fetch_sub(&l->users, 1) > 1)
		return;
	free(l->dir);
	free(l);
}

static int make_with_parents(const struct look *l)
{
	char *inside = xasprintf("%s/.", l->dir);
	int err = disk_make_parents(inside, &l->access);

	free(inside);
	return err;
}

/* Looked at before it is made: mkdir() waits for a file system that is frozen, even where the
 * directory is there. */
static int make(const struct look *l)
{
	int err = 0;

	if (access(l->dir, W_OK | X_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (l->with_parents)
		err = make_with_parents(l);
	else if (mkdir(l->dir, MODE) < 0 && errno != EEXIST)
		err = -errno;
	if (err)
		return err;
	return access(l->dir, W_OK | X_OK) < 0 ? -errno : 0;
}

static void run(void *arg)
{
	struct look *l = arg;
	int err = make(l);

	atomic_store(&l->err, err);
	if (err && atomic_load(&l->late))
		log_err("cannot write in %s: %s", l->dir, strerror(-err));
	unref(l);
}

int directory_make(struct writer *w, const char *dir, const struct disk_access *access)
{
	struct look *l = xnew(struct look);
	usec_t over = clock_mono() + PATIENCE;
	int err;

	l->dir = xstrdup(dir);
	l->with_parents = access != NULL;
	if (access)
		l->access = *access;
	atomic_store(&l->err, UNKNOWN);
	atomic_store(&l->users, 2);
	if (!writer_put(w, WRITER_WRITE, dir, run, l))
		unref(l);
	while ((err = atomic_load(&l->err)) == UNKNOWN && clock_mono() < over)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 100000 }, NULL);
	atomic_store(&l->late, err == UNKNOWN);
	unref(l);
	return err == UNKNOWN ? -ETIMEDOUT : err;
}
