/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/depacket.h"

#include <errno.h>

static unsigned bits(struct span s, size_t at, unsigned n)
{
	unsigned value = 0;

	for (; n > 0; n--, at++)
		value = value << 1 | (span_u8(s, at / 8) >> (7 - at % 8) & 1);
	return value;
}

/* --- AMR and AMR-WB, RFC 4867 4.3 and 4.4 --- */

/* Bits of speech by frame type (RFC 4867 4.3.2 table 1, 3GPP TS 26.101 and 26.201); -1:
 * not assigned. 9-11 of AMR are the silence descriptors of GSM-EFR, TDMA-EFR and
 * PDC-EFR. */
static const int16_t amr_bits[16] = {
	95, 103, 118, 134, 148, 159, 204, 244, 39, 43, 38, 37, -1, -1, -1, 0 };
static const int16_t amr_wb_bits[16] = {
	132, 177, 253, 285, 317, 365, 397, 461, 477, 40, -1, -1, -1, -1, 0, 0 };

struct toc {
	bool more;
	unsigned type;
	bool good;
	unsigned bits;
};

static int read_toc(struct depacket *d, struct toc *t)
{
	bool wide = d->codec->id == CODEC_AMR_WB;
	int n;

	if (d->toc + (d->codec->octet_aligned ? 8 : 6) > d->payload.n * 8)
		return -EINVAL;
	t->more = bits(d->payload, d->toc, 1);
	t->type = bits(d->payload, d->toc + 1, 4);
	t->good = bits(d->payload, d->toc + 5, 1);
	d->toc += d->codec->octet_aligned ? 8 : 6;
	n = wide ? amr_wb_bits[t->type] : amr_bits[t->type];
	if (n < 0)
		return -EINVAL;
	t->bits = (unsigned)n;
	return 0;
}

static enum depacket_kind amr_kind(const struct codec *c, const struct toc *t)
{
	if (!t->good || t->bits == 0)
		return DEPACKET_NOTHING;
	return t->type > (c->id == CODEC_AMR_WB ? 8 : 7) ? DEPACKET_SID : DEPACKET_SPEECH;
}

static size_t amr_data_bits(const struct depacket *d, const struct toc *t)
{
	return d->codec->octet_aligned ? (t->bits + 7) / 8 * 8 : t->bits;
}

static void rewind_amr(struct depacket *d)
{
	d->toc = d->codec->octet_aligned ? 8 : 4; /* behind the codec mode request */
}

static int start_amr(struct depacket *d)
{
	unsigned samples = d->codec->rate_hz / 50;
	size_t speech = 0;
	struct toc t;

	rewind_amr(d);
	do {
		if (d->frames == DEPACKET_MAX_FRAMES || read_toc(d, &t) < 0)
			return -EINVAL;
		speech += amr_data_bits(d, &t);
		d->frames++;
		d->samples += samples;
	} while (t.more);
	d->data = d->toc;
	rewind_amr(d);
	return d->data + speech <= d->payload.n * 8 ? 0 : -EINVAL;
}

/* As in storage format (RFC 4867 5.3): one octet with type and quality, then the
 * speech. */
static void next_amr(struct depacket *d, struct depacket_frame *f)
{
	size_t n;
	struct toc t;

	read_toc(d, &t);
	n = (t.bits + 7) / 8;
	d->amr[0] = (uint8_t)(t.type << 3 | (unsigned)t.good << 2);
	for (size_t i = 0; i < n; i++)
		d->amr[1 + i] = (uint8_t)bits(d->payload, d->data + i * 8, 8);
	if (t.bits % 8)
		d->amr[n] &= (uint8_t)(0xff << (8 - t.bits % 8));
	d->data += amr_data_bits(d, &t);
	f->kind = amr_kind(d->codec, &t);
	f->data = span_of(d->amr, 1 + n);
	f->samples = d->codec->rate_hz / 50;
}

/* --- formats that put frame after frame --- */

/* The next frame of `rest`: bytes, or -1 when it is none. Only samples and kind are
 * filled in. */
typedef ptrdiff_t cut_fn(const struct codec *, struct span rest, struct depacket_frame *);

static ptrdiff_t cut_g722(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	(void)c;
	f->samples = (unsigned)rest.n * 2;
	return (ptrdiff_t)rest.n;
}

static ptrdiff_t cut_g726(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	f->samples = (unsigned)rest.n * 8 / c->g726_bits;
	return f->samples ? (ptrdiff_t)rest.n : -1;
}

/* Annex B puts at most one SID, as the last frame (RFC 3551 4.5.6). */
static ptrdiff_t cut_g729(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	(void)c;
	f->samples = 80;
	if (rest.n == 2)
		f->kind = DEPACKET_SID;
	return rest.n == 2 ? 2 : 10;
}

static ptrdiff_t cut_g7231(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	static const int8_t bytes[4] = { 24, 20, 4, -1 }; /* 6.3k, 5.3k, SID, none */
	unsigned type = rest.p[0] & 3;

	(void)c;
	f->samples = 240;
	if (type == 2)
		f->kind = DEPACKET_SID;
	return bytes[type];
}

static ptrdiff_t cut_gsm(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	(void)c;
	f->samples = 160;
	return rest.p[0] >> 4 == 0xd ? 33 : -1; /* its signature, RFC 3551 4.5.8.1 */
}

/* What the length says wins over what the SDP said: peers get this wrong. */
static ptrdiff_t cut_ilbc(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	bool short_fits = rest.n % 38 == 0, long_fits = rest.n % 50 == 0;
	bool is_short = short_fits == long_fits ? c->ilbc_ms == 20 : short_fits;

	f->samples = is_short ? 160 : 240;
	return is_short ? 38 : 50;
}

/* Bits after the mode of each Speex submode: narrowband, and the layers above it. */
static const int16_t speex_narrow[16] = {
	0, 38, 114, 155, 215, 295, 359, 487, 74, -1, -1, -1, -1, -1, -1, -1 };
static const int16_t speex_wide[8] = { 0, 32, 108, 188, 348, -1, -1, -1 };
#define ULTRA_WIDE_BITS 32 /* the second layer has no other; libspeex tells stderr of one */
/* In-band messages of mode 14 by their four bit type (Speex manual, 5.5). */
static const uint8_t speex_inband[16] = { 1, 1, 4, 4, 4, 4, 4, 4, 8, 8, 16, 16, 32, 32,
	64, 64 };

/* Bits of one narrowband frame at `at` with the layers above it; 0: the end, -1:
 * broken. */
static ptrdiff_t speex_frame_bits(struct span s, size_t at)
{
	size_t begin = at, total = s.n * 8;
	unsigned mode, layers = 0;

	if (at + 5 > total)
		return 0;
	mode = bits(s, at + 1, 4);
	if (mode == 15)
		return 0;
	if (bits(s, at, 1) || speex_narrow[mode] < 0)
		return -1;
	at += 5 + (size_t)speex_narrow[mode];
	while (at + 4 <= total && bits(s, at, 1)) {
		int n = speex_wide[bits(s, at + 1, 3)];

		if (n < 0 || ++layers > 2 || (layers == 2 && n > ULTRA_WIDE_BITS))
			return -1;
		at += 4 + (size_t)n;
	}
	return at <= total ? (ptrdiff_t)(at - begin) : -1;
}

/* Bits of an in-band message at `at`; 0: there is none. */
static ptrdiff_t speex_inband_bits(struct span s, size_t at)
{
	if (at + 9 > s.n * 8 || bits(s, at, 5) != 14)
		return 0;
	return 9 + speex_inband[bits(s, at + 5, 4)];
}

/* Frames follow each other without alignment: the decoder is given all of them. */
static ptrdiff_t cut_speex(
	const struct codec *c, struct span rest, struct depacket_frame *f)
{
	unsigned count = 0;
	size_t at = 0;
	ptrdiff_t n;

	do {
		n = speex_inband_bits(rest, at);
		if (n == 0) {
			n = speex_frame_bits(rest, at);
			count += n > 0;
		}
		at += n > 0 ? (size_t)n : 0;
	} while (n > 0 && at <= rest.n * 8 && count <= DEPACKET_MAX_FRAMES);
	f->samples = count * c->rate_hz / 50;
	return n == 0 && count ? (ptrdiff_t)rest.n : -1;
}

static cut_fn *const cuts[] = {
	[CODEC_G722] = cut_g722,
	[CODEC_G729] = cut_g729,
	[CODEC_G7231] = cut_g7231,
	[CODEC_G726] = cut_g726,
	[CODEC_GSM] = cut_gsm,
	[CODEC_ILBC] = cut_ilbc,
	[CODEC_SPEEX] = cut_speex,
	[CODEC_EVENT] = NULL, /* the last one */
};

static bool is_amr(const struct codec *c)
{
	return c->id == CODEC_AMR || c->id == CODEC_AMR_WB;
}

static ptrdiff_t cut_next(
	const struct depacket *d, struct span rest, struct depacket_frame *f)
{
	ptrdiff_t n;

	*f = (struct depacket_frame){ .kind = DEPACKET_SPEECH };
	if (!rest.n || !cuts[d->codec->id])
		return -1;
	n = cuts[d->codec->id](d->codec, rest, f);
	if (n <= 0 || (size_t)n > rest.n)
		return -1;
	f->data = span_head(rest, (size_t)n);
	return n;
}

int depacket_start(struct depacket *d, const struct codec *codec, struct span payload)
{
	struct depacket_frame f;
	struct span rest = payload;

	d->codec = codec;
	d->payload = payload;
	d->toc = d->data = 0;
	d->frames = d->samples = d->given = 0;
	if (!payload.n || payload.n > DEPACKET_MAX_BYTES)
		return -EINVAL;
	if (is_amr(codec))
		return start_amr(d);
	while (rest.n) {
		ptrdiff_t n = cut_next(d, rest, &f);

		if (n < 0 || d->frames == DEPACKET_MAX_FRAMES)
			return -EINVAL;
		d->frames++;
		d->samples += f.samples;
		rest = span_skip(rest, (size_t)n);
	}
	return 0;
}

bool depacket_next(struct depacket *d, struct depacket_frame *f)
{
	if (d->given == d->frames)
		return false;
	d->given++;
	if (is_amr(d->codec)) {
		next_amr(d, f);
		return true;
	}
	d->payload = span_skip(d->payload, (size_t)cut_next(d, d->payload, f));
	return true;
}
