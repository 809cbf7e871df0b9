/* SPDX-License-Identifier: GPL-3.0-or-later */
/*  0  RIFF or RF64, size of what follows, WAVE
 * 12  JUNK or ds64, 28: size of what follows, of the samples, frames, no table
 * 48  fmt, 16
 * 72  data, size of the samples */
#include "record/wave.h"

#include "base/check.h"

#define AT_EXTRA 12
#define AT_FMT   48
#define AT_DATA  72
#define EXTRA    28 /* [bytes] of the chunk's content */
#define UNKNOWN  UINT32_MAX /* RF64: look into ds64 */

static void put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_le64(struct span s, size_t at)
{
	return span_le32(s, at) | (uint64_t)span_le32(s, at + 4) << 32;
}

static void put_chunk(uint8_t *at, const char id[5], uint32_t bytes)
{
	memcpy(at, id, 4);
	put_le(at + 4, bytes, 4);
}

static void put_sizes(uint8_t *out, uint64_t bytes, uint64_t frames)
{
	uint64_t riff = WAVE_HEADER - 8 + bytes;

	if (riff < UNKNOWN) {
		put_chunk(out, "RIFF", (uint32_t)riff);
		put_chunk(out + AT_EXTRA, "JUNK", EXTRA);
		put_chunk(out + AT_DATA, "data", (uint32_t)bytes);
		return;
	}
	put_chunk(out, "RF64", UNKNOWN);
	put_chunk(out + AT_EXTRA, "ds64", EXTRA);
	put_le(out + AT_EXTRA + 8, riff, 8);
	put_le(out + AT_EXTRA + 16, bytes, 8);
	put_le(out + AT_EXTRA + 24, frames, 8);
	put_chunk(out + AT_DATA, "data", UNKNOWN);
}

void wave_header(const struct wave *w, uint8_t out[WAVE_HEADER])
{
	unsigned frame = w->channels * (unsigned)sizeof(int16_t);

	must(w->channels && w->channels <= WAVE_MAX_CHANNELS && w->rate_hz <= WAVE_MAX_RATE_HZ);
	memset(out, 0, WAVE_HEADER);
	put_sizes(out, w->frames * frame, w->frames);
	memcpy(out + 8, "WAVE", 4);
	put_chunk(out + AT_FMT, "fmt ", 16);
	put_le(out + AT_FMT + 8, 1, 2); /* PCM */
	put_le(out + AT_FMT + 10, w->channels, 2);
	put_le(out + AT_FMT + 12, w->rate_hz, 4);
	put_le(out + AT_FMT + 16, (uint64_t)w->rate_hz * frame, 4);
	put_le(out + AT_FMT + 20, frame, 2);
	put_le(out + AT_FMT + 22, 8 * sizeof(int16_t), 2);
}

/* What we would write for these values is what we did write. */
bool wave_parse(struct span head, struct wave *out)
{
	uint8_t again[WAVE_HEADER];
	uint64_t bytes = span_le32(head, AT_DATA + 4);

	if (head.n < WAVE_HEADER)
		return false;
	if (span_starts(head, "RF64"))
		bytes = get_le64(head, AT_EXTRA + 16);
	out->channels = span_le32(head, AT_FMT + 10) & 0xffff;
	out->rate_hz = span_le32(head, AT_FMT + 12);
	if (!out->channels || out->channels > WAVE_MAX_CHANNELS ||
		out->rate_hz > WAVE_MAX_RATE_HZ)
		return false;
	out->frames = bytes / (out->channels * sizeof(int16_t));
	wave_header(out, again);
	return memcmp(again, head.p, WAVE_HEADER) == 0;
}
