/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sample is a digit of four bits, the middle of one of 16 steps from lowest to highest: coding
 * moves it by less than half a step. mark, timestamp, moment, sum of digits. Speech and tones
 * do not come near the mark's levels. */
#include "tools/stamp.h"

#define TS_AT     5
#define TS_DIGITS 4
#define AT_DIGITS 12
#define STEP_BITS 12 /* of a sample's 16 */

static const uint8_t mark[TS_AT] = { 15, 0, 15, 15, 0 };

/* A-law of -30720, -26624, ... 30720. */
static const uint8_t level[16] = { 0x28, 0x2c, 0x20, 0x24, 0x3e, 0x36, 0x02, 0x6a, 0x95, 0x8d,
	0xb1, 0xb9, 0xa7, 0xa3, 0xaf, 0xab };

static void put(uint8_t *digit, unsigned n, uint64_t value)
{
	for (; n--; value >>= 4)
		digit[n] = value & 15;
}

static uint64_t get(const uint8_t *digit, unsigned n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 4 | *digit++;
	return value;
}

static uint8_t sum(const uint8_t *digit)
{
	unsigned sum = 0;

	for (unsigned i = TS_AT; i < STAMP_SAMPLES - 1; i++)
		sum += digit[i] * (i % 2 ? 1 : 3);
	return sum & 15;
}

void stamp_write(const struct stamp *s, uint8_t alaw[STAMP_SAMPLES])
{
	uint8_t digit[STAMP_SAMPLES];

	memcpy(digit, mark, TS_AT);
	put(digit + TS_AT, TS_DIGITS, s->ts);
	put(digit + TS_AT + TS_DIGITS, AT_DIGITS, (uint64_t)s->at);
	digit[STAMP_SAMPLES - 1] = sum(digit);
	for (unsigned i = 0; i < STAMP_SAMPLES; i++)
		alaw[i] = level[digit[i]];
}

static bool is_whole(struct stamp_reader *r, struct stamp *out)
{
	if (r->got < STAMP_SAMPLES)
		return false;
	r->got = 0;
	*out = (struct stamp){
		.at = (usec_t)get(r->digit + TS_AT + TS_DIGITS, AT_DIGITS),
		.ts = (uint16_t)get(r->digit + TS_AT, TS_DIGITS),
	};
	return r->digit[STAMP_SAMPLES - 1] == sum(r->digit);
}

static int16_t sample_at(const struct span *pcm, size_t i)
{
	int16_t sample;

	memcpy(&sample, pcm->p + 2 * i, sizeof(sample));
	return sample;
}

/* How many samples come before one that may begin a mark. */
static size_t skip(const struct span *pcm)
{
	const int16_t least = INT16_MAX - (1 << STEP_BITS) + 1;
	size_t n = pcm->n / 2, i = 0;

	while (i < n && sample_at(pcm, i) < least)
		i++;
	return i;
}

bool stamp_read(struct stamp_reader *r, struct span *pcm, struct stamp *out)
{
	while (pcm->n >= 2) {
		size_t n = r->got ? 0 : skip(pcm);
		uint8_t digit;

		*pcm = span_skip(*pcm, 2 * n);
		r->samples += n;
		if (pcm->n < 2)
			return false;
		digit = (uint8_t)((sample_at(pcm, 0) + 32768) >> STEP_BITS);
		if (r->got < TS_AT && digit != mark[r->got])
			r->got = 0;
		if (r->got || digit == mark[0])
			r->digit[r->got++] = digit;
		*pcm = span_skip(*pcm, 2);
		r->samples++;
		if (is_whole(r, out))
			return true;
	}
	return false;
}
