/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mutex is right here: these threads may wait, and whoever puts a job holds it for a few
 * instructions only. It is never held while a job runs. */
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

struct job {
	struct job *next;
	void (*run)(void *arg);
	void *arg;
};

struct writer {
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t work, idle;
	struct job *first, **last;
	unsigned waiting, running, max_jobs;
	unsigned threads;
	bool stop;
};

static struct job *next_job(struct writer *w)
{
	struct job *j;

	while (!w->first && !w->stop)
		pthread_cond_wait(&w->work, &w->mutex);
	j = w->first;
	if (!j)
		return NULL;
	w->first = j->next;
	if (!w->first)
		w->last = &w->first;
	w->waiting--;
	return j;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct job *j;

	pthread_mutex_lock(&w->mutex);
	while ((j = next_job(w))) {
		w->running++;
		pthread_mutex_unlock(&w->mutex);
		j->run(j->arg);
		free(j);
		pthread_mutex_lock(&w->mutex);
		w->running--;
		if (!w->waiting && !w->running)
			pthread_cond_broadcast(&w->idle);
	}
	if (--w->threads == 0)
		pthread_cond_broadcast(&w->idle);
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

struct writer *writer_start(unsigned threads, unsigned max_jobs)
{
	struct writer *w = xnew(struct writer);
	pthread_condattr_t attr;
	pthread_t thread;

	w->last = &w->first;
	w->max_jobs = max_jobs;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->idle, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < threads; i++) {
		if (thread_start(&thread, "writer", run, w) < 0)
			die("cannot start a writer: raise the limit of threads (ulimit -u)");
		pthread_detach(thread); /* a disk may hold it for ever */
		pthread_mutex_lock(&w->mutex);
		w->threads++;
		pthread_mutex_unlock(&w->mutex);
	}
	return w;
}

bool writer_put(struct writer *w, void (*run_job)(void *arg), void *arg)
{
	struct job *j = xnew(struct job);
	bool taken;

	j->run = run_job;
	j->arg = arg;
	pthread_mutex_lock(&w->mutex);
	taken = w->waiting < w->max_jobs && !w->stop;
	if (taken) {
		*w->last = j;
		w->last = &j->next;
		w->waiting++;
		pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->mutex);
	if (!taken)
		free(j);
	return taken;
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
	pthread_cond_broadcast(&w->work);
	while (w->threads)
		if (pthread_cond_timedwait(&w->idle, &w->mutex, &ts) == ETIMEDOUT)
			break;
	all = w->threads == 0;
	counter_add(COUNT_WRITER_DROPPED, w->waiting + w->running);
	pthread_mutex_unlock(&w->mutex);
	if (!all)
		return false; /* they keep what they use */
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->idle);
	free(w);
	return true;
}

static int write_all(int fd, struct span content)
{
	while (content.n) {
		ssize_t n = write(fd, content.p, content.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			content = span_skip(content, (size_t)n);
	}
	return 0;
}

static int write_file(const char *path, int flags, struct span content, unsigned mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, mode);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, content);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int writer_publish(const char *path, struct span content, unsigned mode)
{
	char part[PATH_MAX];
	int err;

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	err = write_file(part, O_TRUNC, content, mode);
	if (!err && rename(part, path) < 0)
		err = -errno;
	if (err)
		unlink(part);
	return err;
}

int writer_append(const char *path, struct span content, unsigned mode)
{
	return write_file(path, O_APPEND, content, mode);
}
