/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t stack_bytes;

void thread_set_stack(size_t bytes)
{
	stack_bytes = bytes;
}

int thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_attr_init(&attr);
	if (stack_bytes)
		pthread_attr_setstacksize(&attr, stack_bytes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(t, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		pthread_setname_np(*t, name);
	return -err;
}

const char *thread_hurry(void)
{
	struct sched_param rt = { .sched_priority = 1 };

	prctl(PR_SET_TIMERSLACK, 20000UL); /* [ns] */
	if (pthread_setschedparam(pthread_self(), SCHED_RR, &rt) == 0)
		return "real-time priority";
	if (setpriority(PRIO_PROCESS, (id_t)gettid(), -10) == 0)
		return "nice -10";
	return "no priority (allow LimitRTPRIO or CAP_SYS_NICE)";
}
