/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "media/amr.h"

#include <errno.h>
#include <opencore-amrnb/interf_dec.h>
#include <opencore-amrwb/dec_if.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define MAX_BYTES 64     /* the largest frame is 61; the decoders trust the type */
#define SID 8            /* frame types, RFC 4867 table 1 and 3GPP TS 26.201 table 1a */
#define WIDE_SID 9
#define WIDE_LOST 14     /* keeps more of the speech than NO_DATA does */
#define NO_DATA 15

struct amr {
	bool wide;
	bool begun; /* OpenCORE's concealment reads what a frame has to leave there first */
	void *state;
};

struct amr *amr_open(bool wide)
{
	struct amr *a = xnew(struct amr);

	a->wide = wide;
	a->state = wide ? D_IF_init() : Decoder_Interface_init();
	if (!a->state)
		die("out of memory");
	return a;
}

void amr_free(struct amr **amr)
{
	if (!*amr)
		return;
	if ((*amr)->wide)
		D_IF_exit((*amr)->state);
	else
		Decoder_Interface_exit((*amr)->state);
	free(*amr);
	*amr = NULL;
}

/* The last argument, a bad frame, is read by neither: the frame type says it. */
static void decode(struct amr *a, const uint8_t bytes[MAX_BYTES], int16_t *out)
{
	if (a->wide)
		D_IF_decode(a->state, bytes, out, 0);
	else
		Decoder_Interface_Decode(a->state, bytes, out, 0);
}

int amr_decode(struct amr *a, struct span frame, int16_t *out)
{
	uint8_t bytes[MAX_BYTES] = { 0 };

	if (!frame.n || frame.n > MAX_BYTES)
		return -EINVAL;
	if ((frame.p[0] >> 3 & 15) > (a->wide ? WIDE_SID : SID)) {
		amr_conceal(a, out); /* not sent, or the SID of another codec */
		return 0;
	}
	memcpy(bytes, frame.p, frame.n);
	a->begun = true;
	decode(a, bytes, out);
	return 0;
}

void amr_conceal(struct amr *a, int16_t *out)
{
	const uint8_t bytes[MAX_BYTES] = {
		(uint8_t)((a->wide ? WIDE_LOST : NO_DATA) << 3) };

	if (a->begun)
		decode(a, bytes, out);
	else
		memset(out, 0, (a->wide ? 320 : 160) * sizeof(*out));
}
