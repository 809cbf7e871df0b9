/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_tone.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tools/feed_encoder.h"

#define LOOP     100  /* payloads: at a multiple of 10 Hz, a whole number of waves */
#define WARM_UP  20   /* encoded before, so that the encoder has settled */
#define LEVEL    8000 /* -12 dBov */
#define MAX_FILE (1024 * 1024)

struct feed_tones {
	struct feed_codec codec;
	unsigned ptime_ms;
	struct feed_tone **made; /* [n] */
	size_t n;
	struct feed_tone *from_file;
};

#define G726(name, pt, rate, encoder) \
	{ name, name "/8000", "", pt, 8000, 8000, 1, rate, 0, 0, false, encoder }

static const struct feed_codec codecs[] = {
	{ "PCMU", "PCMU/8000", "", 0, 8000, 8000, 1, 0, 0, 0, false, NULL },
	{ "PCMA", "PCMA/8000", "", 8, 8000, 8000, 1, 0, 0, 0, false, NULL },
	/* Its clock says 8000 and its audio has 16000, RFC 3551 4.5.2. */
	{ "G722", "G722/8000", "", 9, 8000, 16000, 1, 64000, 0, 0, false, "g722" },
	{ "GSM", "GSM/8000", "", 3, 8000, 8000, 1, 13000, 0, 20, false, "libgsm" },
	{ "G723", "G723/8000", "", 4, 8000, 8000, 1, 6300, 0, 30, false, "g723_1" },
	/* RFC 3551 4.5.4: octets filled from the low end, AAL2 from the high. */
	G726("G726-16", 102, 16000, "g726le"),
	G726("G726-24", 103, 24000, "g726le"),
	G726("G726-32", 104, 32000, "g726le"),
	G726("G726-40", 105, 40000, "g726le"),
	G726("AAL2-G726-16", 102, 16000, "g726"),
	G726("AAL2-G726-24", 103, 24000, "g726"),
	G726("AAL2-G726-32", 104, 32000, "g726"),
	G726("AAL2-G726-40", 105, 40000, "g726"),
	{ "opus", "opus/48000/2", "", 111, 48000, 48000, 1, 32000, 0, 0, true,
		"libopus" },
	{ "speex", "speex/8000", "", 98, 8000, 8000, 1, 15000, 0, 20, true, "libspeex" },
	{ "G729", "G729/8000", "", 18, 8000, 8000, 1, 0, 10, 10, false, NULL },
	{ "iLBC", "iLBC/8000", "mode=20", 106, 8000, 8000, 1, 0, 38, 20, false, NULL },
	{ "AMR", "AMR/8000", "octet-align=1", 107, 8000, 8000, 1, 0, 0, 20, false, NULL },
	{ "AMR-WB", "AMR-WB/16000", "octet-align=1", 108, 16000, 16000, 1, 0, 0,
		20, false, NULL },
};

static int parse_l16(const char *name, struct feed_codec *c)
{
	unsigned rate = 16000, channels = 1;
	char rest;

	if (name[3] && sscanf(name, "L16/%u/%u%c", &rate, &channels, &rest) != 2 &&
		sscanf(name, "L16/%u%c", &rate, &rest) != 1)
		return -EINVAL;
	if (rate < 8000 || rate > 96000 || rate % 1000 || channels < 1 || channels > 2)
		return -EINVAL;
	*c = (struct feed_codec){ .pt = 109, .clock_hz = rate, .rate_hz = rate,
		.channels = channels };
	snprintf(c->name, sizeof(c->name), "%.*s", 23, name);
	snprintf(c->rtpmap, sizeof(c->rtpmap), channels == 1 ? "L16/%u" : "L16/%u/%u",
		rate, channels);
	return 0;
}

int feed_tone_codec(const char *name, struct feed_codec *c)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		if (strcmp(codecs[i].name, name) == 0) {
			*c = codecs[i];
			return 0;
		}
	}
	if (strncmp(name, "L16", 3) == 0)
		return parse_l16(name, c);
	return -EINVAL;
}

unsigned feed_tone_of(const char *list, int call, int participant)
{
	for (int i = 0; list && *list; i++) {
		char *end;
		unsigned long hz = strtoul(list, &end, 10);

		if (i == participant && hz > 0 && hz < 20000)
			return (unsigned)hz / 10 * 10;
		list = *end == ',' ? end + 1 : NULL;
	}
	return (unsigned)(400 + 10 * (call % 80) + 800 * participant);
}

/* G.711, A-law: sign, three bits of exponent, four of mantissa, even bits inverted. */
static uint8_t alaw(int16_t sample)
{
	int magnitude = (sample < 0 ? ~sample : sample) >> 4, exponent = 0;

	while (magnitude >> exponent > 31)
		exponent++;
	if (magnitude > 15)
		magnitude = (exponent + 1) << 4 | ((magnitude >> exponent) & 15);
	return (uint8_t)((magnitude | (sample < 0 ? 0 : 0x80)) ^ 0x55);
}

/* G.711, mu-law: 14 bits with a bias of 33, all bits inverted. */
static uint8_t ulaw(int16_t sample)
{
	int magnitude = ((sample < 0 ? ~sample : sample) >> 2) + 33, exponent = 0;

	if (magnitude > 0x1fff)
		magnitude = 0x1fff;
	while (magnitude >> exponent > 63)
		exponent++;
	magnitude = exponent << 4 | ((magnitude >> (exponent + 1)) & 15);
	return (uint8_t)~(magnitude | (sample < 0 ? 0x80 : 0));
}

/* Bytes in, payloads out. */
struct collector {
	struct feed_tone *tone;
	uint8_t *bytes;
	size_t used;
	unsigned seen;      /* packets so far */
	bool packetwise;
};

static void add_payload(struct feed_tone *t, struct span bytes)
{
	uint8_t *copy = xalloc(bytes.n);

	memcpy(copy, bytes.p, bytes.n);
	t->payload = xrealloc(t->payload, (t->n + 1) * sizeof(*t->payload));
	t->payload[t->n++] = span_of(copy, bytes.n);
}

static void on_packet(void *arg, struct span packet)
{
	struct collector *c = arg;

	if (c->packetwise) {
		if (c->seen++ >= WARM_UP && c->tone->n < LOOP)
			add_payload(c->tone, packet);
		return;
	}
	c->bytes = xrealloc(c->bytes, c->used + packet.n);
	memcpy(c->bytes + c->used, packet.p, packet.n);
	c->used += packet.n;
}

static int16_t *make_samples(
	const struct feed_codec *c, unsigned hz, unsigned ptime_ms, size_t *n)
{
	size_t per_packet = c->rate_hz / 1000 * ptime_ms;
	int16_t *pcm;

	*n = per_packet * (LOOP + WARM_UP);
	pcm = xalloc(*n * c->channels * sizeof(*pcm));
	for (size_t i = 0; i < *n; i++) {
		/* Time 0 is where the warm-up ends. */
		double t = ((double)i - (double)(per_packet * WARM_UP)) / c->rate_hz;
		double v = LEVEL * sin(2 * M_PI * hz * t);

		for (unsigned ch = 0; ch < c->channels; ch++)
			pcm[i * c->channels + ch] = (int16_t)lrint(v);
	}
	return pcm;
}

static void encode_by_table(const struct feed_codec *c, const int16_t *pcm,
	size_t samples, struct collector *out)
{
	size_t width = c->pt == 0 || c->pt == 8 ? 1 : 2;

	out->bytes = xalloc(samples * width);
	out->used = samples * width;
	for (size_t i = 0; i < samples; i++) {
		if (c->pt == 0)
			out->bytes[i] = ulaw(pcm[i]);
		else if (c->pt == 8)
			out->bytes[i] = alaw(pcm[i]);
		else {
			out->bytes[2 * i] = (uint8_t)(pcm[i] >> 8);
			out->bytes[2 * i + 1] = (uint8_t)pcm[i];
		}
	}
}

static void slice(struct collector *c)
{
	size_t each = c->used / (LOOP + WARM_UP);

	for (unsigned i = WARM_UP; each && i < LOOP + WARM_UP; i++)
		add_payload(c->tone, span_of(c->bytes + i * each, each));
}

static void free_tone(struct feed_tone *t)
{
	for (unsigned i = 0; t && i < t->n; i++)
		free((void *)(uintptr_t)t->payload[i].p);
	if (t)
		free(t->payload);
	free(t);
}

static struct feed_tone *make_tone(struct feed_tones *ts, unsigned hz, const char **why)
{
	const struct feed_codec *c = &ts->codec;
	const struct feed_encoder_opts o = { c->encoder, c->rate_hz, c->channels,
		c->bit_rate, c->packetwise && !c->frame_ms ? ts->ptime_ms : 0 };
	struct feed_tone *t = xnew(struct feed_tone);
	struct collector out = { .tone = t, .packetwise = c->packetwise };
	size_t n;
	int16_t *pcm = make_samples(c, hz, ts->ptime_ms, &n);
	int r = 0;

	t->hz = hz;
	if (c->encoder)
		r = feed_encoder_run(&o, pcm, n, on_packet, &out);
	else
		encode_by_table(c, pcm, n * c->channels, &out);
	if (!r && !c->packetwise)
		slice(&out);
	free(pcm);
	free(out.bytes);
	if (!r && t->n)
		return t;
	*why = r == -ENOENT ? "this libavcodec has no encoder for the codec" :
		"the encoder does not take this rate and ptime";
	free_tone(t);
	return NULL;
}

/* RFC 4867 5.3: octet-aligned frames of AMR, each behind its table-of-contents octet. */
static void cut_amr(struct feed_tone *t, struct span file, bool wide)
{
	static const uint8_t narrow_bytes[16] = { 12, 13, 15, 17, 19, 20, 26, 31, 5 };
	static const uint8_t wide_bytes[16] = { 17, 23, 32, 36, 40, 46, 50, 58, 60, 5 };

	while (file.n) {
		unsigned type = file.p[0] >> 3 & 15;
		size_t n = 1u + (wide ? wide_bytes : narrow_bytes)[type];
		uint8_t payload[64] = { 0xf0 }; /* no mode request */

		if (n > file.n)
			return;
		memcpy(payload + 1, file.p, n);
		payload[1] &= 0x7f;
		add_payload(t, span_of(payload, n + 1));
		file = span_skip(file, n);
	}
}

static struct feed_tone *read_payloads(const struct feed_codec *c, unsigned ptime_ms,
	const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = f ? xalloc(MAX_FILE) : NULL;
	struct span all = span_of(bytes, f ? fread(bytes, 1, MAX_FILE, f) : 0);
	size_t each = c->frame_ms ? (size_t)c->frame_bytes * (ptime_ms / c->frame_ms) : 0;
	struct feed_tone *t = xnew(struct feed_tone);

	if (span_starts(all, "#!AMR\n"))
		cut_amr(t, span_skip(all, 6), false);
	else if (span_starts(all, "#!AMR-WB\n"))
		cut_amr(t, span_skip(all, 9), true);
	else
		for (; each && all.n >= each; all = span_skip(all, each))
			add_payload(t, span_head(all, each));
	free(bytes);
	if (f)
		fclose(f);
	if (!t->n) {
		free_tone(t);
		return NULL;
	}
	return t;
}

struct feed_tones *feed_tones_new(
	const struct feed_codec *c, unsigned ptime_ms, const char *file, const char **why)
{
	struct feed_tones *ts = xnew(struct feed_tones);
	bool by_table = c->pt == 0 || c->pt == 8 || strncmp(c->name, "L16", 3) == 0;

	ts->codec = *c;
	ts->ptime_ms = ptime_ms;
	*why = NULL;
	if (file)
		ts->from_file = read_payloads(c, ptime_ms, file);
	if (file && !ts->from_file)
		*why = "the payload file holds no frames of this codec";
	else if (!file && !c->encoder && !by_table)
		*why = "no encoder for this codec: give --payload-file";
	else if (c->frame_ms && ptime_ms % c->frame_ms)
		*why = "ptime is not a multiple of the codec's frame";
	else if (c->packetwise && c->frame_ms && ptime_ms != c->frame_ms)
		*why = "the codec is sent with one frame a packet only";
	if (*why)
		feed_tones_free(&ts);
	return ts;
}

void feed_tones_free(struct feed_tones **slot)
{
	struct feed_tones *ts = *slot;

	if (!ts)
		return;
	for (size_t i = 0; i < ts->n; i++)
		free_tone(ts->made[i]);
	free(ts->made);
	free_tone(ts->from_file);
	free(ts);
	*slot = NULL;
}

const struct feed_tone *feed_tones_get(
	struct feed_tones *ts, unsigned hz, const char **why)
{
	struct feed_tone *t;

	if (ts->from_file)
		return ts->from_file;
	for (size_t i = 0; i < ts->n; i++)
		if (ts->made[i]->hz == hz)
			return ts->made[i];
	t = make_tone(ts, hz, why);
	if (!t)
		return NULL;
	ts->made = xrealloc(ts->made, (ts->n + 1) * sizeof(*ts->made));
	ts->made[ts->n++] = t;
	return t;
}

const struct feed_codec *feed_tones_codec(const struct feed_tones *ts)
{
	return &ts->codec;
}
