/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/feed_stat.h"

#include <stdlib.h>

#include "base/mem.h"

void feed_stat_add(struct feed_stat *s, usec_t v)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->v = xrealloc(s->v, s->room * sizeof(*s->v));
	}
	s->v[s->n++] = v;
}

static int compare(const void *a, const void *b)
{
	usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

	return (x > y) - (x < y);
}

usec_t feed_stat_quantile(struct feed_stat *s, double share)
{
	size_t at;

	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	at = (size_t)(share * (double)s->n);
	return s->v[at < s->n ? at : s->n - 1];
}

void feed_stat_fini(struct feed_stat *s)
{
	free(s->v);
	*s = (struct feed_stat){ 0 };
}

static double ms(struct feed_stat *s, double share)
{
	return (double)feed_stat_quantile(s, share) / 1000;
}

void feed_stat_print(FILE *f, const char *what, struct feed_stat *s)
{
	fprintf(f, "%-36s n %6zu   p50 %9.3f   p99 %9.3f   max %9.3f ms\n", what, s->n,
		ms(s, 0.5), ms(s, 0.99), ms(s, 1));
}

void feed_stat_json(FILE *f, const char *name, struct feed_stat *s)
{
	fprintf(f, ",\"%s\":{\"n\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
		name, s->n, ms(s, 0.5), ms(s, 0.99), ms(s, 1));
}

void feed_stat_text(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}
