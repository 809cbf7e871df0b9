/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How much of what was fed is in recordings: for each line "FILE<tab>HZ HZ" on stdin (WAV, s16) a
 * line "SAMPLES RATE CHANNELS MS MS": for how long each of the two tones sounds, found in windows
 * of 20 ms of the first channel. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TONES 2
#define WAVES (2 * TONES)
#define WHOLE 0.97 /* coding makes a tone waver */
#define LEAST 500  /* a tone that is not heard over this is not there */

struct wav {
	unsigned rate, channels;
	size_t frames;
	int16_t *pcm;
};

static unsigned le(const unsigned char *p, unsigned n)
{
	return n ? p[0] | le(p + 1, n - 1) << 8 : 0;
}

/* From fmt to data; a size of the header that is past the end of the file is cut. */
static int read_wav(const char *path, struct wav *w)
{
	unsigned char h[12], c[24];
	FILE *f = fopen(path, "rb");
	size_t n = 0;

	*w = (struct wav){ 0 };
	if (!f || fread(h, 1, 12, f) != 12 || memcmp(h + 8, "WAVE", 4) != 0)
		goto out;
	while (fread(c, 1, 8, f) == 8 && memcmp(c, "data", 4) != 0) {
		n = le(c + 4, 4) + (c[4] & 1);
		if (memcmp(c, "fmt ", 4) == 0 && n >= 16) {
			if (fread(c + 8, 1, 16, f) != 16)
				goto out;
			w->channels = le(c + 10, 2);
			w->rate = le(c + 12, 4);
			n -= 16;
		}
		fseek(f, (long)n, SEEK_CUR);
	}
	if (w->rate && w->channels && memcmp(c, "data", 4) == 0) {
		n = le(c + 4, 4);
		w->pcm = malloc(n + 1);
		if (w->pcm)
			w->frames = fread(w->pcm, 2 * w->channels, n / 2 / w->channels, f);
	}
out:
	if (f)
		fclose(f);
	return w->pcm ? 0 : -1;
}

/* Least squares: the tones as sines and cosines in a window, orthogonal or not. */
struct fit {
	size_t window;
	double *wave[WAVES], inverse[WAVES][WAVES];
};

/* Gauss and Jordan; the matrix is that of WAVES independent waves. */
static void invert(double m[WAVES][2 * WAVES])
{
	for (int i = 0; i < WAVES; i++) {
		double pivot = m[i][i];

		for (int k = 0; k < 2 * WAVES; k++)
			m[i][k] /= pivot;
		for (int j = 0; j < WAVES; j++) {
			double times = m[j][i];

			for (int k = 0; j != i && k < 2 * WAVES; k++)
				m[j][k] -= times * m[i][k];
		}
	}
}

static double dot(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void fit_init(struct fit *f, unsigned rate, const double hz[TONES])
{
	double m[WAVES][2 * WAVES] = { { 0 } };

	f->window = rate / 50;
	for (int w = 0; w < WAVES; w++) {
		f->wave[w] = calloc(f->window, sizeof(double));
		for (size_t i = 0; i < f->window; i++)
			f->wave[w][i] = sin(2 * M_PI * hz[w / 2] * (double)i / rate + w % 2 * M_PI_2);
	}
	for (int w = 0; w < WAVES; w++) {
		m[w][WAVES + w] = 1;
		for (int v = 0; v < WAVES; v++)
			m[w][v] = dot(f->wave[w], f->wave[v], f->window);
	}
	invert(m);
	for (int w = 0; w < WAVES; w++)
		memcpy(f->inverse[w], m[w] + WAVES, sizeof(f->inverse[w]));
}

static void fit_fini(struct fit *f)
{
	for (int w = 0; w < WAVES; w++)
		free(f->wave[w]);
}

/* The amplitude of each tone in one window. */
static void fit_window(const struct fit *f, const double *pcm, double out[TONES])
{
	double at[WAVES], c[WAVES] = { 0 };

	for (int w = 0; w < WAVES; w++)
		at[w] = dot(f->wave[w], pcm, f->window);
	for (int w = 0; w < WAVES; w++)
		c[w] = dot(f->inverse[w], at, WAVES);
	for (int t = 0; t < TONES; t++)
		out[t] = hypot(c[2 * t], c[2 * t + 1]);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A window that a tone fills half counts as a half. The measure of full is the loudest but a few:
 * a splice can be louder than the tone. */
static double sum_up(double *level, size_t n)
{
	double full, sum = 0;

	qsort(level, n, sizeof(*level), ascending);
	full = level[n - 1 - n / 10];
	if (full < LEAST)
		full = level[n - 1];
	for (size_t i = 0; i < n; i++)
		if (full >= LEAST && level[i] > full / 10)
			sum += level[i] > WHOLE * full ? 1 : level[i] / full;
	return sum * 20;
}

static void hear(const struct wav *w, const double hz[TONES], double ms[TONES])
{
	struct fit fit;
	size_t n = w->frames / (w->rate / 50);
	double *level[TONES], *pcm, each[TONES];

	fit_init(&fit, w->rate, hz);
	pcm = calloc(fit.window, sizeof(*pcm));
	for (int t = 0; t < TONES; t++)
		level[t] = calloc(n + 1, sizeof(double));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < fit.window; k++)
			pcm[k] = w->pcm[(i * fit.window + k) * w->channels];
		fit_window(&fit, pcm, each);
		for (int t = 0; t < TONES; t++)
			level[t][i] = each[t];
	}
	for (int t = 0; t < TONES; t++) {
		ms[t] = n ? sum_up(level[t], n) : 0;
		free(level[t]);
	}
	free(pcm);
	fit_fini(&fit);
}

int main(void)
{
	char path[4096];

	while (fgets(path, sizeof(path), stdin)) {
		char *at = strchr(path, '\t');
		double hz[TONES], ms[TONES];
		struct wav w = { 0 };

		if (at && sscanf(at, "%lf %lf", &hz[0], &hz[1]) == TONES) {
			*at = '\0';
			if (read_wav(path, &w) == 0)
				hear(&w, hz, ms);
		}
		if (w.pcm)
			printf("%zu %u %u %.1f %.1f\n", w.frames, w.rate, w.channels, ms[0], ms[1]);
		else
			printf("0 0 0 0 0\n");
		free(w.pcm);
	}
	return 0;
}
