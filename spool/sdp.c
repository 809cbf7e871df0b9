/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/sdp.h"

#define MAX_PTIME 10000 /* [ms] */

/* RFC 3551 table 4 and 5, what carries audio. */
static const struct {
	unsigned pt;
	const char *rtpmap;
} static_types[] = {
	{ 0, "PCMU/8000" }, { 3, "GSM/8000" }, { 4, "G723/8000" }, { 5, "DVI4/8000" },
	{ 6, "DVI4/16000" }, { 7, "LPC/8000" }, { 8, "PCMA/8000" }, { 9, "G722/8000" },
	{ 10, "L16/44100/2" }, { 11, "L16/44100" }, { 12, "QCELP/8000" }, { 13, "CN/8000" },
	{ 14, "MPA/90000" }, { 15, "G728/8000" }, { 16, "DVI4/11025" }, { 17, "DVI4/22050" },
	{ 18, "G729/8000" },
};

static struct span static_rtpmap(unsigned pt)
{
	for (size_t i = 0; i < sizeof(static_types) / sizeof(static_types[0]); i++)
		if (static_types[i].pt == pt)
			return span_text(static_types[i].rtpmap);
	return span_of("", 0);
}

static struct span trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static unsigned number_or_0(struct span s, uint64_t max)
{
	uint64_t value;

	return span_number(s, max, &value) ? (unsigned)value : 0;
}

/* "20000" or "20000/2" */
static unsigned port_of(struct span word)
{
	const uint8_t *slash = word.n ? memchr(word.p, '/', word.n) : NULL;

	return number_or_0(slash ? span_head(word, (size_t)(slash - word.p)) : word, 65535);
}

static bool holds_rtp(struct span transport)
{
	for (; transport.n >= 4; transport = span_skip(transport, 1))
		if (span_starts(transport, "RTP/"))
			return true;
	return false;
}

static void read_formats(struct span rest, struct sdp_media *m)
{
	struct span word;
	uint64_t pt;

	while (m->codecs < SDP_MAX_CODECS && span_word(&rest, &word))
		if (span_number(word, 127, &pt))
			m->codec[m->codecs++] = (struct sdp_codec){ .pt = (unsigned)pt,
				.rtpmap = static_rtpmap((unsigned)pt), .fmtp = span_of("", 0) };
}

/* m=audio 20000 RTP/AVP 8 101 */
static void read_media(struct span rest, struct sdp_media *m, const struct sdp_media *session)
{
	struct span port, transport;

	*m = *session;
	if (!span_word(&rest, &m->type) || !span_word(&rest, &port) ||
	    !span_word(&rest, &transport))
		return;
	m->port = port_of(port);
	m->rtcp_port = m->port && m->port < 65535 ? m->port + 1 : 0;
	m->rtp = holds_rtp(transport);
	if (m->rtp)
		read_formats(rest, m);
}

static struct sdp_codec *find_codec(struct sdp_media *m, struct span pt)
{
	uint64_t value;

	if (!span_number(pt, 127, &value))
		return NULL;
	for (unsigned i = 0; i < m->codecs; i++)
		if (m->codec[i].pt == value)
			return &m->codec[i];
	return NULL;
}

/* "rtpmap:8 PCMA/8000": the codec of that number, and what follows it. */
static struct sdp_codec *codec_line(struct sdp_media *m, struct span value, struct span *text)
{
	struct span pt;

	if (!span_word(&value, &pt))
		return NULL;
	*text = trim(value);
	return find_codec(m, pt);
}

static bool read_direction(struct span line, enum sdp_direction *out)
{
	static const char *const names[] = { "sendrecv", "sendonly", "recvonly", "inactive" };

	for (unsigned i = 0; i < 4; i++) {
		if (!span_is(line, names[i]))
			continue;
		*out = (enum sdp_direction)i;
		return true;
	}
	return false;
}

static void read_attribute(struct span line, struct sdp_media *m)
{
	struct sdp_codec *codec;
	struct span text, word;

	if (read_direction(line, &m->direction))
		return;
	if (span_is(line, "rtcp-mux")) {
		m->rtcp_mux = true;
	} else if (span_starts(line, "rtpmap:")) {
		codec = codec_line(m, span_skip(line, 7), &text);
		if (codec)
			codec->rtpmap = text;
	} else if (span_starts(line, "fmtp:")) {
		codec = codec_line(m, span_skip(line, 5), &text);
		if (codec)
			codec->fmtp = text;
	} else if (span_starts(line, "ptime:")) {
		m->ptime_ms = number_or_0(trim(span_skip(line, 6)), MAX_PTIME);
	} else if (span_starts(line, "rtcp:")) {
		text = span_skip(line, 5);
		if (span_word(&text, &word))
			m->rtcp_port = port_of(word);
	}
}

/* o=<username> <sess-id> <sess-version> ...: the first two, which stay as they are for as long as
 * the same party speaks. */
static struct span read_origin(struct span text)
{
	struct span rest = text, word;

	if (!span_word(&rest, &word) || !span_word(&rest, &word))
		return span_of("", 0);
	return span_head(text, (size_t)(word.p - text.p) + word.n);
}

static void finish(struct sdp *out)
{
	for (unsigned i = 0; i < out->medias; i++) {
		struct sdp_media *m = &out->media[i];

		if (m->rtcp_mux || m->rtcp_port == m->port)
			m->rtcp_port = 0;
	}
}

void sdp_parse(struct span text, struct sdp *out)
{
	struct sdp_media session = { .direction = SDP_SENDRECV }; /* for media that do not say */
	struct sdp_media *m = NULL;
	bool too_many = false;
	struct span line;

	out->origin = span_of("", 0);
	out->medias = 0;
	while (span_line(&text, &line)) {
		if (span_starts(line, "m=")) {
			too_many = out->medias == SDP_MAX_MEDIA;
			m = too_many ? NULL : &out->media[out->medias++];
			if (m)
				read_media(span_skip(line, 2), m, &session);
		} else if (span_starts(line, "a=") && m) {
			read_attribute(span_skip(line, 2), m);
		} else if (span_starts(line, "a=") && !too_many) {
			read_direction(span_skip(line, 2), &session.direction);
		} else if (span_starts(line, "c=") && !too_many) {
			(m ? m : &session)->no_address = span_is(line, "c=IN IP4 0.0.0.0");
		} else if (span_starts(line, "o=")) {
			out->origin = read_origin(span_skip(line, 2));
		}
	}
	finish(out);
}

bool sdp_is_hold(const struct sdp *sdp)
{
	bool any = false;

	for (unsigned i = 0; i < sdp->medias; i++) {
		const struct sdp_media *m = &sdp->media[i];
		bool deaf = m->direction == SDP_SENDONLY || m->direction == SDP_INACTIVE;

		if (!m->rtp || !m->port)
			continue;
		if (!deaf && !m->no_address)
			return false;
		any = true;
	}
	return any;
}
