/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool/wav.h"

#include "base/check.h"

#define FORMAT_PCM        1
#define FORMAT_EXTENSIBLE 0xfffe

/* What the chunks before the samples have told. */
struct seen {
	bool fmt, rf64;
	uint64_t ds64_data;
};

static uint32_t le16(struct span s, size_t at)
{
	return (uint32_t)span_u8(s, at) | (uint32_t)span_u8(s, at + 1) << 8;
}

static ssize_t bad(struct wav *w, const char *why)
{
	w->why = why;
	return -1;
}

bool wav_starts(struct span in)
{
	return span_starts(in, "RIFF") || span_starts(in, "RF64");
}

static int read_fmt(struct wav *w, struct span fmt)
{
	uint32_t format = le16(fmt, 0);

	/* WAVEFORMATEXTENSIBLE: the first two bytes of the GUID are the real format. */
	if (format == FORMAT_EXTENSIBLE && fmt.n >= 40)
		format = le16(fmt, 24);
	if (fmt.n < 16 || format != FORMAT_PCM || le16(fmt, 14) != 16)
		return (int)bad(w, "not 16 bit PCM");
	w->channels = le16(fmt, 2);
	w->rate_hz = span_le32(fmt, 4);
	if (!w->channels || w->channels > WAV_MAX_CHANNELS ||
	    le16(fmt, 12) != w->channels * 2)
		return (int)bad(w, "number of channels is not 1 to 8");
	if (w->rate_hz < WAV_MIN_RATE_HZ || w->rate_hz > WAV_MAX_RATE_HZ)
		return (int)bad(w, "sampling rate is not 1000 to 192000 Hz");
	return 0;
}

static uint64_t data_size(const struct seen *seen, uint32_t bytes)
{
	uint64_t size = bytes;

	if (bytes == UINT32_MAX && seen->rf64)
		size = seen->ds64_data;
	else if (bytes == UINT32_MAX)
		size = WAV_UNKNOWN;
	return size ? size : WAV_UNKNOWN;
}

static int read_chunk(struct wav *w, struct seen *seen, struct span id, struct span body)
{
	if (span_starts(id, "fmt ")) {
		seen->fmt = true;
		return read_fmt(w, body);
	}
	if (span_starts(id, "ds64") && body.n >= 16)
		seen->ds64_data = span_le32(body, 8) | (uint64_t)span_le32(body, 12) << 32;
	return 0;
}

ssize_t wav_parse(struct span in, struct wav *w)
{
	struct seen seen = { .fmt = false, .rf64 = span_starts(in, "RF64") };
	size_t at = 12;

	*w = (struct wav){ .data_bytes = WAV_UNKNOWN };
	if (in.n >= 4 && !wav_starts(in))
		return bad(w, "not a WAV file");
	if (in.n < 12)
		return 0;
	if (!span_starts(span_skip(in, 8), "WAVE"))
		return bad(w, "RIFF, but not WAVE");
	for (;;) {
		struct span chunk = span_skip(in, at);
		uint32_t bytes = span_le32(chunk, 4);

		if (chunk.n >= 8 && span_starts(chunk, "data")) {
			if (!seen.fmt)
				return bad(w, "samples without a format before them");
			must(w->channels && w->rate_hz);
			w->data_bytes = data_size(&seen, bytes);
			return (ssize_t)at + 8;
		}
		/* Chunks are padded to even lengths. */
		if ((chunk.n >= 8 && bytes > WAV_MAX_HEADER) || at > WAV_MAX_HEADER)
			return bad(w, "no samples within the first 64 KiB");
		if (chunk.n < 8 || chunk.n - 8 < bytes)
			return 0;
		if (read_chunk(w, &seen, chunk, span_head(span_skip(chunk, 8), bytes)) < 0)
			return -1;
		at += 8 + bytes + (bytes & 1);
	}
}
