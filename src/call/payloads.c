/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "call/payloads.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define MAX_TEXT 512 /* [bytes] of one rtpmap or fmtp; longer ones are cut */

struct payload {
	char *rtpmap, *fmtp;
	struct codec codec;
	bool known;
};

struct payloads {
	unsigned generation;
	struct payload *type[PAYLOADS_TYPES]; /* NULL: nothing was said */
};

struct payloads *payloads_new(void)
{
	return xnew(struct payloads);
}

void payloads_free(struct payloads **pp)
{
	struct payloads *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	for (unsigned i = 0; i < PAYLOADS_TYPES; i++) {
		if (!p->type[i])
			continue;
		free(p->type[i]->rtpmap);
		free(p->type[i]->fmtp);
		free(p->type[i]);
	}
	free(p);
}

static struct payload *payload_of(struct payloads *p, unsigned pt)
{
	must(pt < PAYLOADS_TYPES);
	if (!p->type[pt])
		p->type[pt] = xnew(struct payload);
	return p->type[pt];
}

static void set(struct payloads *p, struct payload *t, char **field, struct span text)
{
	struct codec codec = { .id = CODEC_UNKNOWN };
	bool known;

	if (*field && span_is(text, *field))
		return;
	free(*field);
	*field = xstrndup((const char *)text.p, text.n < MAX_TEXT ? text.n : MAX_TEXT);
	known = t->rtpmap && codec_parse(span_text(t->rtpmap),
		t->fmtp ? span_text(t->fmtp) : span_of(NULL, 0), &codec);
	if (known == t->known && (!known || codec_equal(&codec, &t->codec)))
		return;
	t->known = known;
	t->codec = codec;
	p->generation++;
}

void payloads_set_rtpmap(struct payloads *p, unsigned pt, struct span rtpmap)
{
	struct payload *t = payload_of(p, pt);

	set(p, t, &t->rtpmap, rtpmap);
}

void payloads_set_fmtp(struct payloads *p, unsigned pt, struct span fmtp)
{
	struct payload *t = payload_of(p, pt);

	set(p, t, &t->fmtp, fmtp);
}

const struct codec *payloads_find(struct payloads *p, unsigned pt)
{
	struct payload *t = payload_of(p, pt);

	if (!t->known)
		t->known = codec_static(pt, &t->codec);
	return t->known ? &t->codec : NULL;
}

unsigned payloads_generation(const struct payloads *p)
{
	return p->generation;
}
