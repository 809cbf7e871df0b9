/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/receive_take.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tools/stamp.h"

#define BUFFER   (16 * 1024) /* [bytes] gathered before they are written */
#define WAV_HEAD 44          /* [bytes] */
#define MAX_NAME 100         /* [bytes] of a file's name that come from the header */

struct take {
	const struct receive_opts *opts;
	struct receive_totals *totals;
	uint64_t number;
	char *peer, *version, *cipher;
	char *path;             /* without suffix; NULL: no file */
	int fd;                 /* -1: no file, or none any more */
	bool resumed;

	uint8_t *header;
	size_t header_bytes, header_room;
	bool header_done;
	json_t *json;           /* the header, when it was JSON */
	unsigned rate_hz, channels;

	uint8_t buffer[BUFFER];
	size_t buffered;
	uint64_t written;       /* [bytes] in the file, WAV header excluded */
	uint64_t bytes, audio_bytes, silent_frames;
	uint8_t frame[2 * 64];  /* a frame that is not whole yet */
	size_t frame_bytes;
	struct stamp_reader stamps;
	uint16_t stamp_ts;      /* of the last one, */
	uint64_t stamp_end;     /* which ended at this sample; 0: none yet */

	usec_t wall, begun, secured, header_at, audio_at, last, longest_pause;
};

static const char *const end_names[RECEIVE_ENDS] = {
	[RECEIVE_CLOSE_NOTIFY] = "close_notify",
	[RECEIVE_EOF] = "eof",
	[RECEIVE_RESET] = "reset",
	[RECEIVE_HANDSHAKE_FAILED] = "handshake-failed",
	[RECEIVE_TLS_ERROR] = "tls-error",
	[RECEIVE_HEADER_TOO_LONG] = "header-too-long",
	[RECEIVE_CLOSED_BY_US] = "closed-by-us",
	[RECEIVE_RESET_BY_US] = "reset-by-us",
	[RECEIVE_SHUTDOWN] = "shutdown",
};

const char *receive_end_name(enum receive_end end)
{
	must(end < RECEIVE_ENDS);
	return end_names[end];
}

struct take *take_new(const struct receive_opts *opts, struct receive_totals *totals,
	uint64_t number, const char *peer)
{
	struct take *t = xnew(struct take);

	t->opts = opts;
	t->totals = totals;
	t->number = number;
	t->peer = xstrdup(peer);
	t->fd = -1;
	t->rate_hz = opts->rate_hz;
	t->channels = opts->channels;
	t->wall = clock_wall();
	t->begun = t->last = clock_mono();
	return t;
}

void take_secured(struct take *t, const char *version, const char *cipher, bool resumed, usec_t mono)
{
	t->version = xstrdup(version);
	t->cipher = xstrdup(cipher);
	t->resumed = resumed;
	t->secured = mono;
}

/* ---- the file ---- */

static void give_up(struct take *t, const char *doing)
{
	log_warn("cannot %s %s: %s", doing, t->path, strerror(errno));
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static void put_le(uint8_t *to, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

static void write_wav_header(struct take *t)
{
	uint64_t data = t->written < UINT32_MAX - WAV_HEAD ? t->written : UINT32_MAX - WAV_HEAD;
	uint8_t h[WAV_HEAD] = "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1";

	put_le(h + 4, data + WAV_HEAD - 8, 4);
	put_le(h + 22, t->channels, 2);
	put_le(h + 24, t->rate_hz, 4);
	put_le(h + 28, (uint64_t)t->rate_hz * t->channels * 2, 4);
	put_le(h + 32, t->channels * 2, 2);
	put_le(h + 34, 16, 2);
	memcpy(h + 36, "data", 4);
	put_le(h + 40, data, 4);
	if (pwrite(t->fd, h, sizeof(h), 0) != sizeof(h))
		give_up(t, "write");
}

void take_flush(struct take *t)
{
	off_t at = (off_t)(t->written + (t->opts->raw ? 0 : WAV_HEAD));

	if (t->fd < 0 || !t->buffered)
		return;
	if (pwrite(t->fd, t->buffer, t->buffered, at) != (ssize_t)t->buffered) {
		give_up(t, "write");
		return;
	}
	t->written += t->buffered;
	t->buffered = 0;
	if (!t->opts->raw)
		write_wav_header(t);
}

static void put_bytes(struct take *t, struct span in)
{
	while (t->fd >= 0 && in.n) {
		struct span part = span_head(in, BUFFER - t->buffered);

		memcpy(t->buffer + t->buffered, part.p, part.n);
		t->buffered += part.n;
		in = span_skip(in, part.n);
		if (t->buffered == BUFFER)
			take_flush(t);
	}
}

static const char *json_text(const struct take *t, const char *key)
{
	const char *text = json_string_value(json_object_get(t->json, key));

	return text ? text : "";
}

/* Nothing that comes from outside can leave the directory or surprise a shell. */
static void sanitize(char *name)
{
	for (; *name; name++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-", *name))
			*name = '_';
}

static void open_file(struct take *t, const char *suffix)
{
	const char *dash = t->json ? "-" : "";
	char name[MAX_NAME];
	char *path;

	if (!t->opts->dir)
		return;
	if (t->json)
		snprintf(name, sizeof(name), "%s-%s-%s", json_text(t, "call-id"),
			json_text(t, "tag"), json_text(t, "label"));
	else
		name[0] = '\0';
	sanitize(name);
	t->path = xasprintf("%s/%06" PRIu64 "%s%s", t->opts->dir, t->number, dash, name);
	path = xasprintf("%s%s", t->path, suffix);
	t->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	free(path);
	if (t->fd < 0)
		give_up(t, "create");
	else if (!t->opts->raw)
		write_wav_header(t);
}

/* ---- bytes ---- */

static void read_number(const struct take *t, const char *key, json_int_t max, unsigned *out)
{
	json_int_t v = json_integer_value(json_object_get(t->json, key));

	if (v >= 1 && v <= max)
		*out = (unsigned)v;
}

static void on_header(struct take *t, usec_t mono)
{
	t->header_done = true;
	t->header_at = mono;
	t->json = json_loadb((const char *)t->header, t->header_bytes,
		JSON_ALLOW_NUL, NULL);
	if (!json_is_object(t->json)) {
		json_decref(t->json);
		t->json = NULL;
	}
	read_number(t, "rate", 384000, &t->rate_hz);
	read_number(t, "channels", sizeof(t->frame) / 2, &t->channels);
	if (!t->opts->raw)
		open_file(t, ".wav");
}

/* What is left of in behind the header. */
static struct span feed_header(struct take *t, struct span in, usec_t mono)
{
	const uint8_t *nul = memchr(in.p, '\0', in.n);
	size_t n = nul ? (size_t)(nul - in.p) : in.n;

	if (t->header_bytes + n > t->header_room) {
		t->header_room = (t->header_bytes + n) * 2;
		t->header = xrealloc(t->header, t->header_room);
	}
	if (n)
		memcpy(t->header + t->header_bytes, in.p, n);
	t->header_bytes += n;
	if (!nul)
		return span_skip(in, n);
	on_header(t, mono);
	return span_skip(in, n + 1);
}

static bool is_silent(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void on_stamp(struct take *t, const struct stamp *s, usec_t mono)
{
	uint64_t apart = t->stamps.samples - t->stamp_end;

	receive_late_add(&t->totals->late, mono - s->at);
	if (t->stamp_end && (uint16_t)(s->ts - t->stamp_ts) != (uint16_t)apart)
		t->totals->displaced++;
	t->stamp_ts = s->ts;
	t->stamp_end = t->stamps.samples;
}

/* One channel: most of what comes, and the only kind with stamps. */
static void count_samples(struct take *t, struct span pcm, usec_t mono)
{
	struct stamp stamp;
	int16_t sample;

	for (size_t i = 0; i + 1 < pcm.n; i += 2) {
		memcpy(&sample, pcm.p + i, sizeof(sample));
		t->silent_frames += sample == 0;
	}
	while (stamp_read(&t->stamps, &pcm, &stamp))
		on_stamp(t, &stamp, mono);
}

static void count_whole(struct take *t, struct span in, usec_t mono)
{
	size_t frame = t->channels * 2;

	if (t->channels == 1) {
		count_samples(t, in, mono);
		return;
	}
	for (; in.n; in = span_skip(in, frame))
		t->silent_frames += is_silent(in.p, frame);
}

static void count_frames(struct take *t, struct span in, usec_t mono)
{
	size_t frame = t->channels * 2;
	struct span part = span_head(in, t->frame_bytes ? frame - t->frame_bytes : 0);

	if (part.n) {
		memcpy(t->frame + t->frame_bytes, part.p, part.n);
		t->frame_bytes += part.n;
		in = span_skip(in, part.n);
		if (t->frame_bytes < frame)
			return;
		count_whole(t, span_of(t->frame, frame), mono);
	}
	count_whole(t, span_head(in, in.n - in.n % frame), mono);
	t->frame_bytes = in.n % frame;
	memcpy(t->frame, in.p + in.n - t->frame_bytes, t->frame_bytes);
}

bool take_feed(struct take *t, struct span in, usec_t mono)
{
	t->bytes += in.n;
	if (mono - t->last > t->longest_pause)
		t->longest_pause = mono - t->last;
	t->last = mono;
	if (t->opts->raw) {
		if (!t->path)
			open_file(t, ".raw");
		put_bytes(t, in);
	}
	if (!t->header_done)
		in = feed_header(t, in, mono);
	if (!in.n)
		return t->header_done || t->header_bytes <= TAKE_MAX_HEADER;
	if (!t->audio_at)
		t->audio_at = mono;
	t->audio_bytes += in.n;
	count_frames(t, in, mono);
	if (!t->opts->raw)
		put_bytes(t, in);
	return true;
}

/* ---- the JSON ---- */

static json_t *text(struct span s)
{
	char *clean = utf8_clean(s, s.n * 3);
	json_t *j = json_string(clean);

	free(clean);
	return j;
}

/* rtpengine's metadata: key:value|key:value */
static json_t *pairs(const struct take *t)
{
	struct span rest = span_of(t->header, t->header_bytes);
	json_t *out = json_object();

	while (rest.n) {
		const uint8_t *bar = memchr(rest.p, '|', rest.n);
		struct span pair = span_head(rest, bar ? (size_t)(bar - rest.p) : rest.n);
		const uint8_t *colon = memchr(pair.p, ':', pair.n);
		json_t *key;
		size_t k = colon ? (size_t)(colon - pair.p) : 0;

		rest = span_skip(rest, pair.n + 1);
		if (!colon)
			continue;
		key = text(span_head(pair, k));
		json_object_set_new(out, json_string_value(key), text(span_skip(pair, k + 1)));
		json_decref(key);
	}
	return out;
}

static json_t *header_of(const struct take *t)
{
	json_t *out = json_object();

	json_object_set_new(out, "complete", json_boolean(t->header_done));
	json_object_set_new(out, "raw", text(span_of(t->header, t->header_bytes)));
	if (t->json)
		json_object_set(out, "json", t->json);
	else
		json_object_set_new(out, "pairs", pairs(t));
	return out;
}

static json_t *wall_text(usec_t wall)
{
	char out[CLOCK_TEXT];

	clock_format(wall, out);
	return json_string(out);
}

static json_t *ms_since(const struct take *t, usec_t moment)
{
	return moment ? json_real((double)(moment - t->begun) / 1000) : json_null();
}

static json_t *or_null(const char *value)
{
	return value ? json_string(value) : json_null();
}

static uint64_t frames_of(const struct take *t)
{
	return t->audio_bytes / (t->channels * 2);
}

static json_t *describe(const struct take *t, enum receive_end end, const char *why)
{
	json_t *out = json_object();

	json_object_set_new(out, "number", json_integer((json_int_t)t->number));
	json_object_set_new(out, "peer", json_string(t->peer));
	json_object_set_new(out, "started", wall_text(t->wall));
	json_object_set_new(out, "ended", wall_text(t->wall + clock_mono() - t->begun));
	json_object_set_new(out, "header", header_of(t));
	json_object_set_new(out, "handshake_ms", ms_since(t, t->secured));
	json_object_set_new(out, "header_ms", ms_since(t, t->header_at));
	json_object_set_new(out, "audio_ms", ms_since(t, t->audio_at));
	json_object_set_new(out, "bytes", json_integer((json_int_t)t->bytes));
	json_object_set_new(out, "audio_bytes", json_integer((json_int_t)t->audio_bytes));
	json_object_set_new(out, "rate", json_integer(t->rate_hz));
	json_object_set_new(out, "channels", json_integer(t->channels));
	json_object_set_new(out, "samples", json_integer((json_int_t)frames_of(t)));
	json_object_set_new(out, "duration_s", json_real((double)frames_of(t) / t->rate_hz));
	json_object_set_new(out, "silence_ms",
		json_integer((json_int_t)(t->silent_frames * 1000 / t->rate_hz)));
	json_object_set_new(out, "longest_pause_ms", json_real((double)t->longest_pause / 1000));
	json_object_set_new(out, "end", json_string(receive_end_name(end)));
	json_object_set_new(out, "error", or_null(why));
	json_object_set_new(out, "tls_version", or_null(t->version));
	json_object_set_new(out, "tls_cipher", or_null(t->cipher));
	json_object_set_new(out, "tls_resumed", json_boolean(t->resumed));
	return out;
}

static bool write_json(struct take *t, json_t *out)
{
	char *path = xasprintf("%s.json", t->path);
	char *part = xasprintf("%s.json.part", t->path);
	bool ok = json_dump_file(out, part, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0 &&
		  rename(part, path) == 0;

	if (!ok)
		log_warn("cannot write %s: %s", path, strerror(errno));
	free(path);
	free(part);
	return ok;
}

static void add_up(const struct take *t, enum receive_end end, struct receive_totals *sum)
{
	sum->ended++;
	sum->ends[end]++;
	sum->bytes += t->bytes;
	sum->audio_bytes += t->audio_bytes;
	sum->audio_ms += frames_of(t) * 1000 / t->rate_hz;
	sum->silence_ms += t->silent_frames * 1000 / t->rate_hz;
	sum->headers += t->header_done;
	sum->resumed += t->resumed;
	if (t->longest_pause > sum->longest_pause)
		sum->longest_pause = t->longest_pause;
	if (t->header_done)
		histogram_add(&sum->header, t->header_at - t->begun);
	if (t->secured)
		histogram_add(&sum->handshake, t->secured - t->begun);
}

static void say(const struct take *t, enum receive_end end, const char *why)
{
	log_info("%06" PRIu64 " %s: %.2f s of audio, %" PRIu64 " bytes, %s%s%s", t->number, t->peer,
		(double)frames_of(t) / t->rate_hz, t->bytes, receive_end_name(end),
		why ? ": " : "", why ? why : "");
}

void take_end(struct take **tp, enum receive_end end, const char *why)
{
	struct take *t = *tp;
	json_t *out;

	*tp = NULL;
	take_flush(t);
	if (t->opts->dir && !t->path)
		t->path = xasprintf("%s/%06" PRIu64, t->opts->dir, t->number);
	else if (t->opts->dir && t->fd < 0)
		t->totals->file_errors++;
	if (t->path) {
		out = describe(t, end, why);
		t->totals->file_errors += !write_json(t, out);
		json_decref(out);
	}
	if (t->fd >= 0)
		close(t->fd);
	add_up(t, end, t->totals);
	if (!t->opts->quiet)
		say(t, end, why);
	json_decref(t->json);
	free(t->header);
	free(t->path);
	free(t->peer);
	free(t->version);
	free(t->cipher);
	free(t);
}
