/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  log_write -> [mailbox, at most LOG_MAX_WAITING lines] -> the log's thread -> syslog or stderr
 *
 * Only that thread ever waits for a slow syslog; whoever writes pays one allocation. */
#include "base/log.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"

#define LOG_MAX_WAITING 10000 /* lines; the newest goes */
#define LOG_MAX_LINE    8192  /* [bytes] what is longer is cut */
#define LOG_STOP_WAIT   2     /* [s] for a syslog that does not take our last lines */

#define MARK_MAX_TEXT 200 /* [bytes] */
#define MARK_BUFFERS  8

struct line {
	struct mail mail;
	int level;
	usec_t when;
	char text[];
};

static struct {
	struct log_opts opts;
	char *name, *prefix, *suffix;
	atomic_int level[LOG_CLASSES];
	atomic_bool running, stopping;
	atomic_uint waiting;
	struct mailbox box;
	sem_t filled;
	pthread_t thread;
} log_ = { .opts.to_stderr = true, .level = { LOG_INFO, LOG_INFO, LOG_INFO } };

static const char *const level_names[] = {
	"EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG",
};

/* ---- where lines go: the log's thread, or the caller while there is none --------- */

/* One write() a line: lines of several threads and processes do not mix. */
static void put_stderr(int level, usec_t when, const char *infix, const char *text, int length,
	const char *tail)
{
	char out[LOG_MAX_LINE + 128], stamp[CLOCK_TEXT + 1] = "";
	int n;

	if (!log_.opts.no_timestamps) {
		clock_format(when, stamp);
		strcat(stamp, " ");
	}
	n = snprintf(out, sizeof(out), "%s%s: %s%.*s%s\n", stamp, level_names[level], infix, length,
		text, tail);
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		counter_add(COUNT_LOG_DROPPED, 1);
}

static void put_piece(int level, usec_t when, bool first, const char *text, size_t n, bool last)
{
	const char *infix = first ? "" : "... ";
	const char *tail = last ? "" : " ...";

	if (log_.opts.to_stderr)
		put_stderr(level, when, infix, text, (int)n, tail);
	else
		syslog(log_.opts.facility | level, "%s: %s%.*s%s", level_names[level], infix,
			(int)n, text, tail);
}

/* Pieces of max_length, and of lines when they are to be split, as rtpengine's own log does. */
static void put_text(int level, usec_t when, const char *text)
{
	bool first = true;

	do {
		size_t n = strlen(text), skip;

		if (log_.opts.split)
			n = strcspn(text, "\n");
		if (log_.opts.max_length && n > log_.opts.max_length)
			n = log_.opts.max_length;
		skip = n + (log_.opts.split && text[n] == '\n');
		put_piece(level, when, first, text, n, text[skip] == '\0');
		text += skip;
		first = false;
	} while (*text);
}

static void put_waiting(void)
{
	struct mail *m = mailbox_take(&log_.box);

	while (m) {
		struct line *l = (struct line *)m;

		m = m->next;
		put_text(l->level, l->when, l->text);
		free(l);
		atomic_fetch_sub(&log_.waiting, 1);
	}
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		bool last = atomic_load(&log_.stopping);

		put_waiting();
		if (last)
			return NULL;
		while (sem_wait(&log_.filled) < 0 && errno == EINTR)
			;
	}
}

/* ---- life ------------------------------------------------------------------------ */

void log_start(const struct log_opts *o)
{
	int err;

	must(!atomic_load(&log_.running));
	log_.opts = *o;
	log_.name = xstrdup(o->name ? o->name : "spoolwire");
	log_.prefix = xstrdup(o->mark_prefix ? o->mark_prefix : "");
	log_.suffix = xstrdup(o->mark_suffix ? o->mark_suffix : "");
	for (unsigned i = 0; i < LOG_CLASSES; i++)
		log_set_level(i, o->level[i]);
	openlog(log_.name, LOG_PID | LOG_NDELAY, o->facility);
	atomic_store(&log_.stopping, false);
	sem_init(&log_.filled, 0, 0);
	err = thread_start(&log_.thread, "log", run, NULL);
	if (err < 0)
		die("cannot start the log's thread: %s", strerror(-err));
	atomic_store(&log_.running, true);
}

/* A syslog that hangs is left behind with its thread; all else is released. */
void log_stop(void)
{
	struct timespec until;

	if (!atomic_exchange(&log_.running, false))
		return;
	atomic_store(&log_.stopping, true);
	sem_post(&log_.filled);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOG_STOP_WAIT;
	if (pthread_timedjoin_np(log_.thread, NULL, &until) != 0)
		return;
	put_waiting();
	sem_destroy(&log_.filled);
	closelog();
	free(log_.name);
	free(log_.prefix);
	free(log_.suffix);
	log_.name = log_.prefix = log_.suffix = NULL;
	log_.opts = (struct log_opts){ .to_stderr = true };
	for (unsigned i = 0; i < LOG_CLASSES; i++)
		log_set_level(i, LOG_INFO);
}

void log_set_level(enum log_class class, int level)
{
	must(class < LOG_CLASSES);
	atomic_store_explicit(&log_.level[class], level, memory_order_relaxed);
}

/* ---- writing --------------------------------------------------------------------- */

/* Other people's text is in it: nothing that would move the cursor of whoever reads it. */
static void make_harmless(char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7f)
			*text = ' ';
		else if (*text == '\n' && !log_.opts.split)
			*text = ' ';
}

static void queue_line(int level, const char *text, size_t n)
{
	struct line *l;

	if (atomic_fetch_add(&log_.waiting, 1) >= LOG_MAX_WAITING) {
		atomic_fetch_sub(&log_.waiting, 1);
		counter_add(COUNT_LOG_DROPPED, 1);
		return;
	}
	l = xalloc(sizeof(*l) + n + 1);
	l->level = level;
	l->when = clock_wall();
	memcpy(l->text, text, n + 1);
	if (mailbox_put(&log_.box, &l->mail))
		sem_post(&log_.filled);
}

void log_write(enum log_class class, int level, const char *fmt, ...)
{
	char text[LOG_MAX_LINE];
	va_list ap;

	must(class < LOG_CLASSES && level >= 0 && level <= 7);
	if (level > atomic_load_explicit(&log_.level[class], memory_order_relaxed))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_harmless(text);
	if (atomic_load(&log_.running))
		queue_line(level, text, strlen(text));
	else
		put_text(level, clock_wall(), text);
}

void log_last_words(const char *text)
{
	if (!atomic_load(&log_.running) || log_.opts.to_stderr)
		return;
	alarm(LOG_STOP_WAIT); /* a syslog that hangs must not keep us alive */
	syslog(log_.opts.facility | LOG_CRIT, "CRIT: %s", text);
	alarm(0);
}

/* ---- personal data and repetition ------------------------------------------------ */

const char *log_mark(const char *text)
{
	static _Thread_local char buffers[MARK_BUFFERS][MARK_MAX_TEXT + 200];
	static _Thread_local unsigned next;
	char *out = buffers[next++ % MARK_BUFFERS];
	char shown[MARK_MAX_TEXT + 1];
	size_t n = 0;

	for (; *text && n < MARK_MAX_TEXT; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != 0x7f)
			shown[n++] = (char)c;
		else if (n + 4 <= MARK_MAX_TEXT)
			n += (size_t)snprintf(shown + n, 5, "\\x%02x", c);
		else
			break;
	}
	shown[n] = '\0';
	snprintf(out, sizeof(buffers[0]), "%.90s%s%.90s", log_.prefix ? log_.prefix : "", shown,
		log_.suffix ? log_.suffix : "");
	return out;
}

bool log_allowed(struct log_limit *l, usec_t now, usec_t interval, uint64_t *suppressed)
{
	int64_t next = atomic_load_explicit(&l->next, memory_order_relaxed);

	*suppressed = 0;
	if ((next && now < next) ||
	    !atomic_compare_exchange_strong(&l->next, &next, now + interval)) {
		atomic_fetch_add_explicit(&l->suppressed, 1, memory_order_relaxed);
		return false;
	}
	*suppressed = atomic_exchange_explicit(&l->suppressed, 0, memory_order_relaxed);
	return true;
}
