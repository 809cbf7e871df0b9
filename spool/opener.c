/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A mutex is right here: these threads may wait, and no lock is held while the kernel has one of
 * them. Givers hold it for a few instructions only. */
#include "spool/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

/* One thread. When it is lost, nobody but itself knows it any more; it frees itself should the
 * kernel ever let it go. */
struct hand {
	struct hand *next;
	struct opener *opener;
	pthread_t thread;
	struct source *holding; /* being opened now; whoever takes it out atomically owns it */
	char *path;             /* its own: the source goes on without us when we are lost */
	usec_t since;
};

struct opener {
	struct opener_opts opts;
	void (*done)(void *arg, struct source **);
	void *arg;
	pthread_mutex_t mutex; /* guards all below, and every hand's since */
	pthread_cond_t work;
	struct mail *first, **last;
	unsigned waiting, lost, idle;
	bool woken; /* one of the idle has been, and has not looked yet */
	bool stop;
	struct hand *hands;
};

static void give_back(struct opener *o, struct source *s, int fd, int error)
{
	s->fd = fd;
	s->error = error;
	if (error)
		s->end = SOURCE_END_FAILED;
	o->done(o->arg, &s);
}

/* The streams of a call come together and opening one takes microseconds: one thread is woken for
 * all, and wakes the next before the kernel has it. Called with the mutex held. */
static bool wants_another(struct opener *o)
{
	bool wants = o->first && o->idle && !o->woken;

	o->woken |= wants;
	return wants;
}

/* Called with the mutex held; waits for work. NULL: the end. */
static struct source *next_source(struct opener *o)
{
	struct mail *m;

	while (!o->first && !o->stop) {
		o->idle++;
		pthread_cond_wait(&o->work, &o->mutex);
		o->idle--;
		o->woken = false;
	}
	m = o->first;
	if (!m)
		return NULL;
	o->first = m->next;
	if (!o->first)
		o->last = &o->first;
	o->waiting--;
	return (struct source *)(void *)m;
}

static void *run(void *arg)
{
	struct hand *h = arg;
	struct opener *o = h->opener;
	struct source *s;

	pthread_mutex_lock(&o->mutex);
	while ((s = next_source(o))) {
		int fd, error;

		if (wants_another(o))
			pthread_cond_signal(&o->work); /* later o might be gone */
		h->path = xstrdup(s->path);
		h->since = clock_mono();
		__atomic_store_n(&h->holding, s, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&o->mutex);

		fd = open(h->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
		error = fd < 0 ? errno : 0;
		free(h->path);

		/* written off: the opener itself may be gone by now */
		if (__atomic_exchange_n(&h->holding, NULL, __ATOMIC_ACQ_REL) == NULL) {
			if (fd >= 0)
				close(fd);
			free(h);
			return NULL;
		}
		give_back(o, s, fd, error);
		pthread_mutex_lock(&o->mutex);
	}
	pthread_mutex_unlock(&o->mutex);
	return NULL;
}

static void start_hand(struct opener *o)
{
	struct hand *h = xnew(struct hand);

	h->opener = o;
	if (thread_start(&h->thread, "opener", run, h) < 0) {
		free(h);
		return;
	}
	h->next = o->hands;
	o->hands = h;
}

struct opener *opener_new(const struct opener_opts *opts,
	void (*done)(void *arg, struct source **), void *arg)
{
	struct opener *o = xnew(struct opener);

	o->opts = *opts;
	o->done = done;
	o->arg = arg;
	o->last = &o->first;
	pthread_mutex_init(&o->mutex, NULL);
	pthread_cond_init(&o->work, NULL);
	for (unsigned i = 0; i < opts->threads; i++)
		start_hand(o);
	if (!o->hands)
		die("cannot start a thread: raise the limit of threads (ulimit -u)");
	return o;
}

void opener_give(struct opener *o, struct source **sp)
{
	struct source *s = *sp;
	bool refused, wants;

	*sp = NULL;
	s->asked = clock_mono();
	pthread_mutex_lock(&o->mutex);
	refused = !o->hands || o->waiting >= o->opts.max_waiting;
	if (!refused) {
		s->mail.next = NULL;
		*o->last = &s->mail;
		o->last = &s->mail.next;
		o->waiting++;
	}
	wants = wants_another(o);
	pthread_mutex_unlock(&o->mutex);
	if (wants)
		pthread_cond_signal(&o->work); /* not into the mutex */
	if (refused)
		give_back(o, s, -1, EAGAIN);
}

/* Takes the hung out of the list: *hung are their sources. */
static void write_off(struct opener *o, usec_t now, struct mail **hung)
{
	struct hand **hp = &o->hands;

	while (*hp) {
		struct hand *h = *hp, *next = h->next;
		pthread_t thread = h->thread;
		struct source *s = __atomic_load_n(&h->holding, __ATOMIC_ACQUIRE);

		if (!s || now - h->since < o->opts.hang_after ||
			!__atomic_compare_exchange_n(&h->holding, &s, NULL, false,
				__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			hp = &h->next;
			continue;
		}
		*hp = next; /* the thread frees h as soon as it comes back */
		pthread_detach(thread);
		o->lost++;
		counter_add(COUNT_OPENERS_LOST, 1);
		s->mail.next = *hung;
		*hung = &s->mail;
	}
}

static void give_back_hung(struct opener *o, usec_t now)
{
	struct mail *hung = NULL;

	pthread_mutex_lock(&o->mutex);
	write_off(o, now, &hung);
	pthread_mutex_unlock(&o->mutex);
	while (hung) {
		struct source *s = (struct source *)(void *)hung;

		hung = hung->next;
		log_err("the kernel does not come back from opening %s: a thread is lost (%u so far)",
			log_mark(s->path), o->lost);
		give_back(o, s, -1, ETIMEDOUT);
	}
}

/* Nobody is left who would open them. */
static void give_back_waiting(struct opener *o)
{
	struct mail *m;

	pthread_mutex_lock(&o->mutex);
	m = o->first;
	o->first = NULL;
	o->last = &o->first;
	o->waiting = 0;
	pthread_mutex_unlock(&o->mutex);
	while (m) {
		struct source *s = (struct source *)(void *)m;

		m = m->next;
		give_back(o, s, -1, EAGAIN);
	}
}

void opener_check(struct opener *o, usec_t now)
{
	unsigned alive = 0;
	bool nobody;

	give_back_hung(o, now);
	pthread_mutex_lock(&o->mutex);
	for (struct hand *h = o->hands; h; h = h->next)
		alive++;
	while (alive < o->opts.threads && o->lost <= o->opts.max_lost) {
		start_hand(o);
		alive++;
	}
	nobody = !o->hands;
	pthread_mutex_unlock(&o->mutex);
	if (nobody)
		give_back_waiting(o);
}

/* True when there is nobody left to wait for. */
static bool join_ended(struct opener *o)
{
	struct hand **hp = &o->hands;

	while (*hp) {
		struct hand *h = *hp;

		if (pthread_tryjoin_np(h->thread, NULL) != 0) {
			hp = &h->next;
			continue;
		}
		*hp = h->next;
		free(h);
	}
	return !o->hands;
}

void opener_free(struct opener **op)
{
	struct opener *o = *op;

	*op = NULL;
	if (!o)
		return;
	pthread_mutex_lock(&o->mutex);
	o->stop = true;
	pthread_cond_broadcast(&o->work);
	pthread_mutex_unlock(&o->mutex);
	while (!join_ended(o)) { /* who hangs is lost in good time, stop or no stop */
		give_back_hung(o, clock_mono());
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	give_back_waiting(o);
	pthread_mutex_destroy(&o->mutex);
	pthread_cond_destroy(&o->work);
	free(o);
}
