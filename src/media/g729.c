/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/g729.h"

#include <bcg729/decoder.h>
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define SPEECH_BYTES 10
#define SID_BYTES 2

struct g729 {
	bcg729DecoderChannelContextStruct *state;
};

struct g729 *g729_open(void)
{
	struct g729 *g = xnew(struct g729);

	g->state = initBcg729DecoderChannel();
	if (!g->state)
		die("out of memory");
	return g;
}

void g729_free(struct g729 **g729)
{
	if (!*g729)
		return;
	closeBcg729DecoderChannel((*g729)->state);
	free(*g729);
	*g729 = NULL;
}

int g729_decode(struct g729 *g, struct span frame, int16_t *out)
{
	if (frame.n != SPEECH_BYTES && frame.n != SID_BYTES)
		return -EINVAL;
	bcg729Decoder(g->state, frame.p, (uint8_t)frame.n, 0, frame.n == SID_BYTES, 0, out);
	return 0;
}

void g729_conceal(struct g729 *g, int16_t *out)
{
	bcg729Decoder(g->state, NULL, 0, 1, 0, 0, out);
}
