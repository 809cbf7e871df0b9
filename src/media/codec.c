/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/codec.h"

#include <strings.h>

#define MAX_CLOCK_HZ 1000000
#define MAX_CHANNELS 255

struct encoding {
	const char *name; /* in an rtpmap; case does not matter, RFC 4855 3 */
	enum codec_id id;
	uint32_t rate_hz; /* of the audio; 0: the RTP clock */
	uint8_t g726_bits;
	bool g726_aal2;
};

static const struct encoding encodings[] = {
	{ "PCMU", CODEC_PCMU, 0, 0, false },
	{ "PCMA", CODEC_PCMA, 0, 0, false },
	{ "G722", CODEC_G722, 16000, 0, false },  /* clock: RFC 3551 4.5.2 */
	{ "G729", CODEC_G729, 8000, 0, false },
	{ "G729A", CODEC_G729, 8000, 0, false },
	{ "G723", CODEC_G7231, 8000, 0, false },
	{ "G7231", CODEC_G7231, 8000, 0, false },
	{ "G726-16", CODEC_G726, 8000, 2, false },
	{ "G726-24", CODEC_G726, 8000, 3, false },
	{ "G726-32", CODEC_G726, 8000, 4, false },
	{ "G726-40", CODEC_G726, 8000, 5, false },
	{ "G721", CODEC_G726, 8000, 4, false },
	{ "AAL2-G726-16", CODEC_G726, 8000, 2, true },
	{ "AAL2-G726-24", CODEC_G726, 8000, 3, true },
	{ "AAL2-G726-32", CODEC_G726, 8000, 4, true },
	{ "AAL2-G726-40", CODEC_G726, 8000, 5, true },
	{ "GSM", CODEC_GSM, 8000, 0, false },
	{ "iLBC", CODEC_ILBC, 8000, 0, false },
	{ "speex", CODEC_SPEEX, 0, 0, false },
	{ "AMR", CODEC_AMR, 8000, 0, false },
	{ "AMR-WB", CODEC_AMR_WB, 16000, 0, false },
	{ "opus", CODEC_OPUS, 48000, 0, false },
	{ "L16", CODEC_L16, 0, 0, false },
	{ "CN", CODEC_CN, 0, 0, false },
	{ "telephone-event", CODEC_EVENT, 0, 0, false },
};

/* RFC 3551 6, and RFC 1890 for 2. Names without a decoder keep their clock. */
static const struct {
	uint8_t pt;
	const char *rtpmap;
} statics[] = {
	{ 0, "PCMU/8000" },      { 2, "G726-32/8000" },   { 3, "GSM/8000" },
	{ 4, "G723/8000" },      { 5, "DVI4/8000" },      { 6, "DVI4/16000" },
	{ 7, "LPC/8000" },       { 8, "PCMA/8000" },      { 9, "G722/8000" },
	{ 10, "L16/44100/2" },   { 11, "L16/44100" },     { 12, "QCELP/8000" },
	{ 13, "CN/8000" },       { 14, "MPA/90000" },     { 15, "G728/8000" },
	{ 16, "DVI4/11025" },    { 17, "DVI4/22050" },    { 18, "G729/8000" },
	{ 19, "CN/8000" },       { 25, "CelB/90000" },    { 26, "JPEG/90000" },
	{ 28, "nv/90000" },      { 31, "H261/90000" },    { 32, "MPV/90000" },
	{ 33, "MP2T/90000" },    { 34, "H263/90000" },
};

static bool is_named(struct span s, const char *name)
{
	return s.n == strlen(name) && strncasecmp((const char *)s.p, name, s.n) == 0;
}

static struct span trim(struct span s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s = span_skip(s, 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Cuts the part before the separator off *rest. */
static struct span cut(struct span *rest, char separator)
{
	const uint8_t *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	size_t n = at ? (size_t)(at - rest->p) : rest->n;
	struct span part = span_head(*rest, n);

	*rest = span_skip(*rest, n + 1);
	return trim(part);
}

static void take_parameter(struct codec *c, struct span name, struct span value)
{
	bool on = span_is(value, "1");

	if (is_named(name, "octet-align"))
		c->octet_aligned |= on;
	else if (is_named(name, "crc"))
		c->amr_crc = on;
	else if (is_named(name, "robust-sorting"))
		c->amr_robust = on;
	else if (is_named(name, "interleaving"))
		c->amr_interleaving = value.n > 0;
	else if (is_named(name, "mode") && c->id == CODEC_ILBC)
		c->ilbc_ms = span_is(value, "20") ? 20 : 30;
	else if (is_named(name, "annexb"))
		c->annexb = !is_named(value, "no");
}

static void take_fmtp(struct codec *c, struct span fmtp)
{
	while (fmtp.n) {
		struct span value = cut(&fmtp, ';');
		struct span name = cut(&value, '=');

		take_parameter(c, name, trim(value));
	}
	/* RFC 4867 8.1: all three are for octet-aligned payloads only. */
	c->octet_aligned |= c->amr_crc || c->amr_robust || c->amr_interleaving;
}

static void take_encoding(struct codec *c)
{
	c->rate_hz = c->clock_hz;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(*encodings); i++) {
		const struct encoding *e = &encodings[i];

		if (strcasecmp(c->name, e->name) != 0)
			continue;
		c->id = e->id;
		c->g726_bits = e->g726_bits;
		c->g726_aal2 = e->g726_aal2;
		if (e->rate_hz)
			c->rate_hz = e->rate_hz;
	}
	c->ilbc_ms = c->id == CODEC_ILBC ? 30 : 0; /* RFC 3952 4.1: without a mode */
	c->annexb = c->id == CODEC_G729; /* RFC 4856 2.1.9: unless told otherwise */
}

bool codec_parse(struct span rtpmap, struct span fmtp, struct codec *c)
{
	struct span rest = trim(rtpmap);
	struct span name = cut(&rest, '/');
	struct span clock = cut(&rest, '/');
	struct span channels = trim(rest);
	uint64_t hz, count = 1;

	*c = (struct codec){ .clock_hz = 8000, .rate_hz = 8000, .channels = 1 };
	for (size_t i = 0; i < name.n && i < sizeof(c->name) - 1; i++)
		c->name[i] = (char)name.p[i];
	if (!name.n || memchr(name.p, '\0', name.n))
		return false;
	if (!span_number(clock, MAX_CLOCK_HZ, &hz) || hz == 0)
		return false;
	if (channels.n && (!span_number(channels, MAX_CHANNELS, &count) || count == 0))
		return false;
	c->clock_hz = (uint32_t)hz;
	c->channels = (unsigned)count;
	if (name.n < sizeof(c->name))
		take_encoding(c);
	else
		c->rate_hz = c->clock_hz;
	take_fmtp(c, fmtp);
	return true;
}

bool codec_static(unsigned pt, struct codec *c)
{
	static const struct span none;

	for (size_t i = 0; i < sizeof(statics) / sizeof(*statics); i++)
		if (statics[i].pt == pt)
			return codec_parse(span_text(statics[i].rtpmap), none, c);
	*c = (struct codec){ .clock_hz = 8000, .rate_hz = 8000, .channels = 1 };
	return false;
}

bool codec_equal(const struct codec *a, const struct codec *b)
{
	return a->id == b->id && a->clock_hz == b->clock_hz && a->rate_hz == b->rate_hz &&
	       a->channels == b->channels && a->g726_bits == b->g726_bits &&
	       a->g726_aal2 == b->g726_aal2 && a->octet_aligned == b->octet_aligned &&
	       a->amr_crc == b->amr_crc && a->amr_interleaving == b->amr_interleaving &&
	       a->amr_robust == b->amr_robust && a->ilbc_ms == b->ilbc_ms &&
	       a->annexb == b->annexb &&
	       (a->id != CODEC_UNKNOWN || strcasecmp(a->name, b->name) == 0);
}

bool codec_is_audio(const struct codec *c)
{
	return c->id != CODEC_CN && c->id != CODEC_EVENT;
}
