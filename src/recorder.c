/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "recorder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/check.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/keepsake.h"
#include "directory.h"
#include "record/disk.h"
#include "record/memo.h"
#include "record/notes.h"
#include "sink/writer.h"

#define THREADS 4     /* for each output directory */
#define JOBS    50000 /* likewise: two for each recording at most */
#define PACKETS ((size_t)1344 * 1024) /* [bytes] that packets hold from one thread to another */

/* Notes of a call that ran at the start: at its end each has become a file, or it becomes one. */
struct left {
	UT_hash_handle hh; /* by parent */
	char *parent;
	char **notes;
	unsigned n;
	bool discard, kept;
	bool recorded; /* something of it, be it published already */
	struct recorder *recorder;
};

struct recorder {
	struct writer *writer;
	char **dirs; /* where recordings may lie; NULL at the end */
	struct budget budget; /* if it is one of its own */
	struct call_record_opts opts;
	pthread_mutex_t mutex; /* guards left; workers wait for it */
	struct left *left;
};

static const struct {
	enum recording_format format;
	const char *name;
} formats[] = {
	[CONFIG_WAV] = { RECORDING_WAV, "wav" }, [CONFIG_MP3] = { RECORDING_MP3, "mp3" },
	[CONFIG_OPUS] = { RECORDING_OPUS, "opus" }, [CONFIG_FLAC] = { RECORDING_FLAC, "flac" },
	[CONFIG_RAW] = { RECORDING_RAW, "raw" },
};

static void need_output_dirs(struct writer *w, const struct config *c)
{
	struct disk_access a = { -1, c->output_dir_mode, c->output_owner, c->output_group };
	const char *other = c->output_fallback_dir;
	int err = directory_make(w, c->output_dir, &a);
	int bad = other ? directory_make(w, other, &a) : err;

	if (err && bad && err != -ETIMEDOUT && bad != -ETIMEDOUT)
		die("cannot write in %s: %s; name another directory with output-dir, or record "
			"nothing with output-storage=none", c->output_dir,
			strerror(-err));
	if (err == -ETIMEDOUT)
		log_err("the disk of %s does not answer: recordings %s", c->output_dir,
			other ? "go to output-fallback-dir" : "wait in memory until it does");
	else if (err)
		log_err("cannot write in %s: %s; recordings go to output-fallback-dir",
			c->output_dir, strerror(-err));
	if (bad && !err)
		log_warn("cannot write in output-fallback-dir=%s: %s", other, strerror(-bad));
}

/* Where a recording may be made. Of the configuration; the list is malloc'd. */
static char **list_dirs(const struct config *c)
{
	unsigned n = 0, fixed = 2;
	char **dirs;

	while (c->output_allow_dir && c->output_allow_dir[n])
		n++;
	dirs = xalloc((n + fixed + 1) * sizeof(*dirs));
	dirs[0] = c->output_dir;
	dirs[1] = c->output_fallback_dir;
	if (!dirs[1])
		fixed = 1;
	for (unsigned i = 0; i < n; i++)
		dirs[fixed + i] = c->output_allow_dir[i];
	dirs[fixed + n] = NULL;
	return dirs;
}

static void describe_file(struct recording_opts *file, const struct config *c)
{
	*file = (struct recording_opts){
		.state = c->state_dir, .format = formats[c->output_format].format,
		.mp3_bitrate = c->output_format == CONFIG_MP3 ? (unsigned)c->mp3_bitrate : 0,
		.growing = c->flush_packets, .buffer_bytes = (unsigned)c->output_buffer,
		.mode = c->output_mode, .dir_mode = c->output_dir_mode,
		.owner = c->output_owner, .group = c->output_group };
}

/* ---- what a crash has left ---- */

static void free_left(struct left *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->notes[i]);
	free(l->notes);
	free(l->parent);
	free(l);
}

static struct left *find_left(struct recorder *r, const char *parent)
{
	struct left *l;

	HASH_FIND_STR(r->left, parent, l);
	return l;
}

static bool still_runs(void *arg, const char *parent, const char *note)
{
	struct recorder *r = arg;
	struct left *l;

	pthread_mutex_lock(&r->mutex);
	l = find_left(r, parent);
	if (l) {
		l->notes = xrealloc(l->notes, (l->n + 1) * sizeof(*l->notes));
		l->notes[l->n++] = xstrdup(note);
		l->recorded = true;
	}
	pthread_mutex_unlock(&r->mutex);
	return l != NULL;
}

/* Of the call there is what its memo says. */
static int write_sidecar(void *arg, const char *parent, const char *label,
	const struct recording_result *result)
{
	const struct recorder *r = arg;
	struct keepsake *k = keepsake_new(&r->opts, label, result->rate_hz, result->channels);
	char *account = memo_load(r->opts.file.state, parent);
	int err;

	for (unsigned i = 0; i < result->channels && i < KEEPSAKE_CHANNELS; i++) {
		char *who = memo_who(account, label, result->channels, i);

		keepsake_set_who(k, i, &who);
	}
	keepsake_set_account(k, &account);
	err = keepsake_write(k, result);
	keepsake_free(k);
	log_info("recording of call %s, %s, recovered: %s", log_mark(parent), label, result->path);
	return err;
}

struct sweep {
	struct recorder *recorder;
	char **parents; /* of what could not be published */
};

/* Of calls that run, and of what the next start may publish. */
static bool keep_memo(void *arg, const char *parent)
{
	struct sweep *s = arg;
	struct recorder *r = s->recorder;
	struct left *l;

	pthread_mutex_lock(&r->mutex);
	l = find_left(r, parent);
	if (l)
		l->recorded = true;
	pthread_mutex_unlock(&r->mutex);
	if (l)
		return true;
	for (char **p = s->parents; *p; p++)
		if (strcmp(*p, parent) == 0)
			return true;
	return false;
}

static void sweep_memos(struct recorder *r)
{
	struct sweep s = { .recorder = r, .parents = notes_parents(r->opts.file.state) };

	memo_sweep(r->opts.file.state, keep_memo, &s);
	for (char **p = s.parents; *p; p++)
		free(*p);
	free(s.parents);
}

static void run_repair(void *arg)
{
	struct recorder *r = arg;

	recording_recover(r->opts.file.state, still_runs, write_sidecar, r);
	sweep_memos(r);
}

static void run_rest(void *arg)
{
	struct left *l = arg;
	struct recorder *r = l->recorder;

	for (unsigned i = 0; i < l->n; i++)
		recording_recover_note(r->opts.file.state, l->notes[i], l->discard, write_sidecar,
			r);
	if (!l->kept)
		memo_remove(r->opts.file.state, l->parent);
	free_left(l);
}

static struct left *new_left(struct recorder *r, char *parent)
{
	struct left *l = xnew(struct left);

	l->recorder = r;
	l->parent = parent;
	return l;
}

/* On a worker. Of a leg that said nothing any more nobody has gone on with the file. */
static void call_over(void *arg, const char *parent, bool discarded, bool kept)
{
	struct recorder *r = arg;
	struct left *l;

	pthread_mutex_lock(&r->mutex);
	l = find_left(r, parent);
	if (l)
		HASH_DEL(r->left, l);
	pthread_mutex_unlock(&r->mutex);
	if (!l)
		l = new_left(r, xstrdup(parent)); /* of this run: there is its memo */
	l->discard = discarded;
	l->kept = kept;
	if (!writer_put(r->writer, l->n ? WRITER_LONG : WRITER_WRITE, NULL, run_rest, l))
		free_left(l); /* the next start finds what there is */
}

static bool was_recorded(void *arg, const char *parent)
{
	struct recorder *r = arg;
	struct left *l;
	bool recorded;

	pthread_mutex_lock(&r->mutex);
	l = find_left(r, parent);
	recorded = l && l->recorded;
	pthread_mutex_unlock(&r->mutex);
	return recorded;
}

void recorder_recover(struct recorder *r, char **running)
{
	pthread_mutex_lock(&r->mutex);
	for (char **p = running; *p; p++) {
		struct left *l = new_left(r, *p);

		HASH_ADD_KEYPTR(hh, r->left, l->parent, strlen(l->parent), l);
	}
	pthread_mutex_unlock(&r->mutex);
	free(running);
	if (!writer_put(r->writer, WRITER_LONG, NULL, run_repair, r))
		run_repair(r); /* nothing else waits yet, so there is room */
}

/* ---- begin and end ---- */

/* What waits for a disk and what waits for an endpoint never take each other's memory. It is what
 * packets leave that is shared, or with many workers there would be nothing left for endpoints. */
static void take_memory(struct recorder *r, const struct config *c, struct budget *all)
{
	size_t packets = (size_t)c->intake_threads * (size_t)c->num_threads * PACKETS;
	size_t rest = all->limit / 8;

	if (!c->send_host && !c->forward_to)
		return;
	if (packets < all->limit - rest)
		rest = all->limit - packets;
	budget_split(all, &r->budget, rest / 8 * 3);
	r->opts.budget = &r->budget;
}

struct recorder *recorder_new(const struct config *c, struct budget *all)
{
	static const enum call_pause pauses[] = {
		[CONFIG_PAUSE_SILENCE] = CALL_PAUSE_SILENCE, [CONFIG_PAUSE_CUT] = CALL_PAUSE_CUT,
		[CONFIG_PAUSE_NEW_FILE] = CALL_PAUSE_NEW_FILE };
	const char *suffix;
	struct recorder *r;

	if (!c->recording)
		return NULL;
	suffix = formats[c->output_format].name;
	r = xnew(struct recorder);
	pthread_mutex_init(&r->mutex, NULL);
	r->dirs = list_dirs(c);
	r->writer = writer_start(THREADS, JOBS);
	for (char **dir = r->dirs; *dir; dir++)
		writer_add_dir(r->writer, *dir);
	need_output_dirs(r->writer, c);
	r->opts = (struct call_record_opts){
		.writer = r->writer,
		.name = { .dir = c->output_dir, .pattern = c->output_pattern, .suffix = suffix,
			.allow = c->output_allow_dir },
		.fallback = { .dir = c->output_fallback_dir, .pattern = c->output_pattern,
			.suffix = suffix },
		.single = c->output_single, .mixed = c->output_mixed,
		.per_media = c->output_mixed_per_media,
		.cut_gaps = c->output_single_gaps == CONFIG_GAPS_CUT,
		.keep_empty = c->empty_calls == CONFIG_EMPTY_KEEP,
		.sidecar = c->output_sidecar == CONFIG_ON,
		.rate_hz = (uint32_t)c->resample_to_hz,
		.mix_method = c->mix_method == CONFIG_MIX_DIRECT ? MIXER_DIRECT : MIXER_CHANNELS,
		.mix_channels = (unsigned)c->mix_num_inputs,
		.buffer_ms = (unsigned)c->output_buffer_ms,
		.on_pause = pauses[c->on_pause],
		.over = call_over, .known = was_recorded, .arg = r };
	describe_file(&r->opts.file, c);
	r->opts.file.roots = r->dirs;
	take_memory(r, c, all);
	return r;
}

const struct call_record_opts *recorder_opts(const struct recorder *r)
{
	return r ? &r->opts : NULL;
}

struct budget *recorder_budget(struct recorder *r)
{
	return r ? r->opts.budget : NULL;
}

static void say_unfinished(bool hangs)
{
	uint64_t n = counter_sum(COUNT_REC_GIVEN_UP) - counter_sum(COUNT_REC_LATE);

	if (n || hangs)
		log_warn("%llu recordings are unfinished%s: the next start publishes what is on disk",
			(unsigned long long)n, hangs ? ", a disk does not answer" : "");
}

bool recorder_free(struct recorder **rp, usec_t deadline)
{
	struct recorder *r = *rp;
	struct left *l, *next;
	bool all;

	*rp = NULL;
	if (!r)
		return true;
	all = writer_stop(&r->writer, deadline);
	say_unfinished(!all);
	if (!all)
		return false;
	HASH_ITER(hh, r->left, l, next) {
		HASH_DEL(r->left, l);
		free_left(l);
	}
	pthread_mutex_destroy(&r->mutex);
	free(r->dirs);
	free(r);
	return true;
}
