/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  pcaps -> threads, one file each at a time -> writer threads -> recordings and sidecars
 *
 * A thread goes on with its next file while the writers finish the calls before it. */
#include "tools/export.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "call/call.h"
#include "sink/writer.h"
#include "tools/export_journal.h"

#define ENDING     8      /* calls of a thread that only wait for the disk */
#define MAX_JOBS   100000
#define BUFFER_MS  (20 * 60 * 1000) /* bounded by the memory that export_call.c allows */
#define BUFFER     (256 * 1024)
#define NAP        (2 * MSEC)
#define BAR_EVERY  (200 * MSEC)
#define LINE_EVERY (5 * SEC) /* where a bar cannot be drawn */
#define BAR_WIDTH  30
#define LENGTH_TEXT 32

struct export {
	struct export_opts opts;
	struct call_record_opts record;
	struct export_env env;
	struct export_stats stats;
	struct export_list list;
	struct export_journal *journal;
	atomic_size_t next;   /* file */
	atomic_uint working;  /* threads */
	unsigned long long bytes; /* of all files */
	usec_t began;         /* clock_mono */
	bool bar;             /* standard error is a terminal */
};

static void failed(struct export *e, const struct export_file *f, const char *why)
{
	atomic_fetch_add(&e->stats.failed, 1);
	fprintf(stderr, "%sspoolwire-ctl export: %s: %s\n", e->bar ? "\r\033[K" : "",
		log_mark(f->path), why);
}

/* ---- one thread ---- */

static void finish(struct export *e, struct export_call **x)
{
	const struct export_file *f = export_call_file(*x);
	char *why = export_call_end(x);
	int err = why ? 0 : export_journal_done(e->journal, f->parent);

	if (why)
		failed(e, f, why);
	else if (err)
		failed(e, f, strerror(-err));
	else
		atomic_fetch_add(&e->stats.exported, 1);
	free(why);
}

/* How many still wait. */
static unsigned reap(struct export *e, struct export_call *ending[ENDING], unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		if (export_call_is_over(ending[i]))
			finish(e, &ending[i]);
		else
			ending[left++] = ending[i];
	}
	return left;
}

static struct export_call *begin(struct export *e, size_t i)
{
	const struct export_file *f = &e->list.file[i];
	struct export_call *x;
	char *why = NULL;
	int err;

	if (export_journal_has(e->journal, f->parent)) {
		atomic_fetch_add(&e->stats.skipped, 1);
		atomic_fetch_add(&e->stats.bytes, f->bytes);
		return NULL;
	}
	err = export_journal_begin(e->journal, f->parent);
	if (err) {
		failed(e, f, strerror(-err));
		return NULL;
	}
	x = export_call_new(&e->env, f, (unsigned)i, &why);
	if (!x)
		failed(e, f, why);
	free(why);
	return x;
}

/* list.n: none is left, or none will succeed. */
static size_t next_file(struct export *e)
{
	size_t i = atomic_load(&e->stats.stop) ? e->list.n : atomic_fetch_add(&e->next, 1);

	return i < e->list.n ? i : e->list.n;
}

static void *work(void *arg)
{
	struct export *e = arg;
	struct export_call *ending[ENDING];
	unsigned n = 0;
	size_t i = 0;

	while (i < e->list.n || n) {
		if (n < ENDING && (i = next_file(e)) < e->list.n) {
			struct export_call *x = begin(e, i);

			if (x)
				ending[n++] = x;
		} else if (n) {
			usleep(NAP);
		}
		n = reap(e, ending, n);
	}
	atomic_fetch_sub(&e->working, 1);
	return NULL;
}

/* ---- what is seen of it ---- */

static double seconds(const struct export *e)
{
	return (double)(clock_mono() - e->began) / (double)SEC + 1e-6;
}

static double hours_of_audio(void)
{
	uint64_t ms = counter_sum(COUNT_MS_DECODED);

	return (double)ms / 3.6e6;
}

/* "40 s", "2.50 h" */
static const char *length_of(double hours, char text[LENGTH_TEXT])
{
	if (hours < 0.1)
		snprintf(text, LENGTH_TEXT, "%.0f s", hours * 3600);
	else
		snprintf(text, LENGTH_TEXT, "%.2f h", hours);
	return text;
}

static void draw(struct export *e)
{
	unsigned long long bytes = atomic_load(&e->stats.bytes);
	unsigned files = atomic_load(&e->stats.exported) + atomic_load(&e->stats.skipped) +
		atomic_load(&e->stats.failed);
	double share = e->bytes ? (double)bytes / (double)e->bytes : 1, hours = hours_of_audio();
	int filled = (int)((share < 1 ? share : 1) * BAR_WIDTH);
	char length[LENGTH_TEXT];

	if (e->bar)
		fprintf(stderr, "\r[%.*s%*s] ", filled, "##############################",
			BAR_WIDTH - filled, "");
	fprintf(stderr, "%3.0f%%  %u/%zu files  %s of audio  %.0fx%s", share * 100, files,
		e->list.n, length_of(hours, length), hours * 3600 / seconds(e),
		e->bar ? "\033[K" : "\n");
}

static volatile sig_atomic_t interrupted; /* by this signal */

static void on_signal(int number)
{
	interrupted = number;
}

/* Not those that whoever started us has switched off. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction before, after = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(numbers[i], &after, NULL);
}

/* In this run or before. */
static size_t done(const struct export *e)
{
	size_t n = atomic_load(&e->stats.exported);

	for (size_t i = 0; i < e->list.n; i++)
		n += export_journal_has(e->journal, e->list.file[i].parent);
	return n;
}

/* At once, as by a crash: the next run removes what was begun. The signal is what a shell sees. */
static _Noreturn void stop(const struct export *e)
{
	size_t n = done(e);

	fprintf(stderr, "%sspoolwire-ctl export: stopped: %zu of %zu files done, %zu left; the same "
		"command goes on from here\n", e->bar ? "\n" : "", n, e->list.n, e->list.n - n);
	signal(interrupted, SIG_DFL);
	raise(interrupted);
	abort();
}

static void watch(struct export *e)
{
	bool seen = e->bar || e->opts.progress;
	usec_t every = e->bar ? BAR_EVERY : LINE_EVERY;
	bool over;

	do {
		for (usec_t t = 0; t < every && atomic_load(&e->working); t += 10 * MSEC) {
			usleep(10 * MSEC);
			if (interrupted)
				stop(e);
		}
		over = !atomic_load(&e->working);
		if (seen)
			draw(e);
	} while (!over);
	if (e->bar)
		fputc('\n', stderr);
}

static size_t untried(const struct export *e)
{
	return e->list.n - atomic_load(&e->stats.exported) - atomic_load(&e->stats.skipped) -
		atomic_load(&e->stats.failed);
}

static void say_summary(struct export *e)
{
	double hours = hours_of_audio(), took = seconds(e);
	double calls = (double)atomic_load(&e->stats.calls) / (double)SEC / 3600;
	char of_calls[LENGTH_TEXT], of_audio[LENGTH_TEXT];

	if (e->opts.quiet)
		return;
	printf("%zu files: %u exported, %u skipped, %u failed", e->list.n + e->list.bad,
		atomic_load(&e->stats.exported), atomic_load(&e->stats.skipped),
		atomic_load(&e->stats.failed) + e->list.bad);
	if (untried(e))
		printf(", %zu not tried (the disk takes nothing any more)", untried(e));
	if (e->list.running)
		printf(", %u left out (their calls may still go on)", e->list.running);
	printf("; %u recordings of %s of calls, %s of audio, in %.1f s (%.0f times real time)\n",
		atomic_load(&e->stats.recordings), length_of(calls, of_calls),
		length_of(hours, of_audio), took, hours * 3600 / took);
}

/* ---- all of it ---- */

static enum recording_format format_of(const char *name)
{
	static const char *const names[] = {
		[RECORDING_WAV] = "wav", [RECORDING_RAW] = "raw", [RECORDING_MP3] = "mp3",
		[RECORDING_OPUS] = "opus", [RECORDING_FLAC] = "flac",
	};
	unsigned i = 0;

	while (strcmp(names[i], name) != 0)
		i++;
	return (enum recording_format)i;
}

static void describe(struct export *e)
{
	const struct export_opts *o = &e->opts;
	unsigned writers = o->jobs < WRITER_MAX_THREADS ? o->jobs : WRITER_MAX_THREADS;

	e->record = (struct call_record_opts){
		.writer = writer_start(writers, MAX_JOBS),
		.name = { .dir = o->dir, .pattern = o->pattern, .suffix = o->format },
		.file = { .state = export_journal_state(e->journal),
			.format = format_of(o->format), .mp3_bitrate = o->mp3_bitrate,
			.buffer_bytes = BUFFER, .mode = -1, .dir_mode = -1, .owner = -1,
			.group = -1 },
		.single = o->single, .mixed = o->mixed, .sidecar = true,
		.keep_empty = strcmp(o->empty_calls, "keep") == 0,
		.rate_hz = o->rate_hz,
		.mix_method = strcmp(o->mix_method, "channels") == 0 ? MIXER_CHANNELS : MIXER_DIRECT,
		.mix_channels = o->channels,
		.buffer_ms = BUFFER_MS };
	e->env = (struct export_env){ .opts = o, .record = &e->record, .stats = &e->stats };
	for (size_t i = 0; i < e->list.n; i++)
		e->bytes += e->list.file[i].bytes;
}

static void run(struct export *e)
{
	unsigned threads = e->opts.jobs < e->list.n ? e->opts.jobs : (unsigned)e->list.n;
	pthread_t *thread = xalloc((threads + 1) * sizeof(*thread));

	e->began = clock_mono();
	e->bar = !e->opts.quiet && isatty(STDERR_FILENO);
	catch_signals();
	atomic_store(&e->working, threads);
	for (unsigned i = 0; i < threads; i++)
		if (thread_start(&thread[i], "export", work, e) < 0) {
			fprintf(stderr, "spoolwire-ctl export: cannot start a thread: raise the "
				"limit (ulimit -u)\n");
			exit(1);
		}
	watch(e);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	free(thread);
}

/* Absolute, made when it is missing. Exits with a sentence. */
static char *output_dir(const char *dir)
{
	char *real = NULL;

	if ((mkdir(dir, 0700) == 0 || errno == EEXIST))
		real = realpath(dir, NULL);
	if (!real || strlen(real) > NAME_MAX_DIR) {
		fprintf(stderr, "spoolwire-ctl export: cannot write in %s: %s\n", dir,
			real ? "its path is too long" : strerror(errno));
		exit(1);
	}
	return real;
}

int export_main(int argc, char **argv)
{
	struct export *e = xnew(struct export);
	char *why, *dir;
	bool ok;

	export_opts_parse(argc, argv, &e->opts);
	log_set_level(LOG_CLASS_CORE, 4);
	log_set_level(LOG_CLASS_FFMPEG, 3);
	e->opts.dir = dir = output_dir(e->opts.dir);
	export_list_make(&e->opts, &e->list);
	e->journal = export_journal_open(&e->opts, &why);
	if (!e->journal) {
		fprintf(stderr, "spoolwire-ctl export: %s: %s\n", dir, why);
		exit(1);
	}
	describe(e);
	run(e);
	writer_stop(&e->record.writer, clock_mono() + SEC);
	say_summary(e);
	ok = !e->list.bad && !atomic_load(&e->stats.failed) && !untried(e);
	export_journal_close(&e->journal);
	export_list_free(&e->list);
	free(dir);
	free(e);
	return ok ? 0 : 1;
}
