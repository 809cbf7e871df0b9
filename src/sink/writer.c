/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mutex is right here: these threads may wait, and whoever puts a job holds it for a few
 * instructions only. It is never held while a job runs.
 *
 *     directory --> lane of writes, lane of long jobs --> threads of that lane
 *
 * A disk that hangs holds the threads of its own lanes and no others, however many files it has. */
#include "sink/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mem.h"
#include "base/thread.h"
#include "record/disk.h"

struct job {
	struct job *next;
	void (*run)(void *arg);
	void *arg;
};

struct lane {
	struct writer *writer;
	pthread_cond_t work;
	struct job *first, **last;
	unsigned waiting, threads, idle;
	bool woken;                /* one of the idle has been, and has not looked yet */
	usec_t since[WRITER_MAX_THREADS]; /* that it is at its job; 0: it has none */
};

struct place {
	struct place *next;
	char *dir;                 /* NULL: all that is in no other */
	struct lane lane[2];       /* of enum writer_work */
};

struct writer {
	pthread_mutex_t mutex;     /* guards all below and all lanes */
	pthread_cond_t idle;
	struct place *places;
	unsigned waiting, running, threads;
	unsigned threads_each, max_jobs;
	bool stop;
};

/* One at a time: jobs come in bursts and most are short, so that whoever is awake has done them
 * before a second thread is. Who gets one wakes the next, so that one that hangs keeps nobody. The
 * signal itself comes after the mutex, or the woken would wait for that. */
static bool wants_another(struct lane *l)
{
	bool wants = l->first && l->idle && !l->woken;

	l->woken |= wants;
	return wants;
}

static struct job *next_job(struct lane *l)
{
	struct job *j;

	while (!l->first && !l->writer->stop) {
		l->idle++;
		pthread_cond_wait(&l->work, &l->writer->mutex);
		l->idle--;
		l->woken = false;
	}
	j = l->first;
	if (!j)
		return NULL;
	l->first = j->next;
	if (!l->first)
		l->last = &l->first;
	l->waiting--;
	l->writer->waiting--;
	return j;
}

static void *run(void *arg)
{
	struct lane *l = arg;
	struct writer *w = l->writer;
	struct job *j;
	usec_t *since;
	bool more;

	pthread_mutex_lock(&w->mutex);
	since = &l->since[l->threads++];
	while ((j = next_job(l))) {
		w->running++;
		*since = clock_mono();
		more = wants_another(l);
		pthread_mutex_unlock(&w->mutex);
		if (more)
			pthread_cond_signal(&l->work);
		j->run(j->arg);
		free(j);
		pthread_mutex_lock(&w->mutex);
		*since = 0;
		w->running--;
	}
	if (--w->threads == 0)
		pthread_cond_broadcast(&w->idle);
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static void start_lane(struct writer *w, struct lane *l, unsigned threads)
{
	pthread_t thread;

	l->writer = w;
	l->last = &l->first;
	pthread_cond_init(&l->work, NULL);
	for (unsigned i = 0; i < threads; i++) {
		pthread_mutex_lock(&w->mutex);
		w->threads++;
		pthread_mutex_unlock(&w->mutex);
		if (thread_start(&thread, "writer", run, l) < 0)
			die("cannot start a writer: raise the limit of threads (ulimit -u)");
		pthread_detach(thread); /* a disk may hold it for ever */
	}
}

static void start_place(struct writer *w, const char *dir)
{
	struct place *p = xnew(struct place);

	p->dir = dir ? xstrdup(dir) : NULL;
	start_lane(w, &p->lane[WRITER_WRITE], w->threads_each);
	start_lane(w, &p->lane[WRITER_LONG], (w->threads_each + 1) / 2);
	pthread_mutex_lock(&w->mutex);
	p->next = w->places;
	w->places = p;
	pthread_mutex_unlock(&w->mutex);
}

struct writer *writer_start(unsigned threads, unsigned max_jobs)
{
	struct writer *w = xnew(struct writer);
	pthread_condattr_t attr;

	must(threads && threads <= WRITER_MAX_THREADS);
	w->max_jobs = max_jobs;
	w->threads_each = threads;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->idle, &attr);
	pthread_condattr_destroy(&attr);
	start_place(w, NULL);
	return w;
}

/* The deepest that holds it. */
static struct place *find_place(const struct writer *w, const char *path)
{
	struct place *found = NULL;
	size_t best = 0;

	for (struct place *p = w->places; p; p = p->next) {
		size_t n = p->dir ? strlen(p->dir) : 0;

		if (p->dir && (!path || n < best || !disk_is_below(path, p->dir)))
			continue;
		if (p->dir || !found)
			found = p;
		best = n > best ? n : best;
	}
	return found;
}

void writer_add_dir(struct writer *w, const char *dir)
{
	unsigned n = 0;

	for (const struct place *p = w->places; p; p = p->next, n++)
		if (p->dir && disk_is_below(dir, p->dir) && disk_is_below(p->dir, dir))
			return;
	if (n <= WRITER_MAX_DIRS)
		start_place(w, dir);
}

bool writer_put(struct writer *w, enum writer_work work, const char *path,
	void (*run_job)(void *arg), void *arg)
{
	struct job *j = xnew(struct job);
	struct lane *l;
	bool taken, wants;

	j->run = run_job;
	j->arg = arg;
	pthread_mutex_lock(&w->mutex);
	l = &find_place(w, path)->lane[work];
	taken = l->waiting < w->max_jobs && !w->stop;
	if (taken) {
		*l->last = j;
		l->last = &j->next;
		l->waiting++;
		w->waiting++;
	}
	wants = wants_another(l);
	pthread_mutex_unlock(&w->mutex);
	if (wants)
		pthread_cond_signal(&l->work);
	if (!taken)
		free(j);
	return taken;
}

bool writer_hangs(struct writer *w, const char *path, usec_t now)
{
	const struct lane *l;
	bool hangs = false;

	pthread_mutex_lock(&w->mutex);
	l = &find_place(w, path)->lane[WRITER_WRITE];
	for (unsigned i = 0; i < l->threads; i++)
		hangs |= l->since[i] && now - l->since[i] >= WRITER_HANG;
	pthread_mutex_unlock(&w->mutex);
	return hangs;
}

static void free_place(struct place *p)
{
	for (unsigned i = 0; i < 2; i++)
		pthread_cond_destroy(&p->lane[i].work);
	free(p->dir);
	free(p);
}

static void wake_all(struct writer *w)
{
	for (struct place *p = w->places; p; p = p->next)
		for (unsigned i = 0; i < 2; i++)
			pthread_cond_broadcast(&p->lane[i].work);
}

bool writer_stop(struct writer **wp, usec_t deadline)
{
	struct writer *w = *wp;
	struct timespec ts = { .tv_sec = deadline / SEC, .tv_nsec = deadline % SEC * 1000 };
	bool all;

	*wp = NULL;
	if (!w)
		return true;
	pthread_mutex_lock(&w->mutex);
	w->stop = true;
	wake_all(w);
	while (w->threads)
		if (pthread_cond_timedwait(&w->idle, &w->mutex, &ts) == ETIMEDOUT)
			break;
	all = w->threads == 0;
	counter_add(COUNT_WRITER_DROPPED, w->waiting + w->running);
	pthread_mutex_unlock(&w->mutex);
	if (!all)
		return false; /* they keep what they use */
	for (struct place *p = w->places, *next; p; p = next) {
		next = p->next;
		free_place(p);
	}
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->idle);
	free(w);
	return true;
}

static int write_file(const char *path, struct span content, unsigned mode,
	const struct disk_access *access)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int err;

	if (fd < 0)
		return -errno;
	if (access)
		disk_give(fd, path, access);
	err = disk_write(fd, 0, content);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int writer_publish(const char *path, struct span content, unsigned mode,
	const struct disk_access *access)
{
	char part[PATH_MAX];
	int err;

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	err = write_file(part, content, mode, access);
	if (!err && rename(part, path) < 0)
		err = -errno;
	if (err)
		unlink(part);
	return err;
}
