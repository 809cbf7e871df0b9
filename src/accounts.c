/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "accounts.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "sink/writer.h"
#include "spool/consumed.h"

#define ACCOUNT_MODE 0640
#define NAME_PARENT  200 /* [bytes] of the parent kept in a file name */

struct accounts {
	struct writer *writer;
	char *dir;
	atomic_bool *journal_busy; /* shared with a job that may outlive us */
};

struct write_job {
	struct account *account;
	char *dir;
	uint64_t call;
	void (*done)(void *arg, uint64_t call, bool written);
	void *arg;
};

struct journal_job {
	char *path, *text;
	enum consumed_work work;
	atomic_bool *busy;
};

struct accounts *accounts_new(struct writer *w, const char *dir)
{
	struct accounts *a = xnew(struct accounts);

	a->writer = w;
	a->dir = dir ? xstrdup(dir) : NULL;
	a->journal_busy = xnew(atomic_bool);
	return a;
}

void accounts_free(struct accounts **ap)
{
	struct accounts *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	if (!atomic_load(a->journal_busy))
		free(a->journal_busy);
	free(a->dir);
	free(a);
}

/* PARENT is one path component already (it was a file's name); it may begin with a dot. A call
 * that comes twice (rtpengine restarted) has two accounts: the time tells them apart. */
static int write_account(const struct write_job *j)
{
	char path[PATH_MAX];
	char *json = account_json(j->account);
	int err;

	snprintf(path, sizeof(path), "%s/%.*s-%llu.json", j->dir, NAME_PARENT, j->account->parent,
		(unsigned long long)j->account->seen);
	err = writer_publish(path, span_text(json), ACCOUNT_MODE, NULL);
	free(json);
	if (err)
		log_warn_limited("account of %s not written to %s: %s", log_mark(j->account->parent),
			j->dir, strerror(-err));
	return err;
}

static void run_write(void *arg)
{
	struct write_job *j = arg;
	int err = write_account(j);

	counter_add(err ? COUNT_WRITER_DROPPED : COUNT_WRITER_JOBS, 1);
	j->done(j->arg, j->call, err == 0);
	account_free(&j->account);
	free(j->dir);
	free(j);
}

int accounts_write(struct accounts *a, uint64_t call, struct account **account,
	void (*done)(void *arg, uint64_t call, bool written), void *arg)
{
	char *line = account_line(*account);
	struct write_job *j;

	log_info("%s", line);
	free(line);
	if (!a->dir) {
		account_free(account);
		done(arg, call, true);
		return 0;
	}
	j = xnew(struct write_job);
	*j = (struct write_job){ .account = *account, .dir = xstrdup(a->dir), .call = call,
		.done = done, .arg = arg };
	*account = NULL;
	if (writer_put(a->writer, WRITER_WRITE, a->dir, run_write, j))
		return 0;
	counter_add(COUNT_WRITER_DROPPED, 1);
	log_warn_limited("accounts are not written: the disk of %s is too slow", a->dir);
	account_free(&j->account);
	free(j->dir);
	free(j);
	return -EAGAIN;
}

static void free_journal_job(struct journal_job *j)
{
	atomic_store(j->busy, false);
	free(j->path);
	free(j->text);
	free(j);
}

static void run_journal(void *arg)
{
	struct journal_job *j = arg;
	int err = consumed_write(j->path, j->work, j->text);

	if (err)
		log_warn_limited("%s cannot be written (%s): after a restart recordings may be "
			"consumed twice", j->path, strerror(-err));
	free_journal_job(j);
}

void accounts_tick(struct accounts *a, struct consumed *consumed)
{
	enum consumed_work work;
	struct journal_job *j;
	char *text;

	if (!consumed || atomic_load(a->journal_busy))
		return;
	work = consumed_take(consumed, &text);
	if (work == CONSUMED_NOTHING)
		return;
	j = xnew(struct journal_job);
	*j = (struct journal_job){ .path = xstrdup(consumed_path(consumed)), .text = text,
		.work = work, .busy = a->journal_busy };
	atomic_store(a->journal_busy, true);
	if (writer_put(a->writer, WRITER_WRITE, j->path, run_journal, j))
		return;
	counter_add(COUNT_WRITER_DROPPED, 1);
	free_journal_job(j);
}
