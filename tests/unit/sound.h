/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tones, and how much of a signal is one (Goertzel). */
#ifndef TESTS_SOUND_H
#define TESTS_SOUND_H

#include <math.h>
#include <stdint.h>

/* Interleaved: writes every stride-th sample, n of them. */
static inline void sound_tone(int16_t *out, unsigned n, unsigned stride, double rate_hz,
	double hz, double amplitude)
{
	for (unsigned i = 0; i < n; i++)
		out[(size_t)i * stride] =
			(int16_t)lrint(amplitude * sin(2 * M_PI * hz * i / rate_hz));
}

static inline double sound_rms(const int16_t *s, unsigned n, unsigned stride)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += (double)s[(size_t)i * stride] * s[(size_t)i * stride];
	return n ? sqrt(sum / n) : 0;
}

/* The share of the signal's power that is at this frequency, 0 to 1. */
static inline double sound_share(
	const int16_t *s, unsigned n, unsigned stride, double rate_hz, double hz)
{
	double re = 0, im = 0, rms = sound_rms(s, n, stride);

	for (unsigned i = 0; i < n; i++) {
		re += s[(size_t)i * stride] * cos(2 * M_PI * hz * i / rate_hz);
		im += s[(size_t)i * stride] * sin(2 * M_PI * hz * i / rate_hz);
	}
	return rms > 0 ? 2 * (re * re + im * im) / ((double)n * n) / (rms * rms) : 0;
}

#endif
