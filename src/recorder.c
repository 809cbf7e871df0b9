/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/keepsake.h"
#include "sink/writer.h"

#define THREADS 4
#define JOBS    50000 /* two for each recording at most */

struct recorder {
	struct writer *writer;
	struct call_record_opts opts;
};

static const struct {
	enum recording_format format;
	const char *name;
} formats[] = {
	[CONFIG_WAV] = { RECORDING_WAV, "wav" }, [CONFIG_MP3] = { RECORDING_MP3, "mp3" },
	[CONFIG_OPUS] = { RECORDING_OPUS, "opus" }, [CONFIG_FLAC] = { RECORDING_FLAC, "flac" },
	[CONFIG_RAW] = { RECORDING_RAW, "raw" },
};

/* Looked at before it is made: mkdir() waits for a file system that is frozen, even where the
 * directory is there. 0 or -errno. */
static int make_output_dir(const struct config *c)
{
	int mode = c->output_dir_mode >= 0 ? c->output_dir_mode : 0700;

	if (access(c->output_dir, W_OK | X_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	return mkdir(c->output_dir, (mode_t)mode) < 0 && errno != EEXIST ? -errno : 0;
}

static void need_output_dir(const struct config *c)
{
	int err = make_output_dir(c);

	if (err && !c->output_fallback_dir)
		die("cannot write in %s: %s; name another directory with output-dir", c->output_dir,
			strerror(-err));
	if (err)
		log_err("cannot write in %s: %s; recordings go to output-fallback-dir",
			c->output_dir, strerror(-err));
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

struct recorder *recorder_new(const struct config *c)
{
	static const enum call_pause pauses[] = {
		[CONFIG_PAUSE_SILENCE] = CALL_PAUSE_SILENCE, [CONFIG_PAUSE_CUT] = CALL_PAUSE_CUT,
		[CONFIG_PAUSE_NEW_FILE] = CALL_PAUSE_NEW_FILE };
	const char *suffix = formats[c->output_format].name;
	struct recorder *r;

	if (!c->recording)
		return NULL;
	need_output_dir(c);
	r = xnew(struct recorder);
	r->writer = writer_start(THREADS, JOBS);
	r->opts = (struct call_record_opts){
		.writer = r->writer, .format = suffix,
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
		.on_pause = pauses[c->on_pause] };
	describe_file(&r->opts.file, c);
	return r;
}

const struct call_record_opts *recorder_opts(const struct recorder *r)
{
	return r ? &r->opts : NULL;
}

/* ---- what a crash has left ---- */

struct repair {
	const struct call_record_opts *opts;
	char **running;
};

static bool still_runs(void *arg, const char *parent)
{
	const struct repair *repair = arg;

	for (char **p = repair->running; *p; p++)
		if (strcmp(*p, parent) == 0)
			return true;
	return false;
}

/* Of the call nothing is known any more. */
static int write_sidecar(void *arg, const char *parent, const char *label,
	const struct recording_result *result)
{
	const struct repair *repair = arg;
	const char *who[16] = { "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "" };
	unsigned channels = result->channels < 16 ? result->channels : 16;
	struct keepsake *k = keepsake_new(repair->opts, label, result->rate_hz, channels, who);
	int err = keepsake_write(k, result);

	keepsake_free(k);
	log_info("recording of call %s, %s, recovered: %s", log_mark(parent), label, result->path);
	return err;
}

static void run_repair(void *arg)
{
	struct repair *repair = arg;

	recording_recover(repair->opts->file.state, still_runs, write_sidecar, repair);
	for (char **p = repair->running; *p; p++)
		free(*p);
	free(repair->running);
	free(repair);
}

void recorder_recover(struct recorder *r, char **running)
{
	struct repair *repair = xnew(struct repair);

	repair->opts = &r->opts;
	repair->running = running;
	if (!writer_put(r->writer, run_repair, repair))
		run_repair(repair); /* nothing else waits yet, so there is room */
}

bool recorder_free(struct recorder **rp, usec_t deadline)
{
	struct recorder *r = *rp;

	*rp = NULL;
	if (!r)
		return true;
	if (!writer_stop(&r->writer, deadline))
		return false;
	free(r);
	return true;
}
