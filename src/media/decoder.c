/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/decoder.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/amr.h"
#include "media/depacket.h"
#include "media/g729.h"
#include "media/lavc.h"
#include "media/opus.h"

#define MAX_PCM_CHANNELS 8

struct format;

struct decoder {
	const struct format *format;
	struct codec codec;
	struct lavc *lavc[2]; /* [1] for iLBC's other frame length, when it comes */
	struct amr *amr;
	struct g729 *g729;
	struct opus *opus;
	unsigned frame;       /* samples of the newest frame; 0: none came yet */
	int16_t *samples;     /* grown to the longest payload so far */
	size_t room;
};

/* How one codec is decoded. feed: as decoder_feed, out holds the format already. frames:
 * samples of one channel in a payload, 0 when it is none. conceal: samples made of the
 * `frames` that are lost; NULL: none. decode: of payloads that are frames, one of them, as
 * long as it says it is; NOTHING is one that did not come; false: silence. */
struct format {
	int (*feed)(
		struct decoder *, struct span payload, struct audio *out, bool *quiet);
	unsigned (*frames)(const struct decoder *, struct span payload);
	unsigned (*conceal)(struct decoder *, unsigned frames, struct span next);
	bool (*decode)(struct decoder *, const struct depacket_frame *, int16_t *to);
	struct lavc_opts lavc; /* where libavcodec decodes it */
};

static int16_t *reserve(struct decoder *d, size_t samples)
{
	must(samples <= DECODER_MAX_SAMPLES);
	if (samples > d->room) {
		free(d->samples);
		d->room = samples;
		d->samples = xalloc(samples * sizeof(*d->samples));
	}
	return d->samples;
}

/* --- G.711 and L16 --- */

/* ITU-T G.711 tables 1a and 2a, scaled to 16 bits, as constant expressions. */
#define ULAW_SIZE(u) (((((u) & 15) << 3) + 132) << (((u) >> 4) & 7))
#define ULAW(b) ((b) & 128 ? ULAW_SIZE(255 - (b)) - 132 : 132 - ULAW_SIZE(255 - (b)))
#define ALAW_SEGMENT(a) ((a) >> 4 & 7)
#define ALAW_SIZE(a) \
	(((((a) & 15) << 4) + 8 + (ALAW_SEGMENT(a) ? 256 : 0)) << \
	 (ALAW_SEGMENT(a) - (ALAW_SEGMENT(a) ? 1 : 0)))
#define ALAW(b) ((b) & 128 ? ALAW_SIZE((b) ^ 85) : -ALAW_SIZE((b) ^ 85))
#define FOUR(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define SIXTEEN(f, i) FOUR(f, i), FOUR(f, (i) + 4), FOUR(f, (i) + 8), FOUR(f, (i) + 12)
#define SIXTYFOUR(f, i) \
	SIXTEEN(f, i), SIXTEEN(f, (i) + 16), SIXTEEN(f, (i) + 32), SIXTEEN(f, (i) + 48)
#define ALL(f) SIXTYFOUR(f, 0), SIXTYFOUR(f, 64), SIXTYFOUR(f, 128), SIXTYFOUR(f, 192)

static const int16_t ulaw[256] = { ALL(ULAW) };
static const int16_t alaw[256] = { ALL(ALAW) };

static unsigned frames_g711(const struct decoder *d, struct span payload)
{
	unsigned samples = (unsigned)payload.n; /* dividing 64 bits takes longer */

	if (payload.n > DECODER_MAX_SAMPLES || samples % d->codec.channels)
		return 0;
	return samples / d->codec.channels;
}

static int feed_g711(
	struct decoder *d, struct span payload, struct audio *out, bool *quiet)
{
	const int16_t *table = d->codec.id == CODEC_PCMA ? alaw : ulaw;
	int16_t *to;

	(void)quiet;
	out->frames = frames_g711(d, payload);
	if (!out->frames)
		return -EINVAL;
	to = reserve(d, payload.n);
#pragma GCC unroll 8 /* half as long again without */
	for (size_t i = 0; i < payload.n; i++)
		to[i] = table[payload.p[i]];
	return 0;
}

static unsigned frames_l16(const struct decoder *d, struct span payload)
{
	if (payload.n > DECODER_MAX_SAMPLES * 2 || payload.n % (d->codec.channels * 2))
		return 0;
	return (unsigned)payload.n / (d->codec.channels * 2);
}

static int feed_l16(
	struct decoder *d, struct span payload, struct audio *out, bool *quiet)
{
	int16_t *to;

	(void)quiet;
	out->frames = frames_l16(d, payload);
	if (!out->frames)
		return -EINVAL;
	to = reserve(d, payload.n / 2);
	for (size_t i = 0; i < payload.n / 2; i++)
		to[i] = (int16_t)(payload.p[i * 2] << 8 | payload.p[i * 2 + 1]);
	return 0;
}

/* --- Opus --- */

static unsigned frames_opus(const struct decoder *d, struct span payload)
{
	(void)d;
	return opus_frames(payload);
}

static int feed_opus(
	struct decoder *d, struct span payload, struct audio *out, bool *quiet)
{
	int n;

	reserve(d, (size_t)opus_frames(payload) * d->codec.channels);
	n = opus_feed(d->opus, payload, d->samples);
	if (n < 0)
		return n;
	out->frames = (unsigned)n;
	*quiet = payload.n <= 2; /* only a header: not transmitted, RFC 6716 2.1.9 */
	return 0;
}

static unsigned conceal_opus(struct decoder *d, unsigned frames, struct span next)
{
	return opus_conceal(d->opus, frames, next, d->samples);
}

/* --- frames by libavcodec --- */

/* libavcodec begins iLBC with a filter that was never set: 40 ms of noise at full scale,
 * whatever is said. Three frames of the smallest state bring it to rest (RFC 3951 table 3.2:
 * all bits 0, but the start must not be). */
static void settle_ilbc(struct lavc *l, size_t frame_bytes)
{
	static const uint8_t rest_20ms[38] = { [2] = 0x04 }, rest_30ms[50] = { [5] = 0x20 };
	int16_t unheard[240];

	for (unsigned i = 0; i < 3; i++)
		lavc_decode(l, span_of(frame_bytes == 38 ? rest_20ms : rest_30ms, frame_bytes),
			unheard, 240);
}

/* iLBC says by its length which of two codecs a frame is; all others have one decoder. */
static struct lavc *lavc_for(struct decoder *d, size_t frame_bytes)
{
	bool other = d->codec.id == CODEC_ILBC &&
		frame_bytes != (d->codec.ilbc_ms == 20 ? 38 : 50);
	struct lavc_opts o = d->format->lavc;

	if (!d->lavc[other]) {
		o.rate_hz = d->codec.rate_hz;
		o.sample_bits = d->codec.g726_bits;
		if (d->codec.id == CODEC_G726 && d->codec.g726_aal2)
			o.decoders[0] = "g726"; /* first sample in the highest bits */
		if (d->codec.id == CODEC_ILBC)
			o.frame_bytes = (unsigned)frame_bytes;
		d->lavc[other] = lavc_open(&o);
		if (d->lavc[other] && d->codec.id == CODEC_ILBC)
			settle_ilbc(d->lavc[other], frame_bytes);
	}
	return d->lavc[other];
}

/* What says to the decoder that nothing came, where there is such a thing: it goes on with
 * the speech (iLBC) or with the noise of a pause (G.723.1). */
static struct span nothing(const struct decoder *d, unsigned samples)
{
	static const uint8_t ilbc[50] = { [37] = 1, [49] = 1 }; /* last bit, RFC 3951 3.8 */
	static const uint8_t untransmitted[1] = { 3 }; /* G.723.1 annex A, table A.1 */

	if (d->codec.id == CODEC_ILBC)
		return span_of(ilbc, samples == 160 ? 38 : 50);
	return span_of(untransmitted, d->codec.id == CODEC_G7231);
}

static bool decode_lavc(struct decoder *d, const struct depacket_frame *f, int16_t *to)
{
	struct span data = f->kind == DEPACKET_NOTHING ? nothing(d, f->samples) : f->data;
	struct lavc *l = lavc_for(d, data.n);
	ptrdiff_t n = l ? lavc_decode(l, data, to, f->samples) : -EINVAL;

	if (n >= 0 && n < (ptrdiff_t)f->samples)
		memset(to + n, 0, (f->samples - (size_t)n) * sizeof(*to));
	return n >= 0;
}

/* --- frames by OpenCORE and bcg729 --- */

static bool decode_amr(struct decoder *d, const struct depacket_frame *f, int16_t *to)
{
	if (f->kind != DEPACKET_NOTHING)
		return amr_decode(d->amr, f->data, to) == 0;
	amr_conceal(d->amr, to);
	return true;
}

static bool decode_g729(struct decoder *d, const struct depacket_frame *f, int16_t *to)
{
	if (f->kind != DEPACKET_NOTHING)
		return g729_decode(d->g729, f->data, to) == 0;
	g729_conceal(d->g729, to);
	return true;
}

/* --- payloads that are frames --- */

static unsigned frames_framed(const struct decoder *d, struct span payload)
{
	struct depacket p;

	if (depacket_start(&p, &d->codec, payload) < 0 || p.samples > DECODER_MAX_SAMPLES)
		return 0;
	return p.samples;
}

static int feed_framed(
	struct decoder *d, struct span payload, struct audio *out, bool *quiet)
{
	struct depacket_frame f;
	struct depacket p;
	unsigned decoded = 0;

	if (depacket_start(&p, &d->codec, payload) < 0 || p.samples > DECODER_MAX_SAMPLES)
		return -EINVAL;
	reserve(d, p.samples);
	while (depacket_next(&p, &f)) {
		int16_t *to = d->samples + out->frames;
		bool ok = d->format->decode(d, &f, to);

		if (!ok)
			memset(to, 0, f.samples * sizeof(*to));
		decoded += ok;
		out->frames += f.samples;
		d->frame = f.samples;
		*quiet = f.kind != DEPACKET_SPEECH;
	}
	return decoded ? 0 : -EINVAL;
}

static unsigned conceal_framed(struct decoder *d, unsigned frames, struct span next)
{
	const struct depacket_frame lost = { .kind = DEPACKET_NOTHING, .samples = d->frame };
	unsigned done = 0;

	(void)next;
	while (d->frame && done + d->frame <= frames &&
		d->format->decode(d, &lost, d->samples + done))
		done += d->frame;
	return done;
}

#define FRAMED(decode) feed_framed, frames_framed, conceal_framed, decode
#define LAVC(max, ...) \
	{ FRAMED(decode_lavc), { .decoders = { __VA_ARGS__ }, .max_bytes = (max) } }

static const struct format formats[] = {
	[CODEC_PCMU] = { .feed = feed_g711, .frames = frames_g711 },
	[CODEC_PCMA] = { .feed = feed_g711, .frames = frames_g711 },
	[CODEC_L16] = { .feed = feed_l16, .frames = frames_l16 },
	[CODEC_OPUS] = { .feed = feed_opus, .frames = frames_opus, .conceal = conceal_opus },
	[CODEC_AMR] = { FRAMED(decode_amr), { .max_bytes = 0 } },
	[CODEC_AMR_WB] = { FRAMED(decode_amr), { .max_bytes = 0 } },
	[CODEC_G729] = { FRAMED(decode_g729), { .max_bytes = 0 } },
	[CODEC_G722] = LAVC(DEPACKET_MAX_BYTES, "g722"),
	[CODEC_G726] = LAVC(DEPACKET_MAX_BYTES, "g726le"),
	[CODEC_G7231] = LAVC(24, "g723_1"),
	[CODEC_GSM] = LAVC(33, "gsm", "libgsm"),
	[CODEC_ILBC] = LAVC(50, "ilbc", "libilbc"),
	[CODEC_SPEEX] = LAVC(DEPACKET_MAX_BYTES, "libspeex", "speex"),
	[CODEC_EVENT] = { .feed = NULL }, /* the last one */
};

static unsigned most_channels(const struct codec *c)
{
	if (c->id == CODEC_PCMU || c->id == CODEC_PCMA || c->id == CODEC_L16)
		return MAX_PCM_CHANNELS;
	return c->id == CODEC_OPUS ? 2 : 1;
}

static const char *why_not(const struct codec *c)
{
	if (!formats[c->id].feed)
		return "this codec is not known";
	if (c->amr_interleaving)
		return "interleaved AMR (RFC 4867 interleaving) is not supported";
	if (c->amr_crc || c->amr_robust)
		return "AMR with CRCs or robust sorting (RFC 4867 crc, robust-sorting) "
		       "is not supported";
	if (c->channels == 0 || c->channels > most_channels(c))
		return "more channels than this codec can have here";
	if (c->rate_hz < 4000 || c->rate_hz > 192000 || c->clock_hz < 1000)
		return "its sample rate is out of range";
	if (c->id == CODEC_SPEEX && c->rate_hz != 8000 && c->rate_hz != 16000 &&
		c->rate_hz != 32000)
		return "Speex has 8000, 16000 and 32000 Hz only";
	if (c->id == CODEC_G726 && (c->g726_bits < 2 || c->g726_bits > 5))
		return "G.726 has 2 to 5 bits only";
	return NULL;
}

struct decoder *decoder_new(const struct codec *c, const char **reason)
{
	struct decoder *d;

	must(c->id <= CODEC_EVENT);
	*reason = why_not(c);
	if (*reason)
		return NULL;
	d = xnew(struct decoder);
	d->codec = *c;
	d->format = &formats[c->id];
	if (c->id == CODEC_OPUS)
		d->opus = opus_open(c->channels);
	if (c->id == CODEC_AMR || c->id == CODEC_AMR_WB)
		d->amr = amr_open(c->id == CODEC_AMR_WB);
	if (c->id == CODEC_G729)
		d->g729 = g729_open();
	if (d->format->lavc.decoders[0] && !lavc_for(d, c->ilbc_ms == 20 ? 38 : 50)) {
		*reason = "libavcodec was built without a decoder for it";
		decoder_free(&d);
	}
	return d;
}

void decoder_free(struct decoder **d)
{
	if (!*d)
		return;
	lavc_free(&(*d)->lavc[0]);
	lavc_free(&(*d)->lavc[1]);
	amr_free(&(*d)->amr);
	g729_free(&(*d)->g729);
	opus_free(&(*d)->opus);
	free((*d)->samples);
	free(*d);
	*d = NULL;
}

/* Silence in the codec's format; the view is completed when the samples are there. */
static void begin_audio(const struct decoder *d, struct audio *out)
{
	*out = (struct audio){ .channels = d->codec.channels,
		.rate_hz = d->codec.rate_hz };
}

int decoder_feed(struct decoder *d, struct span payload, struct audio *out, bool *quiet)
{
	int rc;

	begin_audio(d, out);
	*quiet = false;
	rc = d->format->feed(d, payload, out, quiet);
	if (rc < 0)
		out->frames = 0;
	out->samples = d->samples;
	return rc;
}

void decoder_conceal(
	struct decoder *d, uint32_t ticks, struct span next, struct audio *out)
{
	uint64_t frames = (uint64_t)ticks * d->codec.rate_hz / d->codec.clock_hz;

	begin_audio(d, out);
	if (!d->format->conceal)
		return;
	if (frames > DECODER_MAX_SAMPLES / d->codec.channels)
		frames = DECODER_MAX_SAMPLES / d->codec.channels;
	reserve(d, (size_t)frames * d->codec.channels);
	out->frames = d->format->conceal(d, (unsigned)frames, next);
	out->samples = d->samples;
}

uint32_t decoder_ticks(const struct decoder *d, struct span payload)
{
	uint64_t frames = d->format->frames(d, payload);

	return (uint32_t)(frames * d->codec.clock_hz / d->codec.rate_hz);
}
