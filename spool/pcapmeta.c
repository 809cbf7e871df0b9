/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/pcapmeta.h"

#include <errno.h>

#include "base/check.h"

#define CALLER 0u
#define CALLEE 1u
#define NOBODY 2u

/* One SDP with the lines before it. */
struct block {
	size_t start;  /* in what was fed */
	bool has_mode, answer;
	bool closed;   /* its SDP has ended */
	struct span label;
	struct span sdp;
};

/* One reading: at most two blocks are open, an offer whose sender is not known yet and the SDP
 * after it. */
struct reading {
	struct pcapmeta *m;
	pcapmeta_fn tell;
	void *arg;
	struct span in;
	uint64_t base;   /* position of in */
	struct block block, waiting;
	bool in_block, has_waiting;
	bool told_first; /* the next block is the one told before, at m->position */
	bool is_end;     /* "Timestamp terminated" was met */
	bool wants_text; /* "call end time" was met: the next line with something on it */
	struct span text;
};

void pcapmeta_init(struct pcapmeta *m)
{
	memset(m, 0, sizeof(*m));
	m->offer_to = CALLEE;
}

static void say(struct reading *r, struct change change)
{
	if (!change.text.n)
		change.text = span_of("", 0);
	if (change.text.n > CHANGE_MAX_TEXT || memchr(change.text.p, '\0', change.text.n))
		return;
	r->tell(r->arg, &change);
}

static void tell_parties(struct reading *r)
{
	for (unsigned i = 0; i < 2; i++) {
		if (r->m->party[i].told)
			continue;
		r->m->party[i].told = true;
		say(r, (struct change){ .kind = CHANGE_TAG, .n = i });
		say(r, (struct change){ .kind = CHANGE_TAG_ROLE, .n = i,
			.text = span_text(i == CALLER ? "caller" : "callee") });
	}
}

static bool has_port(const struct pcapmeta_stream *s, unsigned port)
{
	for (unsigned i = 0; i < CHANGE_MAX_PORTS; i++)
		if (s->port[i] == port)
			return port != 0;
	return false;
}

/* The stream whose port this is or was last; -1: nobody's. */
static int find_port(const struct pcapmeta *m, unsigned port)
{
	for (unsigned i = 0; i < m->streams; i++)
		if (has_port(&m->stream[i], port))
			return (int)i;
	return -1;
}

/* The number of a stream, made when it is new. */
static unsigned stream_of(struct reading *r, unsigned tag, unsigned line, unsigned component,
	int media)
{
	struct pcapmeta *m = r->m;
	unsigned n;

	for (n = 0; n < m->streams; n++)
		if (m->stream[n].tag == tag && m->stream[n].line == line &&
		    m->stream[n].component == component)
			return n;
	must(n < PCAPMETA_MAX_STREAMS);
	m->streams++;
	m->stream[n] = (struct pcapmeta_stream){ .tag = (uint8_t)tag, .line = (uint8_t)line,
		.component = (uint8_t)component,
		.media = (uint16_t)(media < 0 ? n : (unsigned)media) };
	return n;
}

static void forget_port(struct pcapmeta *m, unsigned port)
{
	for (unsigned i = 0; i < m->streams; i++)
		for (unsigned j = 0; j < CHANGE_MAX_PORTS; j++)
			if (m->stream[i].port[j] == port)
				m->stream[i].port[j] = 0;
}

static void tell_stream(struct reading *r, unsigned n, unsigned port)
{
	struct pcapmeta_stream *s = &r->m->stream[n];

	say(r, (struct change){ .kind = CHANGE_STREAM, .n = n, .tag = s->tag,
		.media = s->media, .section = s->line, .component = s->component });
	say(r, (struct change){ .kind = CHANGE_STREAM_PORT, .n = n, .value = port });
	if (has_port(s, port))
		return;
	forget_port(r->m, port);
	memmove(s->port + 1, s->port, sizeof(s->port) - sizeof(s->port[0]));
	s->port[0] = (uint16_t)port;
}

static void tell_codecs(struct reading *r, const struct sdp_media *media, unsigned n)
{
	if (media->ptime_ms)
		say(r, (struct change){ .kind = CHANGE_MEDIA_PTIME, .n = n,
			.value = media->ptime_ms });
	for (unsigned i = 0; i < media->codecs; i++) {
		const struct sdp_codec *c = &media->codec[i];

		if (!c->rtpmap.n)
			continue;
		say(r, (struct change){ .kind = CHANGE_MEDIA_CODEC, .n = n, .pt = c->pt,
			.text = c->rtpmap });
		say(r, (struct change){ .kind = CHANGE_MEDIA_FMTP, .n = n, .pt = c->pt,
			.text = c->fmtp });
	}
}

/* Codecs before the port: packets are only looked for once it is known how to read them. */
static void tell_media(struct reading *r, const struct sdp_media *media, unsigned tag,
	unsigned line)
{
	unsigned n;

	if (!media->rtp || !media->port)
		return;
	n = stream_of(r, tag, line, 1, -1);
	tell_codecs(r, media, r->m->stream[n].media);
	tell_stream(r, n, media->port);
	if (!media->rtcp_port || media->rtcp_port == media->port)
		return;
	n = stream_of(r, tag, line, 2, r->m->stream[n].media);
	tell_stream(r, n, media->rtcp_port);
}

static bool knows(const uint8_t *name, uint8_t bytes, struct span s)
{
	return bytes && s.n == bytes && memcmp(name, s.p, bytes) == 0;
}

/* A name that only one of the two parties has. */
static unsigned speaker(const struct pcapmeta *m, struct span label, struct span origin)
{
	const struct pcapmeta_party *a = &m->party[CALLER], *b = &m->party[CALLEE];
	bool is_a = knows(a->label, a->label_bytes, label);
	bool is_b = knows(b->label, b->label_bytes, label);

	if (is_a == is_b) {
		is_a = knows(a->origin, a->origin_bytes, origin);
		is_b = knows(b->origin, b->origin_bytes, origin);
	}
	if (is_a == is_b)
		return NOBODY;
	return is_a ? CALLER : CALLEE;
}

static unsigned owner_of_ports(const struct pcapmeta *m, const struct sdp *sdp)
{
	for (unsigned i = 0; i < sdp->medias; i++) {
		int n = find_port(m, sdp->media[i].port);

		if (n >= 0)
			return m->stream[n].tag;
	}
	return NOBODY;
}

/* Whose packets come to the ports of this SDP; NOBODY while only the answer can tell. */
static unsigned goes_to(const struct pcapmeta *m, const struct block *b, const struct sdp *sdp)
{
	unsigned tag = owner_of_ports(m, sdp);
	unsigned from = speaker(m, b->label, sdp->origin);

	if (tag != NOBODY)
		return tag;
	if (b->answer)
		return 1 - m->offer_to;
	if (m->blocks == 0)
		return CALLEE;
	return from == NOBODY ? NOBODY : 1 - from;
}

static void remember(uint8_t *name, uint8_t *bytes, struct span s)
{
	if (*bytes || s.n > PCAPMETA_MAX_NAME)
		return;
	if (s.n)
		memcpy(name, s.p, s.n);
	*bytes = (uint8_t)s.n;
}

static void tell_block(struct reading *r, const struct block *b, const struct sdp *sdp,
	unsigned tag)
{
	struct pcapmeta_party *from = &r->m->party[1 - tag];

	must(tag < 2);
	tell_parties(r);
	remember(from->origin, &from->origin_bytes, sdp->origin);
	remember(from->label, &from->label_bytes, b->label);
	if (b->label.n)
		say(r, (struct change){ .kind = CHANGE_TAG_LABEL, .n = 1 - tag, .text = b->label });
	for (unsigned i = 0; i < sdp->medias; i++)
		tell_media(r, &sdp->media[i], tag, i);
	say(r, (struct change){ .kind = CHANGE_MEDIA_SDP, .n = 1 - tag, .text = b->sdp,
		.value = 1, .answer = b->answer, .hold = sdp_is_hold(sdp) });
}

static void tell_waiting(struct reading *r, unsigned tag)
{
	struct sdp sdp;

	r->has_waiting = false;
	r->m->offer_to = tag;
	sdp_parse(r->waiting.sdp, &sdp);
	tell_block(r, &r->waiting, &sdp, tag);
}

/* The next reading begins at this block, so that it may grow. */
static void settle(struct reading *r, const struct block *b, unsigned tag)
{
	r->m->blocks++;
	r->m->position = r->base + b->start;
	r->m->told = b->sdp.n;
	r->m->current_to = tag;
	if (!b->answer)
		r->m->offer_to = tag;
}

/* What the SDP after an offer says about where that offer went. */
static unsigned waiting_goes_to(const struct pcapmeta *m, const struct block *b,
	const struct sdp *sdp)
{
	unsigned tag = b->answer ? owner_of_ports(m, sdp) : NOBODY;

	if (tag != NOBODY)
		return 1 - tag;
	/* the answer's speaker is whom the offer went to */
	tag = b->answer ? speaker(m, b->label, sdp->origin) : NOBODY;
	return tag == NOBODY ? CALLEE : tag;
}

static void tell_new(struct reading *r, const struct block *b, const struct sdp *sdp)
{
	unsigned tag;

	if (r->has_waiting)
		tell_waiting(r, waiting_goes_to(r->m, b, sdp));
	tag = goes_to(r->m, b, sdp);
	if (tag == NOBODY) {
		r->waiting = *b;
		r->has_waiting = true;
		return;
	}
	settle(r, b, tag);
	tell_block(r, b, sdp, tag);
}

/* The block in hand, as far as it is there. */
static void tell_current(struct reading *r)
{
	struct sdp sdp;
	bool again = r->told_first;

	if (!r->in_block)
		return;
	r->in_block = false;
	r->told_first = false;
	sdp_parse(r->block.sdp, &sdp);
	if (!sdp.medias || (again && r->block.sdp.n <= r->m->told))
		return;
	if (!again) {
		tell_new(r, &r->block, &sdp);
		return;
	}
	r->m->told = r->block.sdp.n;
	tell_block(r, &r->block, &sdp, r->m->current_to);
}

static void begin_block(struct reading *r, struct span line)
{
	tell_current(r);
	r->in_block = true;
	r->block = (struct block){ .start = (size_t)(line.p - r->in.p),
		.label = span_of("", 0), .sdp = span_of("", 0) };
}

static bool is_sdp_line(struct span line)
{
	return line.n >= 2 && line.p[0] >= 'a' && line.p[0] <= 'z' && line.p[1] == '=';
}

/* line_end: where the next line begins. */
static void read_sdp_line(struct block *b, struct span line, const uint8_t *line_end)
{
	if (!is_sdp_line(line)) {
		b->closed = b->sdp.n > 0;
		return;
	}
	if (b->closed || !b->has_mode)
		return;
	if (!b->sdp.n)
		b->sdp.p = line.p;
	b->sdp.n = (size_t)(line_end - b->sdp.p);
}

static void read_end_line(struct reading *r, struct span line)
{
	if (r->wants_text && line.n) {
		r->text = line;
		r->wants_text = false;
	} else if (!r->text.n && span_starts(line, "call end time: ")) {
		r->wants_text = true;
	}
}

static void read_line(struct reading *r, struct span line, const uint8_t *line_end)
{
	struct block *b = &r->block;

	if (r->is_end) {
		read_end_line(r, line);
	} else if (span_starts(line, "Timestamp terminated ms(")) {
		tell_current(r);
		r->is_end = true;
	} else if (span_starts(line, "Label: ")) {
		begin_block(r, line);
		b->label = span_skip(line, 7);
	} else if (span_starts(line, "Timestamp started ms: ")) {
		if (!r->in_block || b->has_mode || !b->label.n)
			begin_block(r, line);
	} else if (span_starts(line, "SDP mode: ") && r->in_block) {
		b->has_mode = true;
		b->answer = span_is(line, "SDP mode: answer");
	} else if (r->in_block) {
		read_sdp_line(b, line, line_end);
	}
}

/* Cuts a line off that is there to its end. */
static bool whole_line(struct span *rest, bool whole, struct span *line)
{
	if (!rest->n || (!whole && !memchr(rest->p, '\n', rest->n)))
		return false;
	return span_line(rest, line);
}

int pcapmeta_feed(struct pcapmeta *m, struct span in, bool whole, pcapmeta_fn tell, void *arg)
{
	struct reading r = { .m = m, .tell = tell, .arg = arg, .in = in, .base = m->position,
		.told_first = m->told > 0, .text = span_of("", 0) };
	struct span rest = in, line;

	while (whole_line(&rest, whole, &line))
		read_line(&r, line, rest.p);
	tell_current(&r);
	if (whole && r.has_waiting)
		tell_waiting(&r, CALLEE);
	if (whole && r.text.n)
		say(&r, (struct change){ .kind = CHANGE_METADATA, .text = r.text });
	return in.n >= PCAPMETA_MAX_READ && m->position == r.base && !whole ? -EBADMSG : 0;
}
